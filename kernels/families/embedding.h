// The fused lookup of every feature and the sparse gradients of the tables. Conventions: kernels/kernels.h.
// CPU: cpu/embedding.cpp, cpu/embedding_backward.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

enum class Pooling : std::int32_t { none, sum, mean, sqrtn };  // none: a single id or a sequence, every position kept

// One feature's part of the fused lookup. Ids are rows of its table: in [0, table rows), checked when data is loaded.
struct Lookup {
  const float* table;  // row r begins at table + r · row_stride; its first `width` floats are the weights
  std::int64_t row_stride;
  const std::int32_t* ids;      // [B, length]
  const std::int32_t* lengths;  // [B] valid positions of each row, from 0; null: all `length` are valid
  std::int32_t length;
  std::int32_t width;  // d
  Pooling pooling;
  float* out;  // pooled: [B, d]; none: [B, length · d], positions beyond the row's length are zeros
  std::int64_t out_stride;
};

// All features of a batch in one call. A pooled empty set gives zeros; mean divides by n, sqrtn by √n.
void embedding_forward(const Lookup* lookups, std::int32_t count, std::int64_t rows);

// One feature's part of the backward pass: the gradient of what Lookup::out was.
struct LookupGradient {
  const std::int32_t* ids;
  const std::int32_t* lengths;
  std::int32_t length;
  Pooling pooling;
  const float* dout;
  std::int64_t dout_stride;
};

// One table's gradient as a sparse matrix: the touched rows in rising order, each with the sum over its occurrences
// (occurrences in order of feature, sample, position: one after the other on the CPU; on the GPU in pieces, cut by the
// sizes and the ids alone, and then the pieces).
struct TableGradient {
  const LookupGradient* lookups;
  std::int32_t lookup_count;
  std::int32_t width;  // d
  std::int64_t table_rows;
  std::int32_t* rows;   // out [capacity]; capacity = Σ over lookups of B · length
  float* values;        // out [capacity, d]
  std::int64_t* count;  // out [1]: how many rows were touched
};

// Sort-based: (row, occurrence) pairs are sorted by row, equal rows form a segment, segments are summed. No atomics.
// The workspace is aligned to 16.
void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace);
// In bytes: for `tables` tables of up to `width` columns and `lookups` lookups that have up to `capacity` occurrences
// together.
std::int64_t embedding_backward_workspace(std::int32_t tables, std::int32_t lookups, std::int64_t capacity,
                                          std::int32_t width);

}  // namespace mal::kernels
