// Multi-head attention with one query a row. Since there is one, K is applied to the query and V after pooling:
//   (e_j K_h) · q_h = e_j · (K_h q_h) = e_j · u_h,     Σ_j p_j (e_j V_h + v_h) = (Σ_j p_j e_j) V_h + v_h = c_h V_h +
//   v_h
// so keys and values of the L positions never exist, and a row costs 4 d² + 2 H L d multiply-adds in place of 2 L d².
// What does not touch the positions is products over kGroup rows at a time; for what does, a row's positions are a
// matrix. Rows of length 0 take part as zeros.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/softmax.h"
#include "kernels/cpu/tiles.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

constexpr std::int64_t kGroup = 32;

struct Sizes {
  explicit Sizes(const MultiHeadShape& s)
      : length(s.length),
        width(s.width),
        heads(s.heads),
        per_head(s.width / s.heads),
        wide(padded(s.width)),
        head(padded(per_head)),
        positions(padded(s.length)),
        row(wide + head) {}
  std::int64_t length, width, heads, per_head;
  std::int64_t wide, head, positions;  // padded d, d / H, L
  std::int64_t row;                    // of d numbers of which a head's are read as whole vectors
};

// The parameters as the products read them, once a call. Of each head [d, head] and its transpose [d / H, wide]; the
// output's [d, wide] and its transpose; biases with room behind.
struct Packed {
  float *key, *key_transposed;  // times 1 / √(d/H)
  float *value, *value_transposed, *output, *output_transposed, *value_bias, *output_bias;
  static std::int64_t floats(const Sizes& n) {
    return 2 * n.heads * n.width * n.head + 2 * n.width * n.wide + 2 * n.width * n.wide + 2 * n.row;
  }
  Packed(const Sizes& n, const MultiHeadParameters& p, Scratch& scratch)
      : key(scratch.take(n.heads * n.width * n.head)),
        key_transposed(scratch.take(n.width * n.wide)),
        value(scratch.take(n.heads * n.width * n.head)),
        value_transposed(scratch.take(n.width * n.wide)),
        output(scratch.take(n.width * n.wide)),
        output_transposed(scratch.take(n.width * n.wide)),
        value_bias(scratch.take(n.row)),
        output_bias(scratch.take(n.row)) {
    const float scale = 1.0F / std::sqrt(static_cast<float>(n.per_head));
    pack_heads(n, p.key, scale, key);
    pack_heads(n, p.value, 1, value);
    transpose(n, p.key, scale, key_transposed);
    transpose(n, p.value, 1, value_transposed);
    transpose(n, p.output, 1, output_transposed);
    for (std::int64_t m = 0; m < n.width; ++m)
      copy_padded(p.output + m * n.width, n.width, n.wide, output + m * n.wide);
    copy_padded(p.value_bias, n.width, n.row, value_bias);
    copy_padded(p.output_bias, n.width, n.row, output_bias);
  }

 private:
  static void pack_heads(const Sizes& n, const float* w, float scale, float* to) {
    for (std::int64_t h = 0; h < n.heads; ++h)
      for (std::int64_t i = 0; i < n.width; ++i, to += n.head)
        for (std::int64_t c = 0; c < n.head; c += kLanes) {
          const std::int64_t lanes = std::clamp<std::int64_t>(n.per_head - c, 0, kLanes);
          store(to + c, scale * load_first(w + i * n.width + h * n.per_head + c, lanes));
        }
  }
  // Row c of the result is column c of w.
  static void transpose(const Sizes& n, const float* w, float scale, float* to) {
    for (std::int64_t c = 0; c < n.width; ++c, to += n.wide) {
      for (std::int64_t i = 0; i < n.width; ++i) to[i] = scale * w[i * n.width + c];
      std::fill(to + n.width, to + n.wide, 0.0F);
    }
  }
};

