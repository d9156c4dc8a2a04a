// DIN's target attention. With w1 = [Wa; Wb; Wc; Wd] the first layer folds:
//   [e; t; e − t; e ⊙ t] w1 + b1 = e (Wa + Wc + diag(t) Wd) + t (Wb − Wc) + b1 = e M_t + c_t
// so a sample costs one [d, h] matrix and L products with it: four times fewer multiply-adds than the concatenation,
// which never exists. Hidden activations are recomputed in the backward pass: they are the largest activation, and
// cheap. These products are too small for BLAS: all three kinds (E M, Eᵀ dH, dH Mᵀ) run as tiles of 6 rows × 16 columns
// that stay in registers, on matrices whose rows are padded with zeros to a multiple of 16.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kLanes = 16;
constexpr std::int64_t kTile = 6;

std::int64_t padded(std::int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

// A matrix that is read by scalars: element (row, k) at data + row · row_step + k · k_step.
struct Scalars {
  const float* data;
  std::int64_t row_step, k_step;
};

// Σ of 16 lanes as a tree.
float sum_of(float (&lanes)[kLanes]) {
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2)
    for (std::int64_t c = 0; c < half; ++c) lanes[c] += lanes[c + half];
  return lanes[0];
}

// One tile: y[rows][16] = initial[16] + Σ_k a(row, k) · b[k][16] for 1 to 6 rows. initial may be null: zeros. Fewer
// rows take as long as six: the last one is computed again for those that are missing, since one row alone would wait
// for its own sums.
void multiply_tile(const Scalars& a, std::int64_t rows, const float* b, std::int64_t ldb, std::int64_t depth,
                   const float* initial, float* y, std::int64_t ldy) {
  float sums[kTile][kLanes];
  const float* scalars[kTile];
  for (std::int64_t r = 0; r < kTile; ++r) {
    scalars[r] = a.data + std::min(r, rows - 1) * a.row_step;
    for (std::int64_t c = 0; c < kLanes; ++c) sums[r][c] = initial == nullptr ? 0.0F : initial[c];
  }
  for (std::int64_t k = 0; k < depth; ++k) {
    const float* row = b + k * ldb;
#pragma GCC unroll 6
    for (std::int64_t r = 0; r < kTile; ++r) {
      const float scalar = scalars[r][k * a.k_step];
#pragma omp simd
      for (std::int64_t c = 0; c < kLanes; ++c) sums[r][c] += scalar * row[c];
    }
  }
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(sums[r], kLanes, y + r * ldy);
}

// y[rows, columns] = initial[columns] + a[rows, depth] b[depth, columns]; columns, ldb, ldy are multiples of 16.
void multiply(const Scalars& a, std::int64_t rows, const float* b, std::int64_t ldb, std::int64_t depth,
              const float* initial, float* y, std::int64_t ldy, std::int64_t columns) {
  for (std::int64_t c = 0; c < columns; c += kLanes) {
    const float* start = initial == nullptr ? nullptr : initial + c;
    for (std::int64_t r = 0; r < rows; r += kTile)
      multiply_tile({a.data + r * a.row_step, a.row_step, a.k_step}, std::min(kTile, rows - r), b + c, ldb, depth,
                    start, y + r * ldy + c, ldy);
  }
}

// The parameters in the folded form, once a call: rows padded to multiples of 16. The transposed ones, for the
// gradient of e, are [h, padded d].
struct Folded {
  Folded(const DinShape& s, const DinParameters& p, bool with_transposed)
      : hidden(padded(s.hidden)),
        width(padded(s.width)),
        ac(size(s.width * hidden)),
        bc(ac.size()),
        d(ac.size()),
        b1(size(hidden)),
        alpha(b1.size()),
        w2(b1.size()) {
    const std::int64_t block = s.width * s.hidden;
    for (std::int64_t i = 0; i < s.width; ++i)
      for (std::int64_t k = 0; k < s.hidden; ++k) {
        const float* a = p.w1 + i * s.hidden + k;
        ac[size(i * hidden + k)] = a[0] + a[2 * block];
        bc[size(i * hidden + k)] = a[block] - a[2 * block];
        d[size(i * hidden + k)] = a[3 * block];
      }
    std::copy_n(p.b1, s.hidden, b1.data());
    std::copy_n(p.alpha, s.hidden, alpha.data());
    std::copy_n(p.w2, s.hidden, w2.data());
    if (!with_transposed) return;
    ac_transposed.resize(size(s.hidden * width));
    d_transposed.resize(ac_transposed.size());
    for (std::int64_t i = 0; i < s.width; ++i)
      for (std::int64_t k = 0; k < s.hidden; ++k) {
        ac_transposed[size(k * width + i)] = ac[size(i * hidden + k)];
        d_transposed[size(k * width + i)] = d[size(i * hidden + k)];
      }
  }
  std::int64_t hidden, width;        // padded
  std::vector<float> ac, bc, d;      // [d, hidden]: Wa + Wc, Wb − Wc, Wd
  std::vector<float> b1, alpha, w2;  // [hidden]
  std::vector<float> ac_transposed, d_transposed;
};

