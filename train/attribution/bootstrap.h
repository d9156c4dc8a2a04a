// Intervals of the channel report: how far credit would move had other users come. Users are resampled (resample.h),
// shapley, markov and logistic are fitted to every resample anew, markov_total solved anew, and the interval of a
// channel's credit is that of the middle 95 % of the resamples.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/credits.h"
#include "train/attribution/replicate_fits.h"
#include "train/attribution/replicate_walks.h"
#include "train/attribution/resample.h"

namespace mal {

class Bootstrap {
 public:
  static constexpr double kInterval = 0.95;

  // channels: of the log; must outlive this.
  Bootstrap(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms, const Interner& channels,
            const FitOptions& fit);

  void observe(const ClickLog& log, const ClickOrder& order);  // a part of the log, for the fits
  // Where --choose-order is to find the order of markov_total: the parts are observed once more when it is known.
  bool wants_order() const { return totals_ && !walks_; }
  void set_order(std::uint32_t order);
  void observe_walks(const ClickLog& log, const ClickOrder& order);
  void fit();  // when all parts are observed
  // Credits the journeys of a part. parameters: of mechanisms that are not fitted anew.
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
           const MechanismParameters& parameters);
  // The mechanisms are the first of the table; where markov is fitted, markov_total is the last.
  void describe(ChannelTable& table) const;

 private:
  // Sums do not depend on the order of their terms: they are of whole units of 2^-40.
  __extension__ using Wide = unsigned __int128;
  struct ChannelShare {
    std::uint32_t channel;
    double share;
  };
  static Wide units(double amount);
  static double amount(Wide units);
  void check_memory() const;  // throws a usage Error
  // How a mechanism credits resamples. none: it is data-driven, and cannot be fitted to them.
  enum class Way { fixed, refitted, none };
  Way way_of(std::size_t mechanism) const;
  void gather(const Journey& journey);
  void add_fixed(std::size_t mechanism, double value);
  void add_refitted(std::size_t mechanism, const Journey& journey, double value, MechanismParameters parameters);
  std::size_t at(std::uint32_t channel, std::size_t mechanism) const {
    return (channel * mechanisms_.size() + mechanism) * weights_.size();
  }
  Interval interval(const std::vector<Wide>& sums, std::size_t at) const;
  void describe_total(std::uint32_t channel, bool has_value, ChannelCredit& credit) const;

  const std::vector<NamedMechanism>& mechanisms_;
  const Interner& channels_;
  FitOptions fit_options_;
  bool given_model_;
  std::uint64_t memory_;  // bytes: what the fits, the walks and the sums may take each
  UserWeights users_;
  ReplicateFits fits_;
  bool totals_;                             // markov is fitted, so there is markov_total
  std::optional<ReplicateWalks> walks_;     // where its order is known
  std::vector<Wide> conversions_, values_;  // [channel][mechanism][resample]
  std::vector<Wide> all_, all_values_;      // [resample] of all credited conversions
  std::vector<std::uint8_t> weights_;       // scratch, one a resample
  std::vector<double> shares_;              // likewise, one a click
  std::vector<ChannelShare> by_channel_;    // likewise
};

}  // namespace mal
