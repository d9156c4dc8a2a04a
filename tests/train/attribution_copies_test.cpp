// Clicks and conversions that come twice: counted and shown, and never dropped.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;

constexpr const char* kOneClick = "time,user,advertiser\n10,u,a\n";

TEST_CASE("conversions of one user, key and time warn where no id tells them apart", "[attribution]") {
  const AttributionFolder folder;
  // Rows 4 and 7 are u's of row 2 again, row 8 is v's of row 3; the others differ by the key or by the time.
  AttributeOptions o =
      folder.options(kOneClick, "time,user,advertiser\n20,u,a\n20,v,a\n20,u,a\n20,u,b\n20.5,u,a\n20,u,a\n20,v,a\n");
  o.mechanisms = {"last"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.conversions == 7);
  CHECK(report.copies.conversions == 3);
  CHECK(report.journeys == 4);  // copies count: three at 20, one at 20.5
  REQUIRE(warnings(report).size() == 1);
  const std::string path = folder.path("conversions.csv");
  CHECK_THAT(warnings(report)[0], Contains("3 conversions have the user, advertiser and time of another: copies") &&
                                      Contains("the first: " + path + ":4 is as " + path + ":2;") &&
                                      Contains("--conversion-id"));
  const auto json = nlohmann::json::parse(read_file(folder.path("disk/attribution.json")));
  CHECK(json["counts"]["copied_conversions"] == 3);
  CHECK(json["counts"]["copied_clicks"] == 0);
}

TEST_CASE("the copy of a conversion may lie in another file, of an export that overlaps", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kOneClick, "time,user,advertiser\n5,u,a\n20,u,a\n");
  o.conversions.push_back(folder.write("more.csv", "time,user,advertiser\n30,u,a\n20,u,a\n"));
  o.mechanisms = {"last"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.copies.first_conversion == folder.path("more.csv:3"));
  CHECK(report.copies.copied_conversion == folder.path("conversions.csv:3"));
  CHECK_THAT(warnings(report)[0], Contains("1 conversion has the user, advertiser and time of another: copies"));
}

TEST_CASE("ids tell conversions of one moment apart", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kOneClick, "time,user,advertiser,conversion_id\n20,u,a,1\n20,u,a,2\n");
  o.mechanisms = {"last"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.copies.conversions == 0);
  CHECK(warnings(report).empty());
  // A second file without ids may hold the same again.
  o.conversions.push_back(folder.write("more.csv", "time,user,advertiser\n20,u,a\n"));
  CHECK(expect_same_on_disk(o, folder).copies.conversions == 1);
  // The one with an id may come second as well: the other's id is not known.
  o = folder.options(kOneClick, "time,user,advertiser\n20,u,a\n");
  o.conversions.push_back(folder.write("more.csv", "time,user,advertiser,conversion_id\n20,u,a,1\n"));
  o.mechanisms = {"last"};
  CHECK(expect_same_on_disk(o, folder).copies.conversions == 1);
}

TEST_CASE("an event log's conversions and clicks are looked at, too", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("log.csv",
                                       "time,user,advertiser,what\n10,u,a,click\n20,u,a,conversion\n"
                                       "20,u,a,conversion\n10,u,a,click\n10,u,a,look\n10,u,a,look\n",
                                       "csv");
  o.mechanisms = {"last"};
  o.event = "what";
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.copies.conversions == 1);
  CHECK(report.copies.first_conversion == folder.path("log.csv:4"));
  CHECK(report.copies.clicks == 1);
}

TEST_CASE("clicks that equal another in all that is kept warn, and stay", "[attribution]") {
  const AttributionFolder folder;
  // v's first click comes three times, with others of the same moment between; u's two differ by the item.
  const std::string clicks =
      "time,user,advertiser,item\n10,u,a,1\n10,u,a,2\n10,v,a,1\n10,v,a,2\n10,v,a,1\n10.5,v,a,1\n10,v,b,1\n10,v,a,1\n"
      "30,u,a,3\n30,u,a,3\n";
  AttributeOptions o = folder.options(clicks, "time,user,advertiser\n40,u,a\n");
  o.mechanisms = {"last"};
  AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.clicks == 10);
  CHECK(report.copies.clicks == 3);
  CHECK(attribution_lines(folder.path("disk/train.csv")).size() == 11);
  REQUIRE(warnings(report).size() == 1);
  CHECK_THAT(warnings(report)[0],
             Contains("3 clicks equal another in user, advertiser, time and every column passed through") &&
                 Contains("(the first: user 'v' at 1970-01-01 00:00:10; leave copies out)"));
  const auto json = nlohmann::json::parse(read_file(folder.path("disk/attribution.json")));
  CHECK(json["counts"]["copied_clicks"] == 3);
  // Without the item, u's and v's others are the same, too.
  o.drop = {"item"};
  CHECK(expect_same_on_disk(o, folder).copies.clicks == 5);
  // Twice the same export.
  o.drop = {};
  o.inputs.push_back(folder.write("again.csv", clicks));
  CHECK(expect_same_on_disk(o, folder).copies.clicks == 13);
}

TEST_CASE("touches that --truncate cuts off are no copies", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("journeys.csv",
                                       "journey,user,timestamp,campaign,conversion\n1,u,10,a,1\n1,u,10,a,1\n"
                                       "1,u,9000,a,1\n1,u,9000,a,1\n1,u,9010,b,1\n",
                                       "journeys");
  o.mechanisms = {"last"};
  CHECK(expect_same_on_disk(o, folder).copies.clicks == 2);
  o.truncate = 100;
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.copies.clicks == 1);
  CHECK_THAT(warnings(report)[0], Contains("1 click equals another in user, journey, time"));
}

}  // namespace
}  // namespace mal
