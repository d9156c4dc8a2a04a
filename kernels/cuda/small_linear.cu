#include "kernels/cuda/small_linear.h"

#include <vector>

#include "kernels/cuda/positions.h"
#include "kernels/cuda/support/chunk.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kRows = 64;                                // of a tile
constexpr int kDown = 4;                                 // rows of a thread's tile of results; so are its columns
constexpr std::int64_t kMostWeights = 8192;              // beyond that the library is faster
constexpr std::int64_t kMostTiles = kPartialBlocks / 2;  // of a layer at a time; its blocks step on to further ones

// Matrices in shared memory: x [kRows, deep], w [deep, wide], dy [kRows, wide], padded with zeros.
struct Sizes {
  std::int64_t rows;
  int inputs, outputs;
  int deep, wide;  // inputs and outputs, rounded up to multiples of 4
  int x_stride, w_stride, dy_stride;
  bool relu;
};

Sizes sizes_of(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  Sizes s{};
  s.rows = rows;
  s.inputs = static_cast<int>(inputs);
  s.outputs = static_cast<int>(outputs);
  s.deep = static_cast<int>(ceil_div(inputs, 4)) * 4;
  s.wide = static_cast<int>(ceil_div(outputs, 4)) * 4;
  s.x_stride = odd_stride(s.deep);
  s.w_stride = s.dy_stride = odd_stride(s.wide);
  s.relu = activation == Activation::relu;
  return s;
}

std::int64_t forward_floats(const Sizes& s) {
  return std::int64_t{s.deep} * s.w_stride + std::int64_t{kRows} * s.x_stride;
}
std::int64_t backward_floats(const Sizes& s) {
  return forward_floats(s) + std::int64_t{kRows} * s.dy_stride;
}

std::int64_t tiles_of(std::int64_t rows) {
  return grid_of(rows, kRows, kMostTiles);
}

// Where a block stands: its layer, its first row, and how far its next tile is.
struct Place {
  int item;
  unsigned block;
  std::int64_t first, step;
};
template <typename Item>
__device__ Place place_of(const Chunk<Item>& chunk) {
  const int item = item_of(chunk, blockIdx.x);
  const unsigned block = blockIdx.x - static_cast<unsigned>(chunk.first[item]);
  return {item, block, std::int64_t{block} * kRows, std::int64_t{chunk.first[item + 1] - chunk.first[item]} * kRows};
}

// Rows of a matrix → shared memory, zeros up to [down, across]; the block calls it together. change(row, column, four).
template <typename Change>
__device__ void stage(const float* from, std::int64_t ld, std::int64_t rows, int columns, bool vector, int down,
                      int across, float* to, int stride, const Change& change) {
  const int lanes = lanes_for(across / 4), groups = kThreads / lanes;
  for (int r = static_cast<int>(threadIdx.x) / lanes; r < down; r += groups)
    for (int c = static_cast<int>(threadIdx.x) % lanes * 4; c < across; c += lanes * 4) {
      float values[4] = {};
      if (r < rows) {
        load_tile(from + r * ld, c, columns, vector, values);
        change(r, c, values);
      }
      store(to + r * stride + c, values);
    }
}
struct Unchanged {
  __device__ void operator()(int, int, float (&)[4]) const {}
};

__device__ void stage_weights(const float* w, const Sizes& s, bool vector, float* to) {
  stage(w, s.outputs, s.inputs, s.outputs, vector, s.deep, s.wide, to, s.w_stride, Unchanged{});
}

__device__ void store_columns(float* to, int count, bool vector, const float (&values)[4]) {
  if (vector && count >= 4) return store(to, values);
  for (int n = 0; n < 4; ++n)
    if (n < count) to[n] = values[n];
}

// ---- forward ------------------------------------------------------------------------------------------------------

struct Forward {
  LinearForward call;
  bool x_vector, w_vector, y_vector;
};

