// Every head's loss and gradient in one launch: a few neighbouring lanes a row, which share the classes of a cartesian
// head and take one view each otherwise; then one small launch adds the blocks' sums in order. The arithmetic is fp64,
// as on the CPU: a batch has few logits, and launches bound it.
#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/reduce.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

decltype(kernels::fill) fill;  // elementwise.cu

namespace {

constexpr int kThreads = 128;
constexpr int kLeastLanes = 4;

struct Batch {
  const float* logits;
  std::int64_t ldlogits;
  const float* credits;
  std::int64_t ldcredits;
  const float* weights;  // of the rows; null: all are 1
  std::int64_t ldweights;
  double weight_mean;
  float* dlogits;
  std::int64_t lddlogits;
  std::int64_t rows, columns;
};

struct Label {
  double label, weight;
};
__device__ Label label_of(float credit) {
  return credit > 0 ? Label{1.0, static_cast<double>(credit)} : Label{0.0, 1.0};
}

__device__ double softplus(double x) {
  return (x > 0 ? x : 0.0) + log1p(exp(-fabs(x)));
}
__device__ double sigmoid(double x) {
  const double e = exp(-fabs(x));
  return x >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

__device__ double weight_of(const Batch& batch, std::int64_t row) {
  return batch.weights == nullptr ? 1.0 : static_cast<double>(batch.weights[row * batch.ldweights]) / batch.weight_mean;
}

// Σ w of a head, which divides weight_mean's gradients: before them, a launch of its own.
__global__ void __launch_bounds__(1024)
    sum_weights(const __grid_constant__ Chunk<LossHead> heads, Batch batch, double* divisors) {
  const LossHead& head = heads.items[blockIdx.x];
  const bool cartesian = head.kind == HeadKind::cartesian;
  double sum = 0;
  for (std::int64_t r = threadIdx.x; r < batch.rows; r += blockDim.x)
    sum +=
        weight_of(batch, r) * (cartesian ? 1.0 : label_of(batch.credits[r * batch.ldcredits + head.views[0]]).weight);
  sum = block_sum(sum);
  if (threadIdx.x == 0) divisors[blockIdx.x] = sum > 0 ? sum : 1.0;  // all of them 0: so are the losses
}

// One lane's part of a row: where it is, and who else works on it.
struct Place {
  std::int64_t row;
  bool valid;  // beyond the batch a lane computes the last row, so that its warp stays whole, and writes nothing
  int lane, lanes;
};

__device__ double view_loss(const LossHead& head, const Batch& batch, const Place& at, double scale) {
  const double logit = static_cast<double>(batch.logits[at.row * batch.ldlogits + head.column]);
  const Label label = label_of(batch.credits[at.row * batch.ldcredits + head.views[0]]);
  if (at.valid)
    batch.dlogits[at.row * batch.lddlogits + head.column] =
        static_cast<float>(scale * label.weight * (sigmoid(logit) - label.label));
  return label.weight * (softplus(logit) - label.label * logit);
}

// All lanes of the row. The result is the same in each of them.
__device__ double cartesian_loss(const LossHead& head, const Batch& batch, const Place& at, double scale) {
  const int classes = 1 << head.view_count;
  const float* x = batch.logits + at.row * batch.ldlogits + head.column;
  float* gradient = batch.dlogits + at.row * batch.lddlogits + head.column;
  int label = 0;
  for (int k = 0; k < head.view_count; ++k)
    if (batch.credits[at.row * batch.ldcredits + head.views[k]] > 0) label |= 1 << k;
  float top = x[0];
  for (int c = at.lane; c < classes; c += at.lanes) top = fmaxf(top, x[c]);
  for (int step = at.lanes / 2; step > 0; step /= 2) top = fmaxf(top, __shfl_xor_sync(0xFFFFFFFFU, top, step));
  double sum = 0;
  for (int c = at.lane; c < classes; c += at.lanes) sum += exp(static_cast<double>(x[c]) - static_cast<double>(top));
  const double log_sum = static_cast<double>(top) + log(warp_sum(sum, at.lanes));
  for (int c = at.lane; at.valid && c < classes; c += at.lanes)
    gradient[c] = static_cast<float>(scale * (exp(static_cast<double>(x[c]) - log_sum) - (c == label ? 1.0 : 0.0)));
  return log_sum - static_cast<double>(x[label]);
}

// divisors null: `divisor` for every head. sums[blocks, stride].
__global__ void __launch_bounds__(kThreads)
    loss_rows(const __grid_constant__ Chunk<LossHead> heads, Batch batch, int lanes, bool zero, const double* divisors,
              double divisor, double* sums, std::int64_t stride) {
  Place at{};
  at.lanes = lanes;
  at.lane = static_cast<int>(threadIdx.x) % lanes;
  at.row = std::int64_t{blockIdx.x} * (kThreads / lanes) + static_cast<int>(threadIdx.x) / lanes;
  at.valid = at.row < batch.rows;
  if (!at.valid) at.row = batch.rows - 1;
  if (zero && at.valid)
    for (std::int64_t c = at.lane; c < batch.columns; c += lanes) batch.dlogits[at.row * batch.lddlogits + c] = 0;
  __syncwarp();  // the zeros come before another lane's gradients
  const double weight = weight_of(batch, at.row);
  for (int h = 0; h < heads.count; ++h) {
    const LossHead& head = heads.items[h];
    const double scale = weight * (static_cast<double>(head.scale) / (divisors == nullptr ? divisor : divisors[h]));
    double loss = 0;
    if (head.kind == HeadKind::cartesian)
      loss = cartesian_loss(head, batch, at, scale);
    else if (h % lanes == at.lane)
      loss = view_loss(head, batch, at, scale);
    const bool mine = at.valid && (head.kind == HeadKind::cartesian ? at.lane == 0 : h % lanes == at.lane);
    loss = block_sum(mine ? weight * loss : 0.0);
    if (threadIdx.x == 0) sums[blockIdx.x * stride + h] = loss;
  }
}

// A block a head.
__global__ void __launch_bounds__(kThreads)
    finish_losses(const double* sums, std::int64_t blocks, const double* divisors, double divisor, double* losses) {
  double sum = 0;
  for (std::int64_t b = threadIdx.x; b < blocks; b += kThreads) sum += sums[b * gridDim.x + blockIdx.x];
  sum = block_sum(sum);
  if (threadIdx.x == 0) losses[blockIdx.x] = sum / (divisors == nullptr ? divisor : divisors[blockIdx.x]);
}

int lanes_of(const LossHead* heads, std::int32_t count) {
  int lanes = kLeastLanes;
  for (std::int32_t h = 0; h < count; ++h)
    if (heads[h].kind == HeadKind::cartesian)
      while (lanes < 32 && lanes < 1 << heads[h].view_count) lanes *= 2;
  return lanes;
}

std::int64_t blocks_of(std::int64_t rows, int lanes) {
  return (rows * lanes + kThreads - 1) / kThreads;
}

bool heads_fill(const LossHead* heads, std::int32_t count, std::int64_t columns) {
  std::int64_t owned = 0;
  for (std::int32_t h = 0; h < count; ++h)
    owned += heads[h].kind == HeadKind::cartesian ? std::int64_t{1} << heads[h].view_count : 1;
  return owned == columns;
}

}  // namespace

void multi_view_loss(const float* logits, std::int64_t ldlogits, const float* credits, std::int64_t ldcredits,
                     const float* weights, std::int64_t ldweights, double weight_mean, const LossHead* heads,
                     std::int32_t head_count, Reduction reduction, float* dlogits, std::int64_t lddlogits,
                     std::int64_t columns, double* losses, std::int64_t rows, double* workspace) {
  if (rows == 0) return zero_bytes(losses, head_count * static_cast<std::int64_t>(sizeof(double)));
  if (head_count == 0) return MAL_CUDA_NAMESPACE::fill(dlogits, lddlogits, rows, columns, 0.0F);
  const Batch batch{logits,      ldlogits, credits,   ldcredits, weights, ldweights,
                    weight_mean, dlogits,  lddlogits, rows,      columns};
  const int lanes = lanes_of(heads, head_count);
  const std::int64_t blocks = blocks_of(rows, lanes);
  const bool weighted = reduction == Reduction::weight_mean;
  const double divisor = reduction == Reduction::sum ? 1.0 : static_cast<double>(rows);
  double* const divisors = weighted ? workspace : nullptr;
  double* const sums = workspace + head_count;
  bool zero = !heads_fill(heads, head_count, columns);
  std::int32_t done = 0;
  for_each_chunk<LossHead>(
      head_count, [&](int h) { return heads[h]; }, [](int) { return 1; },
      [&](const Chunk<LossHead>& chunk) {
        double* const mine = weighted ? divisors + done : nullptr;
        if (weighted) launch("multi_view_loss's weights", sum_weights, chunk.blocks(), 1024, 0, chunk, batch, mine);
        launch("multi_view_loss", loss_rows, static_cast<unsigned>(blocks), kThreads, 0, chunk, batch, lanes, zero,
               mine, divisor, sums + done, head_count);
        zero = false;
        done += chunk.count;
      });
  launch("multi_view_loss's end", finish_losses, static_cast<unsigned>(head_count), kThreads, 0, sums, blocks, divisors,
         divisor, losses);
}

std::int64_t multi_view_loss_workspace(std::int64_t rows, std::int32_t head_count) {
  return (blocks_of(rows, 32) + 1) * head_count;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
