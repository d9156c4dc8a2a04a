// SENet's squeeze and scale over the fields of a row, which is read once and stays in the first-level cache.
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sigmoid.h"
#include "kernels/kernels.h"

namespace mal::kernels {

void field_mean_forward(const float* x, std::int64_t ldx, const std::int32_t* offsets, std::int64_t fields, float* mean,
                        std::int64_t ldmean, std::int64_t rows) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t f = 0; f < fields; ++f) {
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int32_t c = offsets[f]; c < offsets[f + 1]; ++c) sum += x[r * ldx + c];
        mean[r * ldmean + f] = sum / static_cast<float>(offsets[f + 1] - offsets[f]);
      }
  });
}

void field_mean_backward(const float* dmean, std::int64_t lddmean, const std::int32_t* offsets, std::int64_t fields,
                         float* dx, std::int64_t lddx, bool accumulate, std::int64_t rows) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t f = 0; f < fields; ++f) {
        const float value = dmean[r * lddmean + f] / static_cast<float>(offsets[f + 1] - offsets[f]);
        for (std::int32_t c = offsets[f]; c < offsets[f + 1]; ++c) {
          float& gradient = dx[r * lddx + c];
          gradient = accumulate ? gradient + value : value;
        }
      }
  });
}

void field_scale_forward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                         const std::int32_t* offsets, std::int64_t fields, float* y, std::int64_t ldy,
                         std::int64_t rows) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t f = 0; f < fields; ++f) {
        const float scale = 2.0F * fast_sigmoid(logits[r * ldlogits + f]);
        for (std::int32_t c = offsets[f]; c < offsets[f + 1]; ++c) y[r * ldy + c] = scale * x[r * ldx + c];
      }
  });
}

void field_scale_backward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                          const std::int32_t* offsets, std::int64_t fields, const float* dy, std::int64_t lddy,
                          float* dx, std::int64_t lddx, bool accumulate_x, float* dlogits, std::int64_t lddlogits,
                          bool accumulate_logits, std::int64_t rows) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t f = 0; f < fields; ++f) {
        const float sigmoid = fast_sigmoid(logits[r * ldlogits + f]);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (std::int32_t c = offsets[f]; c < offsets[f + 1]; ++c) sum += dy[r * lddy + c] * x[r * ldx + c];
        if (dlogits != nullptr) {
          float& gradient = dlogits[r * lddlogits + f];
          const float value = 2.0F * sigmoid * (1.0F - sigmoid) * sum;
          gradient = accumulate_logits ? gradient + value : value;
        }
        if (dx == nullptr) continue;
        for (std::int32_t c = offsets[f]; c < offsets[f + 1]; ++c) {
          const float value = 2.0F * sigmoid * dy[r * lddy + c];
          dx[r * lddx + c] = accumulate_x ? dx[r * lddx + c] + value : value;
        }
      }
  });
}

}  // namespace mal::kernels
