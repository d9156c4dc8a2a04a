#include "train/attribution/hazard_sample.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <string>

#include "train/attribution/octave_bins.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;

using WatchedBins = OctaveBins<4>;  // 4 % wide in the mean

std::uint64_t hash_of(const std::string& user, std::int64_t time) {
  const std::uint64_t z = (XXH3_64bits(user.data(), user.size()) ^ static_cast<std::uint64_t>(time)) * kGolden;
  return XXH3_64bits(&z, sizeof z);
}

}  // namespace

void HazardCollector::add_exposure(std::uint32_t channel, std::int64_t microseconds) {
  Bin& bin = bins_[std::uint64_t{channel} << 32 | WatchedBins::bin_of(microseconds)];
  ++bin.clicks;
  bin.seconds += static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0) / kSecond);
}

void HazardCollector::add_conversion(std::uint64_t hash, std::vector<AgedClick> touches) {
  ++conversions_;
  if (std::countl_zero(hash) < level_) return;
  if (touches.size() > kLongest) touches = {touches.end() - kLongest, touches.end()};  // in memory of that size
  touches_ += touches.size();
  kept_.push_back({hash, std::move(touches)});
  if (touches_ > most_touches_) thin_out();
}

// Half of the hashes, and half of these, …: which are left at the end does not depend on the order in which they came.
void HazardCollector::thin_out() {
  while (touches_ > most_touches_ && level_ < 64) {
    ++level_;
    std::erase_if(kept_, [&](const Kept& kept) { return std::countl_zero(kept.hash) < level_; });
    touches_ = 0;
    for (const Kept& kept : kept_) touches_ += kept.touches.size();
  }
}

void HazardCollector::observe(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
                              const Interner& channels) {
  add_exposures(log, order, rule, until);
  JourneyView view(log, order, rule);
  for (const JourneyRange& range : build_journeys(log, order, rule, until).converting) {
    const Journey journey = view.load(range);
    std::vector<AgedClick> touches;
    for (const std::uint32_t k : newest_clicks(journey, channels, kLongest))
      touches.push_back({journey.channels[k], range.conversion_time - journey.times[k]});
    const std::string& user = log.users.name(log.user[journey.clicks.front()]);
    add_conversion(hash_of(user, range.conversion_time), std::move(touches));
  }
}

void HazardCollector::add_exposures(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule,
                                    std::int64_t until) {
  std::vector<Conversion> conversions;
  if (rule.restart) conversions = sorted_conversions(log, until);
  std::size_t next = 0;
  for (std::uint32_t group = 0; group < log.groups; ++group) {
    for (std::uint32_t place = order.group_begin[group]; place < order.group_begin[group + 1]; ++place) {
      const std::uint32_t click = order.by_group[place];
      const std::int64_t time = log.time[click];
      if (time >= until) break;
      const std::int64_t window =
          rule.touches != nullptr ? rule.touches->windows()[rule.touches->window_of(log, click)] : rule.window;
      std::int64_t watched = std::min(window, until - time);
      while (next < conversions.size() &&
             (conversions[next].group < group || (conversions[next].group == group && conversions[next].time < time)))
        ++next;
      if (next < conversions.size() && conversions[next].group == group)
        watched = std::min(watched, conversions[next].time - time);
      add_exposure(log.channel[click], watched);
    }
  }
}

HazardSample HazardCollector::sample(std::span<const std::uint32_t> number) const {
  HazardSample sample;
  std::vector<std::pair<std::uint64_t, Bin>> bins;
  for (const auto& [key, bin] : bins_) {
    const std::uint32_t channel = number[key >> 32];
    if (channel != kNoChannel) bins.emplace_back(std::uint64_t{channel} << 32 | (key & 0xFFFFFFFFU), bin);
  }
  std::ranges::sort(bins, {}, &std::pair<std::uint64_t, Bin>::first);
  for (const auto& [key, bin] : bins) {
    const auto clicks = static_cast<double>(bin.clicks);
    sample.exposures.push_back(
        {static_cast<std::uint32_t>(key >> 32), clicks, static_cast<double>(bin.seconds) / clicks});
  }
  // Sums of the fit go by this order, which the journeys alone decide.
  std::vector<std::vector<AgedClick>> kept;
  kept.reserve(kept_.size());
  for (const Kept& conversion : kept_) {
    kept.push_back(conversion.touches);
    for (AgedClick& touch : kept.back()) touch.channel = number[touch.channel];
    std::ranges::sort(kept.back(), older_first);
  }
  std::sort(kept.begin(), kept.end());
  for (const std::vector<AgedClick>& touches : kept) {
    sample.touches.insert(sample.touches.end(), touches.begin(), touches.end());
    sample.ends.push_back(sample.touches.size());
  }
  if (!kept.empty()) sample.weight = static_cast<double>(conversions_) / static_cast<double>(kept.size());
  return sample;
}

}  // namespace mal
