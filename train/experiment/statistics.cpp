#include "train/experiment/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace mal {

namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// 1 for the smallest; equal values share the mean of their ranks.
std::vector<double> ranks_of(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = static_cast<double>(begin + end + 1) / 2;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = rank;
    begin = end;
  }
  return ranks;
}

// The root of a function that rises from below `wanted` at low to above it at high.
template <typename Function>
double root_of(const Function& function, double wanted, double low, double high) {
  constexpr int kHalvings = 60;
  for (int step = 0; step < kHalvings; ++step) {
    const double middle = (low + high) / 2;
    (function(middle) < wanted ? low : high) = middle;
  }
  return (low + high) / 2;
}

double normal_quantile(double q) {
  constexpr double kBeyond = 40;
  return root_of([](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }, q, -kBeyond, kBeyond);
}

// ∫ cosᵖ from 0 to `angle` by Simpson's rule.
double integral_of_cosine(double power, double angle) {
  constexpr int kSteps = 256;
  const double step = angle / kSteps;
  double sum = 1 + std::pow(std::cos(angle), power);
  for (int i = 1; i < kSteps; ++i) sum += (i % 2 == 1 ? 4 : 2) * std::pow(std::cos(i * step), power);
  return sum * step / 3;
}

}  // namespace

double mean_of(std::span<const double> values) {
  if (values.empty()) return kUndefined;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double deviation_of(std::span<const double> values) {
  if (values.size() < 2) return kUndefined;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double quantile_of(std::vector<double> values, double q) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  if (values.empty()) return kUndefined;
  std::ranges::sort(values);
  const double place = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

double pearson(std::span<const double> x, std::span<const double> y) {
  const double mean_x = mean_of(x), mean_y = mean_of(y);
  double xx = 0, yy = 0, xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : kUndefined;
}

double spearman(std::span<const double> x, std::span<const double> y) {
  return pearson(ranks_of(x), ranks_of(y));
}

Pooling pooling_of(std::span<const double> estimates, std::span<const double> variances) {
  const double within = mean_of(variances), spread = deviation_of(estimates) * deviation_of(estimates);
  const double degrees = (static_cast<double>(estimates.size()) - 1) * std::pow(std::max(1.0, within / spread), 2);
  return {within, std::max(within, spread), degrees};
}

double standard_error_of(std::vector<double> resampled) {
  std::erase_if(resampled, [](double value) { return std::isnan(value); });
  return deviation_of(resampled);
}

double student_quantile(double q, double degrees) {
  constexpr double kAlmostNormal = 1000;
  if (degrees > kAlmostNormal) {  // Fisher's expansion; what it leaves out is below 1e-7
    const double z = normal_quantile(q), z2 = z * z;
    return z + z * (z2 + 1) / (4 * degrees) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * degrees * degrees);
  }
  // With t = √ν tan α the distribution function is 1/2 + c ∫₀^α cos^(ν − 1).
  const double c = std::exp(std::lgamma((degrees + 1) / 2) - std::lgamma(degrees / 2)) / std::sqrt(std::numbers::pi);
  constexpr double kQuarter = std::numbers::pi / 2;
  const double angle =
      root_of([&](double a) { return 0.5 + c * integral_of_cosine(degrees - 1, a); }, q, -kQuarter, kQuarter);
  return std::sqrt(degrees) * std::tan(angle);
}

Interval interval_of(const std::vector<double>& resampled) {
  return {quantile_of(resampled, 0.025), quantile_of(resampled, 0.975)};
}

}  // namespace mal
