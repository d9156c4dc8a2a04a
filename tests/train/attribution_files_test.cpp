// `mal_data attribute` from files to files.
#include <zlib.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "tests/train/attribution_support.h"
#include "tests/train/dataset_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/text.h"
#include "train/config/duration.h"
#include "train/data/text_table.h"

namespace mal {
namespace {

using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;

using Catch::Matchers::Contains;

constexpr const char* kClicks =
    "time,user,advertiser,channel,item\n"
    "1000,u1,a,search,i1\n"
    "1000,u2,a,feed,i2\n"
    "2000,u1,a,feed,i3\n"
    "3000,u1,b,feed,i4\n"
    "90000,u1,a,search,\"i,5\"\n";
constexpr const char* kConversions = "time,user,advertiser,conversion_id\n2500,u1,a,c1\n95000,u1,a,c2\n7,u9,a,c3\n";

TEST_CASE("two files in, samples out", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, kConversions);
  o.mechanisms = {"last", "first", "linear", "position"};
  const AttributeReport report = attribute(o);
  // c1: clicks 1000, 2000. c2: clicks 1000, 2000, 90000. The first two clicks are in both journeys.
  const std::vector<std::string> expected = {"time,user,advertiser,channel,item,last,first,linear,position,path_length",
                                             "1000,u1,a,search,i1,0,1,0.8333333,0.9,3",
                                             "1000,u2,a,feed,i2,0,0,0,0,0",
                                             "2000,u1,a,feed,i3,1,0,0.8333333,0.7,3",
                                             "3000,u1,b,feed,i4,0,0,0,0,0",
                                             "90000,u1,a,search,\"i,5\",1,0,0.33333334,0.4,3"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK_FALSE(std::filesystem::exists(folder.path("out/test.csv")));
  CHECK_FALSE(std::filesystem::exists(folder.path("out/rows.spool")));
  CHECK(report.clicks == 5);
  CHECK(report.users == 2);
  CHECK(report.conversions == 3);
  CHECK(report.conversions_without_clicks == 1);
  CHECK(report.journeys == 2);
  CHECK(report.clicks_in_several_journeys == 2);
  CHECK(report.last_positives == 2);
  CHECK(report.mechanisms[1].positives == 1);
  CHECK(report.mechanisms[2].positives == 3);
  CHECK_FALSE(report.fitted);
}

TEST_CASE("a click in several journeys gets at most 1", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n10,u,a\n20,u,a\n",
                                      "time,user,advertiser\n15,u,a\n16,u,a\n17,u,a\n30,u,a\n");
  o.mechanisms = {"last", "linear"};
  const AttributeReport report = attribute(o);
  // Three conversions after the first click alone, one after both: 3 + 1/2 → 1.
  CHECK(attribution_lines(folder.path("out/train.csv"))[1] == "10,u,a,1,1,2");
  CHECK(attribution_lines(folder.path("out/train.csv"))[2] == "20,u,a,1,0.5,2");
  CHECK(report.clicks_in_several_journeys == 1);
  CHECK(report.last_positives == 2);
  // Of 4 conversions last gives the first click 3 and linear 3.5; 1 stays.
  CHECK(report.mechanisms[0].cut_credit == 2);
  CHECK(report.mechanisms[1].cut_credit == 2.5);
  CHECK_THAT(summary(report), Contains("of 4 credited conversions: last 2.00, linear 2.50 (--restart"));
  const auto json = nlohmann::json::parse(read_file(folder.path("out/attribution.json")));
  CHECK(json["mechanisms"]["linear"]["cut_credit"] == 2.5);
  CHECK(json["mechanisms"]["linear"]["credit"] == 1.5);
  o.restart = true;
  const AttributeReport restarted = attribute(o);
  CHECK(restarted.mechanisms[1].cut_credit == 0);
  CHECK_THAT(summary(restarted), !Contains("credit cut"));
}

TEST_CASE("credit that sums to 1, give or take a rounding, is not cut", "[attribution]") {
  const AttributionFolder folder;
  for (int n = 2; n <= 40; ++n) {  // n × 1/n in 32 bits
    INFO(n);
    std::string clicks = "time,user,advertiser\n", conversions = clicks;
    for (int i = 0; i < n; ++i)
      clicks += fmt::format("{},u,a\n", 10 + i), conversions += fmt::format("{},u,a\n", 100 + i);
    AttributeOptions o = folder.options(clicks, conversions);
    o.mechanisms = {"linear"};
    const AttributeReport report = attribute(o);
    CHECK(report.mechanisms[0].cut_credit == 0);
    CHECK(report.mechanisms[0].credit == Approx(n).epsilon(1e-5));
  }
}

TEST_CASE("a test period between two clicks is an error that says where they lie", "[attribution]") {
  const AttributionFolder folder;
  for (const std::uint64_t memory : {std::uint64_t{1} << 30, std::uint64_t{1}}) {
    AttributeOptions o = folder.options("time,user,advertiser\n86400,u,a\n100000,v,a\n300000,u,a\n172800,v,a\n",
                                        "time,user,advertiser\n400000,u,a\n");
    o.mechanisms = {"last"};
    o.memory = memory;
    o.test_from = "1970-01-04";  // 259200
    o.test_to = "299999";
    CHECK_THAT(attribution_error(o, 2),
               Contains("--test-from 1970-01-04 --test-to 299999: no click lies in the test period") &&
                   Contains("end at 1970-01-03 00:00:00") && Contains("begin at 1970-01-04 11:20:00"));
    o.test_to = "300001";
    CHECK(attribute(o).later_clicks == 0);
    CHECK(attribution_lines(folder.path("out/test.csv")).size() == 2);
    std::filesystem::remove_all(o.out);
  }
}

TEST_CASE("the window includes its border, and a click of the same second came before", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.options("time,user,advertiser\n99,u,a\n100,u,a\n200,u,a\n201,u,a\n", "time,user,advertiser\n200,u,a\n");
  o.mechanisms = {"linear"};
  o.window = 100;
  attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,linear,path_length", "99,u,a,0,0", "100,u,a,0.5,2",
                                             "200,u,a,0.5,2", "201,u,a,0,0"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
}

TEST_CASE("rows come out in time order, ties in input order, over several files", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.options("time,user,advertiser,n\n30,u,a,1\n10,v,a,2\n20,u,a,3\n", "advertiser,time,user\na,25,u\n");
  // The second file has its columns in another order and one more, which the first did not have.
  o.inputs.push_back(folder.write("more.tsv", "n\tuser\textra\ttime\tadvertiser\n4\tu\tx\t20\ta\n5\tv\ty\t10\ta\n"));
  o.mechanisms = {"last"};
  attribute(o);
  const std::vector<std::string> expected = {"time,user,advertiser,n,last,path_length",
                                             "10,v,a,2,0,0",
                                             "10,v,a,5,0,0",
                                             "20,u,a,3,0,2",
                                             "20,u,a,4,1,2",
                                             "30,u,a,1,0,0"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
}

TEST_CASE("a history of values that need quotes is one field", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(
      "time,user,advertiser,item\n1,u,a,\"x, y\"\n2,u,a,plain\n3,u,a,\"6\"\" nail\"\n4,u,a,z\n", kConversions);
  o.mechanisms = {"last"};
  o.history = {"item"};
  attribute(o);
  TextTable table(folder.path("out/train.csv"));
  const int sequence = table.require("item_seq");
  for (const char* expected : {"", "x, y", "x, y|plain", "x, y|plain|6\" nail"}) {
    REQUIRE(table.next());
    CHECK(table.field(sequence) == expected);
  }
}

TEST_CASE("columns kept and dropped", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, kConversions);
  o.mechanisms = {"last"};
  o.keep = {"item", "time"};
  attribute(o);
  CHECK(attribution_lines(folder.path("out/train.csv"))[0] == "item,time,last,path_length");
  o.keep.clear();
  o.drop = {"user", "channel"};
  attribute(o);  // over its own earlier output
  CHECK(attribution_lines(folder.path("out/train.csv"))[0] == "time,advertiser,item,last,path_length");
}

// Clicks on three channels over ten days; `late` also has two conversions on the last day.
std::pair<std::string, std::string> fit_world(bool late) {
  std::string clicks = "time,user,advertiser,channel\n", conversions = "time,user,advertiser\n";
  for (int user = 0; user < 600; ++user) {
    const int start = 86400 * (user % 9) + user;
    clicks += fmt::format("{},{},a,{}\n", start, user, user % 3 == 0 ? "search" : "feed");
    if (user % 2 == 0) clicks += fmt::format("{},{},a,live\n", start + 50, user);
    if (user % 3 == 0 && user % 7 == 0) conversions += fmt::format("{},{},a\n", start + 99, user);
    if (late && user % 3 == 1) {
      clicks += fmt::format("{},{},a,feed\n", 9 * 86400 + user, user);
      conversions += fmt::format("{},{},a\n", 9 * 86400 + user + 1, user);
    }
  }
  clicks += "863999,last,a,search\n";
  return {clicks, conversions};
}

TEST_CASE("the fit does not see the test period", "[attribution]") {
  const AttributionFolder folder;
  std::vector<std::map<std::string, double>> values;
  for (const bool late : {false, true}) {
    const auto [clicks, conversions] = fit_world(late);
    AttributeOptions o = folder.options(clicks, conversions);
    o.mechanisms = {"mta"};
    o.test_days = 1;
    const AttributeReport report = attribute(o);
    CHECK(report.fitted);
    CHECK(report.fit_total.journeys == 600);
    values.emplace_back();
    for (const ChannelReport& channel : report.channels) values.back()[channel.name] = channel.values.front();
    const auto json = nlohmann::json::parse(read_file(folder.path("out/attribution.json")));
    CHECK(json["fit"]["channels"].size() == 3);
    CHECK(json["counts"]["test_start"] == 777600);
    CHECK(json["counts"]["test_clicks"].get<int>() == (late ? 201 : 1));
    CHECK(json["mechanisms"]["mta"]["positives"].get<std::uint64_t>() == report.mechanisms[0].positives);
  }
  CHECK(values[0] == values[1]);
  CHECK(values[0].at("search") > values[0].at("feed"));
}

TEST_CASE("positives by slice, and the distance from the truth", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      folder.options("time,user,advertiser,industry,oracle\n10,u,a,toys,0.5\n20,u,a,toys,0.5\n30,u,b,pet,0\n",
                     "time,user,advertiser\n40,u,a\n");
  o.mechanisms = {"last", "linear"};
  o.by = "industry";
  o.truth = "oracle";
  const AttributeReport report = attribute(o);
  REQUIRE(report.slices.size() == 2);
  CHECK(report.slices[0].value == "toys");
  CHECK(report.slices[0].last == 1);
  CHECK(report.slices[0].positives == std::vector<std::uint64_t>{1, 2});
  CHECK(report.mechanisms[0].truth_error == Approx(0.5));
  CHECK(report.mechanisms[1].truth_error == 0);
  CHECK(report.slices[0].credit == std::vector<double>{1, 1});
  CHECK(report.slices[1].credit == std::vector<double>{0, 0});
  const std::string text = summary(report);
  CHECK_THAT(text, Contains("industry                clicks       last credit     linear credit\n"
                            "toys                         2              1.00              1.00\n"
                            "pet                          1              0.00              0.00\n"));
  CHECK_THAT(text, Contains("industry                clicks          last > 0        linear > 0\n"
                            "toys                         2                 1                 2\n"));
  const auto json = nlohmann::json::parse(read_file(folder.path("out/attribution.json")));
  CHECK(json["by"]["industry"]["toys"]["credit"]["linear"] == 1);
  CHECK(json["by"]["industry"]["toys"]["positives"]["linear"] == 2);
  CHECK(json["by"]["industry"]["toys"]["ratio_to_last"]["linear"] == 2);
}

TEST_CASE("bad input is named by file, line and column", "[attribution]") {
  const AttributionFolder folder;
  const std::string good = "time,user,advertiser\n10,u,a\n";
  CHECK_THAT(attribution_error(folder.options("tme,user,advertiser\n10,u,a\n", good)),
             Contains("clicks.csv") && Contains("'time'") && Contains("tme"));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser\n10,u,a\nsoon,u,a\n", good)),
             Contains("clicks.csv:3:time") && Contains("soon"));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser\n-10,u,a\n", good)),
             Contains("clicks.csv:2:time") && Contains("negative"));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser\n1512200000000,u,a\n", good)),
             Contains("clicks.csv:2:time") && Contains("milliseconds"));
  CHECK_THAT(attribution_error(folder.options(good, "time,user,advertiser\n1512200000000,u,a\n")),
             Contains("conversions.csv:2:time"));
  CHECK_THAT(attribution_error(folder.options("", good)), Contains("clicks.csv") && Contains("empty"));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser\n1,,a\n", good)),
             Contains("clicks.csv:2:user: the field is empty"));
  CHECK_THAT(attribution_error(folder.options(good, "time,user,advertiser\n1,u,\n")),
             Contains("conversions.csv:2:advertiser: the field is empty"));
  CHECK_THAT(attribution_error(folder.options("time,user,advertiser\n", good)),
             Contains("there are no rows, only a header"));
  CHECK_THAT(
      attribution_error(folder.options(good, "time,user,advertiser,conversion_id\n1,u,a,c1\n2,u,a,c2\n3,v,a,c1\n")),
      Contains("conversions.csv:4:conversion_id") && Contains("conversions.csv:2:"));
}

