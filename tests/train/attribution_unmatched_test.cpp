// Why conversions have no click: every reason by hand, in memory and on disk.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"
#include "train/attribution/unmatched.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::AttributionFolder;
using test::expect_same_on_disk;

nlohmann::json unmatched_of(const AttributionFolder& folder) {
  return nlohmann::json::parse(read_file(folder.path("disk/attribution.json")))["counts"]["unmatched"];
}

TEST_CASE("every conversion without a click says why", "[attribution]") {
  const AttributionFolder folder;
  // The window is 1 h. never: w; other keys: u converts b, v converts a; later: u converts a at 990 000 (10 000 s
  // before the click) and at 999 999 (1 s); before the window: u's c at 20 000, 50 000 and 70 000 of its click at 10
  // 000.
  AttributeOptions o =
      folder.options("time,user,advertiser\n1000000,u,a\n1000100,u,a\n1000000,v,b\n10000,u,c\n80000,u,c\n",
                     "time,user,advertiser\n1000050,w,a\n1000050,w,b\n1000050,x,a\n1000050,u,b\n1000050,v,a\n"
                     "990000,u,a\n999999,u,a\n20000,u,c\n50000,u,c\n70000,u,c\n1000000,u,a\n13600,u,c\n");
  o.mechanisms = {"last"};
  o.window = 3600;
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.conversions == 12);
  CHECK(report.journeys == 2);  // the same second, and the window's border
  CHECK(report.conversions_without_clicks == 10);
  CHECK(report.unmatched.never_clicked == 3);
  CHECK(report.unmatched.other_keys == 2);
  CHECK(report.unmatched.clicked_later == 2);
  CHECK(report.unmatched.median_lead == 1);
  CHECK(report.unmatched.before_window == 3);
  CHECK(report.unmatched.median_gap == 40000);
  CHECK(report.unmatched.used_before == 0);
  CHECK_THAT(summary(report), Contains("12 conversions, 10 of them without a click in the window\n"
                                       "  3 of users who never clicked\n"
                                       "  2 of users whose clicks have another advertiser\n"
                                       "  2 before the first click of their user and advertiser, half of them by up to "
                                       "1 s\n"
                                       "  3 longer than the window after the last click of their user and advertiser "
                                       "(--window 12h reaches half of them)\n"
                                       "2 journeys"));
  const nlohmann::json json = unmatched_of(folder);
  CHECK(json["never_clicked"] == 3);
  CHECK(json["other_keys"] == 2);
  CHECK(json["clicked_later"] == 2);
  CHECK(json["median_lead_seconds"] == 1);
  CHECK(json["before_window"] == 3);
  CHECK(json["median_gap_seconds"] == 40000);
  CHECK(json["used_before"] == 0);
  CHECK(json["before_first_click"] == 0);  // the window of 20 000 begins at 16 400, after the first click
  // What the hint says is true: 12 h reach 10 000 and 40 000 s, and not 60 000 s.
  o.window = 12 * 3600;
  CHECK(expect_same_on_disk(o, folder).unmatched.before_window == 1);
}

TEST_CASE("clicks that an earlier conversion took are a reason of their own", "[attribution]") {
  const AttributionFolder folder;
  // 60 and 70 have u's click of 50 in their window; 4000 is beyond it; 10 comes before it.
  AttributeOptions o =
      folder.options("time,user,advertiser\n50,u,a\n", "time,user,advertiser\n60,u,a\n4000,u,a\n70,u,a\n10,u,a\n");
  o.mechanisms = {"last"};
  o.window = 3600;
  o.restart = true;
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.unmatched.used_before == 1);
  CHECK(report.unmatched.before_window == 1);
  CHECK(report.unmatched.clicked_later == 1);
  CHECK(unmatched_of(folder)["used_before"] == 1);
  CHECK_THAT(summary(report), Contains("\n  1 whose clicks belong to an earlier conversion, by --restart\n"));
  o.restart = false;
  CHECK(expect_same_on_disk(o, folder).unmatched.used_before == 0);
  // Exactly the window after its click, and a microsecond more.
  o = folder.options("time,user,advertiser\n50,u,a\n", "time,user,advertiser\n60,u,a\n3650,u,a\n3650.000001,u,a\n");
  o.mechanisms = {"last"};
  o.window = 3600;
  o.restart = true;
  const UnmatchedReport border = expect_same_on_disk(o, folder).unmatched;
  CHECK(border.used_before == 1);
  CHECK(border.before_window == 1);
  CHECK(border.median_gap == 3601);  // rounded up
}

