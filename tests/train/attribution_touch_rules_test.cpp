// Which touches share a conversion: windows of their own, channels and events without credit beside others. By hand,
// and against the documented rule written down a second time, the slow obvious way.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <tuple>

#include "tests/train/attribution_disk_support.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/shapley.h"
#include "train/attribution/touch_rules.h"

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

constexpr std::int64_t kDay = 86400;

// Days since the first, whole or not.
std::string at(double day) {
  return std::to_string(1'000'000 + static_cast<std::int64_t>(day * static_cast<double>(kDay)));
}

// A log of one user and key: events with their days, then a conversion on day 10.
std::string one_user(const std::vector<std::tuple<double, const char*, const char*>>& events) {
  std::string text = "time,user,advertiser,what,channel\n";
  for (const auto& [day, what, channel] : events) text += at(day) + ",u,a," + what + "," + channel + "\n";
  return text + at(10) + ",u,a,buy,\n";
}

AttributeOptions events_of(const AttributionFolder& folder, const std::string& log) {
  AttributeOptions o = folder.one_file("log.csv", log, "csv");
  o.event = "what";
  o.conversion_event = "buy";
  o.keep = {"what", "channel"};
  o.mechanisms = {"last", "first", "linear"};
  return o;
}

std::vector<std::string> rows_of(const AttributionFolder& folder, const AttributeOptions& o) {
  expect_same_on_disk(o, folder);
  std::vector<std::string> lines = attribution_lines(folder.path("memory/train.csv"));
  lines.erase(lines.begin());
  return lines;
}

TEST_CASE("a view counts for less time than a click", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = one_user({{0, "click", "search"},
                                    {8.9, "view", "display"},
                                    {9, "view", "display"},
                                    {9.5, "look", "display"},
                                    {9.9, "view", "social"}});
  AttributeOptions o = events_of(folder, log);
  o.click_events = {{"click", 0}, {"view", kDay}};
  // A day before the conversion counts, as the border of --window does; an event that nobody asked for is none.
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,search,0,1,0.33333334,3", "view,display,0,0,0,0",
                                                       "view,display,0,0,0.33333334,3",
                                                       "view,social,1,0,0.33333334,3"});
  o.click_events = {{"click", 0}, {"view", kDay - 1}};
  CHECK(rows_of(folder, o)[2] == "view,display,0,0,0,0");
  o.click_events = {{"click", 9 * kDay}, {"view", 0}};  // a window longer or shorter than --window
  CHECK(rows_of(folder, o)[0] == "click,search,0,0,0,0");
  o.click_events = {{"click", 11 * kDay}, {"view", 0}};
  o.window = kDay;
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,search,0,1,0.33333334,3", "view,display,0,0,0,0",
                                                       "view,display,0,0,0.33333334,3",
                                                       "view,social,1,0,0.33333334,3"});
}

TEST_CASE("a conversion whose touches are all out of their windows has none", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = events_of(folder, one_user({{8, "view", "display"}, {11, "click", "search"}}));
  o.click_events = {{"click", 0}, {"view", kDay}};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.conversions_without_clicks == 1);
  CHECK(report.unmatched.ruled_out == 1);
  CHECK(report.journeys == 0);
  CHECK(report.events == std::vector<std::pair<std::string, std::uint64_t>>{{"click", 1}, {"view", 1}});
}

TEST_CASE("windows by channel, and the shorter one of a view of such a channel", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = one_user({{1, "click", "display"},
                                    {2.5, "click", "email"},
                                    {3, "click", "search"},
                                    {8, "view", "display"},
                                    {8, "view", "email"},
                                    {9.5, "view", "email"}});
  AttributeOptions o = events_of(folder, log);
  o.mechanisms = {"linear"};
  o.click_events = {{"click", 0}, {"view", 3 * kDay}};
  o.lookback = {{"display", 8 * kDay}, {"email", kDay}};
  o.window = 30 * kDay;
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,display,0,0", "click,email,0,0",
                                                       "click,search,0.33333334,3", "view,display,0.33333334,3",
                                                       "view,email,0,0", "view,email,0.33333334,3"});
  o.window = 6 * kDay;  // what has a window of its own, whatever --window is
  o.lookback = {{"display", 9 * kDay}, {"email", 8 * kDay}};
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,display,0.2,5", "click,email,0.2,5", "click,search,0,0",
                                                       "view,display,0.2,5", "view,email,0.2,5", "view,email,0.2,5"});
}

