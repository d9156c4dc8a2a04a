// The twin of support/gemm.cu: plain loops, with the operands rounded as the tensor cores round them.
#include "kernels/cuda/support/gemm.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

thread_local Precision precision_of_thread = Precision::fp32;

// To the nearest number with 10 (tf32) or 7 (bf16) bits of mantissa, ties to even.
float rounded(float x) {
  if (precision_of_thread == Precision::fp32 || !std::isfinite(x)) return x;
  const unsigned dropped = precision_of_thread == Precision::tf32 ? 13 : 16;
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t half = (1U << (dropped - 1)) - 1 + (bits >> dropped & 1U);
  return std::bit_cast<float>((bits + half) >> dropped << dropped);
}

float element(const float* data, std::int64_t ld, bool transposed, std::int64_t row, std::int64_t column) {
  return rounded(transposed ? data[column * ld + row] : data[row * ld + column]);
}

void multiply_row(const Gemm& g, std::int64_t i, std::vector<double>& sums) {
  std::ranges::fill(sums, 0.0);
  for (std::int64_t k = 0; k < g.k; ++k) {
    const double a = element(g.a, g.lda, g.a_transposed, i, k);
    for (std::int64_t j = 0; j < g.n; ++j)
      sums[static_cast<std::size_t>(j)] += a * element(g.b, g.ldb, g.b_transposed, k, j);
  }
  for (std::int64_t j = 0; j < g.n; ++j) {
    float& c = g.c[i * g.ldc + j];
    float value = static_cast<float>(sums[static_cast<std::size_t>(j)]);
    if (g.accumulate) value += c;
    if (g.epilogue == Epilogue::bias) value += g.bias[j];
    c = value;
  }
}

void multiply(const Gemm& g) {
  std::vector<double> sums(static_cast<std::size_t>(g.n));
  for (std::int64_t i = 0; i < g.m; ++i) multiply_row(g, i, sums);
  if (g.epilogue != Epilogue::bias_gradient) return;
  std::ranges::fill(sums, 0.0);
  for (std::int64_t k = 0; k < g.k; ++k)
    for (std::int64_t j = 0; j < g.n; ++j)
      sums[static_cast<std::size_t>(j)] += element(g.b, g.ldb, g.b_transposed, k, j);
  for (std::int64_t j = 0; j < g.n; ++j) g.bias[j] = static_cast<float>(sums[static_cast<std::size_t>(j)]);
}

}  // namespace

void gemm(const char* name, const Gemm& g) {
  multiply(g);
  finish_call(name, cudaSuccess, 1, g.m, g.n, g.k);
}

Precision gemm_precision() {
  return precision_of_thread;
}

// As the library may, it has the bias gradient for some shapes alone; so both ways are tested.
bool gemm_exists(const char*, const Gemm& g) {
  return g.epilogue != Epilogue::bias_gradient || g.n % 4 == 0;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

namespace mal::kernels {

void set_emulated_precision(Precision precision) {
  emulated::precision_of_thread = precision;
}

}  // namespace mal::kernels
