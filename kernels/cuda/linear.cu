// Dense layers. Small ones are chains of one step (chain.h), others a launch each way for all of a group (grouped.h).
// What is larger still is left to cuBLASLt, with the bias as its epilogue, and the bias gradient as that of dw. ReLU is
// ours: the library's, max(x, 0), may turn NaN into 0 and so hide a spoilt weight.
#include <algorithm>

#include "kernels/cuda/chain.h"
#include "kernels/cuda/grouped.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

decltype(kernels::linear_group_forward) linear_group_forward;
decltype(kernels::linear_group_backward) linear_group_backward;
decltype(kernels::linear_group_backward_workspace) linear_group_backward_workspace;

namespace {

constexpr int kColumns = 32, kWarps = 8;  // of a block: a warp reads 32 neighbours
constexpr int kRows = 64;                 // of a block, and of a partial sum

std::int64_t row_blocks(std::int64_t rows) {
  return ceil_div(rows, kRows);
}

// ---- products of the library --------------------------------------------------------------------------------------

struct Sizes {
  std::int64_t rows, inputs, outputs;
};

// blockIdx: rows, columns.
__global__ void __launch_bounds__(kColumns* kWarps)
    bias_and_activation(const float* b, float* y, std::int64_t ldy, std::int64_t rows, std::int64_t columns) {
  const std::int64_t column = std::int64_t{blockIdx.y} * kColumns + threadIdx.x,
                     first = std::int64_t{blockIdx.x} * kRows;
  if (column >= columns) return;
  const float bias = b == nullptr ? 0.0F : b[column];
  for (std::int64_t r = first + threadIdx.y; r < min(rows, first + kRows); r += kWarps) {
    const float value = y[r * ldy + column] + bias;
    y[r * ldy + column] = value < 0 ? 0.0F : value;  // NaN stays
  }
}

void forward_alone(const LinearForward& c, const Sizes& s, Activation activation) {
  Gemm g{s.rows,    s.outputs, s.inputs, c.x,   c.ldx, false,          c.w,
         s.outputs, false,     c.y,      c.ldy, false, Epilogue::none, nullptr};
  if (activation == Activation::none && c.b != nullptr) {
    g.epilogue = Epilogue::bias;
    g.bias = const_cast<float*>(c.b);  // the epilogue reads it
  }
  gemm("linear_forward", g);
  if (activation == Activation::relu)
    launch("linear_forward's bias", bias_and_activation,
           dim3(grid_of(s.rows, kRows, INT32_MAX), grid_of(s.outputs, kColumns)), dim3(kColumns, kWarps), 0, c.b, c.y,
           c.ldy, s.rows, s.outputs);
}

// dy ← dy · act'(y), where y is not null, and its column sums into partial [row blocks, columns], where that is not.
__global__ void __launch_bounds__(kColumns* kWarps)
    close_activation(const float* y, std::int64_t ldy, float* dy, std::int64_t lddy, float* partial, std::int64_t rows,
                     std::int64_t columns) {
  const std::int64_t column = std::int64_t{blockIdx.y} * kColumns + threadIdx.x,
                     first = std::int64_t{blockIdx.x} * kRows;
  float sum = 0;
  for (std::int64_t r = first + threadIdx.y; column < columns && r < min(rows, first + kRows); r += kWarps) {
    float& gradient = dy[r * lddy + column];
    if (y != nullptr && !(y[r * ldy + column] > 0)) gradient = 0;
    sum += gradient;
  }
  if (partial == nullptr) return;  // of the whole block
  MAL_SHARED(float, sums, [kWarps][kColumns]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w][threadIdx.x];
  partial[blockIdx.x * columns + column] = sum;
}

void backward_alone(const LinearBackward& c, const Sizes& s, Activation activation, float* workspace) {
  Gemm weights{s.inputs, s.outputs, s.rows, c.x,       c.ldx, true,           c.dy,
               c.lddy,   false,     c.dw,   s.outputs, false, Epilogue::none, nullptr};
  weights.epilogue = c.db == nullptr ? Epilogue::none : Epilogue::bias_gradient;
  weights.bias = c.db;
  const bool fused = c.db == nullptr || gemm_exists("linear_backward, dw", weights);
  if (!fused) {
    weights.epilogue = Epilogue::none;
    weights.bias = nullptr;
  }
  if (!fused || activation == Activation::relu)
    launch("linear_backward's activation", close_activation,
           dim3(grid_of(s.rows, kRows, INT32_MAX), grid_of(s.outputs, kColumns)), dim3(kColumns, kWarps), 0,
           activation == Activation::relu ? c.y : nullptr, c.ldy, c.dy, c.lddy, fused ? nullptr : workspace, s.rows,
           s.outputs);
  if (!fused) sum_partials(workspace, row_blocks(s.rows), {{c.db, s.outputs}});
  gemm("linear_backward, dw", weights);
  if (c.dx != nullptr)
    gemm("linear_backward, dx", {s.rows, s.inputs, s.outputs, c.dy, c.lddy, false, c.w, s.outputs, true, c.dx, c.lddx,
                                 c.accumulate, Epilogue::none, nullptr});
}

// ---- groups -------------------------------------------------------------------------------------------------------

// Whether dx of two calls lie across each other without being the same.
bool cross(const LinearBackward* calls, std::int32_t count, std::int64_t inputs) {
  for (std::int32_t i = 0; i < count; ++i)
    for (std::int32_t j = 0; j < i; ++j)
      if (calls[i].dx != nullptr && calls[j].dx != nullptr && calls[i].dx != calls[j].dx &&
          overlap(calls[i].dx, calls[j].dx, inputs))
        return true;
  return false;
}

LayerShape shape_of(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  return {rows, static_cast<std::int32_t>(inputs), static_cast<std::int32_t>(outputs), activation == Activation::relu};
}

void clear_gradients(const LinearBackward& c, std::int64_t inputs, std::int64_t outputs) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  zero_bytes(c.dw, inputs * outputs * kBytes);
  if (c.db != nullptr) zero_bytes(c.db, outputs * kBytes);
}

}  // namespace

