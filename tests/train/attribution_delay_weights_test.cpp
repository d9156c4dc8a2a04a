// attribute --delay-weights: labels that are known in part, and the weights that make up for it.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "tests/train/attribution_disk_support.h"
#include "tests/train/attribution_support.h"
#include "train/attribution/attribute.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_error;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;

constexpr std::int64_t kDelayDay = 86400, kDelayTestStart = 100 * kDelayDay;

// Clicks and conversions, a user each unless told.
struct DelayLog {
  std::string clicks = "time,user,advertiser,shop\n", conversions = "time,user,advertiser\n";
  int users = 0;

  std::string user() { return fmt::format("u{}", users++); }
  void click(std::int64_t time, const std::string& user, const std::string& shop = "s") {
    clicks += fmt::format("{},{},a,{}\n", time, user, shop);
  }
  void convert(std::int64_t time, const std::string& user) { conversions += fmt::format("{},{},a\n", time, user); }
  // count clicks of this age, of which some convert after a delay; each pair: how many, and the delay.
  void cohort(int count, std::int64_t age, const std::vector<std::pair<int, std::int64_t>>& delays,
              const std::string& shop = "s") {
    int left = count;
    for (const auto& [some, delay] : delays)
      for (int i = 0; i < some; ++i, --left) {
        const std::string who = user();
        click(kDelayTestStart - age, who, shop);
        convert(kDelayTestStart - age + delay, who);
      }
    for (; left > 0; --left) click(kDelayTestStart - age, user(), shop);
  }
  AttributeOptions options(const AttributionFolder& folder) {
    click(kDelayTestStart + kDelayDay, "late", "s");
    AttributeOptions o = folder.options(clicks, conversions);
    o.mechanisms = {"last"};
    o.test_from = std::to_string(kDelayTestStart);
    o.train_labels = "known";
    o.delay_weights = "";
    return o;
  }
};

struct DelayRow {
  std::int64_t time;
  std::string shop;
  double credit, weight;
};

std::vector<DelayRow> delay_rows(const std::string& path) {
  std::vector<DelayRow> rows;
  const std::vector<std::string> lines = attribution_lines(path);
  REQUIRE(lines.front() == "time,user,advertiser,shop,last,weight,path_length");
  for (std::size_t i = 1; i < lines.size(); ++i) {
    std::istringstream fields(lines[i]);
    std::vector<std::string> field;
    for (std::string text; std::getline(fields, text, ',');) field.push_back(text);
    rows.push_back({std::stoll(field[0]), field[3], std::stod(field[4]), std::stod(field[5])});
  }
  return rows;
}

// 300 clicks of 40 days, beyond the window of 30: 90 convert after a day, 60 after ten. 100 clicks of 5 days: 30 after
// a day, 20 after ten, which is not known. By the table: 400 at risk after a day, 120 of them credited, S = 0.7; 70
// leave at 5 days; of the 210 that reach ten days 60, S = 0.5. So p = 0.5, and F(5 d) = 0.3 / 0.5.
DelayLog two_cohorts() {
  DelayLog log;
  log.cohort(300, 40 * kDelayDay, {{90, kDelayDay}, {60, 10 * kDelayDay}});
  log.cohort(100, 5 * kDelayDay, {{30, kDelayDay}, {20, 10 * kDelayDay}});
  return log;
}

TEST_CASE("delay weights: positives stand for those that are still to come", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = two_cohorts().options(folder);
  const AttributeReport report = expect_same_on_disk(o, folder);
  double young = 0, young_positives = 0;
  for (const DelayRow& row : delay_rows(folder.path("memory/train.csv"))) {
    if (row.time < kDelayTestStart - 30 * kDelayDay) {
      CHECK(row.weight == 1);
      continue;
    }
    CHECK(row.weight == Approx(row.credit > 0 ? 1 / 0.6 : 0.5 / (1 - 0.5 * 0.6)));
    young += row.weight;
    young_positives += row.credit > 0 ? row.weight : 0;
  }
  CHECK(young == Approx(100));
  CHECK(young_positives == Approx(50));  // 30 are known, 50 convert in the end
  CHECK(attribution_lines(folder.path("memory/test.csv"))[1] ==
        fmt::format("{},late,a,s,0,1,0", kDelayTestStart + kDelayDay));
  REQUIRE(report.delay);
  CHECK(report.delay->mechanism == "last");
  CHECK(report.delay->positives == 180);
  CHECK(report.delay->positive_weight == Approx(200));
  CHECK(report.delay->other_weight == Approx(200));
  CHECK(report.delay->mean() == Approx(1));
  CHECK(report.delay->largest == Approx(1 / 0.6));
  CHECK(report.delay->unripe == 0);
  // A day lies in the bin from 40 · 2^31 µs to 41 · 2^31 µs, at 0.2331 of its width: 0.2331 · 0.3 / 0.5.
  CHECK_THAT(summary(report), Contains("1h 0.0 %, 1d 14.0 %, 3d 60.0 %, 7d 60.0 %, 14d 100.0 %, 30d 100.0 %") &&
                                  Contains("from 400 clicks before the test period, 180 credited so far (45.00 %), "
                                           "50.00 % in the end") &&
                                  Contains("180 positive rows sum to 200.0 (at most 1.67 each)"));
  const auto json = nlohmann::json::parse(read_file(folder.path("memory/attribution.json")));
  CHECK(json["parameters"]["delay_weights"] == "last");
  CHECK(json["delay_weights"]["all"][0]["known"][3]["age_seconds"] == 7 * kDelayDay);
  CHECK(json["delay_weights"]["all"][0]["known"][3]["share"] == Approx(0.6));
}

