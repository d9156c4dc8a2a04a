// What the additive hazard model is fitted to: how long each click was watched, and what came before each conversion.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <unordered_map>
#include <vector>

#include "train/attribution/aged_click.h"
#include "train/attribution/click_log.h"
#include "train/attribution/journeys.h"

namespace mal {

// Clicks of one channel that were watched for about the same time.
struct Exposure {
  std::uint32_t channel = 0;
  double clicks = 0, seconds = 0;  // seconds: the mean of these clicks, exact to a second
};

struct HazardSample {
  std::vector<Exposure> exposures;
  std::vector<AgedClick> touches;  // of one conversion after the other; each one's in the order of time
  std::vector<std::size_t> ends;   // of the conversions, in touches
  double weight = 1;               // conversions that one of these stands for
};

// Collects the sample from a log or its parts, in whatever order they come. Exposures are counted in bins of 4 % width
// by channel. Conversions are kept one by one up to kMostTouches; above, those with the smallest hash of user and time,
// and each then counts for several. Of a conversion with more than kLongest touches the last ones are kept.
class HazardCollector {
 public:
  static constexpr std::size_t kMostTouches = 2'000'000, kLongest = 256;
  explicit HazardCollector(std::size_t most_touches = kMostTouches) : most_touches_(most_touches) {}

  // A click is watched from its time to the end of its window, to `until`, and with rule.restart to the next conversion
  // of its group, whichever comes first. Clicks and conversions at `until` and later are not seen. channels: their
  // names, which a part of a log does not have.
  void observe(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
               const Interner& channels);

  void add_exposure(std::uint32_t channel, std::int64_t microseconds);
  void add_conversion(std::uint64_t hash, std::vector<AgedClick> touches);

  // Channel c is number[c] in the sample, kNoChannel: in no journey of the fit. The same for any order of adding.
  HazardSample sample(std::span<const std::uint32_t> number) const;

 private:
  struct Bin {
    std::uint64_t clicks = 0, seconds = 0;
  };
  struct Kept {
    std::uint64_t hash;
    std::vector<AgedClick> touches;
  };
  void add_exposures(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until);
  void thin_out();

  std::size_t most_touches_;
  std::unordered_map<std::uint64_t, Bin> bins_;  // by channel << 32 | bin
  std::vector<Kept> kept_;
  std::size_t touches_ = 0;        // in kept_
  int level_ = 0;                  // only hashes with so many zeros in front are kept
  std::uint64_t conversions_ = 0;  // added in all
};

}  // namespace mal
