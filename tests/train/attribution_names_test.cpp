// Users, keys, journeys and ids that say "missing"; and which column the channel is, in every format.
#include <catch2/catch.hpp>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/data/missing_names.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;

constexpr const char* kMissingTexts[] = {"\\N",  "NULL", "null", "nan", "NaN",  "NAN",
                                         "None", "NaT",  "<NA>", "N/A", "#N/A", "undefined"};
constexpr const char* kNames[] = {"NA", "Na", "none", "Null", "nano", "nan1", "0", "-", "N", "u", "undefined2", "\\n"};

TEST_CASE("which texts are missing names", "[attribution]") {
  const MissingNames built_in, more(std::string("-,unknown")), own(std::string(",NULL,-")), empty_only(std::string{});
  CHECK(built_in.has(""));
  CHECK(empty_only.has(""));
  for (const char* text : kMissingTexts) {
    INFO(text);
    CHECK(built_in.has(text));
    CHECK(more.has(text));
    CHECK(own.has(text) == (std::string(text) == "NULL"));
    CHECK_FALSE(empty_only.has(text));
  }
  for (const char* text : kNames) {
    INFO(text);
    CHECK_FALSE(built_in.has(text));
    CHECK(more.has(text) == (std::string(text) == "-"));
    CHECK(own.has(text) == (std::string(text) == "-"));
  }
  CHECK(more.has("unknown"));
  // Blanks around them do not count.
  for (const char* text : {" ", "\t", "NULL ", " nan", "\t<NA> "}) {
    INFO(text);
    CHECK(built_in.has(text));
    CHECK(empty_only.has(text) == (std::string(text).find_first_not_of(" \t") == std::string::npos));
  }
  CHECK_FALSE(built_in.has(" u "));
  CHECK(MissingNames(std::string("a, b ")).has(" b "));
}

TEST_CASE("names that say missing are refused wherever they tell what belongs together", "[attribution]") {
  const AttributionFolder folder;
  const std::string good = "time,user,advertiser\n10,u,a\n";
  for (const std::string text : kMissingTexts) {
    INFO(text);
    const std::string says = "'" + text + "' says that there is no";
    const std::string header = "time,user,advertiser\n10,u,a\n";
    CHECK_THAT(attribution_error(folder.options(header + "20," + text + ",a\n", good)),
               Contains("clicks.csv:3:user: " + says) && Contains("leave them out") && Contains("--na ''"));
    CHECK_THAT(attribution_error(folder.options(header + "20,u," + text + "\n", good)),
               Contains("clicks.csv:3:advertiser: " + says));
    CHECK_THAT(attribution_error(folder.options(good, header + "20," + text + ",a\n")),
               Contains("conversions.csv:3:user: " + says));
    CHECK_THAT(attribution_error(folder.options(good, header + "20,u," + text + "\n")),
               Contains("conversions.csv:3:advertiser: " + says));
    CHECK_THAT(attribution_error(folder.options(good, "time,user,advertiser,conversion_id\n20,u,a," + text + "\n")),
               Contains("conversions.csv:2:conversion_id: " + says));
    AttributeOptions events =
        folder.one_file("log.csv", "time,user,advertiser,what\n1,u,a,click\n2," + text + ",a,conversion\n", "csv");
    events.event = "what";
    CHECK_THAT(attribution_error(events), Contains("log.csv:3:user: " + says));
    const std::string touches = "journey,user,timestamp,campaign,conversion\n0,u,1,5,1\n";
    CHECK_THAT(attribution_error(folder.one_file("j.csv", touches + text + ",u,2,5,1\n", "journeys")),
               Contains("j.csv:3:journey: " + says));
    CHECK_THAT(attribution_error(folder.one_file("j.csv", touches + "1," + text + ",2,5,1\n", "journeys")),
               Contains("j.csv:3:user: " + says));
    const std::string impressions = "timestamp,uid,campaign,conversion_timestamp,conversion_id,click\n1,u,5,-1,-1,1\n";
    CHECK_THAT(attribution_error(folder.one_file("c.csv", impressions + "2," + text + ",5,9,7,1\n", "criteo")),
               Contains("c.csv:3:uid: " + says));
    CHECK_THAT(attribution_error(folder.one_file("c.csv", impressions + "2,u," + text + ",-1,-1,1\n", "criteo")),
               Contains("c.csv:3:campaign: " + says));
  }
}