// kTall: rows of a thread. Where a layer is narrow, one each: there are few threads' worth of it.
template <int kTall>
__device__ void multiply(const Forward& f, const Sizes& s, const float* x, const float* w, std::int64_t first) {
  constexpr int kApart = kRows / kTall;
  const int across = s.wide / 4;
  for (int at = static_cast<int>(threadIdx.x); at < across * kApart; at += kThreads) {
    const int c = at % across * 4, r = at / across;
    float sums[kTall][4] = {};
    for (int k = 0; k < s.deep; k += 4) {
      float factors[4][4], values[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) load(w + (k + i) * s.w_stride + c, factors[i]);
#pragma unroll
      for (int d = 0; d < kTall; ++d) {
        load(x + (r + d * kApart) * s.x_stride + k, values);
#pragma unroll
        for (int i = 0; i < 4; ++i)
#pragma unroll
          for (int n = 0; n < 4; ++n) sums[d][n] += values[i] * factors[i][n];
      }
    }
#pragma unroll
    for (int d = 0; d < kTall; ++d) {
      const std::int64_t row = first + r + d * kApart;
      if (row >= s.rows) continue;
      for (int n = 0; n < 4; ++n) {
        if (f.call.b != nullptr && c + n < s.outputs) sums[d][n] += f.call.b[c + n];
        if (s.relu) sums[d][n] = sums[d][n] < 0 ? 0.0F : sums[d][n];  // NaN stays
      }
      store_columns(f.call.y + row * f.call.ldy + c, s.outputs - c, f.y_vector, sums[d]);
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    small_forward_kernel(const __grid_constant__ Chunk<Forward> chunk, const __grid_constant__ Sizes s) {
  const Place place = place_of(chunk);
  const Forward& f = chunk.items[place.item];
  float *w = dynamic_shared<float>(), *x = w + s.deep * s.w_stride;
  stage_weights(f.call.w, s, f.w_vector, w);
  for (std::int64_t first = place.first; first < s.rows; first += place.step) {
    __syncthreads();  // who still reads the rows before
    stage(f.call.x + first * f.call.ldx, f.call.ldx, s.rows - first, s.inputs, f.x_vector, kRows, s.deep, x, s.x_stride,
          Unchanged{});
    __syncthreads();
    if (s.wide >= 32)
      multiply<kDown>(f, s, x, w, first);
    else
      multiply<1>(f, s, x, w, first);
  }
}

// ---- backward -----------------------------------------------------------------------------------------------------

struct Backward {
  const float *x, *w, *y;
  float *dy, *dx, *partial;  // partial: [tiles, K N + N]
  std::int64_t ldx, ldy, lddy, lddx;
  bool accumulate, x_vector, w_vector, y_vector, dy_vector;
};

// dy act'(y), which also replaces dy.
__device__ void stage_gradients(const Backward& b, const Sizes& s, std::int64_t first, float* dy) {
  stage(b.dy + first * b.lddy, b.lddy, s.rows - first, s.outputs, b.dy_vector, kRows, s.wide, dy, s.dy_stride,
        [&](int r, int c, float(&values)[4]) {
          if (!s.relu) return;
          float y[4];
          load_tile(b.y + (first + r) * b.ldy, c, s.outputs, b.y_vector, y);
          for (int n = 0; n < 4; ++n)
            if (!(y[n] > 0)) values[n] = 0;
          store_columns(b.dy + (first + r) * b.lddy + c, s.outputs - c, b.dy_vector, values);
        });
}

// dx = dy wᵀ, four rows and four columns a thread. Its columns lie apart, so that neighbours write side by side and
// read rows of w that are not in one bank.
__device__ void input_gradients(const Backward& b, const Sizes& s, const float* dy, const float* w,
                                std::int64_t first) {
  constexpr int kApart = kRows / kDown;
  const int across = s.deep / 4;
  for (int at = static_cast<int>(threadIdx.x); at < across * kApart; at += kThreads) {
    const int k = at % across, r = at / across;
    float sums[kDown][4] = {};
    for (int n = 0; n < s.wide; n += 4) {
      float factors[4][4], gradients[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) load(w + (k + i * across) * s.w_stride + n, factors[i]);
#pragma unroll
      for (int d = 0; d < kDown; ++d) {
        load(dy + (r + d * kApart) * s.dy_stride + n, gradients);
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[d][i] += dot4(gradients, factors[i]);
      }
    }
#pragma unroll
    for (int d = 0; d < kDown; ++d) {
      const std::int64_t row = first + r + d * kApart;
      for (int i = 0; i < 4; ++i) {
        const int column = k + i * across;
        if (row >= s.rows || column >= s.inputs) continue;
        float& dx = b.dx[row * b.lddx + column];
        dx = b.accumulate ? dx + sums[d][i] : sums[d][i];
      }
    }
  }
}

// The tile's part of dw = xᵀ dy, four inputs and four outputs a thread, into the block's row of partial sums, which
// only it touches. `begun`: add to what is there.
__device__ void weight_gradients(const Sizes& s, const float* x, const float* dy, float* partial, bool begun) {
  const int across = s.wide / 4;
  for (int at = static_cast<int>(threadIdx.x); at < across * (s.deep / 4); at += kThreads) {
    const int n = at % across * 4, k = at / across * 4;
    float sums[4][4] = {};
    for (int r = 0; r < kRows; ++r) {
      float values[4], gradients[4];
      load(x + r * s.x_stride + k, values);
      load(dy + r * s.dy_stride + n, gradients);
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) sums[i][j] += values[i] * gradients[j];
    }
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) {
        if (k + i >= s.inputs || n + j >= s.outputs) continue;
        float& sum = partial[(k + i) * s.outputs + n + j];
        sum = begun ? sum + sums[i][j] : sums[i][j];
      }
  }
  float* bias = partial + s.inputs * s.outputs;
  for (int n = static_cast<int>(threadIdx.x); n < s.outputs; n += kThreads) {
    float sum = begun ? bias[n] : 0.0F;
    for (int r = 0; r < kRows; ++r) sum += dy[r * s.dy_stride + n];
    bias[n] = sum;
  }
}

__global__ void __launch_bounds__(kThreads)
    small_backward_kernel(const __grid_constant__ Chunk<Backward> chunk, const __grid_constant__ Sizes s) {
  const Place place = place_of(chunk);
  const Backward& b = chunk.items[place.item];
  float *w = dynamic_shared<float>(), *x = w + s.deep * s.w_stride, *dy = x + kRows * s.x_stride;
  float* partial = b.partial + std::int64_t{place.block} * (s.inputs + 1) * s.outputs;
  stage_weights(b.w, s, b.w_vector, w);
  for (std::int64_t first = place.first; first < s.rows; first += place.step) {
    __syncthreads();  // who still reads the rows before
    stage(b.x + first * b.ldx, b.ldx, s.rows - first, s.inputs, b.x_vector, kRows, s.deep, x, s.x_stride, Unchanged{});
    stage_gradients(b, s, first, dy);
    __syncthreads();
    if (b.dx != nullptr) input_gradients(b, s, dy, w, first);
    weight_gradients(s, x, dy, partial, first != place.first);
  }
}

std::size_t bytes_of(std::int64_t floats) {
  return static_cast<std::size_t>(floats) * sizeof(float);
}

std::int64_t partial_floats(std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  return tiles_of(rows) * (inputs + 1) * outputs;
}

}  // namespace