// Conversions whose clock is `hours` behind that of the clicks, each `lag` after its click.
std::string summary_of_shift(std::int64_t hours, std::int64_t lag) {
  const AttributionFolder folder;
  std::string clicks = "time,user,advertiser\n", conversions = clicks;
  for (int user = 0; user < 9; ++user) {
    clicks += fmt::format("{},u{},a\n", 1000000000 + 777 * user, user);
    conversions += fmt::format("{},u{},a\n", 1000000000 + 777 * user + lag + user - hours * 3600, user);
  }
  AttributeOptions o = folder.options(clicks, conversions);
  o.mechanisms = {"last"};
  return summary(expect_same_on_disk(o, folder));
}

TEST_CASE("conversions before their clicks ask for the time zone, the clock or the unit", "[attribution]") {
  const std::string zone =
      "    is one of them in another time zone? times of both without an offset are read by --utc-offset\n";
  CHECK_THAT(summary_of_shift(8, 116), Contains("9 before the first click") && Contains("7 h 58 min\n" + zone));
  CHECK_THAT(summary_of_shift(1, 0), Contains("59 min 56 s\n" + zone));
  CHECK_THAT(summary_of_shift(14, 290), Contains(zone));
  CHECK_THAT(summary_of_shift(8, 1800), Contains("7 h 29 min\n" + zone));  // all conversions: not by chance
  CHECK_THAT(summary_of_shift(15, 60), Contains("14 h 58 min\n  9 of the ") && !Contains("time zone"));
  CHECK_THAT(summary_of_shift(0, -20),
             Contains("half of them by up to 16 s\n    do the clocks of clicks and conversions differ?\n"));
  CHECK_THAT(summary_of_shift(24 * 365 * 20, 0), Contains("7300.0 d\n    is one of them in milliseconds"));
}

TEST_CASE("one early conversion among others asks only if it is whole hours early", "[attribution]") {
  const AttributionFolder folder;
  const auto asks = [&](int lead) {
    AttributeOptions o =
        folder.options("time,user,advertiser\n1000000,u,a\n1000000,v,a\n1000000,w,a\n",
                       fmt::format("time,user,advertiser\n1000001,u,a\n1000001,v,a\n{},w,a\n", 1000000 - lead));
    o.mechanisms = {"last"};
    return summary(expect_same_on_disk(o, folder)).find("time zone?") != std::string::npos;
  };
  CHECK(asks(7200 - 300));
  CHECK(asks(7200 + 300));
  CHECK_FALSE(asks(7200 + 301));
  CHECK_FALSE(asks(5400));
  CHECK_FALSE(asks(15 * 3600));
}

TEST_CASE("a conversion years after its click asks for the unit of time", "[attribution]") {
  const AttributionFolder folder;
  // 1512259.2 s is the click's moment, taken for milliseconds; 1512260000 s is a true one.
  AttributeOptions o =
      folder.options("time,user,advertiser\n1512259.2,u,a\n", "time,user,advertiser\n1512260000,u,a\n");
  o.mechanisms = {"last"};
  CHECK_THAT(summary(expect_same_on_disk(o, folder)),
             Contains("(--window 17486d reaches half of them)\n    is one of them in milliseconds and the other in "
                      "seconds? --time-unit is for both\n"));
}

// Many users, so that a log on disk has them in many parts.
std::string shop_log(const std::string& user, const std::string& key, int from) {
  std::string text = "time,user,advertiser\n";
  for (int i = from; i < from + 50; ++i) text += fmt::format("{},{}{},{}{}\n", 1000000 + i, user, i, key, i);
  return text;
}

