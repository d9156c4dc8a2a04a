// Multi-head attention with one query a row, backward (multi_head.h says how). Each warp of a block takes a row and
// leaves the vectors of its outer products (o ⊗ dout, pooled ⊗ do, du ⊗ query) in shared memory. Then the block's
// threads, each the owner of some numbers, add them up over the block's rows: the sums are read and written once for
// all of its warps. They lie in shared memory, or in the workspace where they are too wide for that.
#include "kernels/cuda/multi_head.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kWarps = 8;  // of a block, at most

struct Backward {
  MultiHeadSizes sizes;
  MultiHeadParameters parameters;
  const float *query, *sequence, *probabilities, *dout;
  const std::int32_t* lengths;
  float *dquery, *dsequence, *partials;
  std::int64_t ldquery, ldsequence, lddout, lddquery, lddsequence, rows;
  bool accumulate_query, accumulate_sequence, vector;
  bool shared_sums;  // else in the workspace
};

// A warp's shared memory.
struct Memory {
  float *query, *dout, *o, *d_o;     // [columns]
  float *u, *pooled, *du, *dpooled;  // [heads, columns]
  float *probabilities, *dscores;    // [heads, positions]
};

__device__ __host__ inline int backward_floats(const MultiHeadSizes& s) {
  return (4 + 4 * s.heads) * s.columns + 2 * s.heads * s.positions;
}

// Of a block's sums and of a row of partial sums: K, V, W, v, w.
__device__ __host__ inline int sum_floats(const MultiHeadSizes& s) {
  return (3 * s.width + 2) * s.width;
}

__device__ Memory memory_of(const MultiHeadSizes& s, float* at) {
  Memory w{};
  const auto take = [&](int floats) {
    float* taken = at;
    at += floats;
    return taken;
  };
  w.query = take(s.columns), w.dout = take(s.columns), w.o = take(s.columns), w.d_o = take(s.columns);
  w.u = take(s.heads * s.columns), w.pooled = take(s.heads * s.columns);
  w.du = take(s.heads * s.columns), w.dpooled = take(s.heads * s.columns);
  w.probabilities = take(s.heads * s.positions), w.dscores = take(s.heads * s.positions);
  return w;
}

// From the gradient of out to those of o and of the pooled vectors.
__device__ void output_backward(const Backward& p, const Memory& w, const Walk& walk, int lane) {
  const MultiHeadSizes& s = p.sizes;
  for (int first = 0; first < s.width; first += walk.parts) {  // a row of W for the lanes of each part
    const int m = first + walk.part;
    float sum = 0;
    if (m < s.width)
      for (int n = walk.column; n < s.width; n += walk.columns) sum += p.parameters.output[m * s.width + n] * w.dout[n];
    sum = warp_sum(sum, walk.columns);
    if (m < s.width && walk.column == 0) w.d_o[m] = sum;
  }
  __syncwarp();
  fold_heads(s, p.parameters.value, w.d_o, 1.0F, lane, w.dpooled);
  __syncwarp();
}

// From those of the pooled vectors to those of the scores: p (d − Σ p d) of each head.
template <int kTile>
__device__ void scores_backward(const Backward& p, const Memory& w, const float* sequence, int valid, int lane) {
  const MultiHeadSizes& s = p.sizes;
  position_dots<kTile>(s, sequence, valid, p.vector, w.dpooled, lane, w.dscores);
  for (int h = 0; h < s.heads; ++h) {
    const float* probabilities = w.probabilities + h * s.positions;
    float *dscores = w.dscores + h * s.positions, mean = 0;
    for (int j = lane; j < valid; j += kWarp) mean += probabilities[j] * dscores[j];
    mean = warp_sum(mean);
    for (int j = lane; j < valid; j += kWarp) dscores[j] = probabilities[j] * (dscores[j] - mean);
  }
  __syncwarp();
}

