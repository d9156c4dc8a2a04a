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

EmbeddingTable::EmbeddingTable(const Memory& memory, std::string name, std::int64_t rows, std::int32_t width,
                               std::int32_t state)
    : name_(std::move(name)),
      rows_(rows),
      stride_(stride_of(name_, rows, width + state)),
      width_(width),
      state_(state),
      buffer_(memory, static_cast<std::size_t>(rows * stride_) * sizeof(float),
              {"the table " + name_ + " with its optimiser state",
               "lower model.embedding_dim, prepare the data with fewer ids, or choose optimizer.sparse: "
               "rowwise_adagrad"}) {}

void EmbeddingTable::edit_rows(const std::function<void(std::int64_t, float*)>& body) {
  buffer_.edit(row_bytes(), [&](std::int64_t first, std::int64_t count, std::byte* data) {
    for (std::int64_t r = 0; r < count; ++r) body(first + r, reinterpret_cast<float*>(data) + r * stride_);
  });
}

void EmbeddingTable::initialise(std::uint64_t seed, float stddev) {
  const Random random(seed, name_);
  edit_rows([&](std::int64_t r, float* row) {
    for (std::int32_t c = 0; c < width_; ++c)
      row[c] = stddev * static_cast<float>(random.normal(static_cast<std::uint64_t>(r * width_ + c)));
  });
}

void EmbeddingTable::fill_state(float value, std::int32_t first, std::int32_t width) {
  edit_rows([&](std::int64_t, float* row) { std::fill_n(row + width_ + first, width, value); });
}

}  // namespace mal
