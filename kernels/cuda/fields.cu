// SENet's squeeze and scale: a warp takes a row, a few of its lanes each field. Fields are a few floats wide and lie
// side by side, so that the warp's lanes together read whole sectors. Where fields begin comes with the launch, by
// value.
#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kMostFields = 512;  // of one launch

struct Fields {
  int count, lanes;  // lanes: of each field
  std::int32_t offsets[kMostFields + 1];
};

// A thread's part: one of the `lanes` lanes of the field of every (warp / lanes)-th.
struct Part {
  int lane, first, step;
};

__device__ Part part_of(const Fields& fields) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  return {lane % fields.lanes, lane / fields.lanes, kWarp / fields.lanes};
}

// Calls body(row, field or −1, begin, end): every lane of a warp equally often, since sums need them all.
template <typename Body>
__device__ void for_each_field(const Fields& fields, const Part& part, std::int64_t rows, const Body& body) {
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
       row < rows; row += static_cast<std::int64_t>(gridDim.x) * kWarps)
    for (int first = 0; first < fields.count; first += part.step) {
      const int field = first + part.first;
      if (field < fields.count)
        body(row, field, fields.offsets[field], fields.offsets[field + 1]);
      else
        body(row, -1, 0, 0);
    }
}

__global__ void __launch_bounds__(kThreads)
    field_mean_forward_kernel(Fields fields, const float* x, std::int64_t ldx, float* mean, std::int64_t ldmean,
                              std::int64_t rows) {
  const Part part = part_of(fields);
  for_each_field(fields, part, rows, [&](std::int64_t row, int field, int begin, int end) {
    float sum = 0;
    for (int c = begin + part.lane; c < end; c += fields.lanes) sum += x[row * ldx + c];
    sum = warp_sum(sum, fields.lanes);
    if (field >= 0 && part.lane == 0) mean[row * ldmean + field] = sum / static_cast<float>(end - begin);
  });
}

__global__ void __launch_bounds__(kThreads)
    field_mean_backward_kernel(Fields fields, const float* dmean, std::int64_t lddmean, float* dx, std::int64_t lddx,
                               bool accumulate, std::int64_t rows) {
  const Part part = part_of(fields);
  for_each_field(fields, part, rows, [&](std::int64_t row, int field, int begin, int end) {
    if (field < 0) return;
    const float value = dmean[row * lddmean + field] / static_cast<float>(end - begin);
    for (int c = begin + part.lane; c < end; c += fields.lanes) {
      float& out = dx[row * lddx + c];
      out = accumulate ? out + value : value;
    }
  });
}

__global__ void __launch_bounds__(kThreads)
    field_scale_forward_kernel(Fields fields, const float* x, std::int64_t ldx, const float* logits,
                               std::int64_t ldlogits, float* y, std::int64_t ldy, std::int64_t rows) {
  const Part part = part_of(fields);
  for_each_field(fields, part, rows, [&](std::int64_t row, int field, int begin, int end) {
    if (field < 0) return;
    const float scale = 2.0F * logistic(logits[row * ldlogits + field]);
    for (int c = begin + part.lane; c < end; c += fields.lanes) y[row * ldy + c] = scale * x[row * ldx + c];
  });
}

struct ScaleBackward {
  const float *x, *logits, *dy;
  float *dx, *dlogits;
  std::int64_t ldx, ldlogits, lddy, lddx, lddlogits, rows;
  bool accumulate_x, accumulate_logits;
};