// Scratch of one thread for one sample.
struct Scratch {
  Scratch(const DinShape& s, const Folded& f)
      : m(size(s.width * f.hidden)),
        c(size(f.hidden)),
        hidden(size(s.length * f.hidden)),
        target(size(f.width)),
        m_transposed(f.ac_transposed.size()),
        dm(m.size()),
        dc(c.size()),
        de(size(s.length * f.width)),
        dscores(size(s.length)) {}
  std::vector<float> m, c, hidden, target, m_transposed, dm, dc, de, dscores;
};

// M_t and c_t.
void fold(const DinShape& s, const Folded& f, const float* target, Scratch& scratch) {
  std::copy_n(f.b1.data(), f.hidden, scratch.c.data());
  for (std::int64_t i = 0; i < s.width; ++i) {
    const float t = target[i];
    const float *ac = f.ac.data() + i * f.hidden, *bc = f.bc.data() + i * f.hidden, *d = f.d.data() + i * f.hidden;
    float *m = scratch.m.data() + i * f.hidden, *c = scratch.c.data();
#pragma omp simd
    for (std::int64_t k = 0; k < f.hidden; ++k) {
      m[k] = ac[k] + t * d[k];
      c[k] += t * bc[k];
    }
  }
}

// M_tᵀ, for the gradient of e.
void fold_transposed(const DinShape& s, const Folded& f, const float* target, Scratch& scratch) {
  std::copy_n(target, s.width, scratch.target.data());
  const float* t = scratch.target.data();
  for (std::int64_t k = 0; k < s.hidden; ++k) {
    const float *ac = f.ac_transposed.data() + k * f.width, *d = f.d_transposed.data() + k * f.width;
    float* m = scratch.m_transposed.data() + k * f.width;
#pragma omp simd
    for (std::int64_t i = 0; i < f.width; ++i) m[i] = ac[i] + t[i] * d[i];
  }
}

// Pre-activations [valid, hidden] and raw scores [valid].
void score(const DinShape& s, const DinParameters& p, const Folded& f, const float* sequence, std::int32_t valid,
           Scratch& scratch, float* scores) {
  multiply({sequence, s.width, 1}, valid, scratch.m.data(), f.hidden, s.width, scratch.c.data(), scratch.hidden.data(),
           f.hidden, f.hidden);
  const float *w2 = f.w2.data(), *alpha = f.alpha.data();
  for (std::int32_t j = 0; j < valid; ++j) {
    const float* h = scratch.hidden.data() + j * f.hidden;
    float sums[kLanes] = {};
    for (std::int64_t k = 0; k < f.hidden; k += kLanes)
#pragma omp simd
      for (std::int64_t c = 0; c < kLanes; ++c)
        sums[c] += w2[k + c] * (h[k + c] > 0 ? h[k + c] : alpha[k + c] * h[k + c]);
    scores[j] = sum_of(sums) + p.b2[0];
  }
}

void softmax(float* scores, std::int32_t valid) {
  if (valid == 0) return;
  const float top = *std::max_element(scores, scores + valid);
  float sum = 0;
  for (std::int32_t j = 0; j < valid; ++j) sum += scores[j] = std::exp(scores[j] - top);
  for (std::int32_t j = 0; j < valid; ++j) scores[j] /= sum;
}

