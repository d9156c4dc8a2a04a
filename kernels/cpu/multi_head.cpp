// Multi-head attention with one query a row. Since there is one, K is applied to the query and V after pooling:
//   (e_j K_h) · q_h = e_j · (K_h q_h) = e_j · u_h,     Σ_j p_j (e_j V_h + v_h) = (Σ_j p_j e_j) V_h + v_h = c_h V_h +
//   v_h
// so keys and values of the L positions never exist, and a row costs 4 d² + 2 H L d multiply-adds in place of 2 L d².
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sigmoid.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

std::size_t size_of(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

float dot_of(const float* a, const float* b, std::int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// y += scale x
void add_scaled(float scale, const float* x, float* y, std::int64_t n) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

// Scratch of one thread for one row; [H, d] but for o and do, [d].
struct Scratch {
  explicit Scratch(const MultiHeadShape& s)
      : u(size_of(s.heads * s.width)),
        pooled(u.size()),
        o(size_of(s.width)),
        du(u.size()),
        dpooled(u.size()),
        dout(o.size()),
        dscores(size_of(s.length)) {}
  std::vector<float> u, pooled, o, du, dpooled, dout, dscores;
};

float scale_of(const MultiHeadShape& s) {
  const std::int64_t per_head = s.width / s.heads;
  return 1.0F / std::sqrt(static_cast<float>(per_head));
}

// u_h = K_h q_h / √(d/H)
void fold_query(const MultiHeadShape& s, const float* key, const float* query, float* u) {
  const std::int64_t per_head = s.width / s.heads;
  const float scale = scale_of(s);
  for (std::int64_t h = 0; h < s.heads; ++h)
    for (std::int64_t i = 0; i < s.width; ++i)
      u[h * s.width + i] = scale * dot_of(key + i * s.width + h * per_head, query + h * per_head, per_head);
}

// c_h = Σ_j p_j e_j, then o_h = c_h V_h + v_h
void pool(const MultiHeadShape& s, const MultiHeadParameters& p, const float* e, std::int32_t valid,
          const float* probabilities, Scratch& scratch) {
  const std::int64_t per_head = s.width / s.heads;
  std::ranges::fill(scratch.pooled, 0.0F);
  std::copy_n(p.value_bias, s.width, scratch.o.data());
  for (std::int64_t h = 0; h < s.heads; ++h) {
    float* c = scratch.pooled.data() + h * s.width;
    for (std::int32_t j = 0; j < valid; ++j) add_scaled(probabilities[h * s.length + j], e + j * s.width, c, s.width);
    for (std::int64_t i = 0; i < s.width; ++i)
      add_scaled(c[i], p.value + i * s.width + h * per_head, scratch.o.data() + h * per_head, per_head);
  }
}

void softmax(float* scores, std::int32_t valid) {
  const float top = *std::max_element(scores, scores + valid);
  float sum = 0;
  for (std::int32_t j = 0; j < valid; ++j) scores[j] = fast_exp(scores[j] - top);
  for (std::int32_t j = 0; j < valid; ++j) sum += scores[j];
  for (std::int32_t j = 0; j < valid; ++j) scores[j] /= sum;
}

// A block's sums of gradients.
struct Partial {
  Partial(const MultiHeadShape& s, float* memory)
      : key(memory),
        value(key + s.width * s.width),
        output(value + s.width * s.width),
        value_bias(output + s.width * s.width),
        output_bias(value_bias + s.width) {}
  static std::int64_t size(const MultiHeadShape& s) { return 3 * s.width * s.width + 2 * s.width; }
  float *key, *value, *output, *value_bias, *output_bias;
};

// From the gradient of out to those of o and c_h, W, w, V and v.
void output_backward(const MultiHeadShape& s, const MultiHeadParameters& p, const float* dout, Scratch& scratch,
                     const Partial& sums) {
  const std::int64_t per_head = s.width / s.heads;
  add_scaled(1.0F, dout, sums.output_bias, s.width);
  for (std::int64_t m = 0; m < s.width; ++m) {
    scratch.dout[size_of(m)] = dot_of(p.output + m * s.width, dout, s.width);
    add_scaled(scratch.o[size_of(m)], dout, sums.output + m * s.width, s.width);
  }
  add_scaled(1.0F, scratch.dout.data(), sums.value_bias, s.width);
  for (std::int64_t h = 0; h < s.heads; ++h) {
    const float* of_head = scratch.dout.data() + h * per_head;
    for (std::int64_t i = 0; i < s.width; ++i) {
      const std::int64_t at = i * s.width + h * per_head;
      scratch.dpooled[size_of(h * s.width + i)] = dot_of(p.value + at, of_head, per_head);
      add_scaled(scratch.pooled[size_of(h * s.width + i)], of_head, sums.value + at, per_head);
    }
  }
}

// From those of c_h to those of the positions and of u_h.
void positions_backward(const MultiHeadShape& s, const float* e, std::int32_t valid, const float* probabilities,
                        Scratch& scratch, float* de) {
  std::ranges::fill(scratch.du, 0.0F);
  for (std::int64_t h = 0; h < s.heads; ++h) {
    const float *p = probabilities + h * s.length, *u = scratch.u.data() + h * s.width;
    const float* dc = scratch.dpooled.data() + h * s.width;
    float* ds = scratch.dscores.data();
    float mean = 0;
    for (std::int32_t j = 0; j < valid; ++j) {
      ds[j] = dot_of(dc, e + j * s.width, s.width);
      mean += p[j] * ds[j];
    }
    for (std::int32_t j = 0; j < valid; ++j) {
      ds[j] = p[j] * (ds[j] - mean);
      add_scaled(ds[j], e + j * s.width, scratch.du.data() + h * s.width, s.width);
      add_scaled(p[j], dc, de + j * s.width, s.width);
      add_scaled(ds[j], u, de + j * s.width, s.width);
    }
  }
}

// From those of u_h to those of the query and K.
void query_backward(const MultiHeadShape& s, const MultiHeadParameters& p, const float* query, const Scratch& scratch,
                    const Partial& sums, float* dquery) {
  const std::int64_t per_head = s.width / s.heads;
  const float scale = scale_of(s);
  for (std::int64_t h = 0; h < s.heads; ++h)
    for (std::int64_t i = 0; i < s.width; ++i) {
      const std::int64_t at = i * s.width + h * per_head;
      const float gradient = scale * scratch.du[size_of(h * s.width + i)];
      add_scaled(gradient, p.key + at, dquery + h * per_head, per_head);
      add_scaled(gradient, query + h * per_head, sums.key + at, per_head);
    }
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

}  // namespace

void multi_head_forward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                        std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                        const std::int32_t* lengths, float* out, std::int64_t ldout, float* probabilities) {
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape);
    for (std::int64_t r = first; r < last; ++r) {
      const float* e = sequence + r * ldsequence;
      float *p = probabilities + r * shape.heads * shape.length, *row = out + r * ldout;
      const std::int32_t valid = lengths[r];
      std::fill_n(p, shape.heads * shape.length, 0.0F);
      std::fill_n(row, shape.width, 0.0F);
      if (valid == 0) continue;
      fold_query(shape, parameters.key, query + r * ldquery, scratch.u.data());
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        float* scores = p + h * shape.length;
        for (std::int32_t j = 0; j < valid; ++j)
          scores[j] = dot_of(e + j * shape.width, scratch.u.data() + h * shape.width, shape.width);
        softmax(scores, valid);
      }
      pool(shape, parameters, e, valid, p, scratch);
      std::copy_n(parameters.output_bias, shape.width, row);
      for (std::int64_t m = 0; m < shape.width; ++m)
        add_scaled(scratch.o[size_of(m)], parameters.output + m * shape.width, row, shape.width);
    }
  });
}