// A thread's scratch, of kGroup rows: [row] of query, o and of gradients of o, out and the query; [H, wide] of u and
// the pooled vectors, and of their gradients. Of one row: [H, positions] of scores and of probabilities.
struct Room {
  Room(const Sizes& n, Scratch& scratch) {
    const std::int64_t rows = kGroup * n.row, of_heads = kGroup * n.heads * n.wide, scores = n.heads * n.positions;
    scratch.reset(5 * rows + 4 * of_heads + 2 * scores + (scores + 1) * kGranule + n.positions * n.wide +
                  2 * n.heads * n.wide);
    for (float** piece : {&query, &o, &dout, &do_, &dquery}) *piece = scratch.take(rows);
    for (float** piece : {&u, &pooled, &du, &dpooled}) *piece = scratch.take(of_heads);
    // One after the other: a matrix [2 H, positions].
    p = scratch.take(2 * scores);
    ds = p + scores;
    z = scratch.take(scores * kGranule);
    e = scratch.take(n.positions * n.wide);
    both = scratch.take(2 * n.heads * n.wide);
  }
  float *query, *o, *dout, *do_, *dquery, *u, *pooled, *du, *dpooled, *p, *ds, *z, *e, *both;
};

// Rows of d numbers as products read them, zeros for rows of length 0.
void copy_rows(const Sizes& n, const float* from, std::int64_t ld, const std::int32_t* lengths, std::int64_t count,
               float* to) {
  for (std::int64_t r = 0; r < count; ++r)
    copy_padded(from + r * ld, lengths[r] == 0 ? 0 : n.width, n.row, to + r * n.row);
}

// u_h = K_h q_h / √(d/H) of `count` rows
void fold_queries(const Sizes& n, const Packed& w, const Room& room, std::int64_t count) {
  for (std::int64_t h = 0; h < n.heads; ++h)
    product({room.query + h * n.per_head, n.row, 1}, count, w.key_transposed + h * n.per_head * n.wide, n.wide,
            n.per_head, {}, room.u + h * n.wide, n.heads * n.wide, n.wide);
}

// o_h = c_h V_h + v_h. A head's whole vectors reach into the next one's columns, which come after it.
void project_values(const Sizes& n, const Packed& w, const Room& room, std::int64_t count) {
  for (std::int64_t h = 0; h < n.heads; ++h)
    product({room.pooled + h * n.wide, n.heads * n.wide, 1}, count, w.value + h * n.width * n.head, n.head, n.width,
            {w.value_bias + h * n.per_head, 0}, room.o + h * n.per_head, n.row, n.head);
}

// dots[h][j] = e_j · vectors_h, of kHeads heads, whose vectors stay in registers where V, those of a row, is known (not
// 0).
template <int kHeads, int V>
void dots_of(const Sizes& n, const Rows& e, std::int64_t valid, const float* vectors, float* z) {
  const std::int64_t count = V > 0 ? V : n.wide / kLanes, wide = n.wide, of_head = n.positions * kGranule;
  Vector kept[kHeads][std::max(V, 1)];
  for (int h = 0; h < kHeads; ++h)
    for (int v = 0; v < V; ++v) kept[h][v] = load(vectors + h * wide + v * kLanes);
  for (std::int64_t j = 0; j < valid; ++j) {
    Vector sums[kHeads][kParts] = {};
    const float* const row = e.data + j * e.stride;
    const auto add = [&](std::int64_t v, const auto& of_head_v) {
      const Vector x = load(row + v * kLanes);
#pragma GCC unroll 4
      for (int h = 0; h < kHeads; ++h) sums[h][v % kParts] += x * of_head_v(h);
    };
    if constexpr (V > 0) {
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) add(v, [&](int h) { return kept[h][v]; });
    } else {
      for (std::int64_t v = 0; v < count; ++v) add(v, [&](int h) { return load(vectors + h * wide + v * kLanes); });
    }
#pragma GCC unroll 4
    for (int h = 0; h < kHeads; ++h)
      for (std::int64_t p = 0; p < kParts; ++p) store(z + h * of_head + j * kGranule + p * kLanes, sums[h][p]);
  }
}

template <int kHeads>
void dots_of(const Sizes& n, const Rows& e, std::int64_t valid, const float* vectors, float* z) {
  constexpr int kOne = static_cast<int>(kParts);
  if (n.wide == kGranule) return dots_of<kHeads, kOne>(n, e, valid, vectors, z);
  if (kLanes == kGranule && n.wide == 2 * kGranule) return dots_of<kHeads, 2 * kOne>(n, e, valid, vectors, z);
  if (kLanes == kGranule && n.wide == 4 * kGranule) return dots_of<kHeads, 4 * kOne>(n, e, valid, vectors, z);
  dots_of<kHeads, 0>(n, e, valid, vectors, z);
}

