// Which touches share a conversion: channels without credit beside others. By hand, and against the documented rule
// written down a second time, the slow obvious way.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "tests/train/attribution_disk_support.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/shapley.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;
using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;
using test::same_error_on_disk;

constexpr const char* kVisits =
    "user,time,advertiser,channel\n"
    "u1,10,a,search\nu1,20,a,direct\n"
    "u2,10,a,direct\nu2,20,a,direct\n"
    "u3,10,a,direct\nu3,20,a,search\nu3,25,a,display\n"
    "u4,10,a,direct\nu4,40,a,search\n"
    "u5,10,a,direct\nu5,20,a,search\nu5,25,a,direct\n"
    "u6,10,a,direct\n";
constexpr const char* kSales = "user,time,advertiser\nu1,30,a\nu2,30,a\nu3,30,a\nu5,15,a\nu5,30,a\n";

TEST_CASE("an excluded channel gets no credit beside another one", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kVisits, kSales);
  o.mechanisms = {"last", "first", "linear"};
  o.keep = {"user", "time"};
  o.exclude_channels = {"direct"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  std::vector<std::string> lines = attribution_lines(folder.path("memory/train.csv"));
  std::sort(lines.begin(), lines.end());
  const std::vector<std::string> expected = {"u1,10,1,1,1,1",   "u1,20,0,0,0,0",    // last non-direct
                                             "u2,10,0,1,0.5,2", "u2,20,1,0,0.5,2",  // nothing but direct: as usual
                                             "u3,10,0,0,0,0",   "u3,20,0,1,0.5,2",
                                             "u3,25,1,0,0.5,2",                   // the first, too
                                             "u4,10,0,0,0,0",   "u4,40,0,0,0,0",  //
                                             "u5,10,1,1,1,1",   "u5,20,1,1,1,1",
                                             "u5,25,0,0,0,0",  // the first sale has nothing but direct
                                             "u6,10,0,0,0,0",   "user,time,last,first,linear,path_length"};
  CHECK(lines == expected);
  CHECK(report.journeys == 5);
  CHECK(report.journey_clicks == 7);
  CHECK(report.single_click_journeys == 3);
  CHECK(report.clicks_in_journeys == 7);
  CHECK(report.clicks_in_several_journeys == 0);
}

TEST_CASE("an excluded channel is in the journeys of the fit that have no other", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kVisits, kSales);
  o.mechanisms = {"last", "shapley", "markov", "logistic"};
  o.exclude_channels = {"direct"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  // Converting: search; direct; search and display; direct; search. Not: search (of u4), direct (of u6).
  CHECK(report.fit_total.journeys == 7);
  CHECK(report.fit_total.conversions == 5);
  const auto json = nlohmann::json::parse(read_file(folder.path("memory/channel_model.json")));
  std::map<std::string, std::pair<int, int>> alone;
  for (const auto& channel : json["channels"])
    alone[channel["channel"]] = {channel["journeys_alone"], channel["conversions_alone"]};
  CHECK(alone ==
        std::map<std::string, std::pair<int, int>>{{"direct", {3, 2}}, {"display", {0, 0}}, {"search", {3, 2}}});
  CHECK_THAT(summary(report), Contains("  excluded\n"));
}

TEST_CASE("an excluded channel that no click has is an error that lists those there are", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = folder.options(kVisits, kSales);
  o.exclude_channels = {"search", "Direct"};
  CHECK_THAT(same_error_on_disk(o),
             Contains("clicks.csv: no click is of channel 'Direct', which --exclude-channel names (did you mean "
                      "'direct'?); there are 'direct', 'display', 'search'"));
}

// The rules of docs/attribution.md, read literally.
struct Touch {
  int id, user;
  std::int64_t time;
  std::string channel;
  bool converted = false, quiet = false;  // in a journey of that sort
};

struct Naive {
  std::vector<Touch> touches;                       // in time order
  std::vector<std::pair<int, std::int64_t>> sales;  // user and time, in time order
  std::int64_t window;
  std::set<std::string> excluded;

  struct Row {
    double last = 0, first = 0, linear = 0;
    std::size_t path_length = 0;
    bool operator==(const Row&) const = default;
  };
  std::vector<Row> rows;  // by id
  std::vector<std::pair<std::set<std::string>, bool>> fit;

  std::int64_t reach(const Touch&) const { return window; }

  // Of the touches that reach a moment, those that share what comes of it.
  std::vector<const Touch*> sharing(const std::vector<Touch*>& reaching) const {
    std::vector<const Touch*> some, all;
    for (const Touch* touch : reaching) {
      all.push_back(touch);
      if (!excluded.contains(touch->channel)) some.push_back(touch);
    }
    return some.empty() ? all : some;
  }

  void observe(const std::vector<const Touch*>& journey, bool converted) {
    std::set<std::string> channels;
    for (const Touch* touch : journey) channels.insert(touch->channel);
    fit.emplace_back(channels, converted);
  }