TEST_CASE("a truncated gzip file is refused, a whole one is read", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n10,u,a\n", "time,user,advertiser\n20,u,a\n");
  o.mechanisms = {"last"};
  o.inputs = {folder.path("clicks.csv.gz")};
  std::string text = "time,user,advertiser\n";
  for (int i = 0; i < 5000; ++i) text += fmt::format("{},u{},a\n", i, i * 7919 % 5003);
  gzFile file = gzopen(o.inputs[0].c_str(), "wb");
  REQUIRE(gzwrite(file, text.data(), static_cast<unsigned>(text.size())) > 0);
  REQUIRE(gzclose(file) == Z_OK);
  CHECK(attribute(o).clicks == 5000);
  std::filesystem::remove_all(o.out);
  std::filesystem::resize_file(o.inputs[0], std::filesystem::file_size(o.inputs[0]) / 2);
  CHECK_THAT(attribution_error(o), Contains("clicks.csv.gz"));
}

TEST_CASE("commands that cannot work are refused with exit code 2", "[attribution]") {
  const AttributionFolder folder;
  const std::string good = "time,user,advertiser\n10,u,a\n20,u,a\n";
  const auto refused = [&](const std::function<void(AttributeOptions&)>& change) {
    AttributeOptions o = folder.options(good, good);
    change(o);
    return attribution_error(o, 2);
  };
  CHECK_THAT(refused([](auto& o) { o.mechanisms = {"linaer"}; }), Contains("did you mean 'linear'"));
  CHECK_THAT(refused([](auto& o) { o.format = "crieto"; }), Contains("did you mean 'criteo'"));
  CHECK_THAT(refused([](auto& o) { o.conversions.clear(); }), Contains("--conversions"));
  CHECK_THAT(refused([](auto& o) { o.event = "what", o.conversion_event = "buy"; }), Contains("exclude each other"));
  CHECK_THAT(refused([](auto& o) { o.format = "criteo"; }), Contains("--format csv"));
  CHECK_THAT(refused([](auto& o) { o.truncate = 5; }), Contains("--truncate"));
  CHECK_THAT(refused([](auto& o) { o.test_from = "soon"; }), Contains("--test-from soon"));
  CHECK_THAT(refused([](auto& o) { o.test_from = "5"; }), Contains("train.csv would be empty"));
  CHECK_THAT(refused([](auto& o) { o.test_from = "2017-12-03"; }), Contains("test.csv would be empty"));
  CHECK_THAT(refused([](auto& o) { o.test_days = 1; }), Contains("train.csv would be empty"));
  CHECK_THAT(refused([](auto& o) { o.test_days = 1, o.test_from = "15"; }), Contains("exclude each other"));
  CHECK_THAT(refused([](auto& o) { o.history_length = 0; }), Contains("--history-length"));
  CHECK_THAT(refused([](auto& o) { o.drop = {"time", "user", "advertiser"}; }), Contains("leaves no column"));
  CHECK_THAT(refused([&](auto& o) { o.inputs = {folder.write("named.csv", "time,user,advertiser,last\n10,u,a,1\n")}; }),
             Contains("two columns 'last'"));
}

