// `mal_data attribute` of the Criteo layout and of journeys that the input names.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;

using Catch::Matchers::Contains;

constexpr const char* kCriteoHeader =
    "timestamp\tuid\tcampaign\tconversion\tconversion_timestamp\tconversion_id\tattribution\tclick\tclick_pos\tclick_"
    "nb\t"
    "cost\tcpo\ttime_since_last_click\tcat1\tcat2\tcat3\tcat4\tcat5\tcat6\tcat7\tcat8\tcat9\n";
std::string criteo_row(int time, int user, int campaign, int conversion_time, int id, int click) {
  return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t0\t{}\t-1\t-1\t0.1\t0.2\t-1\t1\t2\t3\t4\t5\t6\t7\t8\t9\n", time, user,
                     campaign, id >= 0 ? 1 : 0, conversion_time, id, click);
}

TEST_CASE("the Criteo layout", "[attribution]") {
  const AttributionFolder folder;
  // Conversion 77: a click, an impression, a click, and a click after it. Conversion 78: an impression only.
  AttributeOptions o =
      folder.one_file("criteo.tsv",
                      std::string(kCriteoHeader) + criteo_row(0, 1, 5, 100, 77, 1) + criteo_row(10, 1, 5, 100, 77, 0) +
                          criteo_row(20, 1, 6, 100, 77, 1) + criteo_row(30, 2, 5, -1, -1, 1) +
                          criteo_row(40, 3, 5, 90, 78, 0) + criteo_row(120, 1, 5, 100, 77, 1),
                      "criteo");
  o.mechanisms = {"last", "linear"};
  const AttributeReport report = attribute(o);
  const std::vector<std::string> expected = {
      "timestamp,uid,campaign,cost,time_since_last_click,cat1,cat2,cat3,cat4,cat5,cat6,cat7,cat8,cat9,last,linear,"
      "path_length",
      "0,1,5,0.1,-1,1,2,3,4,5,6,7,8,9,0,0.5,2", "20,1,6,0.1,-1,1,2,3,4,5,6,7,8,9,1,0.5,2",
      "30,2,5,0.1,-1,1,2,3,4,5,6,7,8,9,0,0,0", "120,1,5,0.1,-1,1,2,3,4,5,6,7,8,9,0,0,0"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK(report.conversions == 2);
  CHECK(report.conversions_without_clicks == 1);
  CHECK(report.skipped_rows == 2);
}

TEST_CASE("a Criteo conversion of two users is refused", "[attribution]") {
  const AttributionFolder folder;
  const AttributeOptions o = folder.one_file(
      "criteo.tsv", std::string(kCriteoHeader) + criteo_row(0, 1, 5, 100, 77, 1) + criteo_row(20, 2, 5, 100, 77, 1),
      "criteo");
  CHECK_THAT(attribution_error(o), Contains("criteo.tsv:3:") && Contains("conversion '77' belongs to user '2'"));
}

TEST_CASE("a Criteo file of impressions only, and a click that is neither 0 nor 1", "[attribution]") {
  const AttributionFolder folder;
  CHECK_THAT(attribution_error(
                 folder.one_file("criteo.tsv", std::string(kCriteoHeader) + criteo_row(0, 1, 5, -1, -1, 0), "criteo")),
             Contains("no touchpoints"));
  CHECK_THAT(attribution_error(
                 folder.one_file("criteo.tsv", std::string(kCriteoHeader) + criteo_row(0, 1, 5, -1, -1, 7), "criteo")),
             Contains("criteo.tsv:2:click") && Contains("'7' where 0 or 1"));
}

constexpr const char* kJourneys =
    "journey,user,pos,n_touch,timestamp,campaign,conversion\n"
    "0,u,0,3,100,5,1\n0,u,1,3,900,5,1\n0,u,2,3,1000,5,1\n"  // cut to 900, 1000
    "1,v,0,2,100,5,1\n1,v,1,2,700,5,1\n"                    // one touch is left: goes
    "2,w,0,2,50,6,0\n2,w,1,2,60,6,0\n";

TEST_CASE("journeys that the input names", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("journeys.csv", kJourneys, "journeys");
  o.mechanisms = {"last", "linear"};
  const AttributeReport whole = attribute(o);
  CHECK(whole.journeys == 2);
  CHECK(attribution_lines(folder.path("out/train.csv"))[0] == "user,timestamp,campaign,last,linear,path_length");
  o.truncate = 200;
  const AttributeReport cut = attribute(o);
  const std::vector<std::string> expected = {"user,timestamp,campaign,last,linear,path_length", "w,50,6,0,0,0",
                                             "w,60,6,0,0,0", "u,900,5,0,0.5,2", "u,1000,5,1,0.5,2"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == expected);
  CHECK(cut.dropped_touches == 3);
  CHECK(cut.conversions == 1);
}

TEST_CASE("named journeys that contradict themselves are refused", "[attribution]") {
  const AttributionFolder folder;
  const std::string header = "journey,user,timestamp,campaign,conversion\n";
  CHECK_THAT(attribution_error(folder.one_file("j.csv", header + "0,u,1,5,1\n0,v,2,5,1\n", "journeys")),
             Contains("j.csv:3:journey") && Contains("one user"));
  CHECK_THAT(attribution_error(folder.one_file("j.csv", header + "0,u,1,5,1\n0,u,2,5,0\n", "journeys")),
             Contains("j.csv:3:conversion") && Contains("both 0 and 1"));
  CHECK_THAT(attribution_error(folder.one_file("j.csv", header + "0,u,1,5,yes\n", "journeys")),
             Contains("'yes' where 0 or 1"));
}

}  // namespace
}  // namespace mal
