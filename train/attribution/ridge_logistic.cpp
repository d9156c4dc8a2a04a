#include "train/attribution/ridge_logistic.h"

#include <algorithm>
#include <cmath>

namespace mal {

namespace {

constexpr int kMaxSteps = 200;
constexpr double kSmallStep = 1e-9;
constexpr double kInterceptRidge = 1e-6;  // bounds it where no trial succeeds, or all do

// log(1 + e^m) without overflow.
double softplus(double m) {
  return std::max(m, 0.0) + std::log1p(std::exp(-std::abs(m)));
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Vectors hold β, then b.
class Fit {
 public:
  Fit(std::span<const LogisticRow> rows, std::uint32_t features, double ridge)
      : rows_(rows), ridge_(features + 1, ridge), weights_(rows.size()) {
    ridge_.back() = kInterceptRidge;
    find_free(features);
  }

  LogisticCoefficients run() {
    std::vector<double> at(ridge_.size(), 0.0), gradient, step;
    double largest = 1;
    for (int i = 0; i < kMaxSteps; ++i) {
      gradient = gradient_at(at);
      step = newton_step(gradient, largest < 0.1 ? 1e-12 : 1e-3);  // far from the minimum a rough one will do
      largest = 0;
      for (const double change : step) largest = std::max(largest, std::abs(change));
      const double scale = backtrack(at, gradient, step);
      for (std::size_t c = 0; c < at.size(); ++c) at[c] += scale * step[c];
      if (largest < kSmallStep || scale == 0) break;
    }
    LogisticCoefficients fit = {at.back(), std::move(at)};
    fit.features.pop_back();
    return fit;
  }

 private:
  // Which features some row with trials has and another has not.
  void find_free(std::uint32_t features) {
    std::vector<std::size_t> rows_of(features, 0);
    std::size_t rows = 0;
    for (const LogisticRow& row : rows_) {
      if (row.trials <= 0) continue;
      ++rows;
      for (const std::uint32_t c : row.features) ++rows_of[c];
    }
    free_.assign(features + 1, 1.0);
    for (std::size_t c = 0; c < features; ++c) free_[c] = rows_of[c] > 0 && rows_of[c] < rows ? 1.0 : 0.0;
  }

  double margin(const LogisticRow& row, const std::vector<double>& at) const {
    double sum = at.back();
    for (const std::uint32_t c : row.features) sum += at[c];
    return sum;
  }

  double loss(const std::vector<double>& at) const {
    double sum = 0;
    for (const LogisticRow& row : rows_) {
      if (row.trials <= 0) continue;
      const double m = margin(row, at);
      // Successes cost log(1 + e^−m), failures log(1 + e^m): no difference of large numbers.
      sum += row.successes * softplus(-m) + (row.trials - row.successes) * softplus(m);
    }
    for (std::size_t c = 0; c < at.size(); ++c) sum += ridge_[c] / 2 * at[c] * at[c];
    return sum;
  }

  // Leaves the weights of the Hessian at the same place.
  std::vector<double> gradient_at(const std::vector<double>& at) {
    std::vector<double> gradient(at.size());
    for (std::size_t c = 0; c < at.size(); ++c) gradient[c] = ridge_[c] * at[c];
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const LogisticRow& row = rows_[r];
      const double rate = 1 / (1 + std::exp(-margin(row, at)));
      weights_[r] = row.trials * rate * (1 - rate);
      const double excess = row.trials * rate - row.successes;
      for (const std::uint32_t c : row.features) gradient[c] += excess;
      gradient.back() += excess;
    }
    for (std::size_t c = 0; c < at.size(); ++c) gradient[c] *= free_[c];
    return gradient;
  }

  // Hessian · v.
  std::vector<double> curve(const std::vector<double>& v) const {
    std::vector<double> product(v.size());
    for (std::size_t c = 0; c < v.size(); ++c) product[c] = ridge_[c] * v[c];
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const double along = weights_[r] * margin(rows_[r], v);
      for (const std::uint32_t c : rows_[r].features) product[c] += along;
      product.back() += along;
    }
    for (std::size_t c = 0; c < v.size(); ++c) product[c] *= free_[c];
    return product;
  }

  std::vector<double> diagonal() const {
    std::vector<double> sum = ridge_;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      for (const std::uint32_t c : rows_[r].features) sum[c] += weights_[r];
      sum.back() += weights_[r];
    }
    return sum;
  }

  // −H⁻¹ · gradient, its residual below `error` of the gradient.
  std::vector<double> newton_step(const std::vector<double>& gradient, double error) const {
    const std::size_t n = gradient.size();
    const std::vector<double> scale = diagonal();
    std::vector<double> step(n, 0.0), residual(n), conditioned(n), direction(n);
    for (std::size_t c = 0; c < n; ++c) residual[c] = -gradient[c];
    for (std::size_t c = 0; c < n; ++c) direction[c] = conditioned[c] = residual[c] / scale[c];
    double size = dot(residual, conditioned);
    const double enough = size * error * error;
    for (std::size_t i = 0; i < 4 * n + 50 && size > enough; ++i) {
      const std::vector<double> curved = curve(direction);
      const double along = dot(direction, curved);
      if (!(along > 0)) break;
      const double by = size / along;
      for (std::size_t c = 0; c < n; ++c) step[c] += by * direction[c];
      for (std::size_t c = 0; c < n; ++c) residual[c] -= by * curved[c];
      for (std::size_t c = 0; c < n; ++c) conditioned[c] = residual[c] / scale[c];
      const double next = dot(residual, conditioned);
      for (std::size_t c = 0; c < n; ++c) direction[c] = conditioned[c] + next / size * direction[c];
      size = next;
    }
    return step;
  }

  // 1, ½, ¼ …: the first that lowers the loss enough (Armijo). Where the fall is below the loss's last bits: 1.
  double backtrack(const std::vector<double>& at, const std::vector<double>& gradient,
                   const std::vector<double>& step) const {
    const double slope = dot(gradient, step), before = loss(at);
    if (-slope < 1e-13 * before) return 1;
    std::vector<double> there(at.size());
    for (double scale = 1; scale > 1e-12; scale /= 2) {
      for (std::size_t c = 0; c < at.size(); ++c) there[c] = at[c] + scale * step[c];
      if (loss(there) <= before + 1e-4 * scale * slope) return scale;
    }
    return 0;
  }

  std::span<const LogisticRow> rows_;
  std::vector<double> ridge_, weights_, free_;
};

}  // namespace

LogisticCoefficients fit_ridge_logistic(std::span<const LogisticRow> rows, std::uint32_t features, double ridge) {
  return Fit(rows, features, ridge).run();
}

}  // namespace mal