// dots[H, positions]: e_j · vectors_h
void dots(const Sizes& n, const Rows& e, std::int64_t valid, const float* vectors, const Room& room, float* to) {
  const std::int64_t of_head = n.positions * kGranule;
  std::int64_t h = 0;
  for (; h + 4 <= n.heads; h += 4) dots_of<4>(n, e, valid, vectors + h * n.wide, room.z + h * of_head);
  for (; h < n.heads; ++h) dots_of<1>(n, e, valid, vectors + h * n.wide, room.z + h * of_head);
  for (h = 0; h < n.heads; ++h) sum_rows(room.z + h * of_head, valid, to + h * n.positions);
}

// [H, wide] = weights[H, positions] e
void pool(const Sizes& n, const Rows& e, std::int64_t valid, const float* weights, float* to) {
  product({weights, n.positions, 1}, n.heads, e.data, e.stride, valid, {}, to, n.wide, n.wide);
}

void forward_rows(const Sizes& n, const Packed& w, const float* sequence, std::int64_t ldsequence,
                  const std::int32_t* lengths, std::int64_t count, const Room& room, float* out, std::int64_t ldout,
                  float* probabilities) {
  fold_queries(n, w, room, count);
  for (std::int64_t r = 0; r < count; ++r, probabilities += n.heads * n.length) {
    const std::int64_t valid = lengths[r];
    float* const pooled = room.pooled + r * n.heads * n.wide;
    if (valid == 0) {
      for (std::int64_t i = 0; i < n.heads * n.length; ++i) probabilities[i] = 0;
      std::fill_n(pooled, n.heads * n.wide, 0.0F);
      continue;
    }
    const Rows e = whole_vectors(n.width, n.wide, sequence + r * ldsequence, valid, room.e);
    dots(n, e, valid, room.u + r * n.heads * n.wide, room, room.p);
    for (std::int64_t h = 0; h < n.heads; ++h) {
      float* const p = room.p + h * n.positions;
      softmax(p, valid);
      copy_exactly(p, valid, probabilities + h * n.length);
      for (std::int64_t j = valid; j < n.length; ++j) probabilities[h * n.length + j] = 0;
    }
    pool(n, e, valid, room.p, pooled);
  }
  project_values(n, w, room, count);
  // Into the rows of the queries, which have been read.
  product({room.o, n.row, 1}, count, w.output, n.wide, n.width, {w.output_bias, 0}, room.query, n.row, n.wide);
  for (std::int64_t r = 0; r < count; ++r)
    if (lengths[r] == 0)
      for (std::int64_t i = 0; i < n.width; ++i) out[r * ldout + i] = 0;
    else
      copy_exactly(room.query + r * n.row, n.width, out + r * ldout);
}

// A block's sums of gradients: [H][d][head] of K and V, [d][wide] of W, [wide] of the biases.
struct Partial {
  Partial(const Sizes& n, float* memory)
      : key(memory),
        value(key + n.heads * n.width * n.head),
        output(value + n.heads * n.width * n.head),
        value_bias(output + n.width * n.wide),
        output_bias(value_bias + n.wide) {}
  static std::int64_t size(const Sizes& n) { return 2 * n.heads * n.width * n.head + (n.width + 2) * n.wide; }
  float *key, *value, *output, *value_bias, *output_bias;
};

// sums += the rows
void add_rows(const Sizes& n, const float* rows, std::int64_t count, float* sums) {
  for (std::int64_t i = 0; i < n.wide; i += kLanes) {
    Vector sum = load(sums + i);
    for (std::int64_t r = 0; r < count; ++r) sum += load(rows + r * n.row + i);
    store(sums + i, sum);
  }
}

// From the gradient of out to those of o and c_h, W, w, V and v.
void output_backward(const Sizes& n, const Packed& w, const Room& room, std::int64_t count, const Partial& sums) {
  add_rows(n, room.dout, count, sums.output_bias);
  product({room.dout, n.row, 1}, count, w.output_transposed, n.wide, n.width, {}, room.do_, n.row, n.wide);
  product({room.o, 1, n.row}, n.width, room.dout, n.row, count, {sums.output, n.wide}, sums.output, n.wide, n.wide);
  add_rows(n, room.do_, count, sums.value_bias);
  const std::int64_t of_row = n.heads * n.wide;
  for (std::int64_t h = 0; h < n.heads; ++h) {
    const float* const of_head = room.do_ + h * n.per_head;
    float* const value = sums.value + h * n.width * n.head;
    product({of_head, n.row, 1}, count, w.value_transposed + h * n.per_head * n.wide, n.wide, n.per_head, {},
            room.dpooled + h * n.wide, of_row, n.wide);
    product({room.pooled + h * n.wide, 1, of_row}, n.width, of_head, n.row, count, {value, n.head}, value, n.head,
            n.head);
  }
}