// The gradient of the positions, Σ_h p dpooled + dscore u.
__device__ void positions_backward(const Backward& p, const Memory& w, int valid, const Walk& walk, float* dsequence) {
  const MultiHeadSizes& s = p.sizes;
  for (int i = walk.column; i < s.width; i += walk.columns)
    for (int j = walk.part; j < valid; j += walk.parts) {
      float& out = dsequence[j * s.width + i];
      float sum = p.accumulate_sequence ? out : 0.0F;
      for (int h = 0; h < s.heads; ++h)
        sum += w.probabilities[h * s.positions + j] * w.dpooled[h * s.columns + i] +
               w.dscores[h * s.positions + j] * w.u[h * s.columns + i];
      out = sum;
    }
}

template <int kTile>
__device__ void row_backward(const Backward& p, const Memory& w, std::int64_t row, int valid, const Walk& walk,
                             int lane) {
  const MultiHeadSizes& s = p.sizes;
  const float *sequence = p.sequence + row * p.ldsequence, *probabilities = p.probabilities + row * s.heads * s.length;
  copy_row(p.query + row * p.ldquery, s.width, s.columns, lane, w.query);
  copy_row(p.dout + row * p.lddout, s.width, s.columns, lane, w.dout);
  for (int h = 0; h < s.heads; ++h)
    for (int j = lane; j < valid; j += kWarp) w.probabilities[h * s.positions + j] = probabilities[h * s.length + j];
  __syncwarp();
  fold_heads(s, p.parameters.key, w.query, s.scale, lane, w.u);
  pool_heads(s, sequence, valid, w.probabilities, walk, w.pooled);
  __syncwarp();
  times_columns(s, w.pooled, false, p.parameters.value, walk,
                [&](int m, float sum) { w.o[m] = p.parameters.value_bias[m] + sum; });
  output_backward(p, w, walk, lane);
  scores_backward<kTile>(p, w, sequence, valid, lane);
  positions_backward(p, w, valid, walk, p.dsequence + row * p.lddsequence);
  pool_heads(s, sequence, valid, w.dscores, walk, w.du);
  __syncwarp();
  times_columns(s, w.du, false, p.parameters.key, walk, [&](int m, float sum) {
    float& out = p.dquery[row * p.lddquery + m];
    out = (p.accumulate_query ? out : 0.0F) + s.scale * sum;
  });
}

// What a row without positions leaves: nothing to add.
__device__ void empty_row(const MultiHeadSizes& s, const Memory& w, int lane) {
  for (int i = lane; i < s.columns; i += kWarp) w.query[i] = w.dout[i] = w.o[i] = w.d_o[i] = 0;
  for (int i = lane; i < s.heads * s.columns; i += kWarp) w.pooled[i] = w.du[i] = 0;
}

// The outer products of the block's rows, one after the other, into sums; a thread has every blockDim.x-th number.
__device__ void add_products(const MultiHeadSizes& s, const float* memory, int warps, float* sums) {
  const int floats = backward_floats(s), square = s.width * s.width, step = static_cast<int>(blockDim.x);
  float *key = sums, *value = key + square, *output = value + square, *biases = output + square;
  const Memory first = memory_of(s, const_cast<float*>(memory));
  for (int at = static_cast<int>(threadIdx.x); at < square; at += step) {
    const int i = at / s.width, m = at % s.width, of_head = m / s.per_head * s.columns + i;
    float dkey = 0, dvalue = 0, doutput = 0;
    for (int v = 0; v < warps; ++v) {
      dkey += first.du[v * floats + of_head] * first.query[v * floats + m];
      dvalue += first.pooled[v * floats + of_head] * first.d_o[v * floats + m];
      doutput += first.o[v * floats + i] * first.dout[v * floats + m];
    }
    key[at] += s.scale * dkey;
    value[at] += dvalue;
    output[at] += doutput;
  }
  for (int m = static_cast<int>(threadIdx.x); m < s.width; m += step)
    for (int v = 0; v < warps; ++v) {
      biases[m] += first.d_o[v * floats + m];
      biases[s.width + m] += first.dout[v * floats + m];
    }
}