TEST_CASE("delay weights: what the gap leaves out tells of delays all the same", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = two_cohorts().options(folder);
  o.gap = 6 * kDelayDay;
  const AttributeReport report = attribute(o);
  CHECK(delay_rows(folder.path("out/train.csv")).size() == 300);
  CHECK(report.delay->all.front().clicks == 400);
  CHECK(report.delay->all.front().rate == Approx(0.5));
  CHECK(report.delay->positives == 150);
}

TEST_CASE("delay weights: a click that nothing can credit any more stays a click", "[attribution]") {
  const AttributionFolder folder;
  DelayLog log;
  for (int i = 0; i < 200; ++i) {  // two clicks a user; the second is credited, and the first never will be
    const std::string user = log.user();
    log.click(kDelayTestStart - 40 * kDelayDay, user);
    log.click(kDelayTestStart - 40 * kDelayDay + 3600, user);
    log.convert(kDelayTestStart - 39 * kDelayDay, user);
    log.convert(kDelayTestStart - 36 * kDelayDay, user);  // again: the first counts
  }
  AttributeOptions o = log.options(folder);
  const AttributeReport report = attribute(o);
  CHECK(report.delay->all.front().rate == Approx(0.5));
  CHECK(report.delay->all.front().known[2] == 1);  // 3 d
  o.mechanisms = {"last", "linear"};
  o.delay_weights = "linear";
  const AttributeReport linear = attribute(o);
  CHECK(linear.delay->mechanism == "linear");
  CHECK(linear.delay->all.front().rate == Approx(1));
}

TEST_CASE("delay weights: so young that next to nothing is known", "[attribution]") {
  const AttributionFolder folder;
  DelayLog log;
  log.cohort(1000, 40 * kDelayDay, {{10, 60}, {390, 2 * kDelayDay}});  // 10 of 400 after a minute: F = 0.025
  log.cohort(7, 90 * 60 - 30, {});
  log.cohort(1, 10, {{1, 5}});
  AttributeOptions o = log.options(folder);
  const AttributeReport report = attribute(o);
  for (const DelayRow& row : delay_rows(folder.path("out/train.csv")))
    CHECK(row.weight == (row.time > kDelayTestStart - 2 * 3600 ? 0 : 1));
  CHECK(report.delay->unripe == 8);
  CHECK_THAT(summary(report), Contains("8 rows") && Contains("have the weight 0: --gap 90m leaves them out"));
  o.gap = 90 * 60;
  CHECK(attribute(o).delay->unripe == 0);
}

TEST_CASE("delay weights by a column: a curve of its own, or that of all", "[attribution]") {
  const AttributionFolder folder;
  DelayLog log;
  log.cohort(300, 40 * kDelayDay, {{90, kDelayDay}, {60, 10 * kDelayDay}}, "slow");
  log.cohort(100, 5 * kDelayDay, {{30, kDelayDay}, {20, 10 * kDelayDay}}, "slow");
  log.cohort(400, 40 * kDelayDay, {{160, kDelayDay}}, "fast");
  log.cohort(100, 5 * kDelayDay, {{40, kDelayDay}}, "fast");
  log.cohort(60, 40 * kDelayDay, {{10, kDelayDay}, {20, 10 * kDelayDay}}, "rare");
  log.cohort(40, 5 * kDelayDay, {{5, kDelayDay}}, "rare");
  AttributeOptions o = log.options(folder);
  o.delay_by = "shop";
  const AttributeReport report = expect_same_on_disk(o, folder);
  // Of all: 1000 at risk after a day, 335 credited; 70 + 60 + 35 leave; 80 of the 500 that reach ten days.
  const double soon = 335.0 / 1000, rate = 1 - (1 - soon) * (1 - 80.0 / 500), known = soon / rate;
  for (const DelayRow& row : delay_rows(folder.path("memory/train.csv"))) {
    const bool young = row.time > kDelayTestStart - 30 * kDelayDay;
    const double f = !young || row.shop == "fast" ? 1 : row.shop == "slow" ? 0.6 : known;
    const double p = row.shop == "slow" ? 0.5 : rate;
    CHECK(row.weight == Approx(row.credit > 0 ? 1 / f : f == 1 ? 1 : (1 - p) / (1 - p * f)));
  }
  REQUIRE(report.delay->values.size() == 3);
  CHECK(report.delay->values[0].value == "fast");  // 500 clicks
  CHECK(report.delay->values[0].rate == Approx(0.4));
  CHECK(report.delay->values[1].own);
  CHECK_FALSE(report.delay->values[2].own);
  CHECK_THAT(summary(report), Contains("by shop: 2 of 3 have a curve of their own") &&
                                  Contains("rare: 100 clicks, 35 credited: the curve of all"));
}

