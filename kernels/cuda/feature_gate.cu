// HoME's feature gate. A warp takes two rows at a time, so that A and B, which stay in the first-level cache, are read
// once for both: first x A (4 of its r columns at a time), then the gate of every column. The [B, K] logits never
// exist.
//
// Backward, a block takes tiles of 8 rows, one a warp. The warps make dx and leave the logits' gradients dl and dh in
// shared memory; then the block's threads, each the owner of some columns, add up A's and B's gradients over the tile.
#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kPair = 2;   // rows of a warp at a time
constexpr int kRanks = 4;  // columns of A at a time

// Σ_k value_i[k] · matrix[k, j] of each of kCount rows into sums[i · rank + j]; the warp calls it together.
// value(i, k) is the k-th number of the i-th row. vector: four ranks of a column can be read at once.
template <int kCount, typename Value>
__device__ void times_matrix(const Value& value, const float* matrix, int width, int rank, bool vector, int lane,
                             float* sums) {
  for (int j0 = 0; j0 < rank; j0 += kRanks) {
    const int ranks = rank - j0 < kRanks ? rank - j0 : kRanks;
    float sum[kCount][kRanks] = {};
    for (int k = lane; k < width; k += kWarp) {
      float factors[kRanks] = {};
      if (vector) {
        load(matrix + k * rank + j0, factors);
      } else {
#pragma unroll
        for (int j = 0; j < kRanks; ++j)
          if (j < ranks) factors[j] = matrix[k * rank + j0 + j];
      }
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const float v = value(i, k);
#pragma unroll
        for (int j = 0; j < kRanks; ++j) sum[i][j] += v * factors[j];
      }
    }
#pragma unroll
    for (int i = 0; i < kCount; ++i)
#pragma unroll
      for (int j = 0; j < kRanks; ++j) {
        const float total = warp_sum(sum[i][j]);
        if (j < ranks && lane == 0) sums[i * rank + j0 + j] = total;
      }
  }
}

__device__ float dot_of(const float* a, const float* b, int count, bool vector) {
  float sum = 0;
  if (vector) {
    for (int j = 0; j < count; j += 4) {
      float first[4], second[4];
      load(a + j, first);
      load(b + j, second);
      for (int i = 0; i < 4; ++i) sum += first[i] * second[i];
    }
    return sum;
  }
  for (int j = 0; j < count; ++j) sum += a[j] * b[j];
  return sum;
}

// Shared memory: h of the block's 2 · 8 rows.
__global__ void __launch_bounds__(kThreads)
    feature_gate_forward_kernel(const float* x, std::int64_t ldx, const float* a, const float* b, float* u,
                                std::int64_t ldu, float* hidden, std::int64_t rows, int width, int rank, bool vector) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  float* h = dynamic_shared<float>() + warp * kPair * rank;
  for (std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) * kWarps + warp) * kPair; first < rows;
       first += static_cast<std::int64_t>(gridDim.x) * kWarps * kPair) {
    const int live = rows - first < kPair ? static_cast<int>(rows - first) : kPair;
    const auto at = [&](int i, int k) { return x[(first + (i < live ? i : 0)) * ldx + k]; };
    times_matrix<kPair>(at, a, width, rank, vector, lane, h);
    __syncwarp();
    for (int i = lane; i < live * rank; i += kWarp) hidden[first * rank + i] = h[i];
    for (int k = lane; k < width; k += kWarp)
#pragma unroll
      for (int i = 0; i < kPair; ++i)
        if (i < live)
          u[(first + i) * ldu + k] = 2.0F * logistic(dot_of(h + i * rank, b + k * rank, rank, vector)) * at(i, k);
    __syncwarp();  // h is written again
  }
}

struct Backward {
  const float *x, *a, *b, *hidden, *du;
  float *dx, *partials;
  std::int64_t ldx, lddu, lddx, rows;
  int width, rank, tile;  // tile: rows of a block at a time, at most one a warp
  bool accumulate, vector;
};

// With g = σ(l), l = h Bᵀ:  dl = 2 du x g (1 − g) into shared memory, dh = dl B, dx = 2 du g + dh Aᵀ.
__device__ void row_backward(const Backward& p, std::int64_t row, int lane, float* dl, float* dh) {
  const float *in = p.x + row * p.ldx, *gradient = p.du + row * p.lddu, *h = p.hidden + row * p.rank;
  for (int k = lane; k < p.width; k += kWarp) {
    const float g = logistic(dot_of(h, p.b + k * p.rank, p.rank, p.vector));
    dl[k] = 2.0F * gradient[k] * in[k] * g * (1.0F - g);
  }
  times_matrix<1>([&](int, int k) { return dl[k]; }, p.b, p.width, p.rank, p.vector, lane,
                  dh);  // a lane reads what it wrote
  __syncwarp();
  if (p.dx == nullptr) return;
  for (int k = lane; k < p.width; k += kWarp) {
    const float g = logistic(dot_of(h, p.b + k * p.rank, p.rank, p.vector));
    const float value = 2.0F * gradient[k] * g + dot_of(dh, p.a + k * p.rank, p.rank, p.vector);
    float& out = p.dx[row * p.lddx + k];
    out = p.accumulate ? out + value : value;
  }
}

