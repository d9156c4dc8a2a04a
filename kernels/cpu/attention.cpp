// DIN's target attention. With w1 = [Wa; Wb; Wc; Wd] the first layer folds:
//   [e; t; e − t; e ⊙ t] w1 + b1 = e (Wa + Wc + diag(t) Wd) + t (Wb − Wc) + b1 = e M_t + c_t
// so a sample costs one [d, h] matrix and L products with it: four times fewer multiply-adds than the concatenation,
// which never exists. Hidden activations are recomputed in the backward pass: they are the largest activation, and
// cheap.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// Scratch of one thread for one sample.
struct Scratch {
  explicit Scratch(const DinShape& s)
      : m(size(s.width * s.hidden)),
        c(size(s.hidden)),
        hidden(size(s.length * s.hidden)),
        dm(m.size()),
        dc(c.size()),
        dhidden(c.size()),
        dscores(size(s.length)) {}
  static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }
  std::vector<float> m, c, hidden, dm, dc, dhidden, dscores;
};

void fold(const DinShape& s, const DinParameters& p, const float* target, Scratch& scratch) {
  const std::int64_t block = s.width * s.hidden;
  std::copy_n(p.b1, s.hidden, scratch.c.data());
  for (std::int64_t i = 0; i < s.width; ++i) {
    const float *a = p.w1 + i * s.hidden, *b = a + block, *c = b + block, *d = c + block;
    float* m = scratch.m.data() + i * s.hidden;
    const float t = target[i];
#pragma omp simd
    for (std::int64_t k = 0; k < s.hidden; ++k) {
      m[k] = a[k] + c[k] + t * d[k];
      scratch.c[static_cast<std::size_t>(k)] += t * (b[k] - c[k]);
    }
  }
}

// Pre-activations [valid, h] and raw scores [valid].
void score(const DinShape& s, const DinParameters& p, const float* sequence, std::int32_t valid, Scratch& scratch,
           float* scores) {
  for (std::int32_t j = 0; j < valid; ++j) {
    float* h = scratch.hidden.data() + j * s.hidden;
    std::copy_n(scratch.c.data(), s.hidden, h);
    const float* e = sequence + j * s.width;
    for (std::int64_t i = 0; i < s.width; ++i) {
      const float* m = scratch.m.data() + i * s.hidden;
#pragma omp simd
      for (std::int64_t k = 0; k < s.hidden; ++k) h[k] += e[i] * m[k];
    }
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < s.hidden; ++k) sum += p.w2[k] * (h[k] > 0 ? h[k] : p.alpha[k] * h[k]);
    scores[j] = sum + p.b2[0];
  }
}

void softmax(float* scores, std::int32_t valid) {
  if (valid == 0) return;
  const float top = *std::max_element(scores, scores + valid);
  float sum = 0;
  for (std::int32_t j = 0; j < valid; ++j) sum += scores[j] = std::exp(scores[j] - top);
  for (std::int32_t j = 0; j < valid; ++j) scores[j] /= sum;
}

// Gradients of one block's parameters: Σ dM, Σ diag(t) dM, Σ t ⊗ dc, then b1, alpha, w2, b2.
struct Partial {
  Partial(const DinShape& s, float* memory)
      : m(memory),
        tm(m + s.width * s.hidden),
        tc(tm + s.width * s.hidden),
        b1(tc + s.width * s.hidden),
        alpha(b1 + s.hidden),
        w2(alpha + s.hidden),
        b2(w2 + s.hidden) {}
  static std::int64_t size(const DinShape& s) { return 3 * s.width * s.hidden + 3 * s.hidden + 1; }
  float *m, *tm, *tc, *b1, *alpha, *w2, *b2;
};

// d loss / d raw score of every valid position.
void score_gradients(const DinShape& s, const float* sequence, const float* scores, const float* dout,
                     std::int32_t valid, float* dscores) {
  float mean = 0;
  for (std::int32_t j = 0; j < valid; ++j) {
    const float* e = sequence + j * s.width;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t i = 0; i < s.width; ++i) sum += e[i] * dout[i];
    dscores[j] = sum;
    mean += scores[j] * sum;
  }
  if (s.softmax)
    for (std::int32_t j = 0; j < valid; ++j) dscores[j] = scores[j] * (dscores[j] - mean);
}

// One position: through w2 and PReLU to the pre-activation's gradient, then to M, c and e.
void position_backward(const DinShape& s, const DinParameters& p, const float* e, const float* h, float score,
                       float dscore, const float* dout, Scratch& scratch, const Partial& sums, float* de,
                       bool accumulate) {
  float* dh = scratch.dhidden.data();
  sums.b2[0] += dscore;
#pragma omp simd
  for (std::int64_t k = 0; k < s.hidden; ++k) {
    const bool positive = h[k] > 0;
    const float slope = positive ? 1.0F : p.alpha[k];
    sums.w2[k] += dscore * slope * h[k];
    sums.alpha[k] += positive ? 0.0F : dscore * p.w2[k] * h[k];
    dh[k] = dscore * p.w2[k] * slope;
    scratch.dc[static_cast<std::size_t>(k)] += dh[k];
  }
  for (std::int64_t i = 0; i < s.width; ++i) {
    const float* m = scratch.m.data() + i * s.hidden;
    float* dm = scratch.dm.data() + i * s.hidden;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < s.hidden; ++k) {
      dm[k] += e[i] * dh[k];
      sum += dh[k] * m[k];
    }
    const float value = sum + score * dout[i];
    de[i] = accumulate ? de[i] + value : value;
  }
}

