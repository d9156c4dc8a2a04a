#include "engine/embedding_table.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

// Rows begin at a multiple of 32 bytes, so that a 16-wide row with its state spans as few cache lines as it can.
constexpr std::int64_t kStrideUnit = 8;

std::int64_t stride_of(const std::string& name, std::int64_t rows, std::int64_t floats) {
  const std::int64_t stride = (floats + kStrideUnit - 1) / kStrideUnit * kStrideUnit;
  std::int64_t bytes = 0;
  if (rows < 1 || rows > std::numeric_limits<std::int32_t>::max() ||
      __builtin_mul_overflow(rows, stride * static_cast<std::int64_t>(sizeof(float)), &bytes))
    fail("table {}: {} rows are not supported (1 to 2^31 - 1)", name, rows);
  return stride;
}

}  // namespace

EmbeddingTable::EmbeddingTable(std::string name, std::int64_t rows, std::int32_t width, std::int32_t state)
    : name_(std::move(name)),
      rows_(rows),
      stride_(stride_of(name_, rows, width + state)),
      width_(width),
      state_(state),
      buffer_(static_cast<std::size_t>(rows * stride_) * sizeof(float)) {}

void EmbeddingTable::initialise(std::uint64_t seed, float stddev) {
  const Random random(seed, name_);
  for (std::int64_t r = 0; r < rows_; ++r)
    for (std::int32_t c = 0; c < width_; ++c)
      row(r)[c] = stddev * static_cast<float>(random.normal(static_cast<std::uint64_t>(r * width_ + c)));
}

void EmbeddingTable::fill_state(float value, std::int32_t first, std::int32_t width) {
  for (std::int64_t r = 0; r < rows_; ++r) std::fill_n(row(r) + width_ + first, width, value);
}

}  // namespace mal