TEST_CASE("users or keys that are written in two ways are shown side by side", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(shop_log("u", "k", 100), shop_log("", "k", 117));
  o.mechanisms = {"last"};
  const std::string users =
      "  50 of users who never clicked\n    do clicks and conversions write users the same way? the first click has "
      "'u100', the first of these '117'\n";
  const std::string keys =
      "  50 of users whose clicks have another advertiser\n    do clicks and conversions write advertiser the same "
      "way? "
      "the first click has 'k100', the first of these '0100'\n";
  CHECK_THAT(summary(expect_same_on_disk(o, folder)), Contains(users) && !Contains("write advertiser"));
  o = folder.options(shop_log("u", "k", 100), shop_log("u", "0", 100));
  o.mechanisms = {"last"};
  CHECK_THAT(summary(expect_same_on_disk(o, folder)), Contains(keys) && !Contains("write users"));
  // One of three: it happens.
  o = folder.options("time,user,advertiser\n5,u,a\n", "time,user,advertiser\n6,u,a\n7,u,a\n8,x,a\n");
  o.mechanisms = {"last"};
  CHECK_THAT(summary(expect_same_on_disk(o, folder)), Contains("1 of users who never clicked\n") && !Contains("?"));
}

TEST_CASE("conversions whose clicks may be older than the log are counted", "[attribution]") {
  const AttributionFolder folder;
  // The first click that stays is that of 10 000, and the window is 1 h. x at 13 599 and y at 13 600: the one's window
  // begins before it. u at 9 999 reaches back, too; u at 50 000 has a click, which is too old.
  AttributeOptions o = folder.options("time,user,advertiser\n1,x,a\n10000,u,a\n",
                                      "time,user,advertiser\n13599,x,a\n13600,y,a\n9999,u,a\n50000,u,a\n13599,u,b\n");
  o.mechanisms = {"last"};
  o.window = 3600;
  o.from = "100";
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.unmatched.before_first_click == 3);
  CHECK_THAT(summary(report), Contains("  3 of the 5: the window begins before the first click of all (1970-01-01 "
                                       "02:46:40), and earlier clicks may be left out by --from\n"));
  o.from = "";
  CHECK(expect_same_on_disk(o, folder).unmatched.before_first_click == 0);  // x clicked at 1, longer before
}

TEST_CASE("criteo: conversions of impressions alone, and of clicks outside the window", "[attribution]") {
  const AttributionFolder folder;
  // 7: an impression of a user with other clicks. 8: of one without. 9: a click after it. 10: one before the window.
  AttributeOptions o =
      folder.one_file("criteo.csv",
                      "timestamp,uid,campaign,conversion_timestamp,conversion_id,click\n"
                      "5,1,5,9,7,0\n6,1,5,-1,-1,1\n5,2,5,9,8,0\n200000,3,5,100000,9,1\n5,4,5,90000,10,1\n",
                      "criteo");
  o.mechanisms = {"last"};
  o.window = 3600;
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.conversions == 4);
  CHECK(report.unmatched.other_keys == 1);
  CHECK(report.unmatched.never_clicked == 1);
  CHECK(report.unmatched.clicked_later == 1);
  CHECK(report.unmatched.before_window == 1);
  CHECK_THAT(summary(report), Contains("1 of users whose clicks have another conversion id") &&
                                  Contains("--window 2d reaches half") && Contains("by up to 27 h 46 min"));
}

TEST_CASE("medians of lengths of time", "[attribution]") {
  LengthCounts counts;
  CHECK(counts.median() == 0);
  for (const std::int64_t seconds : {86399, 5, 7, 86459}) counts.add(seconds);
  CHECK(counts.median() == 7);  // the lower of 7 and 86399
  counts.add(86399);
  CHECK(counts.median() == 86399);
  LengthCounts days;
  days.add(3 * 86400 + 59);
  CHECK(days.median() == 3 * 86400);
  days.add(31 * 86400 + 3599);
  days.add(31 * 86400 + 3600);
  CHECK(days.median() == 31 * 86400);
  days.add(47482 * std::int64_t{86400});  // the years 1970 to 2100
  days.add(47482 * std::int64_t{86400});
  CHECK(days.median() == 31 * 86400 + 3600);
}

}  // namespace
}  // namespace mal
