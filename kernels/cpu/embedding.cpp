// The fused lookup of all features: a gather bound by memory latency, so rows are asked for some samples ahead.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kPrefetch = 32;  // ids ahead

std::int32_t valid_positions(const Lookup& f, std::int64_t row) {
  return f.lengths == nullptr ? f.length : f.lengths[row];
}

float pooling_weight(Pooling pooling, std::int32_t count) {
  if (pooling == Pooling::mean) return 1.0F / static_cast<float>(count);
  if (pooling == Pooling::sqrtn) return 1.0F / std::sqrt(static_cast<float>(count));
  return 1.0F;
}

void prefetch_row(const Lookup& f, std::int64_t row) {
  const std::int32_t* ids = f.ids + row * f.length;
  for (std::int32_t j = 0, count = valid_positions(f, row); j < count; ++j)
    __builtin_prefetch(f.table + ids[j] * f.row_stride);
}

void copy_rows(const Lookup& f, const std::int32_t* ids, std::int32_t count, float* out) {
  for (std::int32_t j = 0; j < count; ++j) std::copy_n(f.table + ids[j] * f.row_stride, f.width, out + j * f.width);
}

void add_rows(const Lookup& f, const std::int32_t* ids, std::int32_t count, float weight, float* out) {
  std::fill_n(out, f.width, 0.0F);
  for (std::int32_t j = 0; j < count; ++j) {
    const float* source = f.table + ids[j] * f.row_stride;
    for (std::int32_t c = 0; c < f.width; ++c) out[c] += source[c];
  }
  for (std::int32_t c = 0; c < f.width; ++c) out[c] *= weight;
}

// The same for rows of kVectors vectors: a call of memmove for 64 bytes takes longer than the copy.
template <typename Vector, int kVectors>
void copy_rows_of(const Lookup& f, const std::int32_t* ids, std::int32_t count, float* out) {
  for (std::int32_t j = 0; j < count; ++j, out += kVectors * sizeof(Vector) / sizeof(float))
    __builtin_memcpy(out, f.table + ids[j] * f.row_stride, kVectors * sizeof(Vector));
}

template <typename Vector, int kVectors>
void add_rows_of(const Lookup& f, const std::int32_t* ids, std::int32_t count, float weight, float* out) {
  Vector sums[kVectors] = {};
  for (std::int32_t j = 0; j < count; ++j) {
    const float* source = f.table + ids[j] * f.row_stride;
    for (int v = 0; v < kVectors; ++v) {
      Vector x;
      __builtin_memcpy(&x, source + v * static_cast<std::int64_t>(sizeof(Vector) / sizeof(float)), sizeof(Vector));
      sums[v] += x;
    }
  }
  for (Vector& sum : sums) sum *= weight;
  __builtin_memcpy(out, sums, sizeof(sums));
}

struct Rows {
  void (*copy)(const Lookup&, const std::int32_t*, std::int32_t, float*);
  void (*add)(const Lookup&, const std::int32_t*, std::int32_t, float, float*);
};

Rows rows_for(std::int32_t width) {
  using Vector8 = float __attribute__((vector_size(32)));
  using Vector16 = float __attribute__((vector_size(64)));
  if (width == 8) return {copy_rows_of<Vector8, 1>, add_rows_of<Vector8, 1>};
  if (width == 16) return {copy_rows_of<Vector16, 1>, add_rows_of<Vector16, 1>};
  if (width == 32) return {copy_rows_of<Vector16, 2>, add_rows_of<Vector16, 2>};
  if (width == 64) return {copy_rows_of<Vector16, 4>, add_rows_of<Vector16, 4>};
  return {copy_rows, add_rows};
}

void lookup_rows(const Lookup& f, std::int64_t first, std::int64_t last) {
  const Rows of = rows_for(f.width);
  const std::int64_t ahead = std::max<std::int64_t>(kPrefetch / f.length, 1);
  for (std::int64_t r = first; r < std::min(last, first + ahead); ++r) prefetch_row(f, r);
  for (std::int64_t r = first; r < last; ++r) {
    if (r + ahead < last) prefetch_row(f, r + ahead);
    const std::int32_t count = valid_positions(f, r);
    const std::int32_t* ids = f.ids + r * f.length;
    float* out = f.out + r * f.out_stride;
    if (f.pooling != Pooling::none) {
      of.add(f, ids, count, count == 0 ? 1.0F : pooling_weight(f.pooling, count), out);
      continue;
    }
    of.copy(f, ids, count, out);
    if (count < f.length) std::fill(out + count * f.width, out + f.length * f.width, 0.0F);
  }
}

}  // namespace

void embedding_forward(const Lookup* lookups, std::int32_t count, std::int64_t rows) {
  // One feature after the other: threads at neighbouring features of the same rows would write the same cache lines.
  const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  parallel_blocks(blocks * count, [&](std::int64_t item) {
    const std::int64_t first = item % blocks * kRowBlock;
    lookup_rows(lookups[item / blocks], first, std::min(rows, first + kRowBlock));
  });
}

}  // namespace mal::kernels
