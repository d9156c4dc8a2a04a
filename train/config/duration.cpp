#include "train/config/duration.h"

#include <charconv>

#include "engine/error.h"

namespace mal {

std::optional<std::int64_t> duration_of(std::string_view text) {
  constexpr double kMost = 1e10;  // three centuries
  double unit = 1;
  if (!text.empty() && text.back() > '9') {
    const char letter = text.back();
    unit = letter == 'd' ? 86400 : letter == 'h' ? 3600 : letter == 'm' ? 60 : letter == 's' ? 1 : 0;
    text.remove_suffix(1);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (unit == 0 || text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const double seconds = number * unit;
  if (!(seconds >= 1) || seconds > kMost) return std::nullopt;
  return static_cast<std::int64_t>(seconds);
}

std::int64_t parse_duration(std::string_view text, std::string_view option) {
  const std::optional<std::int64_t> seconds = duration_of(text);
  if (seconds && text.back() <= '9') fail_usage("{0} {1}: {1} what? write {1}d, {1}h, {1}m or {1}s", option, text);
  if (!seconds) fail_usage("{} {}: not a length of time; write 30d, 12h, 90m or 45s, at least 1s", option, text);
  return *seconds;
}

std::int64_t parse_duration_or_0(std::string_view text, std::string_view option) {
  return text == "0" ? 0 : parse_duration(text, option);
}

}  // namespace mal