// From those of a row's c_h to those of its positions and of u_h.
void positions_backward(const Sizes& n, const Rows& e, std::int64_t valid, const float* probabilities, std::int64_t r,
                        const Room& room, float* de, bool accumulate) {
  const std::int64_t of_row = n.heads * n.wide;
  const float *const dpooled = room.dpooled + r * of_row, *const u = room.u + r * of_row;
  dots(n, e, valid, dpooled, room, room.ds);
  for (std::int64_t h = 0; h < n.heads; ++h) {
    float *const p = room.p + h * n.positions, *const ds = room.ds + h * n.positions;
    copy_padded(probabilities + h * n.length, valid, padded(valid), p);
    Vector means[kParts] = {};
    for (std::int64_t j = 0; j < padded(valid); j += kLanes) {
      store(ds + j, first_lanes(load(ds + j), std::clamp<std::int64_t>(valid - j, 0, kLanes), Vector{}));
      means[j / kLanes % kParts] += load(p + j) * load(ds + j);
    }
    const Vector mean = broadcast(sum_granule(means));
    for (std::int64_t j = 0; j < padded(valid); j += kLanes) store(ds + j, load(p + j) * (load(ds + j) - mean));
  }
  pool(n, e, valid, room.ds, room.du + r * of_row);
  std::copy_n(dpooled, of_row, room.both);
  std::copy_n(u, of_row, room.both + of_row);
  // Σ_h p_hj dc_h + ds_hj u_h
  const Scalars weights{room.p, 1, n.positions};
  if (n.width == n.wide) {
    product(weights, valid, room.both, n.wide, 2 * n.heads, {accumulate ? de : nullptr, n.width}, de, n.width, n.wide);
    return;
  }
  product(weights, valid, room.both, n.wide, 2 * n.heads, {}, room.z, n.wide, n.wide);
  for (std::int64_t j = 0; j < valid; ++j)
    for (std::int64_t i = 0; i < n.width; i += kLanes) {
      float* const to = de + j * n.width + i;
      const std::int64_t lanes = std::min(kLanes, n.width - i);
      const Vector gradient = load(room.z + j * n.wide + i);
      store_first(to, accumulate ? load_first(to, lanes) + gradient : gradient, lanes);
    }
}

// From those of u_h to those of the query and K.
void query_backward(const Sizes& n, const Packed& w, const Room& room, std::int64_t count, const Partial& sums) {
  const std::int64_t of_row = n.heads * n.wide;
  for (std::int64_t h = 0; h < n.heads; ++h) {
    const float* const du = room.du + h * n.wide;
    float* const key = sums.key + h * n.width * n.head;
    product({du, of_row, 1}, count, w.key + h * n.width * n.head, n.head, n.width, {}, room.dquery + h * n.per_head,
            n.row, n.head);
    product({du, 1, of_row}, n.width, room.query + h * n.per_head, n.row, count, {key, n.head}, key, n.head, n.head);
  }
}

// to[d, d] = the heads' columns side by side
void unpack_heads(const Sizes& n, const float* from, float scale, float* to) {
  for (std::int64_t h = 0; h < n.heads; ++h)
    for (std::int64_t i = 0; i < n.width; ++i, from += n.head)
      for (std::int64_t c = 0; c < n.per_head; ++c) to[i * n.width + h * n.per_head + c] = scale * from[c];
}

void finish(const Sizes& n, const float* workspace, std::int64_t blocks, const MultiHeadGradients& gradients,
            float* total) {
  const std::int64_t size = Partial::size(n);
  std::fill_n(total, size, 0.0F);
  for (std::int64_t b = 0; b < blocks; ++b)
    for (std::int64_t i = 0; i < size; i += kLanes) store(total + i, load(total + i) + load(workspace + b * size + i));
  const Partial sums(n, total);
  unpack_heads(n, sums.key, 1.0F / std::sqrt(static_cast<float>(n.per_head)), gradients.key);
  unpack_heads(n, sums.value, 1, gradients.value);
  for (std::int64_t m = 0; m < n.width; ++m)
    copy_exactly(sums.output + m * n.wide, n.width, gradients.output + m * n.width);
  copy_exactly(sums.value_bias, n.width, gradients.value_bias);
  copy_exactly(sums.output_bias, n.width, gradients.output_bias);
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

}  // namespace

