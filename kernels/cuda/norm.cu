// Layer norm: one warp a row, or part of one where a row is narrow. The row is read from memory once; the later passes
// over it (mean, squares about the mean, result) find it in the first-level cache, so that no width needs a path of its
// own. The mean is summed from the row's first element: a row of constants has exactly that mean.
//
// Backward, a block takes tiles of rows. Its warps make dx, a row each, and then its threads add up the tile's columns
// for gamma and beta, from the same rows, still in the cache. Each thread owns its columns' sums in shared memory, so
// nothing has to wait for anything.
#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;

template <int kCount>
__global__ void __launch_bounds__(kThreads)
    layer_norm_forward_kernel(const float* x, std::int64_t ldx, const float* gamma, const float* beta, float* y,
                              std::int64_t ldy, float* mean, float* rstd, std::int64_t rows, int width, float eps,
                              int lanes) {
  const int lane = static_cast<int>(threadIdx.x) % lanes, group = static_cast<int>(threadIdx.x) / lanes;
  const int groups = kThreads / lanes, step = lanes * kCount;
  const auto n = static_cast<float>(width);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * groups; first < rows;
       first += static_cast<std::int64_t>(gridDim.x) * groups) {
    const bool live = first + group < rows;  // the others do the last row again: shuffles need every lane
    const std::int64_t row = live ? first + group : rows - 1;
    const float* in = x + row * ldx;
    const float origin = in[0];
    float values[kCount], sum = 0;
    for (int c = lane * kCount; c < width; c += step) {
      load(in + c, values);
      for (const float value : values) sum += value - origin;
    }
    const float mu = origin + warp_sum(sum, lanes) / n;
    float square = 0;
    for (int c = lane * kCount; c < width; c += step) {
      load(in + c, values);
      for (const float value : values) square += (value - mu) * (value - mu);
    }
    const float scale = 1.0F / sqrtf(warp_sum(square, lanes) / n + eps);
    if (!live) continue;
    if (lane == 0) {
      mean[row] = mu;
      rstd[row] = scale;
    }
    for (int c = lane * kCount; c < width; c += step) {
      float factors[kCount], terms[kCount];
      load(in + c, values);
      load(gamma + c, factors);
      load(beta + c, terms);
      for (int i = 0; i < kCount; ++i) values[i] = (values[i] - mu) * scale * factors[i] + terms[i];
      store(y + row * ldy + c, values);
    }
  }
}

struct Backward {
  const float *x, *gamma, *mean, *rstd, *dy;
  float *dx, *partials;
  std::int64_t ldx, lddy, lddx, rows;
  int width, lanes;
  bool accumulate;
};

// With x̂ = (x − mean) rstd and g = dy gamma:  dx = rstd (g − mean(g) − x̂ mean(g x̂)).
template <int kCount>
__device__ void input_gradient(const Backward& a, std::int64_t row, bool live, int lane) {
  const int step = a.lanes * kCount;
  const float *in = a.x + row * a.ldx, *gradient = a.dy + row * a.lddy;
  const float mu = a.mean[row], scale = a.rstd[row];
  float values[kCount], gradients[kCount], factors[kCount], sum = 0, product = 0;
  for (int c = lane * kCount; c < a.width; c += step) {
    load(in + c, values);
    load(gradient + c, gradients);
    load(a.gamma + c, factors);
    for (int i = 0; i < kCount; ++i) {
      const float g = gradients[i] * factors[i];
      sum += g;
      product += g * ((values[i] - mu) * scale);
    }
  }
  const auto n = static_cast<float>(a.width);
  const float mean_g = warp_sum(sum, a.lanes) / n, mean_product = warp_sum(product, a.lanes) / n;
  if (!live) return;
  float* out = a.dx + row * a.lddx;
  for (int c = lane * kCount; c < a.width; c += step) {
    float before[kCount] = {};
    load(in + c, values);
    load(gradient + c, gradients);
    load(a.gamma + c, factors);
    if (a.accumulate) load(out + c, before);
    for (int i = 0; i < kCount; ++i) {
      const float normal = (values[i] - mu) * scale;
      values[i] = before[i] + scale * (gradients[i] * factors[i] - mean_g - normal * mean_product);
    }
    store(out + c, values);
  }
}

