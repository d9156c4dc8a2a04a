// Batch norm and swish. Threads stand on columns, so that a warp reads 128 bytes of a row and a column's factors stay
// in registers; warps of a block take every eighth row of the block's chunk.
//
// Statistics in one pass over memory: a block finds the mean and the squares about it of its own chunk of rows (the
// second look finds them in the cache), and chunks are merged in fp64 (Chan, Golub, LeVeque 1979):
//   mean = Σ n_b mean_b / n,  squares = Σ (squares_b + n_b (mean_b − mean)²)
// which loses no digits to cancellation. Backward in two launches: each block of the second one adds up its columns'
// partial sums itself, a few kilobytes from the second-level cache, in place of a launch between them.
#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kRows = 8;  // warps of a block
constexpr int kThreads = kRows * kWarp;

// Chunks of rows: enough blocks to fill the device, and 32 rows each or more.
std::int64_t chunks_of(std::int64_t rows, std::int64_t width) {
  const std::int64_t tiles = ceil_div(width, kWarp), most = ceil_div(kPartialBlocks, tiles);
  const std::int64_t chunks = ceil_div(rows, 4 * kRows);
  return chunks < most ? chunks : most;
}

struct Place {
  int lane, part, column;
  std::int64_t first, last;  // rows
};

// blockIdx.x: 32 columns; blockIdx.y: a chunk of `per_chunk` rows.
__device__ Place place_of(std::int64_t rows, std::int64_t per_chunk) {
  Place p{};
  p.lane = static_cast<int>(threadIdx.x) % kWarp;
  p.part = static_cast<int>(threadIdx.x) / kWarp;
  p.column = static_cast<int>(blockIdx.x) * kWarp + p.lane;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * per_chunk;
  p.first = first < rows ? first : rows;
  p.last = first + per_chunk < rows ? first + per_chunk : rows;
  return p;
}

// The sum over a column's eight threads, in their order; all of them get it. The block calls it together.
template <typename T>
__device__ T column_sum(T value, const Place& p, T (&sums)[kRows][kWarp]) {
  __syncthreads();  // who still reads an earlier sum
  sums[p.part][p.lane] = value;
  __syncthreads();
  T sum = 0;
  for (int part = 0; part < kRows; ++part) sum += sums[part][p.lane];
  return sum;
}

// workspace [chunks][2][width]: each chunk's mean and squares about it.
__global__ void __launch_bounds__(kThreads)
    batch_norm_chunks_kernel(const float* x, std::int64_t ldx, double* workspace, std::int64_t rows,
                             std::int64_t per_chunk, int width) {
  MAL_SHARED(float, sums, [kRows][kWarp]);
  const Place p = place_of(rows, per_chunk);
  const bool live = p.column < width;
  const float* in = x + (live ? p.column : 0);
  const float origin = in[p.first * ldx];
  float sum = 0;
#pragma unroll 4
  for (std::int64_t r = p.first + p.part; r < p.last; r += kRows) sum += in[r * ldx] - origin;
  const float mean = origin + column_sum(sum, p, sums) / static_cast<float>(p.last - p.first);
  float square = 0;
#pragma unroll 4
  for (std::int64_t r = p.first + p.part; r < p.last; r += kRows) {
    const float off = in[r * ldx] - mean;
    square += off * off;
  }
  square = column_sum(square, p, sums);
  if (p.part != 0 || !live) return;
  double* out = workspace + static_cast<std::int64_t>(blockIdx.y) * 2 * width;
  out[p.column] = static_cast<double>(mean);
  out[width + p.column] = static_cast<double>(square);
}

__global__ void __launch_bounds__(kThreads)
    batch_norm_merge_kernel(const double* workspace, std::int64_t chunks, std::int64_t rows, std::int64_t per_chunk,
                            float* mean, float* variance, int width) {
  MAL_SHARED(double, sums, [kRows][kWarp]);
  const Place p = place_of(0, 0);
  const bool live = p.column < width;
  const double* in = workspace + (live ? p.column : 0);
  const auto rows_of = [&](std::int64_t chunk) {
    const std::int64_t left = rows - chunk * per_chunk;
    return static_cast<double>(left < per_chunk ? left : per_chunk);
  };
  double sum = 0;
  for (std::int64_t b = p.part; b < chunks; b += kRows) sum += rows_of(b) * in[b * 2 * width];
  const auto n = static_cast<double>(rows > 0 ? rows : 1);  // of no rows: zeros
  const double mu = column_sum(sum, p, sums) / n;
  double square = 0;
  for (std::int64_t b = p.part; b < chunks; b += kRows) {
    const double off = in[b * 2 * width] - mu;
    square += in[(b * 2 + 1) * width] + rows_of(b) * off * off;
  }
  square = column_sum(square, p, sums);
  if (p.part != 0 || !live) return;
  mean[p.column] = static_cast<float>(mu);
  variance[p.column] = static_cast<float>(square / n);
}

