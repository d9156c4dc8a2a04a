// The fused lookup of all features and its gradient. Forward is a gather bound by memory latency: rows are prefetched a
// few samples ahead. Backward sorts (row, occurrence) pairs of each table, so that equal rows lie together and their
// sum has one fixed order: no atomics, and every touched row is written once.
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kPrefetch = 16;
constexpr std::int64_t kSegments = 256;  // touched rows a block

std::int32_t valid_positions(const std::int32_t* lengths, std::int32_t length, std::int64_t row) {
  return lengths == nullptr ? length : lengths[row];
}

float pooling_weight(Pooling pooling, std::int32_t count) {
  if (pooling == Pooling::mean) return 1.0F / static_cast<float>(count);
  if (pooling == Pooling::sqrtn) return 1.0F / std::sqrt(static_cast<float>(count));
  return 1.0F;
}

void lookup_positions(const Lookup& f, std::int64_t row, std::int32_t count, float* out) {
  const std::int32_t* ids = f.ids + row * f.length;
  for (std::int32_t j = 0; j < count; ++j) std::copy_n(f.table + ids[j] * f.row_stride, f.width, out + j * f.width);
  std::fill(out + count * f.width, out + f.length * f.width, 0.0F);
}

void lookup_pooled(const Lookup& f, std::int64_t row, std::int32_t count, float* out) {
  const std::int32_t* ids = f.ids + row * f.length;
  std::fill_n(out, f.width, 0.0F);
  for (std::int32_t j = 0; j < count; ++j) {
    const float* source = f.table + ids[j] * f.row_stride;
    for (std::int32_t c = 0; c < f.width; ++c) out[c] += source[c];
  }
  if (count == 0 || f.pooling == Pooling::sum) return;
  const float weight = pooling_weight(f.pooling, count);
  for (std::int32_t c = 0; c < f.width; ++c) out[c] *= weight;
}

void lookup_rows(const Lookup& f, std::int64_t first, std::int64_t last, std::int64_t rows) {
  for (std::int64_t r = first; r < last; ++r) {
    if (r + kPrefetch < rows) __builtin_prefetch(f.table + f.ids[(r + kPrefetch) * f.length] * f.row_stride);
    const std::int32_t count = valid_positions(f.lengths, f.length, r);
    float* out = f.out + r * f.out_stride;
    if (f.pooling == Pooling::none)
      lookup_positions(f, r, count, out);
    else
      lookup_pooled(f, r, count, out);
  }
}

// An occurrence is numbered by feature, sample, position: base + (sample · length + position).
std::int64_t collect(const TableGradient& t, std::int64_t rows, std::uint64_t* keys) {
  std::int64_t count = 0, base = 0;
  for (std::int32_t l = 0; l < t.lookup_count; ++l) {
    const LookupGradient& lookup = t.lookups[l];
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int32_t valid = valid_positions(lookup.lengths, lookup.length, r);
      for (std::int32_t j = 0; j < valid; ++j) {
        const std::int64_t occurrence = r * lookup.length + j;
        keys[count++] =
            static_cast<std::uint64_t>(lookup.ids[occurrence]) << 32 | static_cast<std::uint64_t>(base + occurrence);
      }
    }
    base += rows * lookup.length;
  }
  return count;
}

// Stable radix sort by the row, eight bits a pass; keys arrive with rising occurrences, so only the row is looked at.
// Returns where the result is: the first or the second half of the space.
const std::uint64_t* sort_by_row(std::uint64_t* keys, std::uint64_t* other, std::int64_t count,
                                 std::int64_t table_rows) {
  for (int shift = 32; shift < 64 && (shift == 32 || (static_cast<std::uint64_t>(table_rows - 1) >> (shift - 32)) != 0);
       shift += 8) {
    std::array<std::int64_t, 257> starts{};
    for (std::int64_t i = 0; i < count; ++i) ++starts[(keys[i] >> shift & 255) + 1];
    for (std::size_t b = 0; b < 256; ++b) starts[b + 1] += starts[b];
    for (std::int64_t i = 0; i < count; ++i) other[starts[keys[i] >> shift & 255]++] = keys[i];
    std::swap(keys, other);
  }
  return keys;
}