  void run() {
    rows.resize(touches.size());
    for (const auto& [user, time] : sales) {
      std::vector<Touch*> reaching;
      for (Touch& touch : touches)
        if (touch.user == user && touch.time <= time && touch.time >= time - reach(touch)) reaching.push_back(&touch);
      for (Touch* touch : reaching) touch->converted = true;
      const std::vector<const Touch*> journey = sharing(reaching);
      if (journey.empty()) continue;
      observe(journey, true);
      for (const Touch* touch : journey) {
        Row& row = rows[static_cast<std::size_t>(touch->id)];
        row.linear = std::min(1.0, row.linear + 1.0 / static_cast<double>(journey.size()));
        if (touch == journey.back()) row.last = 1;
        if (touch == journey.front()) row.first = 1;
        row.path_length = std::max(row.path_length, journey.size());
      }
    }
    for (std::size_t end = touches.size(); end-- > 0;) {
      const Touch& last = touches[end];
      if (last.converted || last.quiet) continue;
      std::vector<Touch*> reaching;
      for (std::size_t t = end + 1; t-- > 0;) {
        Touch& touch = touches[t];
        if (touch.user != last.user || touch.quiet) continue;
        if (touch.converted) break;
        if (touch.time >= last.time - reach(touch)) reaching.insert(reaching.begin(), &touch);
      }
      for (Touch* touch : reaching) touch->quiet = true;
      observe(sharing(reaching), false);
    }
  }
};

// Several users with few touches each, in ties and out of order, bunched and far apart.
Naive random_world(unsigned seed, AttributionFolder& folder, AttributeOptions& options) {
  std::mt19937 random(seed);
  const auto draw = [&](unsigned n) { return static_cast<int>(random() % n); };
  Naive world;
  const char* channels[] = {"direct", "search", "display", "email", "social"};
  std::string clicks = "id,user,time,advertiser,channel\n", sales = "user,time,advertiser\n";
  for (int id = 0; id < 60; ++id) {
    const Touch touch = {id, draw(6), 1000 + draw(40) * 10, channels[draw(draw(2) == 0 ? 2 : 5)]};
    world.touches.push_back(touch);
    clicks += fmt::format("{},u{},{},a,{}\n", id, touch.user, touch.time, touch.channel);
  }
  for (const char* channel : channels) {  // all of them occur
    const Touch touch = {static_cast<int>(world.touches.size()), 9, 1000, channel};
    world.touches.push_back(touch);
    clicks += fmt::format("{},u9,1000,a,{}\n", touch.id, channel);
  }
  for (int sale = 0; sale < 12; ++sale) {
    world.sales.emplace_back(draw(7), 1000 + draw(50) * 10);
    sales += fmt::format("u{},{},a\n", world.sales.back().first, world.sales.back().second);
  }
  options = folder.options(clicks, sales);
  options.window = world.window = 10 * (1 + draw(20));
  options.mechanisms = {"last", "first", "linear", "shapley"};
  options.keep = {"id"};
  for (const char* channel : {"direct", "email"})
    if (draw(3) > 0) world.excluded.insert(channel);
  options.exclude_channels.assign(world.excluded.begin(), world.excluded.end());
  std::ranges::stable_sort(world.touches, {}, &Touch::time);
  std::ranges::stable_sort(world.sales, {}, &std::pair<int, std::int64_t>::second);
  world.run();
  return world;
}

void check_rows(const Naive& world, const std::string& file) {
  std::vector<std::string> lines = attribution_lines(file);
  REQUIRE(lines.size() == world.rows.size() + 1);
  lines.erase(lines.begin());
  for (const std::string& line : lines) {
    INFO(line);
    std::vector<double> fields;
    std::istringstream text(line);
    for (std::string field; std::getline(text, field, ',');) fields.push_back(std::strtod(field.c_str(), nullptr));
    REQUIRE(fields.size() == 6);
    const Naive::Row& row = world.rows[static_cast<std::size_t>(fields[0])];
    CHECK(fields[1] == row.last);
    CHECK(fields[2] == row.first);
    CHECK(fields[3] == Approx(row.linear).margin(1e-6));
    CHECK(fields[5] == static_cast<double>(row.path_length));
  }
}

void check_fit(const Naive& world, const std::string& file) {
  std::map<std::string, std::uint32_t> numbers;
  for (const auto& [channels, converted] : world.fit)
    for (const std::string& channel : channels) numbers.emplace(channel, 0);
  std::uint32_t next = 0;
  for (auto& [name, number] : numbers) number = next++;
  CoalitionTable table(next);
  for (const auto& [channels, converted] : world.fit) {
    std::vector<std::uint32_t> numbered;
    for (const std::string& channel : channels) numbered.push_back(numbers.at(channel));
    table.add(numbered, converted);
  }
  const std::vector<double> values = fit_shapley(table).values;
  const auto json = nlohmann::json::parse(read_file(file));
  CHECK(json["journeys"] == table.total().journeys);
  CHECK(json["conversions"] == table.total().conversions);
  REQUIRE(json["channels"].size() == numbers.size());
  if (table.total().conversions == 0 || table.total().conversions == table.total().journeys) return;
  for (const auto& [name, number] : numbers) {
    INFO(name);
    CHECK(json["channels"][number]["channel"] == name);
    CHECK(json["channels"][number]["journeys_alone"] == table.singles()[number].journeys);
    CHECK(json["channels"][number]["shapley"].get<double>() == Approx(values[number]).margin(1e-12));
  }
}

TEST_CASE("journeys of random logs are those of the documented rule", "[attribution]") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    INFO("seed " << seed);
    AttributionFolder folder;
    AttributeOptions o;
    const Naive world = random_world(seed, folder, o);
    expect_same_on_disk(o, folder);
    check_rows(world, folder.path("memory/train.csv"));
    check_fit(world, folder.path("memory/channel_model.json"));
  }
}

}  // namespace
}  // namespace mal
