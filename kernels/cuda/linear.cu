// Dense layers. The products are cuBLASLt's, with bias and ReLU as its epilogue, and the bias gradient as that of dw.
// Layers of one shape go into one batched product; what is left of each then is one kernel over all of them.
#include <algorithm>

#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/gemm.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kColumns = 32, kWarps = 8;  // of a block: a warp reads 32 neighbours
constexpr int kRows = 64;                 // of a block, and of a partial sum

std::int64_t row_blocks(std::int64_t rows) {
  return (rows + kRows - 1) / kRows;
}
std::int64_t column_blocks(std::int64_t columns) {
  return (columns + kColumns - 1) / kColumns;
}

// ---- after a batched product: bias and activation -------------------------------------------------------------------

struct Output {
  const float* b;
  float* y;
  std::int64_t ldy;
};

__global__ void __launch_bounds__(kColumns* kWarps)
    bias_and_activation(const __grid_constant__ Chunk<Output> chunk, std::int64_t rows, std::int64_t columns,
                        bool relu) {
  const Output& o = chunk.items[item_of(chunk, blockIdx.x)];
  const unsigned block = blockIdx.x - static_cast<unsigned>(chunk.first[item_of(chunk, blockIdx.x)]);
  const auto across = static_cast<unsigned>((columns + kColumns - 1) / kColumns);
  const std::int64_t column = std::int64_t{block % across} * kColumns + threadIdx.x,
                     first = std::int64_t{block / across} * kRows;
  if (column >= columns) return;
  const float bias = o.b == nullptr ? 0.0F : o.b[column];
  for (std::int64_t r = first + threadIdx.y; r < min(rows, first + kRows); r += kWarps) {
    const float value = o.y[r * o.ldy + column] + bias;
    o.y[r * o.ldy + column] = relu && !(value > 0) ? 0.0F : value;
  }
}

// ---- before the products of the backward pass: dy ← dy · act'(y), and its column sums -------------------------------

struct Incoming {
  const float* y;  // null: no activation
  std::int64_t ldy;
  float* dy;
  std::int64_t lddy;
  float* partial;  // [row blocks, columns]; null: no sums
};

__global__ void __launch_bounds__(kColumns* kWarps)
    close_activation(const __grid_constant__ Chunk<Incoming> chunk, std::int64_t rows, std::int64_t columns) {
  const int item = item_of(chunk, blockIdx.x);
  const Incoming& in = chunk.items[item];
  const unsigned block = blockIdx.x - static_cast<unsigned>(chunk.first[item]);
  const auto across = static_cast<unsigned>((columns + kColumns - 1) / kColumns);
  const std::int64_t column = std::int64_t{block % across} * kColumns + threadIdx.x, row_block = block / across,
                     first = row_block * kRows;
  float sum = 0;
  for (std::int64_t r = first + threadIdx.y; column < columns && r < min(rows, first + kRows); r += kWarps) {
    float& gradient = in.dy[r * in.lddy + column];
    if (in.y != nullptr && !(in.y[r * in.ldy + column] > 0)) gradient = 0;
    sum += gradient;
  }
  if (in.partial == nullptr) return;  // of the whole block
  MAL_SHARED(float, sums, [kWarps][kColumns]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w][threadIdx.x];
  in.partial[row_block * columns + column] = sum;
}

struct BiasGradient {
  const float* partial;
  float* db;
};
__global__ void add_partials(const __grid_constant__ Chunk<BiasGradient> chunk, std::int64_t blocks,
                             std::int64_t columns) {
  const int item = item_of(chunk, blockIdx.x);
  const std::int64_t column = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) sum += chunk.items[item].partial[b * columns + column];
  chunk.items[item].db[column] = sum;
}

// ---- products -------------------------------------------------------------------------------------------------------

struct Sizes {
  std::int64_t rows, inputs, outputs;
};

Gemm forward_product(const LinearForward& c, const Sizes& s) {
  return {s.rows,    s.outputs, s.inputs, c.x,   c.ldx, false,          c.w,
          s.outputs, false,     c.y,      c.ldy, false, Epilogue::none, nullptr};
}
Gemm weight_product(const LinearBackward& c, const Sizes& s) {
  return {s.inputs, s.outputs, s.rows, c.x,       c.ldx, true,           c.dy,
          c.lddy,   false,     c.dw,   s.outputs, false, Epilogue::none, nullptr};
}
Gemm input_product(const LinearBackward& c, const Sizes& s) {
  return {s.rows,    s.inputs, s.outputs, c.dy,   c.lddy,       false,          c.w,
          s.outputs, true,     c.dx,      c.lddx, c.accumulate, Epilogue::none, nullptr};
}

// Products that a batch can hold: as many as go in, of one stride each, into places of their own.
template <typename Call, typename Product>
bool batched(const Call* calls, std::int32_t count, const Sizes& s, const Product& product) {
  if (count < 2 || count > kMostBatched) return false;
  const Gemm first = product(calls[0], s);
  for (std::int32_t i = 0; i < count; ++i) {
    const Gemm g = product(calls[i], s);
    if (g.c == nullptr || g.lda != first.lda || g.ldb != first.ldb || g.ldc != first.ldc ||
        g.accumulate != first.accumulate)
      return false;
    for (std::int32_t j = 0; j < i; ++j)
      if (product(calls[j], s).c == g.c) return false;
  }
  return true;
}

