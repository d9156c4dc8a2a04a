#include "train/attribution/mechanisms.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "engine/error.h"
#include "train/attribution/additive_hazard.h"
#include "train/attribution/neural_credit.h"
#include "train/config/suggest.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::array<std::pair<std::string_view, Mechanism>, 12> kMechanisms = {
    {{"last", Mechanism::last},
     {"first", Mechanism::first},
     {"linear", Mechanism::linear},
     {"time_decay", Mechanism::time_decay},
     {"position", Mechanism::position},
     {"j_shaped", Mechanism::j_shaped},
     {"inverse_j", Mechanism::inverse_j},
     {"shapley", Mechanism::shapley},
     {"markov", Mechanism::markov},
     {"logistic", Mechanism::logistic},
     {"additive_hazard", Mechanism::additive_hazard},
     {"neural", Mechanism::neural}}};

void divide_by_sum(std::span<double> weights) {
  double sum = 0;
  for (const double weight : weights) sum += weight;
  for (double& weight : weights) weight /= sum;
}

void credit_linear(std::span<double> credits) {
  std::fill(credits.begin(), credits.end(), 1.0 / static_cast<double>(credits.size()));
}

void credit_time_decay(const Journey& journey, double half_life, std::span<double> credits) {
  // Measured from the last click: the conversion's time cancels out, and the largest weight is 1, so nothing underflows
  // to a sum of 0.
  // The difference is exact in a double (below 2^53 µs, 285 years), and so is its quotient where that is whole seconds.
  const std::int64_t last = journey.times.back();
  for (std::size_t k = 0; k < credits.size(); ++k)
    credits[k] = std::exp2(static_cast<double>(journey.times[k] - last) / double{kSecond} / half_life);
  divide_by_sum(credits);
}

void credit_position(const PositionWeights& weights, std::span<double> credits) {
  const std::size_t n = credits.size();
  const double ends = weights.first + weights.last;
  if (n == 1 || (n == 2 && ends == 0)) return credit_linear(credits);
  if (n > 2) std::fill(credits.begin(), credits.end(), weights.middle / static_cast<double>(n - 2));
  credits.front() = n == 2 ? weights.first / ends : weights.first;
  credits.back() = n == 2 ? weights.last / ends : weights.last;
}

void credit_by_channel(const Journey& journey, std::span<const double> values, std::span<double> credits) {
  bool any = false;
  for (std::size_t k = 0; k < credits.size(); ++k) {
    credits[k] = std::max(0.0, values[journey.channels[k]]);
    any = any || credits[k] > 0;
  }
  if (any)
    divide_by_sum(credits);
  else
    credit_linear(credits);
}

std::string known_mechanisms() {
  std::string names;
  for (const auto& [name, mechanism] : kMechanisms) names += std::string(name) + ", ";
  return names + "mta";
}

Mechanism find_mechanism(std::string_view name) {
  std::vector<std::string> names = {"mta"};
  for (const auto& [known, mechanism] : kMechanisms) {
    if (known == name) return mechanism;
    names.emplace_back(known);
  }
  const std::string near = nearest(name, names);
  fail_usage("unknown mechanism '{}'{}; there are {}", name,
             near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), known_mechanisms());
}

}  // namespace

void credit_journey(Mechanism mechanism, const Journey& journey, const MechanismParameters& parameters,
                    std::span<double> credits) {
  switch (mechanism) {
    case Mechanism::last:
      std::fill(credits.begin(), credits.end(), 0.0);
      credits.back() = 1;
      return;
    case Mechanism::first:
      std::fill(credits.begin(), credits.end(), 0.0);
      credits.front() = 1;
      return;
    case Mechanism::linear:
      return credit_linear(credits);
    case Mechanism::time_decay:
      return credit_time_decay(journey, parameters.half_life_seconds, credits);
    case Mechanism::position:
      return credit_position(parameters.position, credits);
    case Mechanism::j_shaped:
      return credit_position({0.2, 0.2, 0.6}, credits);
    case Mechanism::inverse_j:
      return credit_position({0.6, 0.2, 0.2}, credits);
    case Mechanism::shapley:
      return credit_by_channel(journey, parameters.channel_values, credits);
    case Mechanism::markov:
      return credit_by_channel(journey, parameters.markov_values, credits);
    case Mechanism::logistic:
      return credit_by_channel(journey, parameters.logistic_values, credits);
    case Mechanism::additive_hazard:
      return credit_by_hazard(journey, parameters.hazard_effects, parameters.hazard_delay_seconds, credits);
    case Mechanism::neural:
      return parameters.neural == nullptr ? credit_linear(credits) : parameters.neural->credit(journey, credits);
  }
}

bool needs_fit(Mechanism mechanism) {
  return mechanism == Mechanism::shapley || mechanism == Mechanism::markov || mechanism == Mechanism::logistic ||
         is_fitted_to_times(mechanism);
}

bool is_fitted_to_times(Mechanism mechanism) {
  return mechanism == Mechanism::additive_hazard || mechanism == Mechanism::neural;
}

std::string_view name_of(Mechanism mechanism) {
  return std::ranges::find(kMechanisms, mechanism, &std::pair<std::string_view, Mechanism>::second)->first;
}

PositionWeights parse_position_weights(std::string_view text) {
  std::array<double, 3> weights = {};
  std::string_view rest = text;
  bool good = true;
  for (std::size_t w = 0; w < weights.size() && good; ++w) {
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), weights[w]);
    good = error == std::errc() && weights[w] >= 0;  // nan is not, infinity has no sum of 1
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const bool comma = !rest.empty() && rest.front() == ',';
    good = good && (w + 1 == weights.size() ? rest.empty() : comma);
    if (comma) rest.remove_prefix(1);
  }
  if (!good)
    fail_usage("--position-weights {}: three numbers of at least 0 are wanted, first,middle,last: 0.4,0.2,0.4", text);
  const double sum = weights[0] + weights[1] + weights[2];
  if (!(std::abs(sum - 1) <= 1e-6))
    fail_usage("--position-weights {}: they sum to {:g}, and credit is shares of 1: write 0.4,0.2,0.4", text, sum);
  return {weights[0] / sum, weights[1] / sum, weights[2] / sum};
}

std::vector<NamedMechanism> parse_mechanisms(std::span<const std::string> names, std::string_view mta) {
  const Mechanism chosen = find_mechanism(mta);
  if (!needs_fit(chosen))
    fail_usage(
        "--mta {}: the MTA view is a data-driven mechanism; choose shapley, markov, logistic, additive_hazard or "
        "neural, or ask for {} by its own name",
        mta, mta);
  std::vector<NamedMechanism> mechanisms;
  for (const std::string& name : names) {
    for (const NamedMechanism& earlier : mechanisms)
      if (earlier.name == name) fail_usage("mechanism '{}' is given twice: it would be one column twice", name);
    mechanisms.push_back({name, name == "mta" ? chosen : find_mechanism(name)});
  }
  if (mechanisms.empty()) fail_usage("no mechanism given; choose some of {}", known_mechanisms());
  return mechanisms;
}

}  // namespace mal
