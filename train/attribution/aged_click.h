// A click as a fit sees it: its channel, and how long before the moment in question it came.
#pragma once

#include <cstdint>
#include <limits>

namespace mal {

// In place of the number of a channel that a fit did not see.
inline constexpr std::uint32_t kNoChannel = std::numeric_limits<std::uint32_t>::max();

struct AgedClick {
  std::uint32_t channel = 0;
  std::int64_t age = 0;  // microseconds from the click to the moment

  bool operator==(const AgedClick&) const = default;
  bool operator<(const AgedClick& other) const {
    return channel != other.channel ? channel < other.channel : age < other.age;
  }
};

// Ties go by the number of the channel: those of one moment have no order of their own.
inline bool older_first(const AgedClick& a, const AgedClick& b) {
  return a.age != b.age ? a.age > b.age : a.channel < b.channel;
}

}  // namespace mal
