// Weights for labels that are known only in part on the eve of the test period: docs/delayed-feedback.md.
//
// A click of age e = T − t whose conversion credits it in the end is known to be a positive with probability F(e). So
//   positive rows  1 / F(e)
//   other rows     (1 − p) / (1 − p F(e)), p the share of clicks credited in the end: of those that are not credited
//                  at age e, the share that never will be
// (Yasui et al., "A feedback shift correction in predicting conversion rates under delayed feedback", WWW 2020, with p
// and F of the click's features; ours are of its group and window). Rows with F(e) < kLeastKnown get 0.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/credits.h"
#include "train/attribution/delay_curve.h"
#include "train/attribution/delay_report.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/journeys.h"
#include "train/attribution/mechanisms.h"

namespace mal {

// Throws a usage Error for --delay-weights and --delay-by where they cannot work.
void check_delay_options(const AttributeOptions& options);

class DelayWeights {
 public:
  // A positive then counts for 1 / kLeastKnown rows at most.
  static constexpr double kLeastKnown = 0.05;
  // Known conversions that a curve needs: 100 of them tell F = 0.5 to within 0.05 (one standard error).
  static constexpr std::uint64_t kFewest = 100;

  // all: for the names of --delay-by's values. until: the first moment of the test period. training: the clicks of
  // train.csv.
  DelayWeights(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms, const ClickLog& all,
               const JourneyRule& rule, std::int64_t until, const TrainingPeriod& training);

  // Counts, of a log or a part of one: which clicks before `until` are credited by conversions before it, and when.
  void observe(const ClickLog& log, const ClickOrder& order, const MechanismParameters& parameters);
  // Throws where there are too few conversions.
  void fit();
  // The weight of each click: 1 of those that are not in train.csv. Those of train.csv are added to the report.
  std::vector<float> weights(const ClickLog& log, const Credits& credits);
  DelayReport report() const;

 private:
  struct Counts {
    std::vector<DelayBin> bins;
    std::uint64_t clicks = 0, credited = 0;
  };
  std::uint32_t window_of(const ClickLog& log, std::uint32_t click) const {
    return rule_.touches == nullptr ? 0 : rule_.touches->window_of(log, click);
  }
  std::uint64_t stratum_of(const ClickLog& log, std::uint32_t click) const {
    const std::uint64_t value = log.delay_group.empty() ? 0 : log.delay_group[click];
    return value * windows_.size() + window_of(log, click);
  }
  bool is_written(const ClickLog& log, std::uint32_t click) const {
    return log.kind.empty() || written_[log.kind[click]];
  }
  std::vector<Counts> counts_by_stratum() const;
  DelayCurveReport describe(const Counts& counts, std::size_t window, const std::optional<DelayCurve>& curve) const;

  const AttributeOptions& options_;
  const ClickLog& all_;
  JourneyRule rule_;
  std::int64_t until_;
  TrainingPeriod training_;
  NamedMechanism mechanism_;
  std::size_t view_ = 0;               // the mechanism's place
  std::vector<std::int64_t> windows_;  // the longest first
  std::vector<bool> written_;          // [kind of event]

  struct Tally {
    std::uint64_t credited = 0, left = 0;
  };
  std::unordered_map<std::uint64_t, Tally> tallies_;  // by stratum << 16 | bin
  std::vector<DelayCurve> overall_;                   // [window]; of a window without clicks a curve of nothing
  std::vector<std::optional<DelayCurve>> own_;        // [stratum]; empty without --delay-by
  DelayReport report_;
  ExactSum positive_weight_, other_weight_;
};

}  // namespace mal
