// Element-wise kernels, and reductions over many arrays. Conventions: kernels/kernels.h.
// CPU: cpu/elementwise.cpp
#pragma once

#include <cstdint>

#include "kernels/families/linear.h"

namespace mal::kernels {

// y = a + b.  a[B,N] b[B,N] → y[B,N]
void add_forward(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y, std::int64_t ldy,
                 std::int64_t rows, std::int64_t width);
// da = dy and db = dy, or added to what is there; either may be null.
void add_backward(const float* dy, std::int64_t lddy, float* da, std::int64_t ldda, bool accumulate_a, float* db,
                  std::int64_t lddb, bool accumulate_b, std::int64_t rows, std::int64_t width);
// y = act(x), and dx = dy act'(x), for an activation that stands alone.  x[B,N] → y[B,N]
void activation_forward(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                        std::int64_t width, Activation activation);
void activation_backward(const float* y, std::int64_t ldy, const float* dy, std::int64_t lddy, float* dx,
                         std::int64_t lddx, bool accumulate, std::int64_t rows, std::int64_t width,
                         Activation activation);
// y = x, or y += x
void copy(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows, std::int64_t width,
          bool accumulate);
void fill(float* x, std::int64_t ldx, std::int64_t rows, std::int64_t width, float value);

// One array of a reduction. Where `count` is not null only the first *count · width of its floats are there, and the
// host need not know how many: the touched rows of a table.
struct Span {
  const float* data;
  std::int64_t size;
  std::int64_t width = 1;
  const std::int64_t* count = nullptr;
};
// Σ a b over several pairs of arrays of one size (that of a) → out[1], in fp64 with a fixed tree: blocks of 4096
// elements, added in order.
void dot(const Span* a, const Span* b, std::int32_t count, double* out, double* workspace);
std::int64_t dot_workspace(const Span* spans, std::int32_t count);  // in doubles
// What an update must know of all gradients together.
struct GradientNorm {
  double norm;          // √Σ x² over all arrays
  float scale;          // min(1, clip_norm / norm); 1 where clip_norm is 0
  std::int32_t finite;  // 0 if the norm or one of the losses is NaN or ∞: then an update leaves everything as it is
};
// Σ x² as in dot. losses[loss_count] may be null.
void gradient_norm(const Span* spans, std::int32_t count, const double* losses, std::int32_t loss_count,
                   double clip_norm, GradientNorm* out, double* workspace);
std::int64_t gradient_norm_workspace(const Span* spans, std::int32_t count);  // in doubles

// y = scale · x, or y += scale · x
void scale_add(const float* x, float scale, float* y, std::int64_t size, bool accumulate);

// Gradients of parameters are sums over rows, and a device may leave the last step of them, small for each layer, to
// one launch for all: what kernels are asked for between begin_sums() and finish_sums() fills dw, db, dgamma and their
// like only there, from workspaces that must stay as they are until then. Does it? Alone every call is complete.
bool defers_sums();
void begin_sums();
void finish_sums();

}  // namespace mal::kernels
