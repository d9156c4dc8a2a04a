// Which touches share a conversion: windows of their own, channels and events without credit beside others. By hand,
// and against the documented rule written down a second time, the slow obvious way.
#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "tests/train/attribution_disk_support.h"
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

constexpr std::int64_t kTouchDay = 86400;

// Days since the first, whole or not.
std::string touch_time(double day) {
  return std::to_string(1'000'000 + static_cast<std::int64_t>(day * static_cast<double>(kTouchDay)));
}

// A log of one user and key: events with their days, then a conversion on day 10.
std::string one_user(const std::vector<std::tuple<double, const char*, const char*>>& events) {
  std::string text = "time,user,advertiser,what,channel\n";
  for (const auto& [day, what, channel] : events) text += touch_time(day) + ",u,a," + what + "," + channel + "\n";
  return text + touch_time(10) + ",u,a,buy,\n";
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
  o.click_events = {{"click", 0}, {"view", kTouchDay}};
  // A day before the conversion counts, as the border of --window does; an event that nobody asked for is none.
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,search,0,1,0.33333334,3", "view,display,0,0,0,0",
                                                       "view,display,0,0,0.33333334,3",
                                                       "view,social,1,0,0.33333334,3"});
  o.click_events = {{"click", 0}, {"view", kTouchDay - 1}};
  CHECK(rows_of(folder, o)[2] == "view,display,0,0,0,0");
  o.click_events = {{"click", 9 * kTouchDay}, {"view", 0}};  // a window longer or shorter than --window
  CHECK(rows_of(folder, o)[0] == "click,search,0,0,0,0");
  o.click_events = {{"click", 11 * kTouchDay}, {"view", 0}};
  o.window = kTouchDay;
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,search,0,1,0.33333334,3", "view,display,0,0,0,0",
                                                       "view,display,0,0,0.33333334,3",
                                                       "view,social,1,0,0.33333334,3"});
}

TEST_CASE("a conversion whose touches are all out of their windows has none", "[attribution]") {
  const AttributionFolder folder;
  AttributeOptions o = events_of(folder, one_user({{8, "view", "display"}, {11, "click", "search"}}));
  o.click_events = {{"click", 0}, {"view", kTouchDay}};
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
  o.click_events = {{"click", 0}, {"view", 3 * kTouchDay}};
  o.lookback = {{"display", 8 * kTouchDay}, {"email", kTouchDay}};
  o.window = 30 * kTouchDay;
  CHECK(rows_of(folder, o) == std::vector<std::string>{"click,display,0,0", "click,email,0,0",
                                                       "click,search,0.33333334,3", "view,display,0.33333334,3",
                                                       "view,email,0,0", "view,email,0.33333334,3"});
  o.window = 6 * kTouchDay;  // what has a window of its own, whatever --window is
  o.lookback = {{"display", 9 * kTouchDay}, {"email", 8 * kTouchDay}};
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
  o.click_events = {{"click", 0}, {"view", kTouchDay}};
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
  o.test_from = touch_time(7.5);
  const AttributeReport report = expect_same_on_disk(o, folder);
  const std::string header = "time,user,advertiser,channel,channel_seq,last,first,linear,path_length";
  CHECK(attribution_lines(folder.path("memory/train.csv")) ==
        std::vector<std::string>{header, touch_time(6) + ",u,a,email,,0,1,0.25,4"});
  CHECK(attribution_lines(folder.path("memory/test.csv")) ==
        std::vector<std::string>{header, touch_time(8) + ",u,a,search,email,0,0,0.25,4"});
  CHECK(report.clicks == 4);
  CHECK(report.left_out_clicks == 2);
  CHECK(report.train_clicks == 1);
  CHECK(report.mechanisms[2].test_positives == 1);
  CHECK_THAT(summary(report), Contains("events: 2 click, 2 view; 2 in no file, but in journeys (--keep-events)\n") &&
                                  Contains("train.csv 1 click, test.csv 1 click"));
  o.keep_events = {};  // the column of the event says which is which
  o.test_from = "";
  CHECK(rows_of(folder, o)[1] == touch_time(7) + ",u,a,view,display,email,0,0,0.25,4");
  o.keep_events = {"click"};
  o.test_from = touch_time(9);
  CHECK_THAT(test::attribution_error(o, 2),
             Contains("no such event lies in the test period, so test.csv would be empty"));
  o.keep_events = {"view"};
  o.test_from = touch_time(6.5);
  CHECK_THAT(test::attribution_error(o, 2),
             Contains("no such event lies in the training period, so train.csv would be empty"));
}

TEST_CASE("events of clicks whose conversions are in files of their own", "[attribution]") {
  const AttributionFolder folder;
  const std::string log = one_user({{8, "click", "search"}, {9.5, "view", "display"}});
  AttributeOptions o = folder.options(log, "time,user,advertiser,conversion_id\n" + touch_time(10) + ",u,a,c7\n");
  o.event = "what";
  o.click_events = {{"click", 0}, {"view", kTouchDay}};
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
    o.click_events = {{"click", 0}, {"view", kTouchDay}};
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
  CHECK(window("a=1d").seconds == kTouchDay);
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
    log += touch_time(day) + ",u,a," + what + "," + channel + "\n";
  // v: the view of day 5 does not reach the conversion on day 7, so it is a journey that did not convert.
  log += touch_time(3) + ",v,a,click,a\n" + touch_time(5) + ",v,a,view,b\n" + touch_time(7) + ",v,a,buy,\n";
  AttributeOptions o = events_of(folder, log);
  o.click_events = {{"click", 0}, {"view", kTouchDay}};
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

}  // namespace
}  // namespace mal
