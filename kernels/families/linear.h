// Dense layers, alone and several of one shape at once. Conventions: kernels/kernels.h.
// CPU: cpu/layers.h
#pragma once

#include <cstdint>

namespace mal::kernels {

enum class Activation : std::int32_t { none, relu };

// y = act(x w + b).  x[B,K] w[K,N] b[N] → y[B,N]. b may be null: no bias.
void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation);

// dy is the gradient of y; it may be overwritten by the gradient of x w + b. dx may be null (nobody needs it).
// dw[K,N] = xᵀ dy, db[N] = Σ_rows dy: overwritten.  dx[B,K] = dy wᵀ. db is null where there is no bias.
void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace);
std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t inputs, std::int64_t outputs);

// Several layers of one shape whose inputs are all there (towers, experts), as if one were called after the other. They
// may share x, and with it dx: then every call but the first that writes there accumulates. Outputs are distinct.
struct LinearForward {
  const float* x;
  std::int64_t ldx;
  const float* w;
  const float* b;  // null in all or in none
  float* y;
  std::int64_t ldy;
  const float* packed = nullptr;  // w as linear_pack() left it; null: the kernel packs it itself if it needs to
};
struct LinearBackward {
  const float* x;
  std::int64_t ldx;
  const float* w;
  const float* y;
  std::int64_t ldy;
  float* dy;
  std::int64_t lddy;
  float* dx;  // may be null
  std::int64_t lddx;
  bool accumulate;
  float* dw;
  float* db;                      // null where there is no bias
  const float* packed = nullptr;  // with its part for the gradient
};

// w[K, N] in the order in which a device's products read it, which a step needs once: `floats` for the forward pass,
// then, with_gradient, those for dx. 0: the device reads w itself.
std::int64_t linear_packed_size(std::int64_t inputs, std::int64_t outputs, bool with_gradient);
void linear_pack(const float* w, std::int64_t inputs, std::int64_t outputs, bool with_gradient, float* packed);

void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation);
void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace);
// shares_dx: columns of two calls' dx are the same.
std::int64_t linear_group_backward_workspace(std::int32_t count, std::int64_t rows, std::int64_t inputs,
                                             std::int64_t outputs, bool shares_dx);

}  // namespace mal::kernels
