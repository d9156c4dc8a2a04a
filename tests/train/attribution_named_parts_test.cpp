// Logs of --format criteo and journeys kept on disk: byte for byte what they give in memory, with the same errors. What
// they give in memory, attribution_files_test.cpp knows.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <random>

#include "tests/train/attribution_disk_support.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

constexpr const char* kCriteoColumns = "timestamp\tuid\tcampaign\tconversion_timestamp\tconversion_id\tclick\tcat1\n";
constexpr const char* kJourneyColumns = "journey,user,timestamp,campaign,conversion,item\n";

class Draw {
 public:
  explicit Draw(unsigned seed) : random_(seed) {}
  int operator()(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

 private:
  std::mt19937 random_;
};

// Users with much and with little, conversions of many campaigns whose rows disagree in when it was, conversions
// without a click, campaigns that are called as conversions are on disk, times out of order and in ties.
std::string criteo_rows(Draw& draw, int rows) {
  std::string text = kCriteoColumns;
  for (int i = 0; i < rows; ++i) {
    const int user = draw(draw(2) == 0 ? 4 : 300);
    const bool converts = draw(3) == 0;
    const int id = user * 3 + draw(3);
    text +=
        fmt::format("{}\tu{}\t0:{}\t{}\t{}\t{}\t{}\n", 1'000'000 + draw(5000) * 200, user, draw(9),
                    converts ? 1'500'000 + draw(40) * 15'000 : -1, converts ? id : -1, draw(4) == 0 ? 0 : 1, draw(30));
  }
  return text;
}

// Journeys of one touch and of many, whose rows lie apart; names that come again in every file, there of other users.
std::string journey_rows(Draw& draw, int rows) {
  std::string text = kJourneyColumns;
  const int shift = draw(1000);
  for (int i = 0; i < rows; ++i) {
    const int journey = draw(draw(4) == 0 ? 5 : 700);
    const std::string item = draw(9) == 0 ? "\"i,\"\"" + std::to_string(draw(9)) + "\"" : std::to_string(draw(50));
    text +=
        fmt::format("j{},u{},{},{},{},{}\n", journey, (journey + shift) % 200,
                    1'000'000 + journey * 500 + draw(1000) * 400, draw(6), (journey + shift) % 3 == 0 ? 1 : 0, item);
  }
  return text;
}

AttributeOptions options_of(const AttributionFolder& folder, const std::string& format,
                            const std::vector<std::string>& texts) {
  AttributeOptions o = folder.one_file("0.csv", texts[0], format);
  for (std::size_t file = 1; file < texts.size(); ++file)
    o.inputs.push_back(folder.write(fmt::format("{}.csv", file), texts[file]));
  o.mechanisms = {"last", "first", "linear", "time_decay", "position", "shapley", "markov", "logistic", "mta"};
  o.window = 4 * 86400;
  return o;
}

TEST_CASE("a Criteo log on disk is that in memory", "[attribution]") {
  Draw draw(GENERATE(1U, 2U));
  const AttributionFolder folder;

  SECTION("one file") {
    const AttributeReport report = expect_same_on_disk(options_of(folder, "criteo", {criteo_rows(draw, 4000)}), folder);
    CHECK(report.conversions > 200);
    CHECK(report.conversions_without_clicks > 0);
  }
  SECTION("several files that share conversions, one compressed; everything at once") {
    AttributeOptions o =
        options_of(folder, "criteo", {criteo_rows(draw, 1500), criteo_rows(draw, 1500), criteo_rows(draw, 10)});
    o.inputs.push_back(folder.write("3.tsv.gz", test::gzipped(criteo_rows(draw, 1500))));
    o.test_days = 2;
    o.gap = 86400;
    o.train_labels = "known";
    o.history = {"campaign", "cat1"};
    o.history_length = 4;
    o.derive_hour = true;
    o.by = "campaign";
    o.restart = true;
    o.from = "1100000";
    o.to = "1900000";
    o.keep = {"timestamp", "uid", "cat1"};
    const AttributeReport report = expect_same_on_disk(o, folder);
    CHECK(report.skipped_rows > 0);
    CHECK(report.conversions > 200);
    CHECK(report.slices.size() == 9);
  }
}

TEST_CASE("named journeys on disk are those in memory", "[attribution]") {
  Draw draw(GENERATE(1U, 2U));
  const AttributionFolder folder;

  SECTION("one file") {
    const AttributeReport report =
        expect_same_on_disk(options_of(folder, "journeys", {journey_rows(draw, 4000)}), folder);
    CHECK(report.conversions > 100);
    CHECK(report.single_click_journeys > 0);
  }
  SECTION("several files with journeys of the same names, one compressed; everything at once") {
    AttributeOptions o =
        options_of(folder, "journeys", {journey_rows(draw, 1500), journey_rows(draw, 1500), journey_rows(draw, 10)});
    o.inputs.push_back(folder.write("3.csv.gz", test::gzipped(journey_rows(draw, 1500))));
    o.test_from = "1300000";
    o.history = {"item", "campaign"};
    o.history_length = 3;
    o.by = "campaign";
    o.from = "1050000";
    o.to = "1600000";
    o.truncate = 86400;
    const AttributeReport report = expect_same_on_disk(o, folder);
    CHECK(report.skipped_rows > 0);
    CHECK(report.dropped_touches > 100);
    CHECK(report.conversions > 100);
    CHECK(report.test_start > report.first_time);
  }
  SECTION("the first and the last touch are cut off") {
    AttributeOptions o = options_of(folder, "journeys",
                                    {std::string(kJourneyColumns) + "a,u,100,1,1,i\na,u,50000,1,1,i\na,u,50100,1,1,i\n"
                                                                    "b,v,40000,2,0,i\nb,v,40010,2,0,i\n"
                                                                    "c,w,90000,2,1,i\n"});
    o.truncate = 1000;
    const AttributeReport report = expect_same_on_disk(o, folder);
    CHECK(report.first_time == 40000 * kSecond);
    CHECK(report.last_time == 50100 * kSecond);
    CHECK(report.clicks == 4);
    CHECK(report.users == 2);
    CHECK(report.conversions == 1);
    CHECK(report.dropped_touches == 2);
  }
}

TEST_CASE("errors of named logs on disk are those in memory", "[attribution]") {
  const AttributionFolder folder;
  const auto criteo = [&](const std::vector<std::string>& rows, const std::string& second_file = {}) {
    std::string text = kCriteoColumns;
    for (const std::string& row : rows) text += row;
    AttributeOptions o = options_of(folder, "criteo", {text});
    if (!second_file.empty()) o.inputs.push_back(folder.write("1.csv", kCriteoColumns + second_file));
    return same_error_on_disk(o);
  };
  // Conversions 0 … 19 are in many parts; of those that contradict themselves, the first is named.
  std::vector<std::string> rows;
  for (int id = 0; id < 20; ++id) rows.push_back(fmt::format("{}\tu{}\t1\t900\t{}\t{}\t5\n", id, id, id, id % 2));
  for (int id = 20; id-- > 5;) rows.push_back(fmt::format("{}\tv{}\t1\t900\t{}\t{}\t5\n", id, id, id, id % 2));
  CHECK_THAT(criteo(rows), Contains("0.csv:22:conversion_id: conversion '19' belongs to user 'v19', but at") &&
                               Contains("0.csv:21:conversion_id to user 'u19'"));
  CHECK_THAT(criteo({rows[0], rows[3]}, rows[4] + "7\tw\t1\t900\t3\t1\t5\n"),
             Contains("1.csv:3:conversion_id") && Contains("0.csv:3:conversion_id"));
  CHECK_THAT(criteo({rows[0], "1\tv\t1\t900\tx\t1\t5\n"}), Contains("0.csv:3:conversion_id"));
  CHECK_THAT(criteo({rows[0], rows[2]}), Contains("no row has 1 in column click"));
  CHECK_THAT(criteo({}), Contains("there are no rows"));

  AttributeOptions o;
  const auto journeys = [&](const std::string& text) {
    o.inputs = {folder.write("0.csv", kJourneyColumns + text)};
    o.format = "journeys";
    o.out = folder.path("out");
    o.progress = false;
    return same_error_on_disk(o);
  };
  std::string good, wrong;
  for (int j = 0; j < 20; ++j) good += fmt::format("j{},u{},5,1,0,i\n", j, j);
  for (int j = 20; j-- > 5;) wrong += fmt::format("j{},u{},6,1,{},i\n", j, j % 2 == 0 ? j : 99, j % 2);
  CHECK_THAT(journeys(good + wrong), Contains("0.csv:22:journey: journey 'j19' belongs to user 'u99'") &&
                                         Contains("0.csv:21:journey to user 'u19'"));
  CHECK_THAT(journeys(good + "j7,u7,5,1,1,i\n" + wrong), Contains("0.csv:22:conversion") && Contains("both 0 and 1"));
  CHECK_THAT(journeys(good + "j7,u7,5,1,yes,i\n"), Contains("0.csv:22:conversion") && Contains("'yes' where 0 or 1"));
  CHECK_THAT(journeys(good + ",u7,5,1,0,i\n"), Contains("0.csv:22:journey: the field is empty"));
  CHECK_THAT(journeys(""), Contains("there are no rows"));
  o.truncate = 60;
  CHECK_THAT(journeys(good), Contains("--truncate leaves no journey of two touches"));
  o.from = "100";
  CHECK_THAT(journeys(good), Contains("no touch among 20 rows"));
}

}  // namespace
}  // namespace mal
