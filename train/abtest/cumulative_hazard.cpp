#include "train/abtest/cumulative_hazard.h"

#include <cmath>
#include <numbers>

namespace mal {

double ein(double z) {
  // Abramowitz and Stegun, 5.1.11: Ein(z) = Σ_{k ≥ 1} (−1)^(k + 1) z^k / (k · k!). Its largest term is below 4 up to
  // z = 4, so no digit that matters cancels.
  if (z < 4) {
    double sum = 0, term = 1;
    for (int k = 1; k < 60; ++k) {
      term *= -z / k;
      const double step = -term / k;
      sum += step;
      if (std::abs(step) <= 1e-17 * sum) break;
    }
    return sum;
  }
  // Ein(z) = E_1(z) + ln z + γ, with E_1 as a continued fraction (5.1.22), from its far end.
  double e1 = 0;
  if (z < 700) {
    double fraction = 0;
    for (int k = 40; k >= 1; --k) fraction = k / (1 + k / (z + fraction));
    e1 = std::exp(-z) / (z + fraction);
  }
  return e1 + std::log(z) + std::numbers::egamma;
}

double intent_after(double x, double used) {
  const double wanted = ein(x) - used;
  if (!(wanted > 0)) return 0;
  double low = 0, high = x;
  double y = x * wanted / ein(x);
  for (int step = 0; step < 100; ++step) {
    const double error = ein(y) - wanted;
    (error > 0 ? high : low) = y;
    if (std::abs(error) < 1e-14 * wanted || high - low < 1e-15 * x) break;
    const double slope = y > 0 ? -std::expm1(-y) / y : 1;  // Newton, held within the bracket
    y -= error / slope;
    if (!(y > low && y < high)) y = (low + high) / 2;
  }
  return y;
}

double caused_conversions(double x, double w, double c) {
  const double before = c * ein(x);
  return std::exp(-before) * -std::expm1(before - c * ein(x + w));
}

}  // namespace mal