// What a column needs of its parameters and statistics.
struct Column {
  float mean, rstd, gamma, beta;
  __device__ float normal(float x) const { return (x - mean) * rstd; }
  __device__ float swished(float x) const {
    const float n = normal(x) * gamma + beta;
    return n * logistic(n);
  }
};

struct Parameters {
  const float *gamma, *beta, *mean, *variance;
  float eps;
};

__device__ Column column_of(const Parameters& p, int c) {
  return {p.mean[c], 1.0F / sqrtf(p.variance[c] + p.eps), p.gamma[c], p.beta[c]};
}

// A thread has kCount columns, and every (blockDim.x / lanes · gridDim.y)-th row.
template <int kCount>
__global__ void __launch_bounds__(kThreads)
    batch_norm_swish_forward_kernel(const float* x, std::int64_t ldx, Parameters parameters, float* y, std::int64_t ldy,
                                    std::int64_t rows, int width) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, part = static_cast<int>(threadIdx.x) / kWarp;
  const int c = (static_cast<int>(blockIdx.x) * kWarp + lane) * kCount;
  if (c >= width) return;
  Column columns[kCount];
  for (int i = 0; i < kCount; ++i) columns[i] = column_of(parameters, c + i);
#pragma unroll 2
  for (std::int64_t r = static_cast<std::int64_t>(blockIdx.y) * kRows + part; r < rows;
       r += static_cast<std::int64_t>(gridDim.y) * kRows) {
    float values[kCount];
    load(x + r * ldx + c, values);
    for (int i = 0; i < kCount; ++i) values[i] = columns[i].swished(values[i]);
    store(y + r * ldy + c, values);
  }
}

struct Backward {
  const float* x;
  float *dy, *dx, *dgamma, *dbeta;
  double* workspace;  // [chunks][2][width]: Σ dn, Σ dn x̂
  std::int64_t ldx, lddy, lddx, rows, per_chunk, chunks;
  int width;
  bool accumulate;
};

// dy becomes dn = dy swish'(n), with swish'(n) = σ + n σ (1 − σ); a chunk's column sums of dn and dn x̂.
__global__ void __launch_bounds__(kThreads) batch_norm_sums_kernel(Backward a, Parameters parameters) {
  MAL_SHARED(double, sums, [kRows][kWarp]);
  const Place p = place_of(a.rows, a.per_chunk);
  const bool live = p.column < a.width;
  double dn_sum = 0, product_sum = 0;
  if (live) {
    const Column column = column_of(parameters, p.column);
    float dn = 0, product = 0;
#pragma unroll 4
    for (std::int64_t r = p.first + p.part; r < p.last; r += kRows) {
      const float normal = column.normal(a.x[r * a.ldx + p.column]);
      const float n = normal * column.gamma + column.beta, sigmoid = logistic(n);
      float& gradient = a.dy[r * a.lddy + p.column];
      const float value = gradient * (sigmoid + n * sigmoid * (1.0F - sigmoid));
      gradient = value;
      dn += value;
      product += value * normal;
    }
    dn_sum = static_cast<double>(dn);
    product_sum = static_cast<double>(product);
  }
  dn_sum = column_sum(dn_sum, p, sums);
  product_sum = column_sum(product_sum, p, sums);
  if (p.part != 0 || !live) return;
  double* out = a.workspace + static_cast<std::int64_t>(blockIdx.y) * 2 * a.width;
  out[p.column] = dn_sum;
  out[a.width + p.column] = product_sum;
}

// dx = gamma rstd (dn − mean(dn) − x̂ mean(dn x̂)). The blocks of the first chunk write dbeta and dgamma, too.
__global__ void __launch_bounds__(kThreads) batch_norm_inputs_kernel(Backward a, Parameters parameters) {
  MAL_SHARED(double, sums, [kRows][kWarp]);
  const Place p = place_of(a.rows, a.per_chunk);
  const bool live = p.column < a.width;
  const double* in = a.workspace + (live ? p.column : 0);
  double dn = 0, product = 0;
  for (std::int64_t b = p.part; b < a.chunks; b += kRows) {
    dn += in[b * 2 * a.width];
    product += in[(b * 2 + 1) * a.width];
  }
  const auto dbeta = static_cast<float>(column_sum(dn, p, sums));
  const auto dgamma = static_cast<float>(column_sum(product, p, sums));
  if (!live) return;
  if (blockIdx.y == 0 && p.part == 0) {
    a.dbeta[p.column] = dbeta;
    a.dgamma[p.column] = dgamma;
  }
  if (a.dx == nullptr) return;
  const Column column = column_of(parameters, p.column);
  const float share = 1.0F / static_cast<float>(a.rows), factor = column.gamma * column.rstd;
#pragma unroll 4
  for (std::int64_t r = p.first + p.part; r < p.last; r += kRows) {
    const float normal = column.normal(a.x[r * a.ldx + p.column]);
    const float value = factor * (a.dy[r * a.lddy + p.column] - share * (dbeta + normal * dgamma));
    float& out = a.dx[r * a.lddx + p.column];
    out = a.accumulate ? out + value : value;
  }
}

