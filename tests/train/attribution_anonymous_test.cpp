// Rows without a user: refused, or left out and counted.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using Strings = std::vector<std::string>;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

TEST_CASE("rows without a user are left out by --drop-anonymous alone, and counted", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n1,u,a\n2,,a\n3,NULL,a\n4,u,a\n5,nan,b\n",
                                      "time,user,advertiser,conversion_id\n6,u,a,1\n7,,a,2\n8,None,b,3\n9,\\N,b,3\n");
  o.mechanisms = {"last"};
  CHECK_THAT(same_error_on_disk(o),
             Contains("clicks.csv:3:user: the field is empty") && Contains("leave them out by --drop-anonymous"));
  o.drop_anonymous = true;
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(attribution_lines(folder.path("disk/train.csv")) ==
        Strings{"time,user,advertiser,last,path_length", "1,u,a,0,2", "4,u,a,1,2"});
  CHECK(report.anonymous.clicks == 3);
  CHECK(report.anonymous.conversions == 3);
  CHECK(report.rows == 9);
  CHECK(report.skipped_rows == 6);
  CHECK(report.conversions == 1);
  CHECK_THAT(summary(report), Contains("3 clicks and 3 conversions without a user left out by --drop-anonymous\n"));
  const auto json = nlohmann::json::parse(read_file(folder.path("disk/attribution.json")));
  CHECK(json["counts"]["anonymous_clicks"] == 3);
  CHECK(json["counts"]["anonymous_conversions"] == 3);
  CHECK(json["parameters"]["drop_anonymous"] == true);
  // What is missing, --na says.
  folder.write("conversions.csv", "time,user,advertiser\n6,u,a\n");
  o.na = ",NULL";
  CHECK(expect_same_on_disk(o, folder).anonymous.clicks == 2);  // nan is a user now
  // Keys have no such option.
  o = folder.options("time,user,advertiser\n1,u,\n", "time,user,advertiser\n6,u,a\n");
  o.drop_anonymous = true;
  CHECK_THAT(same_error_on_disk(o), Contains("clicks.csv:2:advertiser: the field is empty") && !Contains("by --drop"));
}

TEST_CASE("rows without a user in event logs, criteo and journeys", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("log.csv",
                                       "time,user,advertiser,what\n1,u,a,click\n2,,a,click\n3,,a,conversion\n"
                                       "4,,a,look\n5,u,a,conversion\n",
                                       "csv");
  o.mechanisms = {"last"};
  o.event = "what";
  CHECK_THAT(same_error_on_disk(o), Contains("log.csv:3:user") && Contains("--drop-anonymous"));
  o.drop_anonymous = true;
  AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.anonymous.clicks == 1);
  CHECK(report.anonymous.conversions == 1);
  CHECK(report.skipped_rows == 3);
  CHECK(report.journeys == 1);

  o = folder.one_file("criteo.csv",
                      "timestamp,uid,campaign,conversion_timestamp,conversion_id,click\n"
                      "1,u,5,9,7,1\n2,,5,9,7,1\n3,,5,9,8,0\n4,NULL,5,-1,-1,1\n",
                      "criteo");
  o.mechanisms = {"last"};
  CHECK_THAT(same_error_on_disk(o), Contains("criteo.csv:3:uid") && Contains("--drop-anonymous"));
  o.drop_anonymous = true;
  report = expect_same_on_disk(o, folder);
  CHECK(report.anonymous.clicks == 2);
  CHECK(report.anonymous.conversions == 0);
  CHECK(report.skipped_rows == 3);
  CHECK(report.conversions == 1);  // 8 has no user left
  CHECK(report.clicks == 1);

  o = folder.one_file("journeys.csv",
                      "journey,user,timestamp,campaign,conversion\n1,u,10,a,1\n1,,20,b,1\n2,,30,a,1\n1,,5000,b,1\n",
                      "journeys");
  o.mechanisms = {"last"};
  CHECK_THAT(same_error_on_disk(o), Contains("journeys.csv:3:user") && Contains("--drop-anonymous"));
  o.drop_anonymous = true;
  o.to = "1000";
  report = expect_same_on_disk(o, folder);
  CHECK(report.anonymous.clicks == 2);  // the one of 5000 --to leaves out
  CHECK(report.skipped_rows == 3);
  CHECK(report.journeys == 1);
  CHECK(attribution_lines(folder.path("disk/train.csv"))[1] == "u,10,a,1,1");
}

TEST_CASE("a log of rows without a user says so", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options("time,user,advertiser\n1,,a\n", "time,user,advertiser\n6,u,a\n");
  o.drop_anonymous = true;
  CHECK_THAT(same_error_on_disk(o), Contains("no click among 1 rows (--from, --to and --drop-anonymous leave out 1)"));
}

}  // namespace
}  // namespace mal