// Shared memory: dl [tile, K], dh [tile, r], sums of dA and dB [2, K, r]. Partial sums of a block: dA, then dB.
__global__ void __launch_bounds__(kThreads) feature_gate_backward_kernel(Backward p) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int size = p.width * p.rank;
  float *dl = dynamic_shared<float>(), *dh = dl + p.tile * p.width, *da = dh + p.tile * p.rank, *db = da + size;
  for (int k = static_cast<int>(threadIdx.x); k < p.width; k += kThreads)
    for (int j = 0; j < p.rank; ++j) da[k * p.rank + j] = db[k * p.rank + j] = 0;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * p.tile; first < p.rows;
       first += static_cast<std::int64_t>(gridDim.x) * p.tile) {
    const int count = p.rows - first < p.tile ? static_cast<int>(p.rows - first) : p.tile;
    if (warp < count) row_backward(p, first + warp, lane, dl + warp * p.width, dh + warp * p.rank);
    __syncthreads();
    for (int k = static_cast<int>(threadIdx.x); k < p.width; k += kThreads)
      for (int i = 0; i < count; ++i) {
        const float value = p.x[(first + i) * p.ldx + k], logit = dl[i * p.width + k];
        const float* h = p.hidden + (first + i) * p.rank;
        for (int j = 0; j < p.rank; ++j) {
          da[k * p.rank + j] += value * dh[i * p.rank + j];
          db[k * p.rank + j] += logit * h[j];
        }
      }
    __syncthreads();  // dl and dh are written again
  }
  float* partial = p.partials + static_cast<std::int64_t>(blockIdx.x) * 2 * size;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * size; i += kThreads) partial[i] = da[i];
}

// Rows of a backward block's tile: as many as shared memory holds, at most one a warp; 0 where not even one fits.
int tile_of(std::int64_t width, std::int64_t rank) {
  int tile = kWarps;
  while (tile > 0 && (tile * (width + rank) + 2 * width * rank) * std::int64_t{sizeof(float)} > kMostShared) tile /= 2;
  return tile;
}

std::int64_t backward_blocks(std::int64_t rows) {
  return grid_of(rows, kWarps, kPartialBlocks);
}

}  // namespace

void feature_gate_forward(const float* x, std::int64_t ldx, const float* a, const float* b, float* u, std::int64_t ldu,
                          float* hidden, std::int64_t rows, std::int64_t width, std::int64_t rank) {
  const std::int64_t shared = kWarps * kPair * rank * std::int64_t{sizeof(float)};
  if (shared > kMostShared)
    refuse("feature_gate_forward", "rank " + std::to_string(rank) + " is too high, at most " +
                                       std::to_string(kMostShared / 4 / kWarps / kPair) + "; lower the gate's rank");
  launch("feature_gate_forward", feature_gate_forward_kernel, grid_of(rows, kWarps * kPair, kMostBlocks), kThreads,
         static_cast<std::size_t>(shared), x, ldx, a, b, u, ldu, hidden, rows, static_cast<int>(width),
         static_cast<int>(rank), vectors(a, rank) && vectors(b, rank));
}

void feature_gate_backward(const float* x, std::int64_t ldx, const float* a, const float* b, const float* hidden,
                           const float* du, std::int64_t lddu, float* dx, std::int64_t lddx, bool accumulate, float* da,
                           float* db, std::int64_t rows, std::int64_t width, std::int64_t rank, float* workspace) {
  const int tile = tile_of(width, rank);
  if (tile == 0)
    refuse("feature_gate_backward", std::to_string(width) + " columns with rank " + std::to_string(rank) +
                                        " do not fit a block's shared memory: width · (2 rank + 1) must be at most " +
                                        std::to_string(kMostShared / 4) + "; lower the gate's rank");
  const std::int64_t blocks = backward_blocks(rows);
  const Backward arguments{x,
                           a,
                           b,
                           hidden,
                           du,
                           dx,
                           workspace,
                           ldx,
                           lddu,
                           lddx,
                           rows,
                           static_cast<int>(width),
                           static_cast<int>(rank),
                           tile,
                           accumulate,
                           vectors(a, rank) && vectors(b, rank) && vectors(hidden, rank) && width % 4 == 0};
  launch("feature_gate_backward", feature_gate_backward_kernel, static_cast<unsigned>(blocks), kThreads,
         static_cast<std::size_t>((tile * (width + rank) + 2 * width * rank) * std::int64_t{sizeof(float)}), arguments);
  sum_partials(workspace, blocks, {{da, width * rank}, {db, width * rank}});
}

std::int64_t feature_gate_backward_workspace(std::int64_t rows, std::int64_t width, std::int64_t rank) {
  return backward_blocks(rows) * 2 * width * rank;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
