// channels.csv of every layout, worked out by hand: conversions, their value, clicks and what they cost.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"

using namespace mal;
using namespace mal::test;

namespace {

// u converts twice after the same three clicks, v once, z without a click; w never.
const std::string kClicks =
    "time,user,advertiser,channel,price\n"
    "1000,u,k,a,0.5\n1100,u,k,b,0.25\n1200,u,k,a,1\n2000,v,k,b,2\n3000,w,k,c,4\n";
const std::string kConversions = "time,user,advertiser,value\n1300,u,k,30\n1350,u,k,12\n2100,v,k,5\n2200,z,k,100\n";

struct Expected {
  double conversions, value;
};

void expect_credit(const AttributeReport& report, const std::string& channel, const std::string& mechanism,
                   Expected expected) {
  INFO(channel << " " << mechanism);
  const auto c = std::ranges::find(report.table.channels, channel, &ChannelTotals::name);
  const auto m = std::ranges::find(report.table.mechanisms, mechanism);
  REQUIRE(c != report.table.channels.end());
  REQUIRE(m != report.table.mechanisms.end());
  const ChannelCredit& credit = c->credits[static_cast<std::size_t>(m - report.table.mechanisms.begin())];
  CHECK(credit.conversions == Approx(expected.conversions).epsilon(1e-14));
  CHECK(credit.value == Approx(expected.value).epsilon(1e-14));
}

void expect_the_log(const AttributeReport& report) {
  expect_credit(report, "a", "last", {2, 42});
  expect_credit(report, "a", "linear", {4.0 / 3, 28});
  expect_credit(report, "b", "last", {1, 5});
  expect_credit(report, "b", "linear", {5.0 / 3, 19});
}

AttributeOptions priced(const AttributionFolder& folder) {
  AttributeOptions o = folder.options(kClicks, kConversions);
  o.mechanisms = {"last", "linear"};
  o.cost = "price";
  return o;
}

// What the conversions or clicks of a line are refused with, in memory and on disk.
std::string value_error(const std::string& line) {
  AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, "time,user,advertiser,value\n1300,u,k,30\n" + line + "\n");
  return same_error_on_disk(o);
}

}  // namespace

TEST_CASE("the channel report credits whole conversions, which a click in two journeys does not cut", "[attribution]") {
  AttributionFolder folder;
  const AttributeReport report = expect_same_on_disk(priced(folder), folder);
  expect_the_log(report);
  expect_credit(report, "c", "last", {0, 0});
  CHECK(report.mechanisms[0].credit == 2);  // of clicks: the last one of u gets 1 of 2
  CHECK(report.value == 147);
  CHECK(report.credited_value == 47);
  CHECK(report.table_shown);
  const std::vector<std::string> lines = attribution_lines(folder.path("memory/channels.csv"));
  REQUIRE(lines.size() == 7);
  CHECK(lines[1] == "a,last,2,42,2,1.5,0.75,28,,,,");
  CHECK(lines[3] == "b,last,1,5,2,2.25,2.25,2.2222222222222223,,,,");
  CHECK(lines[5] == "c,last,0,0,1,4,,0,,,,");
  CHECK(lines[6] == "c,linear,0,0,1,4,,0,,,,");
}

TEST_CASE("the channel report does not depend on the order of rows, or on the labels of train.csv", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = priced(folder);
  attribute(o);
  const std::string bytes = bytes_of(o.out + "/channels.csv");
  const auto reversed = [](const std::string& text) {
    std::istringstream rows(text);
    std::string header, all;
    std::getline(rows, header);
    for (std::string row; std::getline(rows, row);) all.insert(0, row + "\n");
    return header + "\n" + all;
  };
  o.inputs = {folder.write("backwards.csv", reversed(kClicks))};
  o.conversions = {folder.write("backwards_conversions.csv", reversed(kConversions))};
  attribute(o);
  CHECK(bytes_of(o.out + "/channels.csv") == bytes);
  o.test_from = "1340";
  o.train_labels = "known";
  attribute(o);
  CHECK(bytes_of(o.out + "/channels.csv") == bytes);
}