void multi_head_backward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                         std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                         const std::int32_t* lengths, const float* probabilities, const float* dout,
                         std::int64_t lddout, float* dquery, std::int64_t lddquery, bool accumulate_query,
                         float* dsequence, std::int64_t lddsequence, bool accumulate_sequence,
                         const MultiHeadGradients& gradients, float* workspace) {
  const std::int64_t size = Partial::size(shape), square = shape.width * shape.width;
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    Scratch scratch(shape);
    float* memory = workspace + first / kRowBlock * size;
    std::fill_n(memory, size, 0.0F);
    const Partial sums(shape, memory);
    for (std::int64_t r = first; r < last; ++r) {
      const float *e = sequence + r * ldsequence, *q = query + r * ldquery;
      const float* p = probabilities + r * shape.heads * shape.length;
      float *de = dsequence + r * lddsequence, *dq = dquery + r * lddquery;
      if (!accumulate_sequence) std::fill_n(de, shape.length * shape.width, 0.0F);
      if (!accumulate_query) std::fill_n(dq, shape.width, 0.0F);
      if (lengths[r] == 0) continue;
      fold_query(shape, parameters.key, q, scratch.u.data());
      pool(shape, parameters, e, lengths[r], p, scratch);
      output_backward(shape, parameters, dout + r * lddout, scratch, sums);
      positions_backward(shape, e, lengths[r], p, scratch, de);
      query_backward(shape, parameters, q, scratch, sums, dq);
    }
  });
  std::vector<float> total(size_of(size));
  for (std::int64_t block = 0; block < blocks_of(shape.rows); ++block)
    add_scaled(1.0F, workspace + block * size, total.data(), size);
  const Partial sums(shape, total.data());
  std::copy_n(sums.key, square, gradients.key);
  std::copy_n(sums.value, square, gradients.value);
  std::copy_n(sums.output, square, gradients.output);
  std::copy_n(sums.value_bias, shape.width, gradients.value_bias);
  std::copy_n(sums.output_bias, shape.width, gradients.output_bias);
}

std::int64_t multi_head_backward_workspace(const MultiHeadShape& shape) {
  return blocks_of(shape.rows) * Partial::size(shape);
}

}  // namespace mal::kernels
