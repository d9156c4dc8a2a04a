// Channel totals by removal effects, as practitioners of Markov attribution compute them: of all conversions, channel c
// gets R_c / ΣR, of all value likewise by its own removal effects. The mechanism `markov` of clicks differs: it divides
// every conversion among the channels of its own journey.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/attribution/order_choice.h"
#include "train/attribution/removal_effects.h"
#include "train/attribution/walk_chain.h"

namespace mal {

struct AttributeOptions;
struct ChannelTable;

struct MarkovTotals {
  std::uint32_t order = 1;
  std::vector<std::string> channels;  // in the order of their names
  ChainTable chain;
  RemovalEffects effects;                // one a channel
  std::vector<double> conversion_share;  // effects / their sum
  std::vector<double> value_share;       // likewise; empty where no conversion has a value
  std::vector<OrderScore> scores;        // with choose_order
};

struct MarkovOptions {
  std::uint32_t order = 1;
  std::uint32_t choose_up_to = 0;  // above 0: the best of the orders 1 to this one, in place of `order`
};

MarkovOptions markov_options(const AttributeOptions& options);
// Throws a usage Error for orders that are not possible, and for a choice of one where nothing is fitted to it.
void check_markov_options(const MarkovOptions& options, bool fitted);

class MarkovFit {
 public:
  explicit MarkovFit(const MarkovOptions& options);
  // Journeys of the same channels. keys: OrderChoice::channel_key of each; needed by chooses() alone.
  void add(std::span<const std::uint32_t> channels, const WalkOutcome& outcome);
  void add_to_choice(std::span<const std::uint64_t> keys, const OrderChoice::Counts& conversions,
                     const OrderChoice::Counts& nulls);
  bool chooses() const { return choice_.has_value(); }
  // names: of the channels, sorted; channel c has the name names[number[c]].
  MarkovTotals totals(const std::vector<std::string>& names, std::span<const std::uint32_t> number) const;

 private:
  std::vector<WalkChain> chains_;  // one an order that may be chosen
  std::optional<OrderChoice> choice_;
};

std::string state_name(const MarkovTotals& totals, const ChainTable::State& state);  // "a > b"; "(start)"
// from,to,probability,count: a line a step, the ends (conversion) and (null) included.
std::string transitions_csv(const MarkovTotals& totals);
// channel,effect,share and, where conversions have values, value_effect,value_share; by falling effect.
std::string removal_effects_csv(const MarkovTotals& totals);
// The table of --choose-order; empty without it.
std::string order_text(const MarkovTotals& totals);
// Beside the mechanisms of the table `markov_total`: shares of so many conversions and their value. A channel that no
// journey of the fit touches gets 0.
void add_markov_total(const MarkovTotals& totals, double conversions, double value, ChannelTable& table);
// Order, effects and shares, and what the choice was made from.
nlohmann::ordered_json markov_json(const MarkovTotals& totals);

}  // namespace mal
