// u = x ⊙ 2σ((x A) Bᵀ) with a rank of a few: the [B, K] logits are formed where they are needed and never stored; only
// x A [B, r] is kept for the backward pass. Some rows go together, so that A, B and the sums of their gradients are
// read once for all of them.
#include <algorithm>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/sigmoid.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr int kTogether = 4;

struct ColumnsOfA;
struct ColumnsOfB;
struct RowsOfGate;
struct RowsOfLogits;
struct HiddenGradients;

// [K, r] → [r, K padded with zeros], on the calling thread, which others may read while it waits for them.
template <typename Which>
const float* transposed(const float* matrix, std::int64_t width, std::int64_t rank) {
  const std::int64_t wide = padded(width);
  float* const result = thread_floats<Which>(wide * rank);
  for (std::int64_t j = 0; j < rank; ++j) {
    for (std::int64_t k = 0; k < width; ++k) result[j * wide + k] = matrix[k * rank + j];
    std::fill_n(result + j * wide + width, wide - width, 0.0F);
  }
  return result;
}

struct Sizes {
  std::int64_t width, wide, rank;
};

float sum_of(Vector x) {
  Vector parts[kParts] = {};
  parts[0] = x;
  return sum_granule(parts);
}

// sums[kRows, r] = rows[kRows, K] · columnsᵀ[r, K]
template <int kRows>
void products(const float* rows, std::int64_t stride, std::int64_t width, const float* columns, const Sizes& n,
              float* sums) {
  for (std::int64_t j = 0; j < n.rank; ++j) {
    const float* const column = columns + j * n.wide;
    Vector sum[kRows] = {};
    for (std::int64_t c = 0; c < n.wide; c += kLanes) {
      const Vector y = load(column + c);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r] += load_columns(rows + r * stride, c, width) * y;
    }
    for (int r = 0; r < kRows; ++r) sums[r * n.rank + j] = sum_of(sum[r]);
  }
}

// to[kRows, K] (+)= factors[kRows, r] · columns[r, K]
template <int kRows, bool kAdd>
void combine(const float* factors, const float* columns, const Sizes& n, float* to) {
  for (std::int64_t c = 0; c < n.wide; c += kLanes) {
    Vector sum[kRows] = {};
    if constexpr (kAdd)
      for (int r = 0; r < kRows; ++r) sum[r] = load(to + r * n.wide + c);
    for (std::int64_t j = 0; j < n.rank; ++j) {
      const Vector y = load(columns + j * n.wide + c);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum[r] += factors[r * n.rank + j] * y;
    }
    for (int r = 0; r < kRows; ++r) store(to + r * n.wide + c, sum[r]);
  }
}

// sums[r, K] += factorsᵀ[kRows, r] · rows[kRows, K]
template <int kRows>
void add_products(const float* factors, const float* rows, std::int64_t stride, std::int64_t width, const Sizes& n,
                  float* sums) {
  for (std::int64_t c = 0; c < n.wide; c += kLanes) {
    Vector x[kRows];
    for (int r = 0; r < kRows; ++r) x[r] = load_columns(rows + r * stride, c, width);
    for (std::int64_t j = 0; j < n.rank; ++j) {
      Vector sum = load(sums + j * n.wide + c);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sum += factors[r * n.rank + j] * x[r];
      store(sums + j * n.wide + c, sum);
    }
  }
}

struct Forward {
  const float* x;
  std::int64_t ldx;
  float* u;
  std::int64_t ldu;
  float* hidden;
  const float *at, *bt;
  float* gate;  // [kTogether, wide]
};

template <int kRows>
void forward_of(const Forward& f, const Sizes& n, std::int64_t row) {
  const float* const x = f.x + row * f.ldx;
  float* const hidden = f.hidden + row * n.rank;
  products<kRows>(x, f.ldx, n.width, f.at, n, hidden);
  combine<kRows, false>(hidden, f.bt, n, f.gate);
  for (int r = 0; r < kRows; ++r) {
    const float *in = x + r * f.ldx, *logits = f.gate + r * n.wide;
    float* const out = f.u + (row + r) * f.ldu;
#pragma omp simd
    for (std::int64_t k = 0; k < n.width; ++k) out[k] = 2.0F * fast_sigmoid(logits[k]) * in[k];
  }
}

struct Backward {
  const float* x;
  std::int64_t ldx;
  const float* hidden;
  const float* du;
  std::int64_t lddu;
  float* dx;
  std::int64_t lddx;
  bool accumulate;
  const float *at, *bt;
  float *gate, *dl;        // [kTogether, wide]
  float* dh;               // [kTogether, r]
  float *da_sum, *db_sum;  // [r, wide]
};

