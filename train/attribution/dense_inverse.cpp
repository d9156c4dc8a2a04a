#include "train/attribution/dense_inverse.h"

#include <cmath>
#include <utility>

namespace mal {

std::vector<double> dense_inverse(std::vector<double> matrix, std::size_t n) {
  std::vector<double> result(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) result[i * n + i] = 1;
  const auto subtract = [n](std::vector<double>& m, std::size_t row, std::size_t pivot, double factor) {
    for (std::size_t k = 0; k < n; ++k) m[row * n + k] -= factor * m[pivot * n + k];
  };
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < n; ++row)
      if (std::abs(matrix[row * n + column]) > std::abs(matrix[pivot * n + column])) pivot = row;
    for (std::size_t k = 0; k < n; ++k) {
      std::swap(matrix[pivot * n + k], matrix[column * n + k]);
      std::swap(result[pivot * n + k], result[column * n + k]);
    }
    const double scale = 1 / matrix[column * n + column];
    for (std::size_t k = 0; k < n; ++k) {
      matrix[column * n + k] *= scale;
      result[column * n + k] *= scale;
    }
    for (std::size_t row = 0; row < n; ++row) {
      const double factor = matrix[row * n + column];
      if (row == column || factor == 0) continue;
      subtract(matrix, row, column, factor);
      subtract(result, row, column, factor);
    }
  }
  return result;
}

}  // namespace mal
