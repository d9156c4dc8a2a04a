// Intervals of the channel report: how far credit would move had other users come. Users are resampled (resample.h),
// shapley, markov and logistic are fitted to every resample anew, and the interval of a channel's credit is that of the
// middle 95 % of the resamples.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/credits.h"
#include "train/attribution/replicate_fits.h"
#include "train/attribution/resample.h"

namespace mal {

class Bootstrap {
 public:
  static constexpr double kInterval = 0.95;

  // channels: of the log; must outlive this.
  Bootstrap(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms, const Interner& channels,
            const FitOptions& fit);

  void observe(const ClickLog& log, const ClickOrder& order);  // a part of the log, for the fits
  void fit();                                                  // when all parts are observed
  // Credits the journeys of a part. parameters: of mechanisms that are not fitted anew.
  void add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
           const MechanismParameters& parameters);
  void describe(ChannelTable& table) const;

 private:
  // Sums do not depend on the order of their terms: they are of whole units of 2^-40.
  __extension__ using Wide = unsigned __int128;
  struct ChannelShare {
    std::uint32_t channel;
    double share;
  };
  static Wide units(double amount);
  void check_memory(const AttributeOptions& options) const;  // throws a usage Error
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

  const std::vector<NamedMechanism>& mechanisms_;
  const Interner& channels_;
  FitOptions fit_options_;
  bool given_model_;
  UserWeights users_;
  ReplicateFits fits_;
  std::vector<Wide> conversions_, values_;  // [channel][mechanism][resample]
  std::vector<std::uint8_t> weights_;       // scratch, one a resample
  std::vector<double> shares_;              // likewise, one a click
  std::vector<ChannelShare> by_channel_;    // likewise
};

}  // namespace mal