TEST_CASE("one file is not clicks and conversions, by whatever path", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = "time,user,advertiser\n10,u,a\n";
  AttributeOptions o = folder.options(log, log);
  std::filesystem::create_symlink(folder.path("clicks.csv"), folder.path("link.csv"));
  std::filesystem::create_hard_link(folder.path("clicks.csv"), folder.path("hard.csv"));
  for (const std::string name : {"clicks.csv", "./clicks.csv", "link.csv", "hard.csv"}) {
    INFO(name);
    o.conversions = {folder.path("conversions.csv"), folder.path(name)};
    CHECK_THAT(attribution_error(o, 2),
               Contains("clicks.csv is given as --in") && Contains("as --conversions") && Contains("--event"));
  }
  o.conversions = {folder.path("conversions.csv"), folder.path("./conversions.csv")};
  CHECK_THAT(attribution_error(o, 2), Contains("is given twice") && Contains("is the same file"));
  o.conversions.pop_back();
  o.inputs.push_back(folder.path("link.csv"));
  CHECK_THAT(attribution_error(o, 2), Contains("link.csv is given twice") && Contains("would count twice"));
  // Two files of the same text are two files.
  o.inputs.pop_back();
  CHECK(attribute(o).journeys == 1);
}

TEST_CASE("a folder that something else wrote is left alone", "[attribution]") {
  const AttributionFolder folder;
  const AttributeOptions o = folder.options(kClicks, kConversions);
  std::filesystem::create_directory(o.out);
  folder.write("out/precious.txt", "x");
  CHECK_THROWS_AS(attribute(o), Error);
  CHECK(read_file(folder.path("out/precious.txt")) == "x");
}