TEST_CASE("a click beats views", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o =
      events_of(folder, one_user({{7, "view", "display"}, {8, "click", "search"}, {9.5, "view", "social"}}));
  o.click_events = {{"click", 0}, {"view", 0}};
  o.exclude_events = {"view"};
  CHECK(rows_of(folder, o) ==
        std::vector<std::string>{"view,display,0,0,0,0", "click,search,1,1,1,1", "view,social,0,0,0,0"});
  o = events_of(folder, one_user({{7, "view", "display"}, {9.5, "view", "social"}, {10.5, "click", "search"}}));
  o.click_events = {{"click", 0}, {"view", kDay}};
  o.exclude_events = {"view"};
  CHECK(rows_of(folder, o) ==
        std::vector<std::string>{"view,display,0,0,0,0", "view,social,1,1,1,1", "click,search,0,0,0,0"});
}

TEST_CASE("views in journeys and not in the files", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = events_of(
      folder,
      one_user({{6, "click", "email"}, {7, "view", "display"}, {8, "click", "search"}, {9.5, "view", "social"}}));
  o.click_events = {{"click", 0}, {"view", 0}};
  o.keep_events = {"click"};
  o.keep = {};
  o.history = {"channel"};
  o.test_from = at(7.5);
  const AttributeReport report = expect_same_on_disk(o, folder);
  const std::string header = "time,user,advertiser,channel,channel_seq,last,first,linear,path_length";
  CHECK(attribution_lines(folder.path("memory/train.csv")) ==
        std::vector<std::string>{header, at(6) + ",u,a,email,,0,1,0.25,4"});
  CHECK(attribution_lines(folder.path("memory/test.csv")) ==
        std::vector<std::string>{header, at(8) + ",u,a,search,email,0,0,0.25,4"});
  CHECK(report.clicks == 4);
  CHECK(report.left_out_clicks == 2);
  CHECK(report.train_clicks == 1);
  CHECK(report.mechanisms[2].test_positives == 1);
  CHECK_THAT(summary(report), Contains("events: 2 click, 2 view; 2 in no file, but in journeys (--keep-events)\n") &&
                                  Contains("train.csv 1 click, test.csv 1 click"));
  o.keep_events = {};  // the column of the event says which is which
  o.test_from = "";
  CHECK(rows_of(folder, o)[1] == at(7) + ",u,a,view,display,email,0,0,0.25,4");
  o.keep_events = {"click"};
  o.test_from = at(9);
  CHECK_THAT(test::attribution_error(o, 2),
             Contains("no such event lies in the test period, so test.csv would be empty"));
  o.keep_events = {"view"};
  o.test_from = at(6.5);
  CHECK_THAT(test::attribution_error(o, 2),
             Contains("no such event lies in the training period, so train.csv would be empty"));
}

TEST_CASE("events of clicks whose conversions are in files of their own", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = one_user({{8, "click", "search"}, {9.5, "view", "display"}});
  AttributeOptions o = folder.options(log, "time,user,advertiser,conversion_id\n" + at(10) + ",u,a,c7\n");
  o.event = "what";
  o.click_events = {{"click", 0}, {"view", kDay}};
  o.mechanisms = {"last"};
  o.keep = {"what"};
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,0,2", "view,1,2"});
  o.conversion_event = "buy";
  CHECK_THAT(test::attribution_error(o, 2), Contains("--conversion-event and --conversions exclude each other"));
}