TEST_CASE("delay weights: events with windows of their own have curves of their own", "[attribution]") {
  const AttributionFolder folder;
  std::string log = "time,user,advertiser,event\n";
  int users = 0;
  const auto add = [&](int count, const char* event, std::int64_t age, std::int64_t delay) {
    for (int i = 0; i < count; ++i, ++users) {
      log += fmt::format("{},u{},a,{}\n", kDelayTestStart - age, users, event);
      if (delay > 0) log += fmt::format("{},u{},a,buy\n", kDelayTestStart - age + delay, users);
    }
  };
  add(120, "view", 40 * kDelayDay, 3600);  // views reach a day: all of it is known of those of 5 days
  add(80, "view", 5 * kDelayDay, 0);
  add(120, "click", 40 * kDelayDay, 10 * kDelayDay);
  add(80, "click", 40 * kDelayDay, 0);
  add(20, "click", 5 * kDelayDay, 0);  // nothing is known
  log += fmt::format("{},late,a,click\n", kDelayTestStart);
  AttributeOptions o = folder.one_file("log.csv", log, "csv");
  o.event = "event";
  o.click_events = {{"click"}, {"view", kDelayDay}};
  o.conversion_event = "buy";
  o.mechanisms = {"last"};
  o.test_from = std::to_string(kDelayTestStart);
  o.train_labels = "known";
  o.delay_weights = "last";
  const AttributeReport report = expect_same_on_disk(o, folder);
  REQUIRE(report.delay->all.size() == 2);
  CHECK(report.delay->all[0].window == 30 * kDelayDay * 1'000'000);
  CHECK(report.delay->all[0].rate == Approx(0.6));
  CHECK(report.delay->all[1].clicks == 200);
  CHECK(report.delay->all[1].rate == Approx(0.6));
  CHECK(report.delay->unripe == 20);
  CHECK(report.delay->mean() == Approx(400.0 / 420));
  o.keep_events = {"click"};  // views are no rows, and so not in a curve
  CHECK(attribute(o).delay->all.size() == 1);
}

TEST_CASE("delay weights that cannot work are refused", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = two_cohorts().options(folder);
  o.train_labels = "final";
  CHECK_THAT(attribution_error(o, 2), Contains("--delay-weights") && Contains("--train-labels known"));
  o.train_labels = "known";
  o.delay_weights = "lats";
  CHECK_THAT(attribution_error(o, 2), Contains("none of --mechanisms (last)") && Contains("did you mean 'last'?"));
  o.delay_weights.reset();
  o.delay_by = "shop";
  CHECK_THAT(attribution_error(o, 2), Contains("--delay-by shop") && Contains("--delay-weights"));
  o.delay_weights = "";
  o.delay_by = "shp";
  CHECK_THAT(attribution_error(o), Contains("clicks.csv") && Contains("'shp'") && Contains("did you mean 'shop'"));
  DelayLog few;
  few.cohort(400, 40 * kDelayDay, {{99, kDelayDay}});
  CHECK_THAT(test::same_error_on_disk(few.options(folder)),
             Contains("99 of 400 clicks before the test period") && Contains("100 are the fewest"));
  AttributeOptions named =
      folder.one_file("journeys.csv", "journey,user,timestamp,campaign,conversion\n0,u,1,5,1\n", "journeys");
  named.test_from = "1";
  named.train_labels = "known";
  named.delay_weights = "";
  CHECK_THAT(attribution_error(named, 2), Contains("--format journeys does not have"));
  AttributeOptions weighted =
      folder.options("time,user,advertiser,weight\n1,u,a,1\n2,u,a,1\n", "time,user,advertiser\n1,u,a\n");
  weighted.test_from = "2";
  weighted.train_labels = "known";
  weighted.delay_weights = "";
  CHECK_THAT(attribution_error(weighted, 2), Contains("two columns 'weight'") && Contains("--drop weight"));
}

}  // namespace
}  // namespace mal
