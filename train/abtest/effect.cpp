#include "train/abtest/effect.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "train/experiment/statistics.h"

namespace mal {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

Fraction mean_of_users(const FractionOf& of, std::span<const std::uint32_t> users) {
  Fraction sum = {0, 0};
  for (const std::uint32_t user : users) {
    const Fraction one = of(user);
    sum.num += one.num;
    sum.den += one.den;
  }
  const auto n = static_cast<double>(users.size());
  return {sum.num / n, sum.den / n};
}

double percent(double log) {
  return 100 * std::expm1(log);
}

}  // namespace

LogRatio log_ratio(const FractionOf& of_a, std::span<const std::uint32_t> a, const FractionOf& of_b,
                   std::span<const std::uint32_t> b) {
  if (a.size() < 2 || b.size() < 2) return {kUndefined, kUndefined};
  const Fraction mean_a = mean_of_users(of_a, a), mean_b = mean_of_users(of_b, b);
  if (!(mean_a.num > 0 && mean_a.den > 0 && mean_b.num > 0 && mean_b.den > 0)) return {kUndefined, kUndefined};
  const auto moved = [](const FractionOf& of, const Fraction& mean, std::uint32_t user) {
    const Fraction one = of(user);
    return one.num / mean.num - one.den / mean.den;
  };
  const double value = std::log(mean_a.num / mean_a.den) - std::log(mean_b.num / mean_b.den);
  double squares_a = 0, squares_b = 0;  // the mean of ψ is 0
  if (std::ranges::equal(a, b)) {
    for (const std::uint32_t user : a) {
      const double psi = moved(of_a, mean_a, user) - moved(of_b, mean_b, user);
      squares_a += psi * psi;
    }
    const auto n = static_cast<double>(a.size());
    return {value, squares_a / (n - 1) / n};
  }
  for (const std::uint32_t user : a) squares_a += std::pow(moved(of_a, mean_a, user), 2);
  for (const std::uint32_t user : b) squares_b += std::pow(moved(of_b, mean_b, user), 2);
  const auto n_a = static_cast<double>(a.size()), n_b = static_cast<double>(b.size());
  return {value, squares_a / (n_a - 1) / n_a + squares_b / (n_b - 1) / n_b};
}

Effect effect_of(std::span<const LogRatio> seeds) {
  std::vector<double> values, variances;
  for (const LogRatio& seed : seeds) {
    if (!std::isfinite(seed.value) || !std::isfinite(seed.variance)) continue;
    values.push_back(seed.value);
    variances.push_back(seed.variance);
  }
  if (values.empty()) return {kUndefined, kUndefined, kUndefined};
  const double mean = mean_of(values);
  double variance = variances.front(), degrees = std::numeric_limits<double>::infinity();
  if (values.size() > 1) {
    const Pooling pooling = pooling_of(values, variances);
    variance = pooling.variance / static_cast<double>(values.size());
    degrees = pooling.degrees;
  }
  const double reach = variance > 0 ? student_quantile(0.975, degrees) * std::sqrt(variance) : 0;
  return {percent(mean), percent(mean - reach), percent(mean + reach)};
}

}  // namespace mal
