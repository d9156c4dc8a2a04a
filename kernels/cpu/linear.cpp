// Dense layers. Rows are cut into fixed blocks; each block is one single-threaded BLAS call with bias and activation
// applied while its output is still in cache, so the split, and with it every bit, is the same for any number of
// threads.
#include <cblas.h>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// Rows of one BLAS call, forward and for dx: large enough for BLAS to pack its panels, small enough for two threads to
// share a batch of 1024 and for the output to stay in the second-level cache.
constexpr std::int64_t kGemmRows = 256;
// dw is cut into stripes of this many inputs; each is one product over all rows of the batch.
constexpr std::int64_t kInputStripe = 64;

int blas(std::int64_t n) {
  return static_cast<int>(n);
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

// A layer with one output (every logit) is a dot product a row: BLAS would spend its time packing.
void single_output_forward(const float* x, std::int64_t ldx, const float* w, float bias, float* y, std::int64_t ldy,
                           std::int64_t first, std::int64_t last, std::int64_t inputs) {
  for (std::int64_t r = first; r < last; ++r) {
    const float* row = x + r * ldx;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < inputs; ++k) sum += row[k] * w[k];
    y[r * ldy] = sum + bias;
  }
}

void bias_and_activation(float* y, std::int64_t ldy, const float* b, std::int64_t first, std::int64_t last,
                         std::int64_t outputs, Activation activation) {
  for (std::int64_t r = first; r < last; ++r) {
    float* row = y + r * ldy;
    if (b != nullptr)
      for (std::int64_t n = 0; n < outputs; ++n) row[n] += b[n];
    // Written so that NaN stays NaN: a spoilt weight must show up in the loss, not hide behind a unit that is off.
    if (activation == Activation::relu)
      for (std::int64_t n = 0; n < outputs; ++n) row[n] = row[n] < 0 ? 0.0F : row[n];
  }
}

// dy ← dy · act'(y) and, by row block, its column sums into partial[block, N].
void activation_backward(const float* y, std::int64_t ldy, float* dy, std::int64_t lddy, float* partial,
                         std::int64_t rows, std::int64_t outputs, Activation activation) {
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* sums = partial + first / kRowBlock * outputs;
    std::fill_n(sums, outputs, 0.0F);
    for (std::int64_t r = first; r < last; ++r) {
      float* gradient = dy + r * lddy;
      const float* value = y + r * ldy;
      if (activation == Activation::relu)
        for (std::int64_t n = 0; n < outputs; ++n) gradient[n] = value[n] > 0 ? gradient[n] : 0.0F;
      for (std::int64_t n = 0; n < outputs; ++n) sums[n] += gradient[n];
    }
  });
}

void weight_gradient(const float* x, std::int64_t ldx, const float* dy, std::int64_t lddy, float* dw, std::int64_t rows,
                     std::int64_t inputs, std::int64_t outputs) {
  parallel_ranges(inputs, kInputStripe, [&](std::int64_t first, std::int64_t last) {
    if (outputs == 1) {
      std::fill_n(dw + first, last - first, 0.0F);
      for (std::int64_t r = 0; r < rows; ++r) {
        const float gradient = dy[r * lddy];
        const float* row = x + r * ldx;
        for (std::int64_t k = first; k < last; ++k) dw[k] += row[k] * gradient;
      }
      return;
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, blas(last - first), blas(outputs), blas(rows), 1.0F, x + first,
                blas(ldx), dy, blas(lddy), 0.0F, dw + first * outputs, blas(outputs));
  });
}

}  // namespace

void linear_forward(const float* x, std::int64_t ldx, const float* w, const float* b, float* y, std::int64_t ldy,
                    std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation) {
  parallel_ranges(rows, kGemmRows, [&](std::int64_t first, std::int64_t last) {
    if (outputs == 1 && activation == Activation::none) {
      single_output_forward(x, ldx, w, b == nullptr ? 0.0F : b[0], y, ldy, first, last, inputs);
      return;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, blas(last - first), blas(outputs), blas(inputs), 1.0F,
                x + first * ldx, blas(ldx), w, blas(outputs), 0.0F, y + first * ldy, blas(ldy));
    bias_and_activation(y, ldy, b, first, last, outputs, activation);
  });
}

void linear_backward(const float* x, std::int64_t ldx, const float* w, const float* y, std::int64_t ldy, float* dy,
                     std::int64_t lddy, float* dx, std::int64_t lddx, bool accumulate, float* dw, float* db,
                     std::int64_t rows, std::int64_t inputs, std::int64_t outputs, Activation activation,
                     float* workspace) {
  if (db != nullptr) std::fill_n(db, outputs, 0.0F);
  if (rows == 0) {
    std::fill_n(dw, inputs * outputs, 0.0F);
    return;
  }
  activation_backward(y, ldy, dy, lddy, workspace, rows, outputs, activation);
  for (std::int64_t block = 0; db != nullptr && block < blocks_of(rows); ++block)
    for (std::int64_t n = 0; n < outputs; ++n) db[n] += workspace[block * outputs + n];
  weight_gradient(x, ldx, dy, lddy, dw, rows, inputs, outputs);
  if (dx == nullptr) return;
  parallel_ranges(rows, kGemmRows, [&](std::int64_t first, std::int64_t last) {
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, blas(last - first), blas(inputs), blas(outputs), 1.0F,
                dy + first * lddy, blas(lddy), w, blas(outputs), accumulate ? 1.0F : 0.0F, dx + first * lddx,
                blas(lddx));
  });
}

std::int64_t linear_backward_workspace(std::int64_t rows, std::int64_t, std::int64_t outputs) {
  return blocks_of(rows) * outputs;
}

void linear_group_forward(const LinearForward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                          std::int64_t outputs, Activation activation) {
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearForward& c = calls[i];
    linear_forward(c.x, c.ldx, c.w, c.b, c.y, c.ldy, rows, inputs, outputs, activation);
  }
}

void linear_group_backward(const LinearBackward* calls, std::int32_t count, std::int64_t rows, std::int64_t inputs,
                           std::int64_t outputs, Activation activation, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) {
    const LinearBackward& c = calls[i];
    linear_backward(c.x, c.ldx, c.w, c.y, c.ldy, c.dy, c.lddy, c.dx, c.lddx, c.accumulate, c.dw, c.db, rows, inputs,
                    outputs, activation, workspace);
  }
}

std::int64_t linear_group_backward_workspace(std::int32_t, std::int64_t rows, std::int64_t inputs, std::int64_t outputs,
                                             bool) {
  return linear_backward_workspace(rows, inputs, outputs);
}

}  // namespace mal::kernels
