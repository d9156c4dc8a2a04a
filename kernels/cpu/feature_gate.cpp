// u = x ⊙ 2σ((x A) Bᵀ) with a rank of a few: the [B, K] logits are formed where they are needed and never stored; only
// x A [B, r] is kept for the backward pass.
#include <algorithm>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sigmoid.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// [K, r] → [r, K], so that the inner loops run over columns.
struct ColumnsOfA;
struct ColumnsOfB;
struct GateRow;
struct LogitRow;

// On the calling thread, which others may read while it waits for them.
template <typename Which>
const float* transposed(const float* matrix, std::int64_t width, std::int64_t rank) {
  float* const result = thread_floats<Which>(width * rank);
  for (std::int64_t k = 0; k < width; ++k)
    for (std::int64_t j = 0; j < rank; ++j) result[j * width + k] = matrix[k * rank + j];
  return result;
}

// σ((x A) Bᵀ) of one row into gate[K].
void gate_row(const float* hidden, const float* b, std::int64_t width, std::int64_t rank, float* gate) {
  std::fill_n(gate, width, 0.0F);
  for (std::int64_t j = 0; j < rank; ++j) {
    const float* column = b + j * width;
    const float h = hidden[j];
#pragma omp simd
    for (std::int64_t k = 0; k < width; ++k) gate[k] += h * column[k];
  }
#pragma omp simd
  for (std::int64_t k = 0; k < width; ++k) gate[k] = fast_sigmoid(gate[k]);
}

}  // namespace

void feature_gate_forward(const float* x, std::int64_t ldx, const float* a, const float* b, float* u, std::int64_t ldu,
                          float* hidden, std::int64_t rows, std::int64_t width, std::int64_t rank) {
  const float *const at = transposed<ColumnsOfA>(a, width, rank), *const bt = transposed<ColumnsOfB>(b, width, rank);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const gate = thread_floats<GateRow>(width);
    for (std::int64_t r = first; r < last; ++r) {
      const float* in = x + r * ldx;
      for (std::int64_t j = 0; j < rank; ++j) {
        const float* column = at + j * width;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int64_t k = 0; k < width; ++k) sum += in[k] * column[k];
        hidden[r * rank + j] = sum;
      }
      gate_row(hidden + r * rank, bt, width, rank, gate);
      float* out = u + r * ldu;
      for (std::int64_t k = 0; k < width; ++k) out[k] = 2.0F * gate[k] * in[k];
    }
  });
}

// With g = σ(l), l = h Bᵀ, h = x A:  dl = 2 du x g (1 − g);  dB = dlᵀ h;  dh = dl B;  dA = xᵀ dh;  dx = 2 du g + dh Aᵀ.
void feature_gate_backward(const float* x, std::int64_t ldx, const float* a, const float* b, const float* hidden,
                           const float* du, std::int64_t lddu, float* dx, std::int64_t lddx, bool accumulate, float* da,
                           float* db, std::int64_t rows, std::int64_t width, std::int64_t rank, float* workspace) {
  const float *const at = transposed<ColumnsOfA>(a, width, rank), *const bt = transposed<ColumnsOfB>(b, width, rank);
  const std::int64_t size = width * rank;
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float *const g = thread_floats<GateRow>(width), *const dl = thread_floats<LogitRow>(width);
    float *da_sum = workspace + first / kRowBlock * 2 * size, *db_sum = da_sum + size;  // [r, K]
    std::fill_n(da_sum, 2 * size, 0.0F);
    for (std::int64_t r = first; r < last; ++r) {
      const float *in = x + r * ldx, *gradient = du + r * lddu, *h = hidden + r * rank;
      gate_row(h, bt, width, rank, g);
#pragma omp simd
      for (std::int64_t k = 0; k < width; ++k) {
        const float twice = 2.0F * gradient[k] * g[k];
        dl[k] = twice * in[k] * (1.0F - g[k]);
        g[k] = twice;  // from here on dx's first term
      }
      for (std::int64_t j = 0; j < rank; ++j) {
        const float *a_column = at + j * width, *b_column = bt + j * width;
        float *da_column = da_sum + j * width, *db_column = db_sum + j * width;
        float dh = 0;
#pragma omp simd reduction(+ : dh)
        for (std::int64_t k = 0; k < width; ++k) {
          dh += dl[k] * b_column[k];
          db_column[k] += dl[k] * h[j];
        }
#pragma omp simd
        for (std::int64_t k = 0; k < width; ++k) {
          da_column[k] += in[k] * dh;
          g[k] += dh * a_column[k];
        }
      }
      if (dx == nullptr) continue;
      float* out = dx + r * lddx;
      for (std::int64_t k = 0; k < width; ++k) out[k] = accumulate ? out[k] + g[k] : g[k];
    }
  });
  std::fill_n(da, size, 0.0F);
  std::fill_n(db, size, 0.0F);
  for (std::int64_t block = 0; block < (rows + kRowBlock - 1) / kRowBlock; ++block) {
    const float *da_sum = workspace + block * 2 * size, *db_sum = da_sum + size;
    for (std::int64_t k = 0; k < width; ++k)
      for (std::int64_t j = 0; j < rank; ++j) {
        da[k * rank + j] += da_sum[j * width + k];
        db[k * rank + j] += db_sum[j * width + k];
      }
  }
}

std::int64_t feature_gate_backward_workspace(std::int64_t rows, std::int64_t width, std::int64_t rank) {
  return (rows + kRowBlock - 1) / kRowBlock * 2 * width * rank;
}

}  // namespace mal::kernels
