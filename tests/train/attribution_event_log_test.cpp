// `mal_data attribute` of an event log: one table of clicks and conversions.
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

TEST_CASE("an event log with histories and hours", "[attribution]") {
  const AttributionFolder folder;
  // 1512230408 is Saturday 2017-12-02 16:00:08 in Greenwich, Sunday 00:00:08 in China.
  AttributeOptions o = folder.one_file("log.csv",
                                       "u,i1,c1,pv,1512200000\nu,i2,c1,pv,1512210000\nu,i3,c2,fav,1512210001\n"
                                       "u,i4,c2,pv,1512210000\nv,i1,c1,pv,1512220000\nu,i2,c1,buy,1512220001\n"
                                       "u,i5,c1,pv,1512230408\n",
                                       "csv");
  o.columns = {"user", "item", "category", "behaviour", "time"};
  o.key = "category";
  o.event = "behaviour";
  o.click_events = {{"pv"}};
  o.conversion_event = "buy";
  o.history = {"item", "category"};
  o.history_length = 2;
  o.derive_hour = true;
  o.time_format.utc_offset = 8 * 3600;
  o.test_days = 1;
  o.mechanisms = {"last", "linear"};
  const AttributeReport report = attribute(o);
  const std::vector<std::string> train = {
      "user,item,category,time,hour,weekday,item_seq,category_seq,last,linear,path_length",
      "u,i1,c1,1512200000,15,5,,,0,0.5,2", "u,i2,c1,1512210000,18,5,i1,c1,1,0.5,2",
      // Same second as the row before: not yet known.
      "u,i4,c2,1512210000,18,5,i1,c1,0,0,0", "v,i1,c1,1512220000,21,5,,,0,0,0"};
  CHECK(attribution_lines(folder.path("out/train.csv")) == train);
  CHECK(attribution_lines(folder.path("out/test.csv"))[1] == "u,i5,c1,1512230408,0,6,i2|i4,c1|c2,0,0,0");
  CHECK(report.skipped_rows == 1);
}

TEST_CASE("an event log without clicks says what it holds", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("log.csv", "time,user,advertiser,what\n1,u,a,buy\n2,u,a,view\n", "csv");
  o.event = "what";
  o.conversion_event = "buy";
  CHECK_THAT(attribution_error(o), Contains("log.csv: no row has 'click' in column what, so there are no clicks") &&
                                       Contains("the column has 'buy' (1), 'view' (1)") && Contains("--click-event"));
  o.click_events = {{"buy"}};
  CHECK_THAT(attribution_error(o, 2), Contains("are both 'buy'"));
}

TEST_CASE("an event log without conversions says what it holds, whatever --from leaves out", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file(
      "log.csv", "time,user,advertiser,what\n1,u,a,click\n2,u,a,Purchase\n3,u,a,click\n4,u,a,\n5,u,b,click\n", "csv");
  o.event = "what";
  for (const std::uint64_t memory : {std::uint64_t{1} << 30, std::uint64_t{1}}) {
    o.memory = memory;
    o.conversion_event = "purchse";
    CHECK_THAT(attribution_error(o),
               Contains("log.csv: no row has 'purchse' in column what, so there are no conversions") &&
                   Contains("did you mean 'Purchase'?") &&
                   Contains("the column has 'click' (3), '' (1), 'Purchase' (1)") && Contains("--conversion-event"));
    o.conversion_event = "Purchase";
    o.from = "3";  // the conversion occurs, before that
    CHECK(attribute(o).conversions == 0);
    std::filesystem::remove_all(o.out);
    o.from = "6";
    CHECK_THAT(attribution_error(o), Contains("no click among 5 rows (--from and --to leave out 5)"));
    o.from.clear();
  }
}

TEST_CASE("an event log has conversion ids, too", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.one_file("log.csv",
                                       "time,user,advertiser,what,order\n1,u,a,click,\n2,u,a,conversion,7\n"
                                       "3,u,a,click,7\n4,u,a,conversion,7\n",
                                       "csv");
  o.event = "what";
  CHECK(attribute(o).conversions == 2);
  std::filesystem::remove_all(o.out);
  o.conversion_id = "order";
  CHECK_THAT(attribution_error(o), Contains("log.csv:5:order: conversion id '7' was already at ") &&
                                       Contains("log.csv:3:order; a conversion must come once"));
}

}  // namespace
}  // namespace mal
