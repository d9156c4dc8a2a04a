// `mal_data attribute`: what a time is, down to the microsecond, and text that is not UTF-8.
#include <catch2/catch.hpp>
#include <cmath>

#include "engine/error.h"
#include "engine/file.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/mechanisms.h"
#include "train/data/time_text.h"

namespace mal {
namespace {

using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;

using Catch::Matchers::Contains;

std::vector<std::string> train_rows(const AttributionFolder& folder, const AttributeOptions& options) {
  attribute(options);
  std::vector<std::string> lines = attribution_lines(folder.path("out/train.csv"));
  lines.erase(lines.begin());
  return lines;
}

TEST_CASE("a click of the same second after the conversion gets nothing", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n1600000000.25,u,a\n1600000000.750001,u,a\n",
                                      "time,user,advertiser\n1600000000.75,u,a\n");
  o.mechanisms = {"last", "first"};
  CHECK(train_rows(folder, o) == std::vector<std::string>{"1600000000.25,u,a,1,1,1", "1600000000.750001,u,a,0,0,0"});
}

TEST_CASE("the same times in any form give the same credits, and keep their text", "[attribution]") {
  const AttributionFolder folder;
  // 2020-09-13 12:26:40, 12:26:41.5, 12:26:43 in Greenwich; the conversion at :42.
  const std::string header = "time,user,advertiser\n";
  struct Case {
    std::vector<std::string> clicks;
    std::string conversion, unit;
    std::int64_t utc_offset = 0;
  };
  const std::vector<Case> cases = {
      {{"1600000000", "1600000001.5", "1600000003.0"}, "1600000002.0", ""},
      {{"1600000000000", "1600000001500", "1600000003000"}, "1600000002000", "ms"},
      {{"1600000000000000", "1600000001500000", "1600000003000000"}, "1600000002000000", "us"},
      {{"2020-09-13T12:26:40Z", "2020-09-13T12:26:41.5Z", "2020-09-13T12:26:43Z"}, "2020-09-13T12:26:42Z", ""},
      {{"2020-09-13 12:26:40", "2020-09-13 12:26:41.5", "2020-09-13 12:26:43"}, "2020-09-13 12:26:42", ""},
      // Each form says for itself where it is: a column may mix them.
      {{"2020-09-13 20:26:40", "2020-09-13T14:26:41.5+02:00", "1600000003"}, "2020-09-13T12:26:42Z", "", 8 * 3600},
  };
  for (const Case& c : cases) {
    CAPTURE(c.clicks[0]);
    std::string text = header;
    for (std::size_t i = 3; i-- > 0;) text += c.clicks[i] + ",u,a\n";  // the order of time is the output's
    AttributeOptions o = folder.options(text, header + c.conversion + ",u,a\n");
    o.mechanisms = {"last", "first", "linear"};
    if (!c.unit.empty()) set_time_unit(o.time_format, c.unit, "--time-unit");
    o.time_format.utc_offset = c.utc_offset;
    CHECK(train_rows(folder, o) == std::vector<std::string>{c.clicks[0] + ",u,a,0,1,0.5,2",
                                                            c.clicks[1] + ",u,a,1,0,0.5,2",
                                                            c.clicks[2] + ",u,a,0,0,0,0"});
  }
}

TEST_CASE("window, gap, truncate and history count microseconds", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions window =
      folder.options("time,user,advertiser\n99.999999,u,a\n100,u,a\n", "time,user,advertiser\n200,u,a\n");
  window.window = 100;
  window.mechanisms = {"linear"};
  CHECK(train_rows(folder, window) == std::vector<std::string>{"99.999999,u,a,0,0", "100,u,a,1,1"});

  AttributeOptions history = folder.options(
      "time,user,advertiser,item\n5.000001,u,a,x\n5.000001,u,a,y\n5.000002,u,a,z\n", "time,user,advertiser\n9,u,a\n");
  history.mechanisms = {"last"};
  history.history = {"item"};
  CHECK(train_rows(folder, history) ==
        std::vector<std::string>{"5.000001,u,a,x,,0,3", "5.000001,u,a,y,,0,3", "5.000002,u,a,z,x|y,1,3"});

  AttributeOptions gap = folder.options("time,user,advertiser\n1,u,a\n9.999999,u,a\n10,u,a\n19.999999,u,a\n20,u,a\n",
                                        "time,user,advertiser\n21,u,a\n");
  gap.mechanisms = {"last"};
  gap.test_from = "20";
  gap.gap = 10;
  CHECK(train_rows(folder, gap) == std::vector<std::string>{"1,u,a,0,5", "9.999999,u,a,0,5"});

  AttributeOptions cut = folder.one_file("journeys.csv",
                                         "journey,user,timestamp,campaign,conversion\n"
                                         "0,u,8.5,k,1\n0,u,8.499999,k,1\n0,u,9,k,1\n0,u,10.5,k,1\n",
                                         "journeys");
  cut.truncate = 2;
  cut.mechanisms = {"linear"};
  CHECK(train_rows(folder, cut) ==
        std::vector<std::string>{"u,8.5,k,0.33333334,3", "u,9,k,0.33333334,3", "u,10.5,k,0.33333334,3"});
}

TEST_CASE("bounds of a log (--from, --to) and the test period take fractions and dates", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n1.4,u,a\n1.5,u,a\n2,u,a\n3.25,u,a\n3.5,u,a\n",
                                      "time,user,advertiser\n3.3,u,a\n");
  o.mechanisms = {"last"};
  o.from = "1.5";
  o.to = "1970-01-01T00:00:03.5";
  o.test_from = "1970-01-01T01:00:03.25+01:00";
  CHECK(train_rows(folder, o) == std::vector<std::string>{"1.5,u,a,0,3", "2,u,a,0,3"});
  CHECK(attribution_lines(folder.path("out/test.csv"))[1] == "3.25,u,a,1,3");
  CHECK_THAT(read_file(folder.path("out/attribution.json")),
             Contains("\"first_time\": 1.5,") && Contains("\"test_start\": 3.25,"));
}

