#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kElementBlock = 4096;

std::int64_t blocks_of(std::int64_t size) {
  return (size + kElementBlock - 1) / kElementBlock;
}

void add_products(const Span& a, const Span& b, double* partial, double& total) {
  const std::int64_t size = a.count == nullptr ? a.size : *a.count * a.width;
  parallel_ranges(size, kElementBlock, [&](std::int64_t first, std::int64_t last) {
    double sum = 0;
    const float *x = a.data, *y = b.data;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = first; i < last; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(y[i]);
    partial[first / kElementBlock] = sum;
  });
  for (std::int64_t block = 0; block < blocks_of(size); ++block) total += partial[block];
}

// Functions of values: a lambda's captured pointers would be loaded anew for every element.
void add_scaled(const float* x, float scale, float* y, std::int64_t size) {
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) y[i] += scale * x[i];
}
// dx (+)= dy where a unit is open: y > 0, or all of them.
void close_row(const float* y, const float* dy, float* dx, bool accumulate, bool all, std::int64_t width) {
#pragma omp simd
  for (std::int64_t c = 0; c < width; ++c) {
    const float value = all || y[c] > 0 ? dy[c] : 0.0F;
    dx[c] = accumulate ? dx[c] + value : value;
  }
}
void write_scaled(const float* x, float scale, float* y, std::int64_t size) {
#pragma omp simd
  for (std::int64_t i = 0; i < size; ++i) y[i] = scale * x[i];
}

}  // namespace

void add_forward(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y, std::int64_t ldy,
                 std::int64_t rows, std::int64_t width) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t c = 0; c < width; ++c) y[r * ldy + c] = a[r * lda + c] + b[r * ldb + c];
  });
}

void add_backward(const float* dy, std::int64_t lddy, float* da, std::int64_t ldda, bool accumulate_a, float* db,
                  std::int64_t lddb, bool accumulate_b, std::int64_t rows, std::int64_t width) {
  if (da != nullptr) copy(dy, lddy, da, ldda, rows, width, accumulate_a);
  if (db != nullptr) copy(dy, lddy, db, lddb, rows, width, accumulate_b);
}

void activation_forward(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                        std::int64_t width, Activation activation) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t c = 0; c < width; ++c) {
        const float value = x[r * ldx + c];
        y[r * ldy + c] = activation == Activation::relu && value < 0 ? 0.0F : value;  // NaN stays
      }
  });
}

void activation_backward(const float* y, std::int64_t ldy, const float* dy, std::int64_t lddy, float* dx,
                         std::int64_t lddx, bool accumulate, std::int64_t rows, std::int64_t width,
                         Activation activation) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      close_row(y + r * ldy, dy + r * lddy, dx + r * lddx, accumulate, activation == Activation::none, width);
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

void dot(const Span* a, const Span* b, std::int32_t count, double* out, double* workspace) {
  *out = 0;
  for (std::int32_t s = 0; s < count; ++s) add_products(a[s], b[s], workspace, *out);
}

std::int64_t dot_workspace(const Span* spans, std::int32_t count) {
  std::int64_t most = 0;  // one array after the other
  for (std::int32_t s = 0; s < count; ++s) most = std::max(most, blocks_of(spans[s].size));
  return most;
}

void gradient_norm(const Span* spans, std::int32_t count, const double* losses, std::int32_t loss_count,
                   double clip_norm, GradientNorm* out, double* workspace) {
  double squares = 0;
  dot(spans, spans, count, &squares, workspace);
  out->norm = std::sqrt(squares);
  out->scale = clip_norm > 0 && out->norm > clip_norm ? static_cast<float>(clip_norm / out->norm) : 1.0F;
  const bool finite = std::isfinite(out->norm) &&
                      std::all_of(losses, losses + loss_count, [](double loss) { return std::isfinite(loss); });
  out->finite = finite ? 1 : 0;
}

std::int64_t gradient_norm_workspace(const Span* spans, std::int32_t count) {
  return dot_workspace(spans, count);
}

void scale_add(const float* x, float scale, float* y, std::int64_t size, bool accumulate) {
  parallel_ranges(size, kElementBlock, [=](std::int64_t first, std::int64_t last) {
    if (accumulate)
      add_scaled(x + first, scale, y + first, last - first);
    else
      write_scaled(x + first, scale, y + first, last - first);
  });
}

// Every call adds up its blocks while it has them in its cache.
bool defers_sums() {
  return false;
}
void begin_sums() {}
void finish_sums() {}

}  // namespace mal::kernels