// From dM and dc of a sample to the target's gradient and the block's sums.
void unfold(const DinShape& s, const DinParameters& p, const float* target, const Scratch& scratch, const Partial& sums,
            float* dtarget, bool accumulate) {
  const std::int64_t block = s.width * s.hidden;
  for (std::int64_t i = 0; i < s.width; ++i) {
    const std::int64_t at = i * s.hidden;
    const float *b = p.w1 + block + at, *c = b + block, *d = c + block;
    const float* dm = scratch.dm.data() + at;
    const float t = target[i];
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t k = 0; k < s.hidden; ++k) {
      const float dc = scratch.dc[static_cast<std::size_t>(k)];
      sums.m[at + k] += dm[k];
      sums.tm[at + k] += t * dm[k];
      sums.tc[at + k] += t * dc;
      sum += dm[k] * d[k] + dc * (b[k] - c[k]);
    }
    if (dtarget != nullptr) dtarget[i] = accumulate ? dtarget[i] + sum : sum;
  }
  for (std::int64_t k = 0; k < s.hidden; ++k) sums.b1[k] += scratch.dc[static_cast<std::size_t>(k)];
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

void finish(const DinShape& s, const float* workspace, const DinGradients& gradients) {
  const std::int64_t block = s.width * s.hidden, size = Partial::size(s);
  std::vector<float> total(static_cast<std::size_t>(size));
  for (std::int64_t b = 0; b < blocks_of(s.rows); ++b)
    for (std::int64_t i = 0; i < size; ++i) total[static_cast<std::size_t>(i)] += workspace[b * size + i];
  const Partial sums(s, total.data());
  for (std::int64_t i = 0; i < block; ++i) {
    gradients.w1[i] = sums.m[i];
    gradients.w1[block + i] = sums.tc[i];
    gradients.w1[2 * block + i] = sums.m[i] - sums.tc[i];
    gradients.w1[3 * block + i] = sums.tm[i];
  }
  std::copy_n(sums.b1, s.hidden, gradients.b1);
  std::copy_n(sums.alpha, s.hidden, gradients.alpha);
  std::copy_n(sums.w2, s.hidden, gradients.w2);
  gradients.b2[0] = sums.b2[0];
}

}  // namespace

void din_forward(const DinShape& shape, const DinParameters& parameters, const float* sequence, std::int64_t ldsequence,
                 const float* target, std::int64_t ldtarget, const std::int32_t* lengths, float* out,
                 std::int64_t ldout, float* scores) {
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape);
    for (std::int64_t r = first; r < last; ++r) {
      const float* e = sequence + r * ldsequence;
      float* row_scores = scores + r * shape.length;
      float* row_out = out + r * ldout;
      std::fill_n(row_scores, shape.length, 0.0F);
      std::fill_n(row_out, shape.width, 0.0F);
      if (lengths[r] == 0) continue;
      fold(shape, parameters, target + r * ldtarget, scratch);
      score(shape, parameters, e, lengths[r], scratch, row_scores);
      if (shape.softmax) softmax(row_scores, lengths[r]);
      for (std::int32_t j = 0; j < lengths[r]; ++j)
        for (std::int64_t i = 0; i < shape.width; ++i) row_out[i] += row_scores[j] * e[j * shape.width + i];
    }
  });
}

void din_backward(const DinShape& shape, const DinParameters& parameters, const float* sequence,
                  std::int64_t ldsequence, const float* target, std::int64_t ldtarget, const std::int32_t* lengths,
                  const float* scores, const float* dout, std::int64_t lddout, float* dsequence,
                  std::int64_t lddsequence, bool accumulate_sequence, float* dtarget, std::int64_t lddtarget,
                  bool accumulate_target, const DinGradients& gradients, float* workspace) {
  const std::int64_t partial_size = Partial::size(shape);
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape);
    std::vector<float> raw(static_cast<std::size_t>(shape.length));
    float* memory = workspace + first / kRowBlock * partial_size;
    std::fill_n(memory, partial_size, 0.0F);
    const Partial sums(shape, memory);
    for (std::int64_t r = first; r < last; ++r) {
      const float* e = sequence + r * ldsequence;
      const float* t = target + r * ldtarget;
      float* de = dsequence + r * lddsequence;
      float* dt = dtarget == nullptr ? nullptr : dtarget + r * lddtarget;
      const std::int32_t valid = lengths[r];
      fold(shape, parameters, t, scratch);
      score(shape, parameters, e, valid, scratch, raw.data());
      score_gradients(shape, e, scores + r * shape.length, dout + r * lddout, valid, scratch.dscores.data());
      std::ranges::fill(scratch.dm, 0.0F);
      std::ranges::fill(scratch.dc, 0.0F);
      for (std::int32_t j = 0; j < valid; ++j)
        position_backward(shape, parameters, e + j * shape.width, scratch.hidden.data() + j * shape.hidden,
                          scores[r * shape.length + j], scratch.dscores[static_cast<std::size_t>(j)], dout + r * lddout,
                          scratch, sums, de + j * shape.width, accumulate_sequence);
      if (!accumulate_sequence) std::fill(de + valid * shape.width, de + shape.length * shape.width, 0.0F);
      unfold(shape, parameters, t, scratch, sums, dt, accumulate_target);
    }
  });
  finish(shape, workspace, gradients);
}

std::int64_t din_backward_workspace(const DinShape& shape) {
  return blocks_of(shape.rows) * Partial::size(shape);
}

}  // namespace mal::kernels