TEST_CASE("what is missing can be said: more names, others, none", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n10,None,a\n20,-,a\n", "time,user,advertiser\n15,None,a\n");
  o.mechanisms = {"last"};
  o.na = "-";
  CHECK_THAT(attribution_error(o), Contains("clicks.csv:2:user: 'None'"));
  o.na = ",-";
  CHECK_THAT(attribution_error(o), Contains("clicks.csv:3:user: '-'"));
  o.na = "";
  const std::vector<std::string> expected = {"time,user,advertiser,last,path_length", "10,None,a,1,1", "20,-,a,0,0"};
  attribute(o);
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK_THAT(read_file(folder.path("out/attribution.json")), Contains("\"na\": \"\""));
  // Namibia is a key like any other.
  AttributeOptions namibia = folder.options("time,user,advertiser\n10,u,NA\n", "time,user,advertiser\n15,u,NA\n");
  namibia.out = folder.path("namibia");
  CHECK(attribute(namibia).journeys == 1);
}

TEST_CASE("a missing value in a history is an empty item", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.options("time,user,advertiser,item\n1,u,a,i1\n2,u,a,NULL\n3,u,a,\n4,u,a,i2\n", "time,user,advertiser\n");
  o.mechanisms = {"last"};
  o.history = {"item"};
  attribute(o);
  CHECK(attribution_lines(folder.path("out/train.csv"))[4] == "4,u,a,i2,i1||,0,0");
}

// Two touches of one converting journey; the channel, not the campaign, tells them apart.
void expect_channels(AttributeOptions o, const std::string& journey_key) {
  INFO(o.format);
  o.mechanisms = {"shapley"};
  const AttributeReport report = attribute(o);
  REQUIRE(report.channels.size() == 2);
  CHECK((report.channels[0].name == "feed" || report.channels[0].name == "search"));
  CHECK((report.channels[1].name == "feed" || report.channels[1].name == "search"));
  o.channel = journey_key;  // by its own name
  CHECK(attribute(o).channels.size() == 1);
  o.channel = "chanel";
  o.out += "_refused";
  CHECK_THAT(attribution_error(o), Contains("'chanel'") && Contains("did you mean 'channel'") && Contains("--channel"));
}

TEST_CASE("a column called channel is the channel in every format", "[attribution]") {
  const AttributionFolder folder;
  expect_channels(
      folder.options("time,user,advertiser,channel\n1,u,a,feed\n2,u,a,search\n", "time,user,advertiser\n3,u,a\n"),
      "advertiser");
  expect_channels(folder.one_file("j.csv",
                                  "journey,user,timestamp,campaign,channel,conversion\n"
                                  "0,u,1,5,feed,1\n0,u,2,5,search,1\n1,v,2,5,feed,0\n",
                                  "journeys"),
                  "campaign");
  expect_channels(folder.one_file("c.csv",
                                  "timestamp,uid,campaign,channel,conversion_timestamp,conversion_id,click\n"
                                  "1,u,5,feed,9,7,1\n2,u,5,search,9,7,1\n3,v,5,feed,-1,-1,1\n",
                                  "criteo"),
                  "campaign");
}

TEST_CASE("blanks around a missing name, and blanks alone, are as the missing name", "[attribution]") {
  const AttributionFolder folder;
  const std::string header = "time,user,advertiser\n10,u,a\n";
  for (const std::string text : {" ", "NULL ", "\tnan"}) {
    INFO(text);
    const std::string says = "'" + text + "' says that there is no";
    CHECK_THAT(attribution_error(folder.options(header + "20," + text + ",a\n", header)),
               Contains("clicks.csv:3:user: " + says));
    CHECK_THAT(attribution_error(folder.options(header, header + "20,u," + text + "\n")),
               Contains("conversions.csv:3:advertiser: " + says));
    AttributeOptions o = folder.options(header + "20," + text + ",a\n", header);
    o.drop_anonymous = true;
    o.out = folder.path("without");
    CHECK(attribute(o).anonymous.clicks == 1);
  }
}

}  // namespace
}  // namespace mal