template <typename Call, typename Product>
void run_batched(const char* name, const Call* calls, std::int32_t count, const Sizes& s, const Product& product) {
  Gemm gemms[kMostBatched];
  for (std::int32_t i = 0; i < count; ++i) gemms[i] = product(calls[i], s);
  gemm_batched(name, gemms, count);
}

void forward_alone(const LinearForward& c, const Sizes& s, Activation activation) {
  Gemm g = forward_product(c, s);
  const bool relu = activation == Activation::relu;
  g.epilogue =
      c.b == nullptr ? (relu ? Epilogue::relu : Epilogue::none) : (relu ? Epilogue::bias_relu : Epilogue::bias);
  g.bias = const_cast<float*>(c.b);  // the epilogue reads it
  gemm("linear_forward", g);
}

// `sums`: the bias gradients too, through partial sums in the workspace.
void close_activations(const LinearBackward* calls, std::int32_t count, const Sizes& s, Activation activation,
                       bool sums, float* workspace) {
  if (!sums && activation == Activation::none) return;
  const std::int64_t partials = row_blocks(s.rows) * s.outputs;
  const auto partial_of = [&](int i) { return workspace + i * partials; };
  for_each_chunk<Incoming>(
      count,
      [&](int i) {
        const LinearBackward& c = calls[i];
        return Incoming{activation == Activation::relu ? c.y : nullptr, c.ldy, c.dy, c.lddy,
                        sums && c.db != nullptr ? partial_of(i) : nullptr};
      },
      [&](int) { return row_blocks(s.rows) * column_blocks(s.outputs); },
      [&](const Chunk<Incoming>& chunk) {
        launch("linear_backward's activation", close_activation, chunk.blocks(), dim3(kColumns, kWarps), 0, chunk,
               s.rows, s.outputs);
      });
  if (!sums) return;
  for_each_chunk<BiasGradient>(
      count,
      [&](int i) {
        return BiasGradient{partial_of(i), calls[i].db};
      },
      [&](int i) { return calls[i].db == nullptr ? 0 : (s.outputs + 127) / 128; },
      [&](const Chunk<BiasGradient>& chunk) {
        launch("linear_backward's bias", add_partials, chunk.blocks(), 128, 0, chunk, row_blocks(s.rows), s.outputs);
      });
}

void input_alone(const LinearBackward& c, const Sizes& s) {
  if (c.dx != nullptr) gemm("linear_backward, dx", input_product(c, s));
}

void backward_alone(const LinearBackward& c, const Sizes& s, Activation activation, float* workspace) {
  Gemm weights = weight_product(c, s);
  weights.epilogue = c.db == nullptr ? Epilogue::none : Epilogue::bias_gradient;
  weights.bias = c.db;
  const bool fused = c.db == nullptr || gemm_exists("linear_backward, dw", weights);
  if (!fused) {
    weights.epilogue = Epilogue::none;
    weights.bias = nullptr;
  }
  close_activations(&c, 1, s, activation, !fused, workspace);
  gemm("linear_backward, dw", weights);
  input_alone(c, s);
}

void clear_gradients(const LinearBackward& c, const Sizes& s) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  zero_bytes(c.dw, s.inputs * s.outputs * kBytes);
  if (c.db != nullptr) zero_bytes(c.db, s.outputs * kBytes);
}

}  // namespace

void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  if (rows > 0) forward_alone({x, ldx, w, b, y, ldy}, {rows, inputs, outputs}, activation);
}

void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace) {
  const LinearBackward call{x, ldx, w, y, ldy, dy, lddy, dx, lddx, accumulate, dw, db};
  const Sizes sizes{rows, inputs, outputs};
  if (rows == 0)
    clear_gradients(call, sizes);
  else
    backward_alone(call, sizes, activation, workspace);
}

std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t, std::int64_t outputs) {
  return row_blocks(rows) * outputs;
}

void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation) {
  if (rows == 0) return;
  const Sizes s{rows, inputs, outputs};
  if (!batched(calls, count, s, forward_product)) {
    for (std::int32_t i = 0; i < count; ++i) forward_alone(calls[i], s, activation);
    return;
  }
  run_batched("linear_group_forward", calls, count, s, forward_product);
  if (calls[0].b == nullptr && activation == Activation::none) return;
  for_each_chunk<Output>(
      count,
      [&](int i) {
        return Output{calls[i].b, calls[i].y, calls[i].ldy};
      },
      [&](int) { return row_blocks(rows) * column_blocks(outputs); },
      [&](const Chunk<Output>& chunk) {
        launch("linear_group_forward's bias", bias_and_activation, chunk.blocks(), dim3(kColumns, kWarps), 0, chunk,
               rows, outputs, activation == Activation::relu);
      });
}

void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  const Sizes s{rows, inputs, outputs};
  if (rows == 0) {
    for (std::int32_t i = 0; i < count; ++i) clear_gradients(calls[i], s);
    return;
  }
  if (!batched(calls, count, s, weight_product)) {
    for (std::int32_t i = 0; i < count; ++i) backward_alone(calls[i], s, activation, workspace);
    return;
  }
  close_activations(calls, count, s, activation, true, workspace);
  run_batched("linear_group_backward, dw", calls, count, s, weight_product);
  if (batched(calls, count, s, input_product)) {
    run_batched("linear_group_backward, dx", calls, count, s, input_product);
    return;
  }
  for (std::int32_t i = 0; i < count; ++i) input_alone(calls[i], s);
}

std::int64_t linear_group_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs,
                                             std::int64_t outputs) {
  return count * MAL_CUDA_NAMESPACE::linear_backward_workspace(rows, inputs, outputs);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