template <int kTile>
__global__ void __launch_bounds__(kWarps* kWarp) multi_head_backward_kernel(const __grid_constant__ Backward p) {
  const MultiHeadSizes& s = p.sizes;
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x), size = sum_floats(s);
  const int lane = thread % kWarp, warp = thread / kWarp, warps = threads / kWarp;
  float *memory = dynamic_shared<float>(), *partial = p.partials + static_cast<std::int64_t>(blockIdx.x) * size;
  float* sums = p.shared_sums ? memory + warps * backward_floats(s) : partial;
  for (int i = thread; i < size; i += threads) sums[i] = 0;
  const Memory w = memory_of(s, memory + warp * backward_floats(s));
  const Walk walk = walk_of(lane, s.width);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * warps; first < p.rows;
       first += static_cast<std::int64_t>(gridDim.x) * warps) {
    const std::int64_t row = first + warp;
    const int valid = row < p.rows ? p.lengths[row] : 0;
    if (row < p.rows && !p.accumulate_sequence)
      for (int i = valid * s.width + lane; i < s.length * s.width; i += kWarp) p.dsequence[row * p.lddsequence + i] = 0;
    if (valid > 0) {
      row_backward<kTile>(p, w, row, valid, walk, lane);
    } else {
      empty_row(s, w, lane);
      if (row < p.rows && !p.accumulate_query)
        for (int i = lane; i < s.width; i += kWarp) p.dquery[row * p.lddquery + i] = 0;
    }
    __syncthreads();
    add_products(s, memory, warps, sums);
    __syncthreads();  // the vectors are written again
  }
  if (p.shared_sums)
    for (int i = thread; i < size; i += threads) partial[i] = sums[i];
}

std::int64_t blocks_of(std::int64_t rows) {
  return grid_of(rows, kWarps, kPartialBlocks);
}

}  // namespace

void multi_head_backward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                         std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                         const std::int32_t* lengths, const float* probabilities, const float* dout,
                         std::int64_t lddout, float* dquery, std::int64_t lddquery, bool accumulate_query,
                         float* dsequence, std::int64_t lddsequence, bool accumulate_sequence,
                         const MultiHeadGradients& gradients, float* workspace) {
  const int tile = multi_head_tile(shape);
  const MultiHeadSizes sizes = multi_head_sizes(shape, tile);
  int warps = kWarps;
  const auto bytes = [&](bool with_sums) {
    return (std::int64_t{warps} * backward_floats(sizes) + (with_sums ? sum_floats(sizes) : 0)) *
           std::int64_t{sizeof(float)};
  };
  const bool shared_sums = sum_floats(sizes) * std::int64_t{sizeof(float)} < kTwoBlocks;
  while (warps > 1 && bytes(shared_sums) > kTwoBlocks) warps /= 2;
  if (bytes(shared_sums) > kMostShared)
    refuse("multi_head_backward", std::to_string(shape.heads) + " heads over " + std::to_string(shape.length) +
                                      " positions of " + std::to_string(shape.width) +
                                      " columns do not fit a block's shared memory; use fewer heads or a shorter "
                                      "sequence");
  const Backward p{sizes,
                   parameters,
                   query,
                   sequence,
                   probabilities,
                   dout,
                   lengths,
                   dquery,
                   dsequence,
                   workspace,
                   ldquery,
                   ldsequence,
                   lddout,
                   lddquery,
                   lddsequence,
                   shape.rows,
                   accumulate_query,
                   accumulate_sequence,
                   vectors(sequence, ldsequence) && shape.width % 4 == 0,
                   shared_sums};
  const auto kernel = tile == 16  ? multi_head_backward_kernel<16>
                      : tile == 8 ? multi_head_backward_kernel<8>
                                  : multi_head_backward_kernel<4>;
  const std::int64_t blocks = blocks_of(shape.rows), square = shape.width * shape.width;
  launch("multi_head_backward", kernel, static_cast<unsigned>(blocks), static_cast<unsigned>(warps * kWarp),
         static_cast<std::size_t>(bytes(shared_sums)), p);
  sum_partials(workspace, blocks,
               {{gradients.key, square},
                {gradients.value, square},
                {gradients.output, square},
                {gradients.value_bias, shape.width},
                {gradients.output_bias, shape.width}});
}

std::int64_t multi_head_backward_workspace(const MultiHeadShape& shape) {
  return blocks_of(shape.rows) * (3 * shape.width + 2) * shape.width;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