// Gradients of one block's parameters: Σ dM, Σ diag(t) dM, Σ t ⊗ dc, then b1, alpha, w2, b2; rows padded.
struct Partial {
  Partial(const DinShape& s, float* memory)
      : m(memory),
        tm(m + s.width * padded(s.hidden)),
        tc(tm + s.width * padded(s.hidden)),
        b1(tc + s.width * padded(s.hidden)),
        alpha(b1 + padded(s.hidden)),
        w2(alpha + padded(s.hidden)),
        b2(w2 + padded(s.hidden)) {}
  static std::int64_t size(const DinShape& s) { return (3 * s.width + 3) * padded(s.hidden) + 1; }
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

// Through w2 and PReLU: the pre-activations of every valid position become their gradients; dc is their sum.
void hidden_gradients(const Folded& f, std::int32_t valid, Scratch& scratch, const Partial& sums) {
  std::ranges::fill(scratch.dc, 0.0F);
  const float *w2 = f.w2.data(), *alpha = f.alpha.data();
  float* dc = scratch.dc.data();
  for (std::int32_t j = 0; j < valid; ++j) {
    float* h = scratch.hidden.data() + j * f.hidden;
    const float dscore = scratch.dscores[static_cast<std::size_t>(j)];
    sums.b2[0] += dscore;
#pragma omp simd
    for (std::int64_t k = 0; k < f.hidden; ++k) {
      const bool positive = h[k] > 0;
      const float slope = positive ? 1.0F : alpha[k];
      sums.w2[k] += dscore * slope * h[k];
      sums.alpha[k] += positive ? 0.0F : dscore * w2[k] * h[k];
      h[k] = dscore * w2[k] * slope;
      dc[k] += h[k];
    }
  }
}

// The gradient of e: dH M_tᵀ + score · dout.
void sequence_gradient(const DinShape& s, const Folded& f, const float* scores, const float* dout, std::int32_t valid,
                       Scratch& scratch, float* dsequence, bool accumulate) {
  multiply({scratch.hidden.data(), f.hidden, 1}, valid, scratch.m_transposed.data(), f.width, s.hidden, nullptr,
           scratch.de.data(), f.width, f.width);
  for (std::int32_t j = 0; j < valid; ++j) {
    const float* de = scratch.de.data() + j * f.width;
    float* out = dsequence + j * s.width;
    if (accumulate)
      for (std::int64_t i = 0; i < s.width; ++i) out[i] += de[i] + scores[j] * dout[i];
    else
      for (std::int64_t i = 0; i < s.width; ++i) out[i] = de[i] + scores[j] * dout[i];
  }
}

// From dM = Eᵀ dH and dc of a sample to the target's gradient and the block's sums.
void unfold(const DinShape& s, const Folded& f, const float* target, const Scratch& scratch, const Partial& sums,
            float* dtarget, bool accumulate) {
  const float* dc = scratch.dc.data();
  for (std::int64_t i = 0; i < s.width; ++i) {
    const std::int64_t at = i * f.hidden;
    const float *bc = f.bc.data() + at, *d = f.d.data() + at, *dm = scratch.dm.data() + at;
    float *m = sums.m + at, *tm = sums.tm + at, *tc = sums.tc + at;
    const float t = target[i];
    float sums_of_t[kLanes] = {};
    for (std::int64_t k = 0; k < f.hidden; k += kLanes)
#pragma omp simd
      for (std::int64_t c = 0; c < kLanes; ++c) {
        m[k + c] += dm[k + c];
        tm[k + c] += t * dm[k + c];
        tc[k + c] += t * dc[k + c];
        sums_of_t[c] += dm[k + c] * d[k + c] + dc[k + c] * bc[k + c];
      }
    const float sum = sum_of(sums_of_t);
    if (dtarget != nullptr) dtarget[i] = accumulate ? dtarget[i] + sum : sum;
  }
  for (std::int64_t k = 0; k < f.hidden; ++k) sums.b1[k] += dc[k];
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

void finish(const DinShape& s, const float* workspace, const DinGradients& gradients) {
  const std::int64_t block = s.width * s.hidden, total_size = Partial::size(s), hidden = padded(s.hidden);
  std::vector<float> total(size(total_size));
  for (std::int64_t b = 0; b < blocks_of(s.rows); ++b)
    for (std::int64_t i = 0; i < total_size; ++i) total[size(i)] += workspace[b * total_size + i];
  const Partial sums(s, total.data());
  for (std::int64_t i = 0; i < s.width; ++i)
    for (std::int64_t k = 0; k < s.hidden; ++k) {
      const std::int64_t from = i * hidden + k, to = i * s.hidden + k;
      gradients.w1[to] = sums.m[from];
      gradients.w1[block + to] = sums.tc[from];
      gradients.w1[2 * block + to] = sums.m[from] - sums.tc[from];
      gradients.w1[3 * block + to] = sums.tm[from];
    }
  std::copy_n(sums.b1, s.hidden, gradients.b1);
  std::copy_n(sums.alpha, s.hidden, gradients.alpha);
  std::copy_n(sums.w2, s.hidden, gradients.w2);
  gradients.b2[0] = sums.b2[0];
}

void forward_of(const DinShape& shape, const DinForward& c) {
  const Folded folded(shape, c.parameters, false);
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape, folded);
    for (std::int64_t r = first; r < last; ++r) {
      const float* e = c.sequence + r * c.ldsequence;
      float* row_scores = c.scores + r * shape.length;
      float* row_out = c.out + r * c.ldout;
      std::fill_n(row_scores, shape.length, 0.0F);
      std::fill_n(row_out, shape.width, 0.0F);
      if (c.lengths[r] == 0) continue;
      fold(shape, folded, c.target + r * c.ldtarget, scratch);
      score(shape, c.parameters, folded, e, c.lengths[r], scratch, row_scores);
      if (shape.softmax) softmax(row_scores, c.lengths[r]);
      for (std::int32_t j = 0; j < c.lengths[r]; ++j)
        for (std::int64_t i = 0; i < shape.width; ++i) row_out[i] += row_scores[j] * e[j * shape.width + i];
    }
  });
}