void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  const LinearForward call{x, ldx, w, b, y, ldy};
  MAL_CUDA_NAMESPACE::linear_group_forward(&call, 1, rows, inputs, outputs, activation);
}

void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace) {
  const LinearBackward call{x, ldx, w, y, ldy, dy, lddy, dx, lddx, accumulate, dw, db};
  MAL_CUDA_NAMESPACE::linear_group_backward(&call, 1, rows, inputs, outputs, activation, workspace);
}

std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  return MAL_CUDA_NAMESPACE::linear_group_backward_workspace(1, rows, inputs, outputs, false);
}

void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation) {
  if (rows == 0) return;
  if (chains_alone(inputs, outputs)) return layers_forward(calls, count, rows, inputs, outputs, activation);
  if (groups_layer(inputs, outputs)) return grouped_forward(calls, count, shape_of(rows, inputs, outputs, activation));
  for (std::int32_t i = 0; i < count; ++i) forward_alone(calls[i], {rows, inputs, outputs}, activation);
}

void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  if (rows == 0) {
    for (std::int32_t i = 0; i < count; ++i) clear_gradients(calls[i], inputs, outputs);
    return;
  }
  if (chains_alone(inputs, outputs)) return layers_backward(calls, count, rows, inputs, outputs, activation, workspace);
  if (groups_layer(inputs, outputs)) {
    const LayerShape shape = shape_of(rows, inputs, outputs, activation);
    if (!cross(calls, count, inputs)) return grouped_backward(calls, count, shape, workspace);
    for (std::int32_t i = 0; i < count; ++i)
      grouped_backward(calls + i, 1, shape, workspace + i * grouped_workspace(1, shape));
    return;
  }
  for (std::int32_t i = 0; i < count; ++i)
    backward_alone(calls[i], {rows, inputs, outputs}, activation, workspace + i * row_blocks(rows) * outputs);
}

std::int64_t linear_group_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs,
                                             std::int64_t outputs, bool shares_dx) {
  if (chains_alone(inputs, outputs)) return layers_workspace(count, rows, inputs, outputs, shares_dx);
  if (!groups_layer(inputs, outputs)) return count * row_blocks(rows) * outputs;
  const LayerShape shape = shape_of(rows, inputs, outputs, Activation::none);
  // Where some lie across each other, one by one.
  return std::max(grouped_workspace(count, shape), shares_dx ? count * grouped_workspace(1, shape) : 0);
}

// Every kernel reads w as it lies.
std::int64_t linear_packed_size(std::int64_t, std::int64_t, bool) {
  return 0;
}

void linear_pack(const float*, std::int64_t, std::int64_t, bool, float*) {}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
