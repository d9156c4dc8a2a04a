#include <algorithm>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

void add_forward(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y, std::int64_t ldy,
                 std::int64_t rows, std::int64_t width) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t c = 0; c < width; ++c) y[r * ldy + c] = a[r * lda + c] + b[r * ldb + c];
  });
}

void copy(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows, std::int64_t width,
          bool accumulate) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      if (!accumulate) {
        std::copy_n(x + r * ldx, width, y + r * ldy);
        continue;
      }
      for (std::int64_t c = 0; c < width; ++c) y[r * ldy + c] += x[r * ldx + c];
    }
  });
}

void fill(float* x, std::int64_t ldx, std::int64_t rows, std::int64_t width, float value) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) std::fill_n(x + r * ldx, width, value);
  });
}

double sum_of_squares(const Span* spans, std::int32_t count) {
  constexpr std::int64_t kBlock = 4096;
  double total = 0;
  for (std::int32_t s = 0; s < count; ++s) {
    std::vector<double> partial(static_cast<std::size_t>((spans[s].size + kBlock - 1) / kBlock));
    parallel_ranges(spans[s].size, kBlock, [&](std::int64_t first, std::int64_t last) {
      double sum = 0;
      const float* data = spans[s].data;
#pragma omp simd reduction(+ : sum)
      for (std::int64_t i = first; i < last; ++i) sum += static_cast<double>(data[i]) * static_cast<double>(data[i]);
      partial[static_cast<std::size_t>(first / kBlock)] = sum;
    });
    for (const double value : partial) total += value;
  }
  return total;
}

}  // namespace mal::kernels