TEST_CASE("durations, times, dates, CSV fields and floats", "[attribution]") {
  CHECK(parse_duration("30d", "--window") == 30 * 86400);
  CHECK(parse_duration("1.5h", "--window") == 5400);
  CHECK(parse_duration("90m", "--window") == 5400);
  CHECK(parse_duration("45s", "--window") == 45);
  for (const char* bad : {"", "d", "-3d", "0", "0d", "3w", "nan", "1e300d", "3dd", "3 d", "45", "1.5"})
    CHECK_THROWS_AS(parse_duration(bad, "--window"), Error);
  CHECK_THAT(test::message_of([] { parse_duration("30", "--window"); }),
             Contains("--window 30: 30 what? write 30d, 30h, 30m or 30s"));
  CHECK(parse_duration_or_0("0", "--gap") == 0);
  CHECK(parse_duration_or_0("7d", "--gap") == 7 * 86400);
  CHECK_THROWS_AS(parse_duration_or_0("7", "--gap"), Error);
  CHECK(parse_time("2017-12-03", "--from") == 1512259200 * kSecond);
  CHECK(parse_time("2017-12-03", "--from", {.utc_offset = 8 * 3600}) == 1512230400 * kSecond);
  CHECK(parse_time("1512259200", "--from") == 1512259200 * kSecond);
  for (const char* bad : {"", "2017-13-03", "2017-02-30", "2017/12/03", "tomorrow", "12e5"})
    CHECK_THROWS_AS(parse_time(bad, "--from"), Error);
  CHECK(date_of(1512230408 * kSecond) == "2017-12-02 16:00:08");
  CHECK(date_of(-kSecond) == "1969-12-31 23:59:59");
  std::string row;
  append_field(row, "a \"b\", c");
  append_field(row, "plain");
  CHECK(row == "\"a \"\"b\"\", c\"plain");
  row.clear();
  for (const float number : {0.0F, 1.0F, 1.0F / 3, 0.1F}) append_number(row, number), row += ' ';
  CHECK(row == "0 1 0.33333334 0.1 ");
}

}  // namespace
}  // namespace mal
