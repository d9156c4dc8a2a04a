// Logs for the mechanisms that look at when clicks come.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "train/attribution/click_log.h"

namespace mal::test {

struct TestClick {
  std::int64_t time;
  std::uint32_t group, channel;
};

// Every group is a user of its own.
inline ClickLog log_of(const std::vector<TestClick>& clicks,
                       const std::vector<std::pair<std::int64_t, std::uint32_t>>& buys) {
  ClickLog log;
  for (const TestClick& click : clicks) {
    log.groups = std::max(log.groups, click.group + 1);
    log.time.push_back(click.time);
    log.user.push_back(log.users.intern("user " + std::to_string(click.group)));
    log.group.push_back(click.group);
    log.channel.push_back(click.channel);
    log.row.push_back(0);
  }
  for (const auto& [time, group] : buys) {
    Conversion conversion = {};
    conversion.time = time;
    conversion.group = group;
    log.conversions.push_back(conversion);
  }
  return log;
}

// With names of the channels, in the order of their numbers.
inline ClickLog named(ClickLog log, std::uint32_t channels) {
  for (std::uint32_t c = 0; c < channels; ++c) log.channels.intern("channel " + std::to_string(c));
  return log;
}

// The model itself at work: each click of channel c brings Poisson(effects[c]) conversions after exponential delays.
inline ClickLog simulate_hazard(const std::vector<double>& effects, double delay_days, std::uint32_t users,
                                unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<TestClick> clicks;
  std::vector<std::pair<std::int64_t, std::uint32_t>> buys;
  for (std::uint32_t user = 0; user < users; ++user) {
    const auto count = 1 + random() % 5;
    const double first = 40 * uniform(random);
    for (unsigned k = 0; k < count; ++k) {
      const double day = first + 6 * uniform(random);
      // The first channel starts journeys more often than it ends them.
      const auto channel = static_cast<std::uint32_t>(random() % effects.size());
      clicks.push_back({static_cast<std::int64_t>(day * 86400e6), user, channel});
      for (int n = std::poisson_distribution<int>(effects[channel])(random); n > 0; --n) {
        const double at = day - delay_days * std::log1p(-uniform(random));
        buys.emplace_back(static_cast<std::int64_t>(at * 86400e6), user);
      }
    }
  }
  return log_of(clicks, buys);
}

}  // namespace mal::test
