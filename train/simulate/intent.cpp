#include "train/simulate/intent.h"

#include <array>
#include <cmath>
#include <limits>

namespace mal {

namespace {

// Gauss-Legendre, 16 points on [−1, 1]: the positive half. Abramowitz and Stegun, table 25.4.
constexpr std::array<double, 8> kNode = {0.0950125098376374402, 0.2816035507792589132, 0.4580167776572273863,
                                         0.6178762444026437484, 0.7554044083550030339, 0.8656312023878317439,
                                         0.9445750230732325761, 0.9894009349916499326};
constexpr std::array<double, 8> kWeight = {0.1894506104550684963, 0.1826034150449235889, 0.1691565193950025382,
                                           0.1495959888165767321, 0.1246289712555338721, 0.0951585116824927848,
                                           0.0622535239386478929, 0.0271524594117540949};

}  // namespace

double decayed(double intent, double seconds, double half_life) {
  return intent * std::exp2(-seconds / half_life);
}

double sample_conversion(const Hazard& hazard, double intent, double horizon, Draws& draws) {
  // Thinning (Lewis and Shedler, 1979): the hazard only falls, so its value now bounds what comes.
  double seconds = 0;
  while (intent > 1e-6) {
    const double bound = hazard.kappa * -std::expm1(-intent);
    const double step = draws.exponential() / bound;
    seconds += step;
    if (seconds > horizon) break;
    intent = decayed(intent, step, hazard.half_life);
    if (draws.uniform() * bound < hazard.kappa * -std::expm1(-intent)) return seconds;
  }
  return std::numeric_limits<double>::infinity();
}

void shapley_shares(std::span<const double> contributions, std::span<double> shares) {
  const std::size_t n = contributions.size();
  double total = 0;
  for (std::size_t k = 0; k < n; ++k) {
    shares[k] = 0;
    total += contributions[k];
  }
  if (!(total > 0)) return;
  for (std::size_t node = 0; node < 16; ++node) {
    const double s = 0.5 + (node < 8 ? 0.5 : -0.5) * kNode[node % 8];
    double product = 1;
    for (const double x : contributions) product *= 1 + s * std::expm1(-x);
    for (std::size_t k = 0; k < n; ++k)
      // s < 1, so no factor is 0.
      shares[k] += 0.5 * kWeight[node % 8] * product / (1 + s * std::expm1(-contributions[k]));
  }
  const double all = -std::expm1(-total);
  for (std::size_t k = 0; k < n; ++k) shares[k] *= -std::expm1(-contributions[k]) / all;
}

}  // namespace mal