__global__ void __launch_bounds__(kThreads) field_scale_backward_kernel(Fields fields, ScaleBackward a) {
  const Part part = part_of(fields);
  for_each_field(fields, part, a.rows, [&](std::int64_t row, int field, int begin, int end) {
    const float sigmoid = field < 0 ? 0.0F : logistic(a.logits[row * a.ldlogits + field]);
    float sum = 0;
    for (int c = begin + part.lane; c < end; c += fields.lanes) {
      const float gradient = a.dy[row * a.lddy + c];
      sum += gradient * a.x[row * a.ldx + c];
      if (a.dx == nullptr) continue;
      float& out = a.dx[row * a.lddx + c];
      out = (a.accumulate_x ? out : 0.0F) + 2.0F * sigmoid * gradient;
    }
    if (a.dlogits == nullptr) return;
    sum = warp_sum(sum, fields.lanes);
    if (field < 0 || part.lane != 0) return;
    float& out = a.dlogits[row * a.lddlogits + field];
    out = (a.accumulate_logits ? out : 0.0F) + 2.0F * sigmoid * (1.0F - sigmoid) * sum;
  });
}

// body(fields, index of their first) for as many fields as one launch takes.
template <typename Body>
void for_each_launch(const std::int32_t* offsets, std::int64_t count, std::int64_t rows, const Body& body) {
  if (rows == 0) return;
  for (std::int64_t first = 0; first < count; first += kMostFields) {
    Fields fields{};
    fields.count = static_cast<int>(count - first < kMostFields ? count - first : kMostFields);
    for (int f = 0; f <= fields.count; ++f) fields.offsets[f] = offsets[first + f];
    fields.lanes = lanes_for((fields.offsets[fields.count] - fields.offsets[0]) / (2 * fields.count));
    body(fields, first);
  }
}

}  // namespace

void field_mean_forward(const float* x, std::int64_t ldx, const std::int32_t* offsets, std::int64_t fields, float* mean,
                        std::int64_t ldmean, std::int64_t rows) {
  for_each_launch(offsets, fields, rows, [&](const Fields& part, std::int64_t first) {
    launch("field_mean_forward", field_mean_forward_kernel, grid_of(rows, kWarps, kMostBlocks), kThreads, 0, part, x,
           ldx, mean + first, ldmean, rows);
  });
}

void field_mean_backward(const float* dmean, std::int64_t lddmean, const std::int32_t* offsets, std::int64_t fields,
                         float* dx, std::int64_t lddx, bool accumulate, std::int64_t rows) {
  for_each_launch(offsets, fields, rows, [&](const Fields& part, std::int64_t first) {
    launch("field_mean_backward", field_mean_backward_kernel, grid_of(rows, kWarps, kMostBlocks), kThreads, 0, part,
           dmean + first, lddmean, dx, lddx, accumulate, rows);
  });
}

void field_scale_forward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                         const std::int32_t* offsets, std::int64_t fields, float* y, std::int64_t ldy,
                         std::int64_t rows) {
  for_each_launch(offsets, fields, rows, [&](const Fields& part, std::int64_t first) {
    launch("field_scale_forward", field_scale_forward_kernel, grid_of(rows, kWarps, kMostBlocks), kThreads, 0, part, x,
           ldx, logits + first, ldlogits, y, ldy, rows);
  });
}

void field_scale_backward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                          const std::int32_t* offsets, std::int64_t fields, const float* dy, std::int64_t lddy,
                          float* dx, std::int64_t lddx, bool accumulate_x, float* dlogits, std::int64_t lddlogits,
                          bool accumulate_logits, std::int64_t rows) {
  if (dx == nullptr && dlogits == nullptr) return;
  for_each_launch(offsets, fields, rows, [&](const Fields& part, std::int64_t first) {
    const ScaleBackward arguments{x,
                                  logits + first,
                                  dy,
                                  dx,
                                  dlogits == nullptr ? nullptr : dlogits + first,
                                  ldx,
                                  ldlogits,
                                  lddy,
                                  lddx,
                                  lddlogits,
                                  rows,
                                  accumulate_x,
                                  accumulate_logits};
    launch("field_scale_backward", field_scale_backward_kernel, grid_of(rows, kWarps, kMostBlocks), kThreads, 0, part,
           arguments);
  });
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