TEST_CASE("the UTC offset is hours east of Greenwich", "[attribution]") {
  const AttributionFolder folder;
  // 2017-12-02 16:00:00 in Greenwich is midnight in China (+8), and 11:00 in New York (−5).
  const std::string clicks = "time,user,advertiser\n1512230399,u,a\n1512230400,u,a\n",
                    buys = "time,user,advertiser\n1512230401,u,a\n";
  AttributeOptions o = folder.options(clicks, buys);
  o.mechanisms = {"last"};
  o.derive_hour = true;
  o.time_format.utc_offset = 8 * 3600;
  o.test_days = 1;
  CHECK(train_rows(folder, o) == std::vector<std::string>{"1512230399,u,a,23,5,0,2"});   // Saturday
  CHECK(attribution_lines(folder.path("out/test.csv"))[1] == "1512230400,u,a,0,6,1,2");  // Sunday
  o.time_format.utc_offset = -5 * 3600;
  o.test_days = 0;
  CHECK(train_rows(folder, o) == std::vector<std::string>{"1512230399,u,a,10,5,0,2", "1512230400,u,a,11,5,1,2"});
}

TEST_CASE("time_decay of whole seconds is what it was, bit for bit", "[attribution]") {
  // The formula in seconds, as it was before times had microseconds.
  const auto in_seconds = [](const std::vector<std::int64_t>& times, double half_life) {
    std::vector<double> credits;
    double sum = 0;
    for (const std::int64_t time : times)
      credits.push_back(std::exp2((static_cast<double>(time) - static_cast<double>(times.back())) / half_life));
    for (const double credit : credits) sum += credit;
    for (double& credit : credits) credit /= sum;
    return credits;
  };
  std::uint64_t state = 7;
  for (int journey = 0; journey < 2000; ++journey) {
    std::vector<std::int64_t> seconds = {1'500'000'000}, micros;
    for (int click = 0; click < 6; ++click) {
      state = state * 6364136223846793005 + 1442695040888963407;
      seconds.push_back(seconds.back() + static_cast<std::int64_t>(state >> 44));
    }
    for (const std::int64_t time : seconds) micros.push_back(time * kSecond);
    const double half_life = 1.0 + static_cast<double>(state >> 44);
    std::vector<double> credits(seconds.size());
    credit_journey(Mechanism::time_decay, {micros, {}}, {.half_life_seconds = half_life}, credits);
    REQUIRE(credits == in_seconds(seconds, half_life));
  }
}

TEST_CASE("half a second is half a second to time_decay", "[attribution]") {
  std::vector<double> credits(2);
  const std::vector<std::int64_t> times = {0, kSecond / 2};
  credit_journey(Mechanism::time_decay, {times, {}}, {.half_life_seconds = 0.5}, credits);
  CHECK(credits == std::vector<double>{0.5 / 1.5, 1 / 1.5});
}

TEST_CASE("times that are none, or of another unit, name the place and the remedy", "[attribution]") {
  const AttributionFolder folder;
  const std::string good = "time,user,advertiser\n10,u,a\n";
  const auto clicks = [&](const std::string& time) {
    return attribution_error(folder.options(good + time + ",u,a\n", good));
  };
  CHECK_THAT(clicks("20171203"), Contains("clicks.csv:3:time: 20171203 looks like the date 2017-12-03"));
  CHECK_THAT(clicks("20171203170500"), Contains("clicks.csv:3:time: ") && Contains("write it as 2017-12-03T17:05:00"));
  CHECK_THAT(clicks("1512234300250"), Contains("clicks.csv:3:time: ") && Contains("--time-unit ms"));
  CHECK_THAT(clicks("4102444800"), Contains("after the year 2100"));
  CHECK_THAT(clicks("2100-01-01"), Contains("after the year 2100"));
  CHECK_THAT(clicks("1969-12-31T23:59:59.9Z"), Contains("before 1970"));
  CHECK_THAT(attribution_error(folder.options(good, "time,user,advertiser\n20171203,u,a\n")),
             Contains("conversions.csv:2:time") && Contains("looks like"));
  AttributeOptions criteo = folder.one_file(
      "criteo.tsv", "timestamp\tuid\tcampaign\tconversion_timestamp\tconversion_id\tclick\n1\t1\t5\t20171203\t7\t1\n",
      "criteo");
  CHECK_THAT(attribution_error(criteo), Contains("criteo.tsv:2:conversion_timestamp") && Contains("looks like"));
  AttributeOptions from = folder.options(good, good);
  from.from = "1512234300250";
  CHECK_THAT(attribution_error(from, 2), Contains("--from 1512234300250") && Contains("--time-unit ms"));
  // What lies outside may be absurd, as long as it is a time.
  AttributeOptions outside = folder.options(good + "-5,u,a\n4102444800,u,a\n20,u,a\n", good);
  outside.from = "1";
  outside.to = "30";
  outside.mechanisms = {"last"};
  CHECK(attribute(outside).clicks == 2);
  // Told that it is seconds, the number is one.
  AttributeOptions told =
      folder.options("time,user,advertiser\n20171203,u,a\n", "time,user,advertiser\n20171204,u,a\n");
  told.mechanisms = {"last"};
  set_time_unit(told.time_format, "s", "--time-unit");
  CHECK(train_rows(folder, told) == std::vector<std::string>{"20171203,u,a,1,1"});
}

TEST_CASE("text that is not UTF-8 is refused where it stands", "[attribution]") {
  const AttributionFolder folder;
  const std::string header = "time,user,advertiser,channel,industry,note\n", good = header + "1,u,a,s,i,n\n";
  const std::string buys = "time,user,advertiser,conversion_id\n9,u,a,c\n";
  const auto clicks = [&](const std::string& row) {
    AttributeOptions o = folder.options(good + row, buys);
    o.by = "industry";
    return attribution_error(o);
  };
  const std::string why = "is not UTF-8; convert the file, for example with iconv -f latin1 -t utf-8";
  CHECK_THAT(clicks("2,caf\xE9,a,s,i,n\n"), Contains("clicks.csv:3:user: 'caf?' " + why));
  CHECK_THAT(clicks("2,u,caf\xE9,s,i,n\n"), Contains("clicks.csv:3:advertiser: 'caf?' " + why));
  CHECK_THAT(clicks("2,u,a,caf\xE9,i,n\n"), Contains("clicks.csv:3:channel: 'caf?' " + why));
  CHECK_THAT(clicks("2,u,a,s,caf\xE9,n\n"), Contains("clicks.csv:3:industry: 'caf?' " + why));
  CHECK_THAT(clicks("2,u,a,s,i,\"caf\xE9, au lait\"\n"), Contains("clicks.csv:3:note: 'caf?, au lait' " + why));
  for (const char* wrong :
       {"\x80", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5", "\xE4\xB8"})
    CHECK_THAT(clicks("2,u,a,s,i," + std::string(wrong) + "\n"), Contains("clicks.csv:3:note: "));
  for (const char* bad : {"9,caf\xE9,a,c\n", "9,u,caf\xE9,c\n", "9,u,a,caf\xE9\n"})
    CHECK_THAT(attribution_error(folder.options(good, "time,user,advertiser,conversion_id\n" + std::string(bad))),
               Contains("conversions.csv:2:") && Contains(why));
  CHECK_THAT(attribution_error(
                 folder.one_file("j.csv", "journey,user,timestamp,campaign,conversion\nj\xE9,u,1,k,1\n", "journeys")),
             Contains("j.csv:2:journey: ") && Contains(why));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser,na\xEFve\n1,u,a,x\n", buys)),
             Contains("clicks.csv:1: ") && Contains(why));

  // A column that nobody reads may hold anything, and UTF-8 is passed on as it is.
  AttributeOptions o = folder.options(header + "1,名前,广告,поиск,i,caf\xE9\n2,名前,广告,\"\xF0\x9F\x98\x80, x\",i,n\n",
                                      "time,user,advertiser\n9,名前,广告\n");
  o.mechanisms = {"last"};
  o.drop = {"note"};
  CHECK(train_rows(folder, o) ==
        std::vector<std::string>{"1,名前,广告,поиск,i,0,2", "2,名前,广告,\"\xF0\x9F\x98\x80, x\",i,1,2"});
}

TEST_CASE("a log that lies in the first days of 1970 by mistake is warned of, in every format", "[attribution]") {
  const AttributionFolder folder;
  const auto lines = [&](AttributeOptions o) {
    o.mechanisms = {"last"};
    o.memory = 1U << 30;
    const std::vector<std::string> in_memory = warnings(attribute(o));
    o.memory = 1;
    CHECK(warnings(attribute(o)) == in_memory);
    return in_memory;
  };
  const std::string clicks = "time,user,advertiser\n171203,u,a\n171204,u,a\n";
  AttributeOptions o = folder.options(clicks, "time,user,advertiser\n171204,u,a\n");
  REQUIRE(lines(o).size() == 1);
  CHECK_THAT(lines(o)[0], Contains("171203 to 171204") && Contains("YYMMDD"));
  set_time_unit(o.time_format, "s", "--time-unit");
  CHECK(lines(o).empty());

  const std::string touches =
      "journey,user,timestamp,campaign,conversion\n1,u,1512297015,a,1\n1,u,1512297016,a,1\n2,v,5,a,0\n";
  o = folder.one_file("log.csv", touches, "journeys");
  o.truncate = 86400;  // leaves the second journey out
  set_time_unit(o.time_format, "ms", "--time-unit");
  REQUIRE(lines(o).size() == 1);
  CHECK_THAT(lines(o)[0], Contains("in seconds it would be 2017-12-03 10:30:15"));
  o.truncate = 0;
  CHECK(lines(o).empty());  // 5 is neither
}

}  // namespace
}  // namespace mal
