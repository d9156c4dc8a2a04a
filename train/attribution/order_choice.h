// Which order of the Markov chain to take: --choose-order. How well the last k channels of a journey tell whether it
// converts, of journeys that were not seen.
//
// Journeys are dealt into 5 folds at random. Those of one are scored by the conversion rate that the other four have
// after the same last channels, a state hardly seen leaving it to the shorter one:
//
//   score_k(state) = (conversions + score_{k−1}) / (journeys + 1),    score_0 = the rate of all
//
// and the AUC of a fold is how often a journey that converts has a higher score than one that does not. Chosen is the
// smallest order whose mean AUC is within one standard error of the largest (Breiman, Friedman, Olshen, Stone,
// "Classification and regression trees", 1984). ChannelAttribution's choose_order takes the AUC of the journeys that
// the chain was counted from, and subtracts a penalty for the number of states.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mal {

struct OrderScore {
  std::uint32_t order = 0;
  std::uint64_t states = 0;              // different last channels of journeys
  double auc = 0.5, standard_error = 0;  // mean over the folds that have both kinds of journeys, and its error
};

class OrderChoice {
 public:
  static constexpr std::size_t kFolds = 5;
  using Counts = std::array<std::uint64_t, kFolds>;  // of journeys, by fold

  explicit OrderChoice(std::uint32_t max_order) : orders_(max_order + std::size_t{1}) {}

  static std::uint64_t channel_key(std::string_view name);
  // `count` journeys alike, dealt at random; the same hash, the same deal.
  static Counts dealt(std::uint64_t count, std::uint64_t hash);
  // keys: of the journey's channels, in the order of time.
  static std::uint64_t journey_hash(std::span<const std::uint64_t> keys, bool converted);

  void add(std::span<const std::uint64_t> keys, const Counts& conversions, const Counts& nulls);
  // Of the orders 1, 2, …: the same numbers whatever order journeys came in.
  std::vector<OrderScore> scores() const;
  static std::uint32_t best(const std::vector<OrderScore>& scores);

 private:
  struct State {
    Counts conversions = {}, nulls = {};
    std::uint64_t shorter = 0;  // key of the state that is a channel shorter
  };
  using Order = std::unordered_map<std::uint64_t, State>;
  using Rates = std::unordered_map<std::uint64_t, std::array<double, kFolds>>;  // of a state, without each fold

  std::vector<Order> orders_;  // [k]
};

}  // namespace mal