TEST_CASE("an event log, named journeys and Criteo's layout give the same channel report", "[attribution]") {
  AttributionFolder folder;
  SECTION("event log; the value is not a column of the samples") {
    AttributeOptions o = folder.one_file("log.csv",
                                         "time,user,advertiser,channel,what,revenue\n"
                                         "1000,u,k,a,click,\n1100,u,k,b,click,\n1200,u,k,a,click,\n1300,u,k,,buy,30\n"
                                         "1350,u,k,,buy,12\n2000,v,k,b,click,\n2100,v,k,,buy,5\n3000,w,k,c,click,x\n",
                                         "csv");
    o.event = "what";
    o.conversion_event = "buy";
    o.mechanisms = {"last", "linear"};
    o.value = "revenue";
    const AttributeReport report = expect_same_on_disk(o, folder);
    expect_the_log(report);
    CHECK(std::ranges::find(report.columns, "revenue") == report.columns.end());
  }
  SECTION("journeys: u's three touches, and a second journey of the same touches") {
    AttributeOptions o = folder.one_file("journeys.csv",
                                         "journey,user,timestamp,campaign,conversion,channel,revenue,price\n"
                                         "1,u,1000,k,1,a,30,0.5\n1,u,1100,k,1,b,30,0.25\n1,u,1200,k,1,a,30,1\n"
                                         "2,u,1000,k,1,a,12,0\n2,u,1100,k,1,b,12,0\n2,u,1200,k,1,a,12,0\n"
                                         "3,v,2000,k,1,b,5,2\n4,w,3000,k,0,c,,4\n",
                                         "journeys");
    o.mechanisms = {"last", "linear"};
    o.value = "revenue";
    o.cost = "price";
    const AttributeReport report = expect_same_on_disk(o, folder);
    expect_the_log(report);
    CHECK(report.table.channels[0].cost == 1.5);
    CHECK(std::ranges::find(report.columns, "revenue") == report.columns.end());
    o.out = folder.path("cut");
    o.truncate = 150;  // keeps b and the second a of both journeys, and drops those of one touch
    const AttributeReport cut = attribute(o);
    REQUIRE(cut.table.channels.size() == 2);
    expect_credit(cut, "a", "linear", {1, 21});
    expect_credit(cut, "b", "linear", {1, 21});
    CHECK(cut.table.channels[0].cost == 1);
    CHECK(cut.credited_value == 42);
  }
  SECTION("criteo: the cost of impressions that nobody clicked is not counted") {
    AttributeOptions o = folder.one_file(
        "criteo.tsv",
        "timestamp\tuid\tcampaign\tconversion\tconversion_timestamp\tconversion_id\tclick\tworth\tcost\n"
        "1000\tu\ta\t1\t1300\t7\t1\t42\t0.5\n1100\tu\tb\t1\t1300\t7\t1\t42\t0.25\n"
        "1150\tu\tb\t1\t1300\t7\t0\t42\t9\n1200\tu\ta\t1\t1300\t7\t1\t42\t1\n"
        "2000\tv\tb\t1\t2100\t8\t1\t5\t2\n3000\tw\tc\t0\t-1\t-1\t1\t\t4\n",
        "criteo");
    o.mechanisms = {"last", "linear"};
    o.value = "worth";
    o.cost = "cost";
    const AttributeReport report = expect_same_on_disk(o, folder);
    expect_credit(report, "a", "last", {1, 42});
    expect_credit(report, "a", "linear", {2.0 / 3, 28});
    expect_credit(report, "b", "linear", {1 + 1.0 / 3, 19});
    CHECK(report.table.channels[0].cost == 1.5);
    CHECK(report.table.channels[1].cost == 2.25);
    CHECK(std::ranges::find(report.columns, "worth") == report.columns.end());
  }
}

TEST_CASE("the column value is read from files of conversions unless told otherwise", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, kConversions);
  o.mechanisms = {"last"};
  CHECK(attribute(o).credited_value == 47);
  o.value = "";
  const AttributeReport none = attribute(o);
  CHECK_FALSE(none.table.has_value);
  CHECK(attribution_lines(o.out + "/channels.csv")[1] == "a,last,2,,2,,,,,,,");
  o.value = std::nullopt;
  o.conversions = {folder.write("one.csv", "time,user,advertiser\n1300,u,k\n"),
                   folder.write("two.csv", "time,user,advertiser,value\n2100,v,k,5\n")};
  CHECK_FALSE(attribute(o).table.has_value);  // the first file has none
  std::swap(o.conversions[0], o.conversions[1]);
  o.out = folder.path("new");
  CHECK_THAT(attribution_error(o), Catch::Contains("one.csv") && Catch::Contains("value"));
}

