#include "train/attribution/touch_rules.h"

#include <algorithm>
#include <functional>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "train/attribution/read_clicks.h"
#include "train/config/duration.h"
#include "train/config/suggest.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::size_t kMostShown = 20;

// "'display', 'search'": in the order of their bytes.
std::string list_of(std::vector<std::string> names) {
  std::ranges::sort(names);
  std::string text;
  for (std::size_t n = 0; n < std::min(names.size(), kMostShown); ++n)
    text += fmt::format("{}'{}'", n == 0 ? "" : ", ", names[n].substr(0, 40));
  return names.size() > kMostShown ? text + " and others" : text;
}

// A misspelt name would change nothing, and nobody would see it.
std::uint32_t require_channel(const AttributeOptions& options, const Interner& channels, const std::string& name,
                              std::string_view option) {
  std::vector<std::string> names;
  for (std::uint32_t channel = 0; channel < channels.size(); ++channel) {
    if (channels.name(channel) == name) return channel;
    names.push_back(channels.name(channel));
  }
  const std::string near = nearest(name, names);
  fail("{}: no click is of channel '{}', which {} names{}; there are {} (--channel says which column it is)",
       file_list(options.inputs), name, option, near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
       list_of(names));
}

// One of `kinds`, by its name.
std::size_t kind_named(const AttributeOptions& options, const std::string& name, std::string_view option) {
  std::vector<std::string> names;
  for (std::size_t kind = 0; kind < options.click_events.size(); ++kind) {
    if (options.click_events[kind].name == name) return kind;
    names.push_back(options.click_events[kind].name);
  }
  const std::string near = nearest(name, names);
  fail_usage("{} {}: --click-event does not name such an event{}; it has {}", option, name,
             near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), list_of(names));
}

void check_named_once(const std::vector<OwnWindow>& windows, std::string_view option) {
  for (std::size_t a = 0; a < windows.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (windows[a].name == windows[b].name) fail_usage("{}: '{}' is given twice", option, windows[a].name);
}

}  // namespace

OwnWindow parse_own_window(std::string_view text, std::string_view option) {
  const std::size_t equals = text.rfind('=');
  OwnWindow window;
  window.name = text.substr(0, equals);
  if (window.name.empty()) fail_usage("{} '{}': there is no name", option, text);
  if (equals != text.npos)
    window.seconds = parse_duration(text.substr(equals + 1), fmt::format("{} {}: its window", option, window.name));
  return window;
}

void check_touch_options(const AttributeOptions& options) {
  check_named_once(options.click_events, "--click-event");
  check_named_once(options.lookback, "--lookback");
  for (const OwnWindow& channel : options.lookback)
    if (channel.seconds == 0) fail_usage("--lookback {0}: how long? write {0}=7d", channel.name);
  constexpr std::size_t kMostKinds = 200;
  if (options.click_events.empty() || options.click_events.size() > kMostKinds)
    fail_usage("--click-event: 1 to {} events are possible", kMostKinds);
  if (options.event.empty()) {
    const auto needs_event = [](std::string_view option) {
      fail_usage("{} needs --event: the column that says what happened", option);
    };
    if (options.click_events.size() > 1 || options.click_events[0].seconds != 0) needs_event("--click-event");
    if (!options.exclude_events.empty()) needs_event("--exclude-event");
    if (!options.keep_events.empty()) needs_event("--keep-events");
  }
  for (const std::string& name : options.exclude_events) kind_named(options, name, "--exclude-event");
  for (const std::string& name : options.keep_events) kind_named(options, name, "--keep-events");
}

bool is_written(const AttributeOptions& options, std::size_t kind) {
  return options.keep_events.empty() ||
         std::ranges::find(options.keep_events, options.click_events[kind].name) != options.keep_events.end();
}

bool TouchRules::given(const AttributeOptions& options) {
  return !options.exclude_channels.empty() || !options.exclude_events.empty() || !options.lookback.empty() ||
         std::ranges::any_of(options.click_events, [](const OwnWindow& event) { return event.seconds != 0; });
}

TouchRules::TouchRules(const AttributeOptions& options, const Interner& channels)
    : kinds_(options.click_events.size()), excluded_(channels.size() * kinds_, false) {
  for (const std::string& name : options.exclude_channels) {
    const std::size_t channel = require_channel(options, channels, name, "--exclude-channel");
    for (std::size_t kind = 0; kind < kinds_; ++kind) excluded_[channel * kinds_ + kind] = true;
  }
  for (const std::string& name : options.exclude_events) {
    const std::size_t kind = kind_named(options, name, "--exclude-event");
    for (std::size_t channel = 0; channel < channels.size(); ++channel) excluded_[channel * kinds_ + kind] = true;
  }
  set_windows(options, channels);
}

// A touch has the window of its kind, or of its channel, the shorter one of both; --window where neither has one.
void TouchRules::set_windows(const AttributeOptions& options, const Interner& channels) {
  std::vector<std::int64_t> of_channel(channels.size(), 0);
  for (const OwnWindow& own : options.lookback)
    of_channel[require_channel(options, channels, own.name, "--lookback")] = own.seconds;
  std::vector<std::int64_t> seconds;
  for (const std::int64_t channel : of_channel)
    for (const OwnWindow& kind : options.click_events) {
      const bool both = channel != 0 && kind.seconds != 0;
      const std::int64_t own = both ? std::min(channel, kind.seconds) : std::max(channel, kind.seconds);
      seconds.push_back(own != 0 ? own : options.window);
    }
  std::vector<std::int64_t> different = seconds;
  std::ranges::sort(different, std::greater());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  for (const std::int64_t own : different) windows_.push_back(own * kSecond);
  for (const std::int64_t own : seconds)
    window_of_.push_back(static_cast<std::uint32_t>(std::ranges::find(different, own) - different.begin()));
}

}  // namespace mal
