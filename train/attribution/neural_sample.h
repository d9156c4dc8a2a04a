// What the neural mechanism is trained on: moments at which users converted, and moments at which they might have.
//
// A moment is seen as the clicks before it, with their channels and ages. The hazard of converting is estimated as a
// ratio of densities: controls are drawn from the time that users were watched, with a known density q, and a network f
// learns to tell conversions from controls by σ(f − log q). The f that does it best is the log of the hazard, in
// conversions a second.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "train/attribution/aged_click.h"
#include "train/attribution/click_log.h"
#include "train/attribution/journeys.h"

namespace mal {

struct Moment {
  std::vector<AgedClick> clicks;  // oldest first; the last NeuralShape::kClicks of the journey
  double log_density = 0;         // of controls at this moment, a second
  bool converts = false;
  std::uint8_t fold = 0;  // of kFolds, by the user: a network is judged by those of one that it is not trained on
};

// Collects moments from a log or its parts, in whatever order they come. Above a number of each kind those with the
// smallest hash of user and time are kept.
class MomentCollector {
 public:
  static constexpr std::uint64_t kFolds = 10;
  static constexpr std::size_t kMostConversions = 60'000, kMostControls = 180'000;
  explicit MomentCollector(std::uint64_t seed, std::size_t most_conversions = kMostConversions,
                           std::size_t most_controls = kMostControls)
      : seed_(seed), conversions_{most_conversions}, controls_{most_controls} {}

  // Clicks and conversions at `until` and later are not seen. channels: their names, which a part of a log does not
  // have.
  void observe(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
               const Interner& channels);

  // Channel c is number[c] in the moments; clicks with kNoChannel, of channels in no journey of the fit, are left out.
  // In an order that their contents alone decide.
  std::vector<Moment> moments(std::span<const std::uint32_t> number) const;

 private:
  struct Kept {
    std::uint64_t hash;
    Moment moment;
  };
  struct Pool {  // of one kind
    std::size_t most;
    int level = 0;  // hashes with so many zeros in front are kept
    std::uint64_t seen = 0;
    std::vector<Kept> kept = {};

    bool wants(std::uint64_t hash);  // counts it
    void add(std::uint64_t hash, Moment moment);
    double share() const;  // kept of all
  };
  struct Group;  // of clicks, while it is walked through

  void observe_group(Group& group);
  void add_moment(Pool& pool, Group& group, std::uint32_t place, std::int64_t time, std::uint64_t hash);

  std::uint64_t seed_;
  Pool conversions_, controls_;
};

}  // namespace mal