void backward_of(const DinShape& shape, const DinBackward& c, float* workspace) {
  const Folded folded(shape, c.parameters, true);
  const std::int64_t partial_size = Partial::size(shape);
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape, folded);
    std::vector<float> raw(size(shape.length));
    float* memory = workspace + first / kRowBlock * partial_size;
    std::fill_n(memory, partial_size, 0.0F);
    const Partial sums(shape, memory);
    for (std::int64_t r = first; r < last; ++r) {
      const float* e = c.sequence + r * c.ldsequence;
      const float* t = c.target + r * c.ldtarget;
      const float* row_scores = c.scores + r * shape.length;
      const float* dout = c.dout + r * c.lddout;
      float* de = c.dsequence + r * c.lddsequence;
      float* dt = c.dtarget == nullptr ? nullptr : c.dtarget + r * c.lddtarget;
      const std::int32_t valid = c.lengths[r];
      if (!c.accumulate_sequence) std::fill(de + valid * shape.width, de + shape.length * shape.width, 0.0F);
      if (valid == 0) {
        if (dt != nullptr && !c.accumulate_target) std::fill_n(dt, shape.width, 0.0F);
        continue;
      }
      fold(shape, folded, t, scratch);
      score(shape, c.parameters, folded, e, valid, scratch, raw.data());
      score_gradients(shape, e, row_scores, dout, valid, scratch.dscores.data());
      hidden_gradients(folded, valid, scratch, sums);
      multiply({e, 1, shape.width}, shape.width, scratch.hidden.data(), folded.hidden, valid, nullptr,
               scratch.dm.data(), folded.hidden, folded.hidden);
      fold_transposed(shape, folded, t, scratch);
      sequence_gradient(shape, folded, row_scores, dout, valid, scratch, de, c.accumulate_sequence);
      unfold(shape, folded, t, scratch, sums, dt, c.accumulate_target);
    }
  });
  finish(shape, workspace, c.gradients);
}

}  // namespace

void din_forward(const DinShape& shape, const DinForward* calls, std::int32_t count) {
  for (std::int32_t i = 0; i < count; ++i) forward_of(shape, calls[i]);
}

void din_backward(const DinShape& shape, const DinBackward* calls, std::int32_t count, float* workspace) {
  for (std::int32_t i = 0; i < count; ++i) backward_of(shape, calls[i], workspace);
}

std::int64_t din_backward_workspace(const DinShape& shape, std::int32_t) {
  return blocks_of(shape.rows) * Partial::size(shape);
}

}  // namespace mal::kernels