bool is_small_linear(std::int64_t inputs, std::int64_t outputs) {
  return inputs * outputs <= kMostWeights &&
         backward_floats(sizes_of(0, inputs, outputs, Activation::none)) * std::int64_t{sizeof(float)} <= kTwoBlocks;
}

void small_linear_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation) {
  const Sizes s = sizes_of(rows, inputs, outputs, activation);
  for_each_chunk<Forward>(
      count,
      [&](int i) {
        const LinearForward& c = calls[i];
        return Forward{c, vectors(c.x, c.ldx), vectors(c.w, outputs), vectors(c.y, c.ldy)};
      },
      [&](int) { return tiles_of(rows); },
      [&](const Chunk<Forward>& chunk) {
        launch("small linear_forward", small_forward_kernel, chunk.blocks(), kThreads, bytes_of(forward_floats(s)),
               chunk, s);
      });
}

void small_linear_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  const Sizes s = sizes_of(rows, inputs, outputs, activation);
  const auto partial_of = [&](int i) { return workspace + i * partial_floats(rows, inputs, outputs); };
  for_each_chunk<Backward>(
      count,
      [&](int i) {
        const LinearBackward& c = calls[i];
        return Backward{c.x,
                        c.w,
                        c.y,
                        c.dy,
                        c.dx,
                        partial_of(i),
                        c.ldx,
                        c.ldy,
                        c.lddy,
                        c.lddx,
                        c.accumulate,
                        vectors(c.x, c.ldx),
                        vectors(c.w, outputs),
                        vectors(c.y, c.ldy),
                        vectors(c.dy, c.lddy)};
      },
      [&](int) { return tiles_of(rows); },
      [&](const Chunk<Backward>& chunk) {
        launch("small linear_backward", small_backward_kernel, chunk.blocks(), kThreads, bytes_of(backward_floats(s)),
               chunk, s);
      });
  std::vector<PartialSum> sums;
  const std::int64_t weights = inputs * outputs, stride = weights + outputs;
  for (std::int32_t i = 0; i < count; ++i) {
    sums.push_back({partial_of(i), tiles_of(rows), stride, calls[i].dw, weights});
    if (calls[i].db != nullptr) sums.push_back({partial_of(i) + weights, tiles_of(rows), stride, calls[i].db, outputs});
  }
  sum_partials(sums.data(), static_cast<std::int32_t>(sums.size()));
}

std::int64_t small_linear_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs, std::int64_t outputs) {
  return count * partial_floats(rows, inputs, outputs);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