TEST_CASE("a number of resamples that makes no interval is refused", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, kConversions);
  for (const std::uint32_t resamples : {1U, 19U, 10001U}) {
    o.bootstrap = resamples;
    CHECK_THAT(attribution_error(o, 2), Catch::Contains("--bootstrap " + std::to_string(resamples) + ": 20 to 10000"));
  }
}

// 32 bytes a channel, mechanism and resample: 3,400 channels by 10,000 resamples are 1,037 MiB.
TEST_CASE("resamples of more channels than memory has room for are refused", "[attribution]") {
  AttributionFolder folder;
  std::string clicks = "time,user,key\n";
  for (int c = 0; c < 3400; ++c) clicks += "10,u,k" + std::to_string(c) + "\n";
  AttributeOptions o = folder.options(clicks, "time,user,key\n20,u,k7\n");
  o.key = "key";
  o.mechanisms = {"last"};
  o.bootstrap = 10000;
  CHECK_THAT(
      attribution_error(o, 2),
      Catch::Contains("--bootstrap 10000: the resamples of 3400 channels by 1 mechanisms need more than 1024 MiB"));
}

TEST_CASE("a given channel model is not fitted anew to resamples", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = folder.options(kClicks, kConversions);
  o.mechanisms = {"shapley"};
  o.channel_model = folder.write("model.json",
                                 R"({"format": 1, "journeys": 2, "conversions": 1, "channels": [
        {"channel": "a", "shapley": 3, "journeys_alone": 1, "conversions_alone": 1},
        {"channel": "b", "shapley": 1, "journeys_alone": 0, "conversions_alone": 0}]})");
  o.bootstrap = 100;
  const AttributeReport report = expect_same_on_disk(o, folder);
  // Of u's two conversions a has 6/7 and b 1/7, however often u is drawn; v's is b's.
  expect_credit(report, "a", "shapley", {12.0 / 7, 36});
  const ChannelCredit& a = report.table.channels[0].credits[0];
  REQUIRE(a.conversions_interval);
  REQUIRE(a.value_interval);
  CHECK(a.conversions_interval->low == 0);  // u is missing from a third of the resamples
  CHECK(a.value_interval->high / a.conversions_interval->high == Approx(21));
}

TEST_CASE("an amount that is none is refused with its place", "[attribution]") {
  using Catch::Contains;
  CHECK_THAT(value_error("1350,u,k,-3"),
             Contains("conversions.csv:3:value: value -3 is negative") && Contains("--value ''"));
  CHECK_THAT(value_error("1350,u,k,"), Contains("conversions.csv:3:value: ") && Contains("--value ''"));
  CHECK_THAT(value_error("1350,u,k,12 EUR"), Contains("conversions.csv:3:value: ") && Contains("12 EUR"));
  CHECK_THAT(value_error("1350,u,k,nan"), Contains("conversions.csv:3:value: "));
  CHECK_THAT(value_error("1350,u,k,inf"), Contains("conversions.csv:3:value: "));
  CHECK_THAT(value_error("1350,u,k,2e12"), Contains("conversions.csv:3:value: value 2e12 is more than 1e12"));
  AttributionFolder folder;
  AttributeOptions o = priced(folder);
  o.inputs = {folder.write("dear.csv", kClicks + "4000,u,k,a,-1\n")};
  CHECK_THAT(same_error_on_disk(o), Contains("dear.csv:7:price: cost -1 is negative"));
  o.cost = "prize";
  CHECK_THAT(same_error_on_disk(o), Contains("prize") && Contains("--cost"));
}

TEST_CASE("rows of a journey or conversion that disagree on its value are refused", "[attribution]") {
  AttributionFolder folder;
  AttributeOptions o = folder.one_file("journeys.csv",
                                       "journey,user,timestamp,campaign,conversion,revenue\n"
                                       "1,u,1000,k,1,30\n2,v,1000,k,0,1\n2,v,1100,k,0,2\n1,u,1100,k,1,31\n",
                                       "journeys");
  o.value = "revenue";
  CHECK(same_error_on_disk(o) == o.inputs[0] + ":5:revenue: journey '1' is worth 31, but at " + o.inputs[0] +
                                     ":2:revenue 30; all rows of a journey say the same");
}
