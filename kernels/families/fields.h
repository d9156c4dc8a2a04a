// Over the fields of a row. Conventions: kernels/kernels.h.
// CPU: cpu/fields.cpp
#pragma once

#include <cstdint>

namespace mal::kernels {

// SENet over the fields of x: field f is the columns from offsets[f] to offsets[f + 1], of F + 1 offsets.
// Squeeze: x[B,N] → mean[B,F], the mean of each field. Backward: dmean → dx.
void field_mean_forward(const float* x, std::int64_t ldx, const std::int32_t* offsets, std::int64_t fields, float* mean,
                        std::int64_t ldmean, std::int64_t rows);
void field_mean_backward(const float* dmean, std::int64_t lddmean, const std::int32_t* offsets, std::int64_t fields,
                         float* dx, std::int64_t lddx, bool accumulate, std::int64_t rows);
// Scale: y = x · 2σ(logit of its field).  x[B,N] logits[B,F] → y[B,N]. Backward: either gradient may be null.
void field_scale_forward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                         const std::int32_t* offsets, std::int64_t fields, float* y, std::int64_t ldy,
                         std::int64_t rows);
void field_scale_backward(const float* x, std::int64_t ldx, const float* logits, std::int64_t ldlogits,
                          const std::int32_t* offsets, std::int64_t fields, const float* dy, std::int64_t lddy,
                          float* dx, std::int64_t lddx, bool accumulate_x, float* dlogits, std::int64_t lddlogits,
                          bool accumulate_logits, std::int64_t rows);

}  // namespace mal::kernels