// With g = σ(l), l = h Bᵀ, h = x A:  dl = 2 du x g (1 − g);  dB = dlᵀ h;  dh = dl B;  dA = xᵀ dh;  dx = 2 du g + dh Aᵀ.
template <int kRows>
void backward_of(const Backward& f, const Sizes& n, std::int64_t row) {
  const float *x = f.x + row * f.ldx, *hidden = f.hidden + row * n.rank;
  combine<kRows, false>(hidden, f.bt, n, f.gate);
  for (int r = 0; r < kRows; ++r) {
    const float *in = x + r * f.ldx, *gradient = f.du + (row + r) * f.lddu;
    float *g = f.gate + r * n.wide, *dl = f.dl + r * n.wide;
#pragma omp simd
    for (std::int64_t k = 0; k < n.width; ++k) {
      const float gate = fast_sigmoid(g[k]), twice = 2.0F * gradient[k] * gate;
      dl[k] = twice * in[k] * (1.0F - gate);
      g[k] = twice;  // from here on dx's first term
    }
    std::fill_n(dl + n.width, n.wide - n.width, 0.0F);
  }
  products<kRows>(f.dl, n.wide, n.wide, f.bt, n, f.dh);
  add_products<kRows>(hidden, f.dl, n.wide, n.wide, n, f.db_sum);
  add_products<kRows>(f.dh, x, f.ldx, n.width, n, f.da_sum);
  if (f.dx == nullptr) return;
  combine<kRows, true>(f.dh, f.at, n, f.gate);
  for (int r = 0; r < kRows; ++r) {
    float* const out = f.dx + (row + r) * f.lddx;
    for (std::int64_t c = 0; c < n.width; c += kLanes) {
      Vector value = load(f.gate + r * n.wide + c);
      if (f.accumulate) value += load_columns(out, c, n.width);
      store_columns(out, c, n.width, value);
    }
  }
}

// most(row) for kTogether rows at a time, then one(row).
template <typename Most, typename One>
void for_rows(std::int64_t first, std::int64_t last, const Most& most, const One& one) {
  for (; first + kTogether <= last; first += kTogether) most(first);
  for (; first < last; ++first) one(first);
}

}  // namespace

void feature_gate_forward(const float* x, std::int64_t ldx, const float* a, const float* b, float* u, std::int64_t ldu,
                          float* hidden, std::int64_t rows, std::int64_t width, std::int64_t rank) {
  const Sizes n{width, padded(width), rank};
  const float *const at = transposed<ColumnsOfA>(a, width, rank), *const bt = transposed<ColumnsOfB>(b, width, rank);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    const Forward f{x, ldx, u, ldu, hidden, at, bt, thread_floats<RowsOfGate>(kTogether * n.wide)};
    for_rows(
        first, last, [&](std::int64_t row) { forward_of<kTogether>(f, n, row); },
        [&](std::int64_t row) { forward_of<1>(f, n, row); });
  });
}

void feature_gate_backward(const float* x, std::int64_t ldx, const float* a, const float* b, const float* hidden,
                           const float* du, std::int64_t lddu, float* dx, std::int64_t lddx, bool accumulate, float* da,
                           float* db, std::int64_t rows, std::int64_t width, std::int64_t rank, float* workspace) {
  const Sizes n{width, padded(width), rank};
  const float *const at = transposed<ColumnsOfA>(a, width, rank), *const bt = transposed<ColumnsOfB>(b, width, rank);
  const std::int64_t size = n.wide * rank;
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const da_sum = workspace + first / kRowBlock * 2 * size;
    std::fill_n(da_sum, 2 * size, 0.0F);
    const Backward f{x,
                     ldx,
                     hidden,
                     du,
                     lddu,
                     dx,
                     lddx,
                     accumulate,
                     at,
                     bt,
                     thread_floats<RowsOfGate>(kTogether * n.wide),
                     thread_floats<RowsOfLogits>(kTogether * n.wide),
                     thread_floats<HiddenGradients>(kTogether * rank),
                     da_sum,
                     da_sum + size};
    for_rows(
        first, last, [&](std::int64_t row) { backward_of<kTogether>(f, n, row); },
        [&](std::int64_t row) { backward_of<1>(f, n, row); });
  });
  std::fill_n(da, width * rank, 0.0F);
  std::fill_n(db, width * rank, 0.0F);
  for (std::int64_t block = 0; block < (rows + kRowBlock - 1) / kRowBlock; ++block) {
    const float *da_sum = workspace + block * 2 * size, *db_sum = da_sum + size;
    for (std::int64_t k = 0; k < width; ++k)
      for (std::int64_t j = 0; j < rank; ++j) {
        da[k * rank + j] += da_sum[j * n.wide + k];
        db[k * rank + j] += db_sum[j * n.wide + k];
      }
  }
}

std::int64_t feature_gate_backward_workspace(std::int64_t rows, std::int64_t width, std::int64_t rank) {
  return (rows + kRowBlock - 1) / kRowBlock * 2 * padded(width) * rank;
}

}  // namespace mal::kernels
