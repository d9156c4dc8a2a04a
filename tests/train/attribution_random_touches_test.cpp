// Journeys, credits and fits of random logs against the rules for touches (docs/touches.md), written down a second
// time, the slow obvious way.
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

using test::attribution_lines;
using test::AttributionFolder;
using test::expect_same_on_disk;

// The rules of docs/attribution.md and docs/touches.md, read literally.
struct Touch {
  int id, user;
  std::int64_t time;
  std::string channel, what;
  bool converted = false, quiet = false;  // in a journey of that sort
};

struct Naive {
  std::vector<Touch> touches;                       // in time order
  std::vector<std::pair<int, std::int64_t>> sales;  // user and time, in time order
  std::int64_t window;
  std::map<std::string, std::int64_t> of_event, of_channel;  // windows
  std::set<std::string> excluded, excluded_events, kept_events;

  struct Row {
    double last = 0, first = 0, linear = 0;
    std::size_t path_length = 0;
    bool operator==(const Row&) const = default;
  };
  std::vector<Row> rows;  // by id
  std::vector<std::pair<std::set<std::string>, bool>> fit;

  std::int64_t reach(const Touch& touch) const {
    const auto event = of_event.find(touch.what), channel = of_channel.find(touch.channel);
    if (event != of_event.end() && channel != of_channel.end()) return std::min(event->second, channel->second);
    if (event != of_event.end()) return event->second;
    return channel != of_channel.end() ? channel->second : window;
  }

  // Of the touches that reach a moment, those that share what comes of it.
  std::vector<const Touch*> sharing(const std::vector<Touch*>& reaching) const {
    std::vector<const Touch*> some, all;
    for (const Touch* touch : reaching) {
      all.push_back(touch);
      if (!excluded.contains(touch->channel) && !excluded_events.contains(touch->what)) some.push_back(touch);
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
        if (touch.user != last.user || touch.quiet || touch.converted) continue;
        if (touch.time >= last.time - reach(touch)) reaching.insert(reaching.begin(), &touch);
      }
      for (Touch* touch : reaching) touch->quiet = true;
      observe(sharing(reaching), false);
    }
  }
};

std::map<std::string, std::int64_t> some_windows(std::mt19937& random, const std::vector<const char*>& names,
                                                 std::vector<OwnWindow>& option) {
  std::map<std::string, std::int64_t> windows;
  for (const char* name : names) {
    if (random() % 3 == 0) continue;
    windows[name] = static_cast<std::int64_t>(10 * (1 + random() % 20));
    option.push_back({name, windows[name]});
  }
  return windows;
}

// Several users with few touches each, in ties and out of order, bunched and far apart.
Naive random_world(unsigned seed, AttributionFolder& folder, AttributeOptions& options) {
  std::mt19937 random(seed);
  const auto draw = [&](unsigned n) { return static_cast<int>(random() % n); };
  Naive world;
  const std::vector<const char*> channels = {"direct", "search", "display", "email", "social"};
  const std::vector<const char*> events = {"click", "view", "tap"};
  std::string clicks = "id,user,time,advertiser,channel,what\n", sales = "user,time,advertiser\n";
  const auto add = [&](int user, std::int64_t time, const char* channel, const char* what) {
    world.touches.push_back({static_cast<int>(world.touches.size()), user, time, channel, what});
    clicks += fmt::format("{},u{},{},a,{},{}\n", world.touches.size() - 1, user, time, channel, what);
  };
  for (int touch = 0; touch < 60; ++touch)
    add(draw(6), 1000 + draw(40) * 10, channels[static_cast<std::size_t>(draw(draw(2) == 0 ? 2 : 5))],
        events[static_cast<std::size_t>(draw(3))]);
  for (const char* channel : channels) add(9, 1000, channel, "view");  // all of them occur
  for (const char* event : events) add(9, 1000, "direct", event);
  const bool one_log = draw(2) == 0;
  for (int sale = 0; sale < 12; ++sale) {
    world.sales.emplace_back(draw(7), 1000 + draw(50) * 10);
    const auto& [user, time] = world.sales.back();
    sales += fmt::format("u{},{},a\n", user, time);
    if (one_log) clicks += fmt::format("-1,u{},{},a,,buy\n", user, time);
  }
  options = folder.options(clicks, sales);
  if (one_log) options.conversions = {}, options.conversion_event = "buy";
  options.event = "what";
  options.window = world.window = 10 * (1 + draw(20));
  options.mechanisms = {"last", "first", "linear", "shapley"};
  options.keep = {"id"};
  options.click_events = {};
  if (draw(4) > 0) {
    world.of_event = some_windows(random, events, options.click_events);
    world.of_channel = some_windows(random, channels, options.lookback);
  }
  for (const char* event : events)
    if (!world.of_event.contains(event)) options.click_events.push_back({event});
  for (const char* channel : {"direct", "email"})
    if (draw(3) == 0) world.excluded.insert(channel);
  if (draw(2) == 0) world.excluded_events.insert("view");
  if (draw(2) == 0) world.kept_events = {"click", "tap"};
  options.exclude_channels.assign(world.excluded.begin(), world.excluded.end());
  options.exclude_events.assign(world.excluded_events.begin(), world.excluded_events.end());
  options.keep_events.assign(world.kept_events.begin(), world.kept_events.end());
  std::ranges::stable_sort(world.touches, {}, &Touch::time);
  std::ranges::stable_sort(world.sales, {}, &std::pair<int, std::int64_t>::second);
  world.run();
  return world;
}

void check_rows(const Naive& world, const std::string& file) {
  std::vector<std::string> lines = attribution_lines(file);
  const auto kept = std::ranges::count_if(world.touches, [&](const Touch& touch) {
    return world.kept_events.empty() || world.kept_events.contains(touch.what);
  });
  REQUIRE(lines.size() == static_cast<std::size_t>(kept) + 1);
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
  for (unsigned seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    AttributionFolder folder;
    AttributeOptions o;
    const Naive world = random_world(seed, folder, o);
    if (seed % 8 == 1) {
      expect_same_on_disk(o, folder);
    } else {
      o.out = folder.path("memory");
      attribute(o);
    }
    check_rows(world, folder.path("memory/train.csv"));
    check_fit(world, folder.path("memory/channel_model.json"));
  }
}

}  // namespace
}  // namespace mal