__global__ void __launch_bounds__(kThreads)
    batch_norm_update_kernel(const float* mean, const float* variance, float* running_mean, float* running_variance,
                             float unbiased, bool of_one, int width, float momentum, const GradientNorm* norm) {
  const int c = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (c >= width || norm->finite == 0) return;
  running_mean[c] = (1.0F - momentum) * running_mean[c] + momentum * mean[c];
  if (!of_one) running_variance[c] = (1.0F - momentum) * running_variance[c] + momentum * unbiased * variance[c];
}

dim3 columns_by_chunks(std::int64_t width, std::int64_t chunks) {
  return {static_cast<unsigned>(ceil_div(width, kWarp)), static_cast<unsigned>(chunks)};
}

}  // namespace

void batch_norm_statistics(const float* x, std::int64_t ldx, float* mean, float* variance, std::int64_t rows,
                           std::int64_t width, double* workspace) {
  const std::int64_t chunks = chunks_of(rows, width), per_chunk = chunks == 0 ? 1 : ceil_div(rows, chunks);
  const std::int64_t used = ceil_div(rows, per_chunk);  // rounding up may leave none for the last chunks
  if (rows > 0)
    launch("batch_norm_chunks", batch_norm_chunks_kernel, columns_by_chunks(width, used), kThreads, 0, x, ldx,
           workspace, rows, per_chunk, static_cast<int>(width));
  launch("batch_norm_merge", batch_norm_merge_kernel, columns_by_chunks(width, 1), kThreads, 0, workspace, used, rows,
         per_chunk, mean, variance, static_cast<int>(width));
}

std::int64_t batch_norm_statistics_workspace(std::int64_t rows, std::int64_t width) {
  return chunks_of(rows, width) * 2 * width;
}

void batch_norm_swish_forward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                              const float* mean, const float* variance, float* y, std::int64_t ldy, std::int64_t rows,
                              std::int64_t width, float eps) {
  if (rows == 0) return;
  const bool vector = vectors(x, ldx) && vectors(y, ldy) && width % 4 == 0;
  const std::int64_t tiles = ceil_div(width, vector ? 4 * kWarp : kWarp);
  launch("batch_norm_swish_forward", vector ? batch_norm_swish_forward_kernel<4> : batch_norm_swish_forward_kernel<1>,
         dim3(static_cast<unsigned>(tiles), grid_of(rows, kRows, ceil_div(kMostBlocks, tiles))), kThreads, 0, x, ldx,
         Parameters{gamma, beta, mean, variance, eps}, y, ldy, rows, static_cast<int>(width));
}

void batch_norm_swish_backward(const float* x, std::int64_t ldx, const float* gamma, const float* beta,
                               const float* mean, const float* variance, float* dy, std::int64_t lddy, float* dx,
                               std::int64_t lddx, bool accumulate, float* dgamma, float* dbeta, std::int64_t rows,
                               std::int64_t width, float eps, double* workspace) {
  const std::int64_t chunks = chunks_of(rows, width), per_chunk = chunks == 0 ? 1 : ceil_div(rows, chunks);
  const std::int64_t used = ceil_div(rows, per_chunk);
  const Backward arguments{
      x, dy, dx, dgamma, dbeta, workspace, ldx, lddy, lddx, rows, per_chunk, used, static_cast<int>(width), accumulate};
  const Parameters parameters{gamma, beta, mean, variance, eps};
  if (rows > 0)
    launch("batch_norm_swish_backward: sums", batch_norm_sums_kernel, columns_by_chunks(width, used), kThreads, 0,
           arguments, parameters);
  const std::int64_t second = rows == 0 || dx == nullptr ? 1 : used;
  launch("batch_norm_swish_backward: inputs", batch_norm_inputs_kernel, columns_by_chunks(width, second), kThreads, 0,
         arguments, parameters);
}

std::int64_t batch_norm_swish_backward_workspace(std::int64_t rows, std::int64_t width) {
  return chunks_of(rows, width) * 2 * width;
}

void batch_norm_update(const float* mean, const float* variance, float* running_mean, float* running_variance,
                       std::int64_t rows, std::int64_t width, float momentum, const GradientNorm* norm) {
  if (rows == 0) return;
  const float unbiased = rows == 1 ? 0.0F : static_cast<float>(rows) / static_cast<float>(rows - 1);
  launch("batch_norm_update", batch_norm_update_kernel, grid_of(width, kThreads), kThreads, 0, mean, variance,
         running_mean, running_variance, unbiased, rows == 1, static_cast<int>(width), momentum, norm);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
