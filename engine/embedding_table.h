// An embedding table with its optimiser state beside each row's weights, so that an update touches one place in memory.
#pragma once

#include <cstdint>
#include <string>

#include "engine/random.h"
#include "engine/tensor.h"

namespace mal {

class EmbeddingTable {
 public:
  // state: floats of optimiser state a row (0 for a model that only predicts).
  EmbeddingTable(const Memory& memory, std::string name, std::int64_t rows, std::int32_t width, std::int32_t state);

  const std::string& name() const { return name_; }
  std::int64_t rows() const { return rows_; }
  std::int32_t width() const { return width_; }
  std::int32_t state_width() const { return state_; }
  std::int64_t row_stride() const { return stride_; }
  // In the device's memory: of the host only where Runtime::reaches_host().
  float* data() { return buffer_.as<float>(); }
  const float* data() const { return buffer_.as<float>(); }
  float* row(std::int64_t index) { return data() + index * stride_; }
  const float* row(std::int64_t index) const { return data() + index * stride_; }

  // Blocks of rows, row_stride() apart, for the host to read or change; Buffer::read and edit.
  const Buffer& buffer() const { return buffer_; }
  Buffer& buffer() { return buffer_; }
  std::size_t row_bytes() const { return static_cast<std::size_t>(stride_) * sizeof(float); }

  void initialise(std::uint64_t seed, float stddev);  // N(0, stddev²), keyed by (seed, name, index); state zero
  // Floats first … first + width − 1 of every row's state.
  void fill_state(float value, std::int32_t first, std::int32_t width);

 private:
  void edit_rows(const std::function<void(std::int64_t row, float* data)>& body);

  std::string name_;
  std::int64_t rows_, stride_;
  std::int32_t width_, state_;
  Buffer buffer_;
};

}  // namespace mal