// Partial sums of a block: gamma's [width], then beta's.
template <int kCount>
__global__ void __launch_bounds__(kThreads) layer_norm_backward_kernel(Backward a) {
  float *gamma_sums = dynamic_shared<float>(), *beta_sums = gamma_sums + a.width;
  const int thread = static_cast<int>(threadIdx.x), groups = kThreads / a.lanes;
  for (int c = thread; c < a.width; c += kThreads) gamma_sums[c] = beta_sums[c] = 0;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * groups; first < a.rows;
       first += static_cast<std::int64_t>(gridDim.x) * groups) {
    const std::int64_t last = first + groups < a.rows ? first + groups : a.rows, row = first + thread / a.lanes;
    input_gradient<kCount>(a, row < last ? row : last - 1, row < last, thread % a.lanes);
    for (int c = thread; c < a.width; c += kThreads) {
      float gamma_sum = 0, beta_sum = 0;
#pragma unroll 4
      for (std::int64_t r = first; r < last; ++r) {
        const float gradient = a.dy[r * a.lddy + c];
        gamma_sum += gradient * ((a.x[r * a.ldx + c] - a.mean[r]) * a.rstd[r]);
        beta_sum += gradient;
      }
      gamma_sums[c] += gamma_sum;
      beta_sums[c] += beta_sum;
    }
  }
  float* partial = a.partials + static_cast<std::int64_t>(blockIdx.x) * 2 * a.width;
  for (int c = thread; c < a.width; c += kThreads) {
    partial[c] = gamma_sums[c];
    partial[a.width + c] = beta_sums[c];
  }
}

// Narrow rows share a warp; a tile has at least 8 rows.
int lanes_of(std::int64_t width, bool vector) {
  return lanes_for(vector ? width / 4 : width);
}

std::int64_t backward_blocks(std::int64_t rows) {
  return grid_of(rows, kThreads / kWarp, kPartialBlocks);
}

}  // namespace

void layer_norm_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta, float* y,
                        std::int64_t ldy, float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps) {
  if (rows == 0) return;
  const bool vector =
      vectors(x, ldx) && vectors(y, ldy) && vectors(gamma, width) && vectors(beta, width);  // width % 4 == 0 too
  const int lanes = lanes_of(width, vector);
  launch("layer_norm_forward", vector ? layer_norm_forward_kernel<4> : layer_norm_forward_kernel<1>,
         grid_of(rows, kThreads / lanes, kMostBlocks), kThreads, 0, x, ldx, gamma, beta, y, ldy, mean, rstd, rows,
         static_cast<int>(width), eps, lanes);
}

void layer_norm_backward(const float* x, std::int64_t ldx, const float* gamma, const float* mean, const float* rstd,
                         const float* dy, std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate,
                         float* dgamma, float* dbeta, std::int64_t rows, std::int64_t width, float* workspace) {
  const std::int64_t blocks = backward_blocks(rows), shared = 2 * width * std::int64_t{sizeof(float)};
  if (shared > kMostShared)
    refuse("layer_norm_backward", "rows of " + std::to_string(width) + " columns are too wide, at most " +
                                      std::to_string(kMostShared / 8) + " fit; use a narrower layer");
  if (rows > 0) {
    const bool vector = vectors(x, ldx) && vectors(dy, lddy) && vectors(dx, lddx) && vectors(gamma, width);
    const Backward arguments{x,
                             gamma,
                             mean,
                             rstd,
                             dy,
                             dx,
                             workspace,
                             ldx,
                             lddy,
                             lddx,
                             rows,
                             static_cast<int>(width),
                             lanes_of(width, vector),
                             accumulate};
    launch("layer_norm_backward", vector ? layer_norm_backward_kernel<4> : layer_norm_backward_kernel<1>,
           static_cast<unsigned>(blocks), kThreads, static_cast<std::size_t>(shared), arguments);
  }
  sum_partials(workspace, blocks, {{dgamma, width}, {dbeta, width}});
}

std::int64_t layer_norm_backward_workspace(std::int64_t rows, std::int64_t width) {
  return backward_blocks(rows) * 2 * width;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
