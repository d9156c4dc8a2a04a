// The hidden layer of DIN's target attention, forward and again in the backward pass. With w1 = [Wa; Wb; Wc; Wd] it
// folds:
//   [e; t; e − t; e ⊙ t] w1 + b1 = e (Wa + Wc + diag(t) Wd) + t (Wb − Wc) + b1 = e M_t + c_t
// so a sample costs one [d, h] matrix and L products with it: four times fewer multiply-adds than the concatenation,
// which never exists. The products are too small for panels (product.h): they run as tiles of rows and columns whose
// sums stay in registers and are used there, on matrices whose rows are padded with zeros to a multiple of kGranule.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/lanes.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/tiles.h"
#include "kernels/kernels.h"

namespace mal::kernels::din {

// Sizes, and those that rows are padded to.
struct Sizes {
  explicit Sizes(const DinShape& s)
      : length(s.length),
        width(s.width),
        hidden(s.hidden),
        wide(padded(s.width)),
        columns(padded(s.hidden)),
        positions(padded(s.length)) {}
  std::int64_t length, width, hidden;     // L, d, h
  std::int64_t wide, columns, positions;  // padded d, h, L
};

// The parameters as forward reads them, once a call: [d, columns] and [columns].
struct Hidden {
  float *ac, *bc, *d;  // Wa + Wc, Wb − Wc, Wd
  float *b1, *alpha, *w2;
  static std::int64_t floats(const Sizes& n) { return 3 * n.width * n.columns + 3 * n.columns; }
  Hidden(const Sizes& n, const DinParameters& p, Scratch& scratch)
      : ac(scratch.take(n.width * n.columns)),
        bc(scratch.take(n.width * n.columns)),
        d(scratch.take(n.width * n.columns)),
        b1(scratch.take(n.columns)),
        alpha(scratch.take(n.columns)),
        w2(scratch.take(n.columns)) {
    const std::int64_t block = n.width * n.hidden;
    for (std::int64_t k = 0; k < n.columns; k += kLanes) {
      const std::int64_t lanes = std::clamp<std::int64_t>(n.hidden - k, 0, kLanes);
      store(b1 + k, load_first(p.b1 + k, lanes));
      store(alpha + k, load_first(p.alpha + k, lanes));
      store(w2 + k, load_first(p.w2 + k, lanes));
      for (std::int64_t i = 0; i < n.width; ++i) {
        const float* w = p.w1 + i * n.hidden + k;
        const Vector third = load_first(w + 2 * block, lanes);
        store(ac + i * n.columns + k, load_first(w, lanes) + third);
        store(bc + i * n.columns + k, load_first(w + block, lanes) - third);
        store(d + i * n.columns + k, load_first(w + 3 * block, lanes));
      }
    }
  }
};

// Samples whose c_t is one product.
inline constexpr std::int64_t kTargets = 16;

// c_t of several targets: out[rows, columns] = b1 + targets (Wb − Wc)
inline void fold_targets(const Sizes& n, const Hidden& f, const Rows& targets, std::int64_t rows, float* out) {
  for_each_chunk(n.columns, [&]<int V>(std::int64_t column) {
    for_each_tile<V>(rows, [&]<int R>(std::int64_t first) {
      Vector sums[R][V];
      multiply_tile<R, V, 0>({targets.data + first * targets.stride, targets.stride}, f.bc + column, n.columns, n.width,
                             f.b1 + column, sums);
      for (int r = 0; r < R; ++r)
        for (int v = 0; v < V; ++v) store(out + (first + r) * n.columns + column + v * kLanes, sums[r][v]);
    });
  });
}

// M_t of one target: [d, columns]
inline void fold_matrix(const Sizes& n, const Hidden& f, const float* target, float* m) {
  const std::int64_t width = n.width, ld = n.columns;
  for_each_chunk(ld, [&]<int V>(std::int64_t column) {
    const float *ac = f.ac + column, *d = f.d + column;
    float* to = m + column;
    for (std::int64_t i = 0; i < width; ++i, ac += ld, d += ld, to += ld) {
      const Vector t = broadcast(target[i]);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) store(to + v * kLanes, load(ac + v * kLanes) + t * load(d + v * kLanes));
    }
  });
}

// What the backward pass needs of the hidden layer's pre-activations: for each position and unit whether it is above 0.
// A position has a word for each granule of units; positions are padded to a multiple of four, with zeros.
using Signs = std::uint16_t;
inline constexpr std::int64_t kBits = 4;
inline std::int64_t groups_of(std::int64_t count) {
  return (count + kBits - 1) / kBits;
}
inline std::int64_t signs_of_row(const Sizes& n) {
  return groups_of(n.length) * kBits * n.columns / kGranule;
}

// The hidden layer of one sample: e[valid, d], its M_t and c_t. Into z[position][kGranule] goes the score but for b2,
// w2 · PReLU(h), as the lanes whose sum it is; into signs whether h > 0.
template <std::int64_t kWidth, bool kScores, bool kSigns>
void hidden_layer_of(const Sizes& n, const Hidden& f, const Rows& e, std::int64_t valid, const float* m, const float* c,
                     float* z, Signs* signs) {
  for_each_chunk(n.columns, [&]<int V>(std::int64_t column) {
    for_each_tile<V>(valid, [&]<int R>(std::int64_t first) {
      Vector sums[R][V];
      multiply_tile<R, V, kWidth>({e.data + first * e.stride, e.stride}, m + column, n.columns, n.width, c + column,
                                  sums);
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        if constexpr (kScores) {
          float* const row = z + (first + r) * kGranule;
          Vector lanes[kParts];
          for (int p = 0; p < kParts; ++p) lanes[p] = column == 0 ? Vector{} : load(row + p * kLanes);
#pragma GCC unroll 16
          for (int v = 0; v < V; ++v) {
            const Vector h = sums[r][v], slope = load(f.alpha + column + v * kLanes);
            lanes[v % kParts] += load(f.w2 + column + v * kLanes) * (h > 0 ? h : slope * h);
          }
          for (int p = 0; p < kParts; ++p) store(row + p * kLanes, lanes[p]);
        }
        if constexpr (kSigns) {
          Signs* const row = signs + ((first + r) * n.columns + column) / kGranule;
          std::uint32_t word = 0;
#pragma GCC unroll 16
          for (int v = 0; v < V; ++v) {
            word |= positive_lanes(sums[r][v]) << (v % kParts * kLanes);
            if ((v + 1) % kParts != 0) continue;
            row[v / kParts] = static_cast<Signs>(word);
            word = 0;
          }
        }
      }
    });
  });
  if constexpr (kSigns)
    for (std::int64_t at = valid * n.columns / kGranule; at < groups_of(valid) * kBits * n.columns / kGranule; ++at)
      signs[at] = 0;
}

template <bool kScores, bool kSigns>
void hidden_layer(const Sizes& n, const Hidden& f, const Rows& e, std::int64_t valid, const float* m, const float* c,
                  float* z, Signs* signs) {
  if (n.width == 16 && e.stride == 16)
    hidden_layer_of<16, kScores, kSigns>(n, f, e, valid, m, c, z, signs);
  else
    hidden_layer_of<0, kScores, kSigns>(n, f, e, valid, m, c, z, signs);
}

}  // namespace mal::kernels::din
