// How much of one conversion each click of its journey gets. Pure functions over one journey.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

class NeuralCredit;

enum class Mechanism {
  last,
  first,
  linear,
  time_decay,
  position,
  j_shaped,
  inverse_j,
  shapley,
  markov,
  logistic,
  additive_hazard,
  neural
};

// The clicks of one journey in time order, all of them at or before the conversion.
struct Journey {
  std::span<const std::int64_t> times;         // microseconds since 1970
  std::span<const std::uint32_t> channels;     // as long as times; an index into the values of MechanismParameters
  std::span<const std::uint32_t> clicks = {};  // of the log, where the journey is from one
  double value = 0;                            // of its conversion
  std::int64_t conversion = 0;                 // its time, of a journey that converts
};

// Shares of the first click, of those between together, and of the last. They sum to 1.
struct PositionWeights {
  double first = 0.4, middle = 0.2, last = 0.4;
  bool operator==(const PositionWeights&) const = default;
};

struct MechanismParameters {
  double half_life_seconds = 7 * 86400.0;  // time_decay
  PositionWeights position = {};
  // A fitted value a channel; negative ones count as 0.
  std::span<const double> channel_values = {};  // shapley
  std::span<const double> markov_values = {};
  std::span<const double> logistic_values = {};
  std::span<const double> hazard_effects = {};  // additive_hazard
  double hazard_delay_seconds = 1;              // likewise: the mean delay of a click's effect
  NeuralCredit* neural = nullptr;               // null: nothing was learned
};

// credits[k] ≥ 0 is click k's share; they sum to 1. credits is as long as the journey, which has at least one click.
//   last, first   1 for the last / first click
//   linear        1/n
//   time_decay    ∝ 2^(−Δt/half_life), Δt = time from the click to the conversion
//   position      its weights, that of the middle shared by the clicks between; n = 1: 1, n = 2: first and last in
//                 their proportion (1/2 each if both are 0)
//   j_shaped      the same with 1/5 first, 1/5 between, 3/5 last; inverse_j: 3/5, 1/5, 1/5. n = 2: 1/4 and 3/4
//   shapley, markov, logistic   ∝ max(0, value of the click's channel); linear if that is 0 for every click
//   additive_hazard   ∝ effect of the click's channel · exp(−Δt/delay); linear if the effects are 0
//   neural        by its network and the ages of the clicks, neural_credit.h; linear without a network
void credit_journey(Mechanism mechanism, const Journey& journey, const MechanismParameters& parameters,
                    std::span<double> credits);

bool needs_fit(Mechanism mechanism);           // data-driven: works only with fitted channel values
bool is_fitted_to_times(Mechanism mechanism);  // data-driven, by the times from clicks to conversions, too
std::string_view name_of(Mechanism mechanism);

// One column of the output: `mta` is a name for the data-driven mechanism that was chosen for it.
struct NamedMechanism {
  std::string name;
  Mechanism mechanism;
};

// "0.4,0.2,0.4": first, middle, last. Throws a usage Error unless they are three numbers ≥ 0 that sum to 1.
PositionWeights parse_position_weights(std::string_view text);

// Throws a usage Error for an unknown name (with the nearest one), a name given twice, and an empty list.
std::vector<NamedMechanism> parse_mechanisms(std::span<const std::string> names, std::string_view mta);

}  // namespace mal