// Adds one occurrence's gradient to out[d].
void add_occurrence(const TableGradient& t, std::int64_t rows, std::int64_t occurrence, float* out) {
  const LookupGradient* lookup = t.lookups;
  while (occurrence >= rows * lookup->length) occurrence -= rows * (lookup++)->length;
  const std::int64_t row = occurrence / lookup->length;
  const float* dout = lookup->dout + row * lookup->dout_stride;
  if (lookup->pooling == Pooling::none) {
    dout += occurrence % lookup->length * t.width;
    for (std::int32_t c = 0; c < t.width; ++c) out[c] += dout[c];
    return;
  }
  const float weight = pooling_weight(lookup->pooling, valid_positions(lookup->lengths, lookup->length, row));
  for (std::int32_t c = 0; c < t.width; ++c) out[c] += weight * dout[c];
}

// starts[i] is the first key of the i-th touched row. They overwrite the half of the workspace that the keys are not
// in.
struct Sorted {
  const std::uint64_t* keys;
  std::uint64_t* starts;
  std::int64_t keys_count;
};

Sorted sort_table(const TableGradient& t, std::int64_t rows, std::uint64_t* space) {
  const std::int64_t keys_count = collect(t, rows, space);
  std::uint64_t* other = space + keys_count;
  const std::uint64_t* keys = sort_by_row(space, other, keys_count, t.table_rows);
  Sorted sorted{keys, keys == space ? other : space, keys_count};
  std::int64_t touched = 0;
  for (std::int64_t i = 0; i < keys_count; ++i) {
    const auto row = static_cast<std::int32_t>(keys[i] >> 32);
    if (touched > 0 && t.rows[touched - 1] == row) continue;
    sorted.starts[touched] = static_cast<std::uint64_t>(i);
    t.rows[touched++] = row;
  }
  *t.count = touched;
  return sorted;
}

void sum_segments(const TableGradient& t, const Sorted& sorted, std::int64_t rows) {
  const std::int64_t count = *t.count;
  parallel_ranges(count, kSegments, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t s = first; s < last; ++s) {
      float* out = t.values + s * t.width;
      std::fill_n(out, t.width, 0.0F);
      const auto end = s + 1 < count ? static_cast<std::int64_t>(sorted.starts[s + 1]) : sorted.keys_count;
      for (auto i = static_cast<std::int64_t>(sorted.starts[s]); i < end; ++i)
        add_occurrence(t, rows, static_cast<std::int64_t>(sorted.keys[i] & 0xFFFFFFFF), out);
    }
  });
}

}  // namespace

void embedding_forward(const Lookup* lookups, std::int32_t count, std::int64_t rows) {
  const std::int64_t blocks = (rows + kRowBlock - 1) / kRowBlock;
  parallel_blocks(blocks * count, [&](std::int64_t item) {
    const std::int64_t first = item / count * kRowBlock;
    lookup_rows(lookups[item % count], first, std::min(rows, first + kRowBlock), rows);
  });
}

void embedding_backward(const TableGradient* tables, std::int32_t count, std::int64_t rows, void* workspace) {
  std::vector<Sorted> sorted(static_cast<std::size_t>(count));
  std::vector<std::uint64_t*> spaces;
  for (auto* space = static_cast<std::uint64_t*>(workspace); std::ssize(spaces) < count;) {
    const TableGradient& table = tables[spaces.size()];
    spaces.push_back(space);
    for (std::int32_t l = 0; l < table.lookup_count; ++l) space += 2 * rows * table.lookups[l].length;
  }
  parallel_blocks(count, [&](std::int64_t t) {
    const auto at = static_cast<std::size_t>(t);
    sorted[at] = sort_table(tables[t], rows, spaces[at]);
  });
  for (std::int32_t t = 0; t < count; ++t) sum_segments(tables[t], sorted[static_cast<std::size_t>(t)], rows);
}

std::int64_t embedding_backward_workspace(std::int32_t, std::int32_t, std::int64_t capacity, std::int32_t) {
  return 2 * capacity * static_cast<std::int64_t>(sizeof(std::uint64_t));
}

}  // namespace mal::kernels