void multi_head_forward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                        std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                        const std::int32_t* lengths, float* out, std::int64_t ldout, float* probabilities) {
  thread_local Scratch packing;
  const Sizes n(shape);
  packing.reset(Packed::floats(n));
  const Packed w(n, parameters, packing);
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    thread_local Scratch scratch;
    const Room room(n, scratch);
    for (std::int64_t r = first; r < last; r += kGroup) {
      const std::int64_t count = std::min(kGroup, last - r);
      copy_rows(n, query + r * ldquery, ldquery, lengths + r, count, room.query);
      forward_rows(n, w, sequence + r * ldsequence, ldsequence, lengths + r, count, room, out + r * ldout, ldout,
                   probabilities + r * n.heads * n.length);
    }
  });
}

void multi_head_backward(const MultiHeadShape& shape, const MultiHeadParameters& parameters, const float* query,
                         std::int64_t ldquery, const float* sequence, std::int64_t ldsequence,
                         const std::int32_t* lengths, const float* probabilities, const float* dout,
                         std::int64_t lddout, float* dquery, std::int64_t lddquery, bool accumulate_query,
                         float* dsequence, std::int64_t lddsequence, bool accumulate_sequence,
                         const MultiHeadGradients& gradients, float* workspace) {
  thread_local Scratch packing;
  const Sizes n(shape);
  const std::int64_t size = Partial::size(n), of_row = n.heads * n.wide;
  packing.reset(Packed::floats(n) + size);
  const Packed w(n, parameters, packing);
  parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    thread_local Scratch scratch;
    const Room room(n, scratch);
    float* const memory = workspace + first / kRowBlock * size;
    std::fill_n(memory, size, 0.0F);
    const Partial sums(n, memory);
    for (std::int64_t begin = first; begin < last; begin += kGroup) {
      const std::int64_t count = std::min(kGroup, last - begin);
      copy_rows(n, query + begin * ldquery, ldquery, lengths + begin, count, room.query);
      copy_rows(n, dout + begin * lddout, lddout, lengths + begin, count, room.dout);
      fold_queries(n, w, room, count);
      const auto positions = [&](std::int64_t r) {
        const float* const e = sequence + (begin + r) * ldsequence;
        return whole_vectors(n.width, n.wide, e, lengths[begin + r], room.e);
      };
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t valid = lengths[begin + r];
        const float* const p = probabilities + (begin + r) * n.heads * n.length;
        for (std::int64_t h = 0; h < n.heads; ++h)
          copy_padded(p + h * n.length, valid, padded(valid), room.p + h * n.positions);
        pool(n, positions(r), valid, room.p, room.pooled + r * of_row);
      }
      project_values(n, w, room, count);
      output_backward(n, w, room, count, sums);
      for (std::int64_t r = 0; r < count; ++r) {
        const std::int64_t valid = lengths[begin + r];
        float* const de = dsequence + (begin + r) * lddsequence;
        if (!accumulate_sequence)
          for (std::int64_t i = valid * n.width; i < n.length * n.width; ++i) de[i] = 0;
        if (valid == 0)
          std::fill_n(room.du + r * of_row, of_row, 0.0F);
        else
          positions_backward(n, positions(r), valid, probabilities + (begin + r) * n.heads * n.length, r, room, de,
                             accumulate_sequence);
      }
      query_backward(n, w, room, count, sums);
      for (std::int64_t r = 0; r < count; ++r)
        for (std::int64_t i = 0; i < n.width; i += kLanes) {
          float* const to = dquery + (begin + r) * lddquery + i;
          const std::int64_t lanes = std::min(kLanes, n.width - i);
          const Vector gradient = load(room.dquery + r * n.row + i);
          store_first(to, accumulate_query ? load_first(to, lanes) + gradient : gradient, lanes);
        }
    }
  });
  finish(n, workspace, blocks_of(shape.rows), gradients, packing.take(size));
}

std::int64_t multi_head_backward_workspace(const MultiHeadShape& shape) {
  return blocks_of(shape.rows) * Partial::size(Sizes(shape));
}

}  // namespace mal::kernels