TEST_CASE("events and windows that do not go together are refused", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = one_user({{8, "click", "search"}, {9.5, "view", "display"}});
  const auto with = [&](const std::function<void(AttributeOptions&)>& change) {
    AttributeOptions o = events_of(folder, log);
    o.click_events = {{"click", 0}, {"view", kDay}};
    change(o);
    return o;
  };
  using O = AttributeOptions;
  const auto usage = [&](const std::function<void(O&)>& change) { return test::attribution_error(with(change), 2); };
  CHECK_THAT(usage([](O& o) { o.exclude_events = {"veiw"}; }),
             Contains("--exclude-event veiw: --click-event does not name such an event (did you mean 'view'?); it has "
                      "'click', 'view'"));
  CHECK_THAT(usage([](O& o) { o.keep_events = {"clicks"}; }), Contains("--keep-events clicks"));
  CHECK_THAT(usage([](O& o) { o.click_events = {{"view", 0}, {"view", 5}}; }), Contains("'view' is given twice"));
  CHECK_THAT(usage([](O& o) { o.click_events = {{"view", 0}, {"buy", 0}}; }), Contains("are both 'buy'"));
  CHECK_THAT(usage([](O& o) { o.lookback = {{"search", 5}, {"search", 6}}; }), Contains("'search' is given twice"));
  CHECK_THAT(usage([](O& o) { o.lookback = {{"search", 0}}; }), Contains("write search=7d"));
  CHECK_THAT(usage([](O& o) { o.event = ""; }), Contains("no conversions"));
  CHECK_THAT(same_error_on_disk(with([](O& o) {
               o.lookback = {{"serch", 5}};
             })),
             Contains("no click is of channel 'serch', which --lookback names (did you mean 'search'?)"));
  CHECK_THAT(same_error_on_disk(with([](O& o) {
               o.click_events.push_back({"viewed", 0});
             })),
             Contains("no row has 'viewed' in column what") && Contains("'click' (1)"));

  const auto window = [](const char* text) { return parse_own_window(text, "--lookback"); };
  CHECK(window("a").name == "a");
  CHECK(window("a").seconds == 0);
  CHECK(window("a=1d").seconds == kDay);
  CHECK(window("utm=x=90m").name == "utm=x");
  CHECK(window("utm=x=90m").seconds == 5400);
  CHECK_THAT(test::message_of([&] { window("a=7"); }), Contains("--lookback a: its window 7: 7 what? write 7d"));
  CHECK_THAT(test::message_of([&] { window("a=week"); }), Contains("not a length of time"));
  CHECK_THAT(test::message_of([&] { window("=7d"); }), Contains("there is no name"));
}

TEST_CASE("quiet journeys of touches with windows of their own, by hand", "[attribution]") {
  const AttributionFolder folder;
  // Nobody converts but v. u: the last touch is the click on day 9, and the view of day 8.5 reaches it; that of day 5
  // does not, and is a journey of its own. The click on day 1 reaches day 9.
  std::string log = one_user({});
  log = log.substr(0, log.find('\n') + 1);
  for (const auto& [day, what, channel] : std::vector<std::tuple<double, const char*, const char*>>{
           {1, "click", "a"}, {5, "view", "b"}, {8.5, "view", "c"}, {9, "click", "d"}})
    log += at(day) + ",u,a," + what + "," + channel + "\n";
  // v: the view of day 5 does not reach the conversion on day 7, so it is a journey that did not convert.
  log += at(3) + ",v,a,click,a\n" + at(5) + ",v,a,view,b\n" + at(7) + ",v,a,buy,\n";
  AttributeOptions o = events_of(folder, log);
  o.click_events = {{"click", 0}, {"view", kDay}};
  o.mechanisms = {"shapley"};
  const AttributeReport report = expect_same_on_disk(o, folder);
  CHECK(report.fit_total.journeys == 4);  // a c d; b; and v's a, which converts; b
  CHECK(report.fit_total.conversions == 1);
  CHECK(report.fit_coalitions == 3);
  for (const ChannelReport& channel : report.channels) {
    INFO(channel.name);
    CHECK(channel.alone.journeys == (channel.name == "a" ? 1 : channel.name == "b" ? 2 : 0));
  }
}

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
