// From a click log to one credit a click and mechanism.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/journeys.h"
#include "train/attribution/mechanisms.h"

namespace mal {

struct Credits {
  std::vector<std::vector<float>> views;   // [mechanism][click], in [0, 1]
  std::vector<ExactSum> cut;               // [mechanism]: credit above 1, which the click does not get
  std::vector<std::uint32_t> path_length;  // clicks of the longest journey the click is in; 0: in none
  std::vector<bool> is_last;               // of some journey
  std::uint64_t clicks_in_several_journeys = 0;
};

// Called with the shares of every converting journey, one a click, by mechanism.
using VisitShares = std::function<void(std::size_t mechanism, const JourneyRange& range, const Journey& journey,
                                       std::span<const double> shares)>;

// A click that is in several journeys gets min(1, Σ). With `known_until`, clicks before it get nothing from conversions
// at or after it: what was known then. Shares are those of the whole journey all the same, and those that visit gets.
Credits compute_credits(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                        const std::vector<NamedMechanism>& mechanisms, const MechanismParameters& parameters,
                        std::optional<std::int64_t> known_until = {}, const VisitShares& visit = {});

// Calls visit(journey, converted) for the journeys that could be observed at `until`, from clicks and conversions
// before it alone: first those that convert, then the others.
void observe_journeys(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
                      const std::function<void(const Journey& journey, bool converted)>& visit);

}  // namespace mal
