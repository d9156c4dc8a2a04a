// Dense layers. The products are cuBLASLt's, with the bias as its epilogue, and the bias gradient as that of dw. Layers
// of one shape go into one batched product; what is left of each then is one kernel over all of them. ReLU is ours: the
// library's, max(x, 0), may turn NaN into 0 and so hide a spoilt weight. Small layers are chains of one step (chain.h).
#include <algorithm>
#include <vector>

#include "kernels/cuda/chain.h"
#include "kernels/cuda/support/chunk.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

decltype(kernels::linear_group_forward) linear_group_forward;
decltype(kernels::linear_group_backward) linear_group_backward;
decltype(kernels::linear_group_backward_workspace) linear_group_backward_workspace;

namespace {

constexpr int kColumns = 32, kWarps = 8;  // of a block: a warp reads 32 neighbours
constexpr int kRows = 64;                 // of a block, and of a partial sum

std::int64_t row_blocks(std::int64_t rows) {
  return (rows + kRows - 1) / kRows;
}
std::int64_t column_blocks(std::int64_t columns) {
  return (columns + kColumns - 1) / kColumns;
}

// ---- after a product: bias and activation ---------------------------------------------------------------------------

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
    o.y[r * o.ldy + column] = relu && value < 0 ? 0.0F : value;  // NaN stays
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

// ---- after the products of the backward pass: dx that several layers share ------------------------------------------

struct SharedInput {
  float* dx;
  std::int64_t lddx;
  std::uint64_t calls;  // a bit for each whose part this is
  bool accumulate;
};
static_assert(kMostBatched <= 64);

// parts: [calls, rows, ld], added up in the order of the calls.
template <typename T>
__global__ void __launch_bounds__(kColumns* kWarps)
    add_parts(const __grid_constant__ Chunk<SharedInput> chunk, const float* parts, std::int64_t ld, std::int64_t rows,
              std::int64_t columns) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  const int item = item_of(chunk, blockIdx.x);
  const SharedInput& shared = chunk.items[item];
  const unsigned block = blockIdx.x - static_cast<unsigned>(chunk.first[item]);
  const auto across = static_cast<unsigned>((columns + kColumns * kPart - 1) / (kColumns * kPart));
  const std::int64_t column = (std::int64_t{block % across} * kColumns + threadIdx.x) * kPart,
                     first = std::int64_t{block / across} * kRows;
  if (column >= columns) return;
  for (std::int64_t r = first + threadIdx.y; r < min(rows, first + kRows); r += kWarps) {
    float* dx = shared.dx + r * shared.lddx + column;
    T sum = shared.accumulate ? load<T>(dx) : T{};
    for (std::uint64_t left = shared.calls, call = 0; left != 0; left >>= 1U, ++call)
      if ((left & 1U) != 0) add_scaled(sum, load<T>(parts + (call * rows + r) * ld + column), 1.0F);
    store(dx, sum);
  }
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

// Products that a batch can hold: as many as go in, of one stride each, aligned, into places of their own.
template <typename Call, typename Product>
bool batched(const Call* calls, std::int32_t count, const Sizes& s, const Product& product) {
  if (count < 2 || count > kMostBatched) return false;
  const Gemm first = product(calls[0], s);
  for (std::int32_t i = 0; i < count; ++i) {
    const Gemm g = product(calls[i], s);
    if (g.c == nullptr || !gemm_fits_batch(g) || g.lda != first.lda || g.ldb != first.ldb || g.ldc != first.ldc ||
        g.accumulate != first.accumulate)
      return false;
    for (std::int32_t j = 0; j < i; ++j)
      if (overlap(product(calls[j], s).c, g.c, g.n)) return false;
  }
  return true;
}

template <typename Call, typename Product>
void run_batched(const char* name, const Call* calls, std::int32_t count, const Sizes& s, const Product& product) {
  Gemm gemms[kMostBatched];
  for (std::int32_t i = 0; i < count; ++i) gemms[i] = product(calls[i], s);
  gemm_batched(name, gemms, count);
}

void add_bias_and_activation(const LinearForward* calls, std::int32_t count, const Sizes& s, Activation activation) {
  for_each_chunk<Output>(
      count,
      [&](int i) {
        return Output{calls[i].b, calls[i].y, calls[i].ldy};
      },
      [&](int) { return row_blocks(s.rows) * column_blocks(s.outputs); },
      [&](const Chunk<Output>& chunk) {
        launch("linear_forward's bias", bias_and_activation, chunk.blocks(), dim3(kColumns, kWarps), 0, chunk, s.rows,
               s.outputs, activation == Activation::relu);
      });
}

void forward_alone(const LinearForward& c, const Sizes& s, Activation activation) {
  Gemm g = forward_product(c, s);
  if (activation == Activation::none && c.b != nullptr) {
    g.epilogue = Epilogue::bias;
    g.bias = const_cast<float*>(c.b);  // the epilogue reads it
  }
  gemm("linear_forward", g);
  if (activation == Activation::relu) add_bias_and_activation(&c, 1, s, activation);
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
  std::vector<PartialSum> biases;
  for (std::int32_t i = 0; i < count; ++i)
    if (calls[i].db != nullptr)
      biases.push_back({partial_of(i), row_blocks(s.rows), s.outputs, calls[i].db, s.outputs});
  sum_partials(biases.data(), static_cast<std::int32_t>(biases.size()));
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

// Where the layers of a group put dx, if some of them share it. Columns of a part: 16-byte access is possible.
std::int64_t part_stride(const Sizes& s) {
  return (s.inputs + 3) / 4 * 4;
}
std::int64_t parts_floats(std::int32_t count, const Sizes& s, bool shares_dx) {
  return shares_dx && count > 2 && count <= kMostBatched ? count * s.rows * part_stride(s) + 4 : 0;
}
float* aligned(float* data) {
  return data + (16 - reinterpret_cast<std::uintptr_t>(data) % 16) % 16 / sizeof(float);
}

bool share_places(const LinearBackward* calls, std::int32_t count, const Sizes& s) {
  for (std::int32_t i = 0; i < count; ++i)
    for (std::int32_t j = 0; j < i; ++j)
      if (calls[i].dx != nullptr && calls[j].dx != nullptr && overlap(calls[i].dx, calls[j].dx, s.inputs)) return true;
  return false;
}

// Which calls' parts make each dx, in the order of the first of them; none where some lie across each other.
std::vector<SharedInput> shared_inputs(const LinearBackward* calls, std::int32_t count, const Sizes& s) {
  std::vector<SharedInput> shared;
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearBackward& c = calls[i];
    if (c.dx == nullptr) continue;
    const auto same = std::ranges::find(shared, c.dx, &SharedInput::dx);
    if (same == shared.end())
      shared.push_back({c.dx, c.lddx, std::uint64_t{1} << static_cast<unsigned>(i), c.accumulate});
    else
      same->calls |= std::uint64_t{1} << static_cast<unsigned>(i);
  }
  for (std::size_t i = 0; i < shared.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (overlap(shared[i].dx, shared[j].dx, s.inputs)) return {};
  return shared;
}

void add_up_parts(const std::vector<SharedInput>& shared, const Sizes& s, const float* parts) {
  const std::int64_t ld = part_stride(s);
  const bool wide = s.inputs % 4 == 0 &&
                    std::ranges::all_of(shared, [](const SharedInput& each) { return vectors(each.dx, each.lddx); });
  const std::int64_t columns = wide ? s.inputs / 4 : s.inputs;
  for_each_chunk<SharedInput>(
      static_cast<std::int32_t>(shared.size()), [&](int i) { return shared[static_cast<std::size_t>(i)]; },
      [&](int) { return row_blocks(s.rows) * column_blocks(columns); },
      [&](const Chunk<SharedInput>& chunk) {
        launch("linear_group_backward's shared dx", wide ? add_parts<float4> : add_parts<float>, chunk.blocks(),
               dim3(kColumns, kWarps), 0, chunk, parts, ld, s.rows, s.inputs);
      });
}

// Several layers with a dx of their own, or one after the other.
void backward_of(const LinearBackward* calls, std::int32_t count, const Sizes& s, Activation activation,
                 float* workspace) {
  if (!batched(calls, count, s, weight_product)) {
    for (std::int32_t i = 0; i < count; ++i)
      backward_alone(calls[i], s, activation, workspace + i * row_blocks(s.rows) * s.outputs);
    return;
  }
  close_activations(calls, count, s, activation, true, workspace);
  run_batched("linear_group_backward, dw", calls, count, s, weight_product);
  if (batched(calls, count, s, input_product))
    return run_batched("linear_group_backward, dx", calls, count, s, input_product);
  for (std::int32_t i = 0; i < count; ++i) input_alone(calls[i], s);
}

void clear_gradients(const LinearBackward& c, const Sizes& s) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  zero_bytes(c.dw, s.inputs * s.outputs * kBytes);
  if (c.db != nullptr) zero_bytes(c.db, s.outputs * kBytes);
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
  const Sizes s{rows, inputs, outputs};
  if (chains_alone(inputs, outputs)) return layers_forward(calls, count, rows, inputs, outputs, activation);
  if (!batched(calls, count, s, forward_product)) {
    for (std::int32_t i = 0; i < count; ++i) forward_alone(calls[i], s, activation);
    return;
  }
  run_batched("linear_group_forward", calls, count, s, forward_product);
  if (calls[0].b != nullptr || activation == Activation::relu) add_bias_and_activation(calls, count, s, activation);
}

void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  const Sizes s{rows, inputs, outputs};
  if (rows == 0) {
    for (std::int32_t i = 0; i < count; ++i) clear_gradients(calls[i], s);
    return;
  }
  if (chains_alone(inputs, outputs)) return layers_backward(calls, count, rows, inputs, outputs, activation, workspace);
  // Where dx is shared, layers write parts of it, which one launch adds up.
  std::vector<LinearBackward> own(calls, calls + count);
  std::vector<SharedInput> shared;
  const std::int64_t sums = MAL_CUDA_NAMESPACE::linear_group_backward_workspace(count, rows, inputs, outputs, false);
  float* const parts = aligned(workspace + sums);
  if (parts_floats(count, s, share_places(calls, count, s)) > 0) shared = shared_inputs(calls, count, s);
  for (std::int32_t i = 0; !shared.empty() && i < count; ++i) {
    LinearBackward& c = own[static_cast<std::size_t>(i)];
    if (c.dx == nullptr) continue;
    c.dx = parts + i * rows * part_stride(s);
    c.lddx = part_stride(s);
    c.accumulate = false;
  }
  backward_of(own.data(), count, s, activation, workspace);
  if (!shared.empty()) add_up_parts(shared, s, parts);
}

std::int64_t linear_group_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs,
                                             std::int64_t outputs, bool shares_dx) {
  const Sizes s{rows, inputs, outputs};
  if (chains_alone(inputs, outputs)) return layers_workspace(count, rows, inputs, outputs, shares_dx);
  return count * row_blocks(rows) * outputs + parts_floats(count, s, shares_dx);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
