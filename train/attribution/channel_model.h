// The fitted table of the data-driven mechanisms: a value a channel and mechanism. Kept as JSON that a person can read,
// and read back to credit other journeys with the same table.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/attribution/click_log.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/hazard_sample.h"
#include "train/attribution/journeys.h"
#include "train/attribution/markov.h"
#include "train/attribution/markov_totals.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/neural_network.h"
#include "train/attribution/neural_sample.h"

namespace mal {

struct FittedMechanism {
  Mechanism mechanism;
  std::vector<double> values;  // one a channel
};

// The channels are those that a journey of the fit touches, in the order of their names.
struct ChannelModel {
  std::vector<std::string> channels;
  std::vector<FittedMechanism> mechanisms;
  std::vector<CoalitionCount> alone;  // one a channel: journeys that touch no other
  CoalitionCount total;               // journeys of the fit
  std::uint64_t coalitions = 0;
  bool exact = true;                  // shapley: not sampled
  double hazard_delay_seconds = 0;    // additive_hazard; 0: not fitted
  std::vector<NeuralWeights> neural;  // of its own channels; none: not fitted, or nothing was learned
  NeuralFitReport neural_report;      // of a fit
  // Of model_for_log alone:
  std::vector<bool> known;                    // false of a channel that the model does not have
  std::vector<std::uint32_t> neural_numbers;  // the channel's number in `neural`; kNoChannel

  const std::vector<double>& values(Mechanism mechanism) const;  // empty if it was not fitted
  // False where every journey of the fit converts, or none does: then no channel makes a difference that could be seen,
  // and all values are 0.
  bool learned() const;
};

struct FitOptions {
  JourneyRule rule;
  std::int64_t until = 0;  // clicks and conversions before it alone are seen
  std::uint64_t seed = 1;
  std::uint32_t exact_channels = 12;
  std::int64_t watched_until = 0;  // additive_hazard, neural: just after the last event of the log
  MarkovOptions markov = {};       // of the totals
  bool progress = false;           // of neural, on stderr
};

// Fits each of `wanted` that is data-driven, once. The model depends on the journeys before `until` and the names of
// their channels alone: not on the order in which journeys come, nor on how they are cut into parts, nor on what other
// channels there are in the log.
class ChannelFit {
 public:
  // channels: of the log; must outlive this.
  ChannelFit(const Interner& channels, const std::vector<Mechanism>& wanted, const FitOptions& options);
  void observe(const ClickLog& log, const ClickOrder& order);                         // the log, or a part of it
  void add(std::span<const std::uint32_t> channels, const CoalitionCount& journeys);  // of paths; not for markov
  ChannelModel model();                                                               // once, when all is observed
  std::optional<MarkovTotals> markov_totals() const;  // after model(); where markov is wanted

 private:
  std::span<const std::uint32_t> numbered(std::span<const std::uint32_t> journey_channels);
  std::vector<std::string> renumber_by_name();
  FittedMechanism fit_hazard(ChannelModel& model) const;
  void add_walk(const Journey& journey, std::span<const std::uint32_t> numbers, bool converted);
  FittedMechanism fit_network(ChannelModel& model) const;

  const Interner& channels_;
  bool shapley_, logistic_;
  FitOptions options_;
  // The tables number channels as fitted journeys bring them, until model() numbers them by name.
  std::vector<std::uint32_t> number_;      // [channel of the log] its number; kNoChannel
  std::vector<std::uint32_t> channel_of_;  // the other way
  std::vector<std::uint32_t> scratch_;
  CoalitionTable coalitions_;
  std::optional<MarkovChain> markov_;
  std::optional<HazardCollector> hazard_;
  std::optional<MarkovFit> walks_;           // with markov_
  std::vector<std::uint64_t> channel_keys_;  // [number], where an order is chosen
  std::vector<std::uint64_t> keys_;
  std::vector<std::string> names_;        // model(): of the channels, sorted
  std::vector<std::uint32_t> by_number_;  // [number] its place in names_
  std::optional<MomentCollector> moments_;
};

// Fits shapley, markov (a chain is given) and logistic to journeys whose channels are numbered as model.channels.
void fit_mechanisms(const CoalitionTable& coalitions, const MarkovChain* markov, bool shapley, bool logistic,
                    const FitOptions& options, ChannelModel& model);

std::string channel_model_json(const ChannelModel& model);
// Throws Error for a file that is none, and for one without a mechanism that is wanted.
ChannelModel read_channel_model(const std::string& path, const std::vector<Mechanism>& wanted);

// The same model for the channels of a log, in their order; a channel that the model does not have gets the value 0.
ChannelModel model_for_log(const ChannelModel& model, const Interner& channels);

}  // namespace mal
