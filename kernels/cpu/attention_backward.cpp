// DIN's target attention, backward. PReLU's slope has two values, so with the bits P_jk = [h_jk > 0]
//   dh_jk = δ_j w2_k (α_k + (1 − α_k) P_jk)                      δ_j = d loss / d raw score of position j
// and every sum over positions or units is one of numbers chosen by bits. With the positions x_j = δ_j e_j:
//   dM_t   = Σ_j e_j dh_j:  column k is w2_k (α_k Σ_j x_j + (1 − α_k) Σ_j P_jk x_j)
//   de_j   = δ_j (Σ_k α_k w2_k M_tk + Σ_k P_jk (1 − α_k) w2_k M_tk) + score_j dout
// Such a sum takes four bits at a time: they choose one of the 16 sums of four numbers, made once. That is a quarter of
// the additions, and no product: for the first, tables of a sample's x; for the second, tables of the parameters, one
// for Wa + Wc and one for Wd (M_t = Wa + Wc + diag(t) Wd), once a call.
// Σ over the batch of [1; t] ⊗ those sums is all that the parameters' gradients need (finish()): with
// G = Σ_j x_j (α + (1 − α) P_j), dw2_k = Σ_j δ_j PReLU(h_jk) = Σ_i M_ik G_ik + c_k Σ_j …, in which M and c are linear
// in the parameters and in t, and likewise the slopes'. Only the bits of the hidden layer are needed, no activation.
#include <algorithm>
#include <bit>
#include <cstdint>

#include "kernels/cpu/din.h"
#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

using din::groups_of;
using din::Hidden;
using din::kBits;
using din::Signs;
using din::Sizes;

constexpr std::int64_t kWord = 32;              // positions
constexpr std::int64_t kEntries = 16;           // of a table: every sum of up to four numbers
constexpr int kMostSamples = 4;                 // whose sums are added to the block's at once
constexpr std::int64_t kTableFloats = 8 << 10;  // of the samples of a group, at most if they are several

// sums[n + b] = sums[b] + x for the n = kSize sums that there are.
template <std::int64_t kSize>
[[gnu::always_inline]] inline void double_sums(Vector x, Vector (&sums)[kEntries]) {
#pragma GCC unroll 8
  for (std::int64_t b = 0; b < kSize; ++b) sums[kSize + b] = sums[b] + x;
}

// The 16 sums of subsets of x[0..3], each after `start`: entry b at to + b · step is that of the x whose bits b has.
[[gnu::always_inline]] inline void subset_sums(const Vector (&x)[kBits], Vector start, float* to, std::int64_t step) {
  Vector sums[kEntries];
  sums[0] = start;
  double_sums<1>(x[0], sums);
  double_sums<2>(x[1], sums);
  double_sums<4>(x[2], sums);
  double_sums<8>(x[3], sums);
#pragma GCC unroll 16
  for (std::int64_t b = 0; b < kEntries; ++b) store(to + b * step, sums[b]);
}

// What the backward pass reads of the parameters, once a call.
struct Weights {
  // Of each unit [2][wide]: (1 − α) w2 times its column of Wd and of Wb − Wc; and [wide]: Σ_k α w2 times these columns.
  float *of_unit, *d_sum, *bc_sum;
  // [vector of wide][group of four units][entry][2 vectors]: sums of subsets of (1 − α) w2 (Wa + Wc) and of
  // (1 − α) w2 Wd; those of the first group have Σ_k α w2 times these in them.
  float* tables;
  static std::int64_t floats(const Sizes& n) {
    return 3 * n.hidden * n.wide + 3 * n.wide + groups_of(n.hidden) * kEntries * 2 * n.wide;
  }
  Weights(const Sizes& n, const Hidden& f, Scratch& scratch)
      : of_unit(scratch.take(2 * n.hidden * n.wide)),
        d_sum(scratch.take(n.wide)),
        bc_sum(scratch.take(n.wide)),
        tables(scratch.take(groups_of(n.hidden) * kEntries * 2 * n.wide)) {
    float *const ac = scratch.take(n.hidden * n.wide), *const ac_sum = scratch.take(n.wide);
    transpose(n, f, f.ac, ac, n.wide, ac_sum);
    transpose(n, f, f.d, of_unit, 2 * n.wide, d_sum);
    transpose(n, f, f.bc, of_unit + n.wide, 2 * n.wide, bc_sum);
    float* table = tables;
    for (std::int64_t i = 0; i < n.wide; i += kLanes)
      for (std::int64_t k = 0; k < n.hidden; k += kBits, table += kEntries * 2 * kLanes)
        for (const bool second : {false, true}) {
          const float *from = second ? of_unit : ac, *sum = second ? d_sum : ac_sum;
          const std::int64_t stride = second ? 2 * n.wide : n.wide;
          Vector x[kBits] = {};
          for (std::int64_t bit = 0; bit < std::min(kBits, n.hidden - k); ++bit)
            x[bit] = load(from + (k + bit) * stride + i);
          subset_sums(x, k == 0 ? load(sum + i) : Vector{}, table + (second ? kLanes : 0), 2 * kLanes);
        }
  }

 private:
  static void transpose(const Sizes& n, const Hidden& f, const float* from, float* to, std::int64_t stride,
                        float* sum) {
    std::fill_n(sum, n.wide, 0.0F);
    for (std::int64_t k = 0; k < n.hidden; ++k) {
      const float below = f.alpha[k] * f.w2[k], step = (1.0F - f.alpha[k]) * f.w2[k];
      float* const row = to + k * stride;
      for (std::int64_t i = 0; i < n.width; ++i) {
        const float w = from[i * n.columns + k];
        row[i] = step * w;
        sum[i] += below * w;
      }
      std::fill(row + n.width, row + n.wide, 0.0F);
    }
  }
};

// Sums over the samples of a block. With p_k = Σ_j P_jk δ_j and g = Σ_j δ_j of a sample, x_k = Σ_j P_jk x_j and
// x = Σ_j x_j: of each unit [3][wide] of x_k, t ⊙ x_k and t p_k; then [3][wide] of x, t ⊙ x and t g; [columns] of p; g.
struct Partial {
  Partial(const Sizes& n, float* memory)
      : of_unit(memory), of_all(of_unit + 3 * n.hidden * n.wide), p(of_all + 3 * n.wide), g(p + n.columns) {}
  static std::int64_t size(const Sizes& n) { return 3 * (n.hidden + 1) * n.wide + n.columns + kGranule; }
  float *of_unit, *of_all, *p, *g;
};

// One sample of a group, between its own pass and the group's.
struct Sample {
  float* x;          // [wide]
  const float* t;    // [wide]
  float* room_of_t;  // for it
  float g;
  std::int64_t groups;  // of four positions
  float* dtarget;
};

// What add_samples() reads for each unit of each sample of a group. A machine loads two numbers or vectors a cycle, so
// the bits of 32 positions are one load, and the rest is arithmetic on addresses.
struct Choices {
  // [vector of wide][sample][group of four positions][entry][vector]: sums of subsets of x
  float* tables;
  // [vector of columns][sample][1 + word][vector]: p, then the bits of 32 positions a unit
  float* bits;
  std::int64_t groups, words;  // of L
  float* tables_of(std::int64_t vector, std::int64_t sample) const {
    return tables + (vector * kMostSamples + sample) * groups * kEntries * kLanes;
  }
  float* bits_of(std::int64_t vector, std::int64_t sample) const {
    return bits + (vector * kMostSamples + sample) * (1 + words) * kLanes;
  }
};

// A thread's scratch.
struct Room {
  Room(const Sizes& n, Scratch& scratch) {
    const std::int64_t groups = groups_of(n.length), words = (n.length + kWord - 1) / kWord;
    const std::int64_t tables = groups * kEntries * n.wide, bits = kMostSamples * (1 + words) * n.columns;
    samples = std::clamp<std::int64_t>(kTableFloats / std::max<std::int64_t>(tables, 1), 1, kMostSamples);
    scratch.reset(kMostSamples * (tables + 2 * n.wide) + bits + (n.width + din::kTargets) * n.columns +
                  (n.columns / kGranule + kGranule + n.wide + 2) * n.positions + n.wide + Partial::size(n));
    choices = {scratch.take(kMostSamples * tables), scratch.take(bits), groups, words};
    sums = scratch.take(Partial::size(n));
    for (std::int64_t s = 0; s < samples; ++s)
      sample[s] = {scratch.take(n.wide), nullptr, scratch.take(n.wide), 0, 0, nullptr};
    m = scratch.take(n.width * n.columns);
    c = scratch.take(din::kTargets * n.columns);
    signs = reinterpret_cast<Signs*>(scratch.take(n.positions * n.columns / kGranule));
    z = scratch.take(n.positions * kGranule);
    e = scratch.take(n.positions * n.wide);
    delta = scratch.take(n.positions);
    scores = scratch.take(n.positions);
    room_of_dout = scratch.take(n.wide);
  }
  std::int64_t samples;
  Sample sample[kMostSamples];
  Choices choices;
  float* sums;  // of the block, where vectors do not cross lines
  float *m, *c, *z, *e, *delta, *scores, *room_of_dout;
  const float* dout = nullptr;  // [wide]
  Signs* signs;
};

// A row of d numbers as whole vectors, copied to `room` if d is no multiple of kGranule.
const float* whole_row(const Sizes& n, const float* row, float* room) {
  if (n.width == n.wide) return row;
  copy_padded(row, n.width, n.wide, room);
  return room;
}

// δ of every valid position, zeros behind; returns their sum.
float score_gradients(const DinShape& shape, const Sizes& n, const Rows& e, const float* scores, std::int64_t valid,
                      const Room& room) {
  const std::int64_t wide = n.wide, whole = padded(valid);
  float *const z = room.z, *const delta = room.delta;
  for (std::int64_t p = 0; p < kParts; ++p) {
    const Vector first = load(room.dout + p * kLanes);
    for (std::int64_t j = 0; j < valid; ++j) {
      const float* const row = e.data + j * e.stride + p * kLanes;
      Vector sum = load(row) * first;
      for (std::int64_t i = kGranule; i < wide; i += kGranule) sum += load(row + i) * load(room.dout + p * kLanes + i);
      store(z + j * kGranule + p * kLanes, sum);
    }
  }
  sum_rows(z, valid, delta);
  for (std::int64_t j = whole - kGranule; j < whole; j += kLanes)
    store(delta + j, first_lanes(load(delta + j), std::clamp<std::int64_t>(valid - j, 0, kLanes), Vector{}));
  Vector lanes[kParts] = {};
  if (shape.softmax) {
    copy_padded(scores, valid, whole, room.scores);
    for (std::int64_t j = 0; j < whole; j += kLanes)
      lanes[j / kLanes % kParts] += load(room.scores + j) * load(delta + j);
    const Vector mean = broadcast(sum_granule(lanes));
    for (Vector& part : lanes) part = Vector{};
    for (std::int64_t j = 0; j < whole; j += kLanes) store(delta + j, load(room.scores + j) * (load(delta + j) - mean));
  }
  for (std::int64_t j = 0; j < whole; j += kLanes) lanes[j / kLanes % kParts] += load(delta + j);
  return sum_granule(lanes);
}

// The tables of x and their sum, of the sample that is number `sample` of its group.
void fill_tables(const Sizes& n, const Rows& e, const float* delta, std::int64_t valid, const Choices& choices,
                 std::int64_t sample, float* x_sum) {
  const std::int64_t stride = e.stride, wide = n.wide;
  for (std::int64_t i = 0; i < wide; i += kLanes) {
    float* table = choices.tables_of(i / kLanes, sample);
    const float* row = e.data + i;
    Vector sum{};
    std::int64_t j = 0;
    for (; j + kBits <= valid; j += kBits, row += kBits * stride, table += kEntries * kLanes) {
      const Vector x[kBits] = {delta[j] * load(row), delta[j + 1] * load(row + stride),
                               delta[j + 2] * load(row + 2 * stride), delta[j + 3] * load(row + 3 * stride)};
      subset_sums(x, Vector{}, table, kLanes);
      sum += ((x[0] + x[1]) + x[2]) + x[3];
    }
    if (j < valid) {
      Vector x[kBits] = {};
      for (std::int64_t bit = 0; j + bit < valid; ++bit) x[bit] = delta[j + bit] * load(row + bit * stride);
      subset_sums(x, Vector{}, table, kLanes);
      sum += ((x[0] + x[1]) + x[2]) + x[3];
    }
    store(x_sum + i, sum);
  }
}

// p, and the bits of each unit.
void choose(const Sizes& n, const Signs* signs, const float* delta, const Choices& choices, std::int64_t sample,
            std::int64_t groups) {
  const std::int64_t columns = n.columns, words = columns / kGranule, count = groups * kBits;
  for (std::int64_t k = 0; k < columns; k += kLanes) {
    const Signs* word = signs + k / kGranule;
    const std::int64_t shift = k % kGranule;
    float *const to = choices.bits_of(k / kLanes, sample), *bits = to + kLanes;
    Vector p{};
    for (std::int64_t first = 0; first < count; first += kWord, bits += kLanes) {
      IntVector of_units{}, bit = IntVector{} + 1;
      for (std::int64_t j = first; j < std::min(first + kWord, count); ++j, word += words) {
        const std::uint32_t set = static_cast<std::uint32_t>(*word) >> shift;
        of_units = add_where(set, of_units, bit);
        p = add_where(set, p, broadcast(delta[j]));
        bit <<= 1;
      }
      store(reinterpret_cast<std::int32_t*>(bits), of_units);
    }
    store(to, p);
  }
}

// Σ_g of the entries that a position's signs choose, of both halves of the tables, which lie one after the other.
// kGroups is their number where it is known, else 0.
template <int kGroups>
[[gnu::always_inline]] inline void add_entries(const Signs* words, const char* tables, std::int64_t groups,
                                               Vector& first, Vector& second) {
  constexpr int kEntryBytes = 2 * sizeof(Vector), kShift = std::countr_zero(static_cast<unsigned>(kEntryBytes));
  constexpr std::uint32_t kMask = (kEntries - 1) * kEntryBytes;
  Vector odd_first{}, odd_second{};  // of every second group: two sums that do not wait for each other
  const auto add = [&](std::int64_t g, int in_word) {
    const std::uint32_t word = words[g / 4];
    const int shift = kShift - in_word * static_cast<int>(kBits);
    const char* const entry =
        tables + g * kEntries * kEntryBytes + ((shift >= 0 ? word << shift : word >> -shift) & kMask);
    const auto* const numbers = reinterpret_cast<const float*>(entry);
    const Vector a = load(numbers), b = load(numbers + kLanes);
    (in_word % 2 == 0 ? first : odd_first) += a;
    (in_word % 2 == 0 ? second : odd_second) += b;
  };
  if constexpr (kGroups > 0) {
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) add(g, g % 4);
  } else {
    std::int64_t g = 0;
    for (; g + 4 <= groups; g += 4)
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) add(g + q, q);
    for (int q = 0; g + q < groups; ++q) add(g + q, q);
  }
  first += odd_first;
  second += odd_second;
}

// What the gradient of e needs beside the tables.
struct SequenceGradient {
  const Signs* signs;
  const float *delta, *scores, *t, *dout;
  float* de;
};

template <int kGroups, bool kAccumulate>
[[gnu::noinline]] void sequence_gradient_of(const Sizes& n, const float* tables, const SequenceGradient& s,
                                            std::int64_t valid) {
  const std::int64_t words = n.columns / kGranule, width = n.width, wide = n.wide, groups = groups_of(n.hidden);
  const float *const delta = s.delta, *const scores = s.scores;
  for (std::int64_t i = 0; i < wide; i += kLanes, tables += groups * kEntries * 2 * kLanes) {
    const Vector t = load(s.t + i), dout = load(s.dout + i);
    const std::int64_t lanes = std::clamp<std::int64_t>(width - i, 0, kLanes);
    const Signs* word = s.signs;
    float* to = s.de + i;
    for (std::int64_t j = 0; j < valid; ++j, word += words, to += width) {
      Vector first{}, second{};
      add_entries<kGroups>(word, reinterpret_cast<const char*>(tables), groups, first, second);
      Vector gradient = broadcast(delta[j]) * (first + t * second) + scores[j] * dout;
      if constexpr (kAccumulate) gradient += load_first(to, lanes);
      store_first(to, gradient, lanes);
    }
  }
}

// The gradient of e.
template <bool kAccumulate>
void sequence_gradient(const Sizes& n, const float* tables, const SequenceGradient& s, std::int64_t valid) {
  const std::int64_t groups = groups_of(n.hidden);
  const auto known = [&]<int... I>(std::integer_sequence<int, I...>) {
    return ((groups == I + 1 && (sequence_gradient_of<I + 1, kAccumulate>(n, tables, s, valid), true)) || ...);
  };
  if (!known(std::make_integer_sequence<int, 16>())) sequence_gradient_of<0, kAccumulate>(n, tables, s, valid);
}

constexpr std::int64_t kTableBytes = kEntries * static_cast<std::int64_t>(sizeof(Vector));

std::uint32_t word_at(const float* bits) {
  std::uint32_t word;
  __builtin_memcpy(&word, bits, sizeof word);
  return word;
}

// The entry of a table that group g of a word chooses.
[[gnu::always_inline]] inline Vector entry_of(const char* table, std::uint32_t word, int g) {
  constexpr int kShift = std::countr_zero(sizeof(Vector));
  constexpr std::uint32_t kMask = (kEntries - 1) * sizeof(Vector);
  const int shift = kShift - g * static_cast<int>(kBits);
  const char* const entry = table + ((shift >= 0 ? word << shift : word >> -shift) & kMask);
  return load(reinterpret_cast<const float*>(entry));
}

// From S samples to the block's sums and the targets' gradients. kGroups is the groups of each where they are all that
// there can be and known, else 0.
template <int S, int kGroups, bool kTarget>
[[gnu::noinline]] void add_samples(const Sizes& n, const Weights& w, const Sample* samples, const Choices& choices,
                                   const Partial& sums, bool accumulate) {
  constexpr int kKnownWords = static_cast<int>((kGroups * kBits + kWord - 1) / kWord);
  const std::int64_t wide = n.wide, hidden = n.hidden, groups = kGroups > 0 ? kGroups : choices.groups,
                     words = kGroups > 0 ? kKnownWords : choices.words;
  for (std::int64_t i = 0; i < wide; i += kLanes) {
    const float *const tables = choices.tables_of(i / kLanes, 0), *of_unit = w.of_unit + i;
    float* to = sums.of_unit + i;
    Vector t[S], dt[S] = {};
    for (int s = 0; s < S; ++s) t[s] = load(samples[s].t + i);
    for (std::int64_t first = 0; first < hidden; first += kLanes) {
      const float* bits = choices.bits_of(first / kLanes, 0);
      for (std::int64_t k = first; k < std::min(first + kLanes, hidden); ++k, ++bits) {
        Vector x_of = load(to), tx_of = load(to + wide), t_of = load(to + 2 * wide);
        const Vector d = load(of_unit), bc = load(of_unit + wide);
#pragma GCC unroll 4
        for (int s = 0; s < S; ++s) {
          const float* const of_sample = bits + s * (1 + words) * kLanes;
          const auto* const table = reinterpret_cast<const char*>(tables + s * groups * kEntries * kLanes);
          Vector x{};
          if constexpr (kGroups > 0) {
            const std::uint32_t word = word_at(of_sample + kLanes);
            x = entry_of(table, word, 0);
#pragma GCC unroll 8
            for (int g = 1; g < kGroups; ++g) x += entry_of(table + g * kTableBytes, word, g);
          } else {
            std::int64_t g = 0;
            for (; g + 4 <= samples[s].groups; g += 4) {
              const std::uint32_t word = word_at(of_sample + (1 + g / 8) * kLanes) >> (g % 8 * kBits);
#pragma GCC unroll 4
              for (int q = 0; q < 4; ++q) x += entry_of(table + (g + q) * kTableBytes, word, q);
            }
            for (; g < samples[s].groups; ++g)
              x += entry_of(table + g * kTableBytes, word_at(of_sample + (1 + g / 8) * kLanes) >> (g % 8 * kBits), 0);
          }
          const Vector p = broadcast(*of_sample);
          x_of += x;
          tx_of += t[s] * x;
          t_of += p * t[s];
          if constexpr (kTarget) {
            dt[s] += x * d;
            dt[s] += p * bc;
          }
        }
        store(to, x_of);
        store(to + wide, tx_of);
        store(to + 2 * wide, t_of);
        to += 3 * wide;
        of_unit += 2 * wide;
      }
    }
    for (int s = 0; s < S; ++s) {
      const Sample& sample = samples[s];
      const Vector x = load(sample.x + i);
      float* const all = sums.of_all + i;
      store(all, load(all) + x);
      store(all + wide, load(all + wide) + t[s] * x);
      store(all + 2 * wide, load(all + 2 * wide) + sample.g * t[s]);
      if constexpr (kTarget) {
        const std::int64_t lanes = std::clamp<std::int64_t>(n.width - i, 0, kLanes);
        Vector gradient = dt[s] + (x * load(w.d_sum + i) + sample.g * load(w.bc_sum + i));
        if (accumulate) gradient += load_first(sample.dtarget + i, lanes);
        store_first(sample.dtarget + i, gradient, lanes);
      }
    }
  }
}

template <bool kTarget>
void add_group(const Sizes& n, const Weights& w, const Room& room, std::int64_t count, const Partial& sums,
               bool accumulate) {
  const Sample* const samples = room.sample;
  const Choices& choices = room.choices;
  bool full = count == kMostSamples;
  for (std::int64_t s = 0; s < count; ++s) full = full && samples[s].groups == choices.groups;
  const auto known = [&]<int... I>(std::integer_sequence<int, I...>) {
    return ((choices.groups == I + 1 &&
             (add_samples<kMostSamples, I + 1, kTarget>(n, w, samples, choices, sums, accumulate), true)) ||
            ...);
  };
  if (!full || !known(std::make_integer_sequence<int, 8>())) {
    if (count == 1) add_samples<1, 0, kTarget>(n, w, samples, choices, sums, accumulate);
    if (count == 2) add_samples<2, 0, kTarget>(n, w, samples, choices, sums, accumulate);
    if (count == 3) add_samples<3, 0, kTarget>(n, w, samples, choices, sums, accumulate);
    if (count == 4) add_samples<4, 0, kTarget>(n, w, samples, choices, sums, accumulate);
  }
  for (std::int64_t s = 0; s < count; ++s) {
    for (std::int64_t k = 0; k < n.columns; k += kLanes)
      store(sums.p + k, load(sums.p + k) + load(choices.bits_of(k / kLanes, s)));
    *sums.g += samples[s].g;
  }
}

// Where forward kept none.
const Signs* signs_again(const Sizes& n, const Hidden& f, const Rows& e, const float* target, const float* c,
                         std::int64_t valid, const Room& room) {
  fold_matrix(n, f, target, room.m);
  din::hidden_layer<false, true>(n, f, e, valid, room.m, c, nullptr, room.signs);
  return room.signs;
}

void backward_rows(const DinShape& shape, const Sizes& n, const Hidden& f, const Weights& w, const DinBackward& c,
                   float* workspace, std::int64_t first, std::int64_t last) {
  thread_local Scratch scratch;
  Room room(n, scratch);
  const std::int64_t size = Partial::size(n);
  std::fill_n(room.sums, size, 0.0F);
  const Partial sums(n, room.sums);
  const auto* const kept = reinterpret_cast<const Signs*>(c.kept);
  std::int64_t held = 0;
  const auto add_held = [&] {
    if (c.dtarget == nullptr)
      add_group<false>(n, w, room, held, sums, false);
    else
      add_group<true>(n, w, room, held, sums, c.accumulate_target);
    held = 0;
  };
  for (std::int64_t r = first; r < last; ++r) {
    const float *t = c.target + r * c.ldtarget, *scores = c.scores + r * n.length;
    float* const de = c.dsequence + r * c.lddsequence;
    float* const dt = c.dtarget == nullptr ? nullptr : c.dtarget + r * c.lddtarget;
    const std::int64_t valid = c.lengths[r], at = (r - first) % din::kTargets;
    if (at == 0 && c.kept == nullptr) fold_targets(n, f, {t, c.ldtarget}, std::min(din::kTargets, last - r), room.c);
    if (!c.accumulate_sequence)
      for (std::int64_t i = valid * n.width; i < n.length * n.width; ++i) de[i] = 0;
    if (valid == 0) {
      if (dt != nullptr && !c.accumulate_target)
        for (std::int64_t i = 0; i < n.width; ++i) dt[i] = 0;
      continue;
    }
    Sample& s = room.sample[held];
    const Rows e = whole_vectors(n.width, n.wide, c.sequence + r * c.ldsequence, valid, room.e);
    room.dout = whole_row(n, c.dout + r * c.lddout, room.room_of_dout);
    s.t = whole_row(n, t, s.room_of_t);
    const Signs* const signs =
        c.kept != nullptr ? kept + r * signs_of_row(n) : signs_again(n, f, e, t, room.c + at * n.columns, valid, room);
    s.g = score_gradients(shape, n, e, scores, valid, room);
    s.dtarget = dt;
    s.groups = groups_of(valid);
    fill_tables(n, e, room.delta, valid, room.choices, held, s.x);
    choose(n, signs, room.delta, room.choices, held, s.groups);
    const SequenceGradient gradient{signs, room.delta, scores, s.t, room.dout, de};
    if (c.accumulate_sequence)
      sequence_gradient<true>(n, w.tables, gradient, valid);
    else
      sequence_gradient<false>(n, w.tables, gradient, valid);
    if (++held == room.samples) add_held();
  }
  if (held > 0) add_held();
  float* const memory = workspace + first / kRowBlock * size;
  for (std::int64_t i = 0; i < size; i += kLanes) store(memory + i, load(room.sums + i));
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

// From the sums over all rows to the gradients. `above` are those that bits chose, `all` those of all
// positions; the difference is of those below 0.
void finish(const Sizes& n, const Hidden& f, const float* workspace, std::int64_t blocks, const DinGradients& gradients,
            float* total) {
  const std::int64_t size = Partial::size(n), block = n.width * n.hidden;
  std::fill_n(total, size, 0.0F);
  for (std::int64_t b = 0; b < blocks; ++b)
    for (std::int64_t i = 0; i < size; i += kLanes) store(total + i, load(total + i) + load(workspace + b * size + i));
  const Partial sums(n, total);
  for (std::int64_t k = 0; k < n.hidden; ++k) {
    const float alpha = f.alpha[k], w2 = f.w2[k];
    const auto sloped = [alpha](float all, float above) { return alpha * all + (1.0F - alpha) * above; };
    const float g = *sums.g, bias = sloped(g, sums.p[k]);
    float of_w2 = f.b1[k] * bias, of_alpha = f.b1[k] * (g - sums.p[k]);
    const float *const above = sums.of_unit + 3 * k * n.wide, *const all = sums.of_all;
    for (std::int64_t i = 0; i < n.width; ++i) {
      const std::int64_t weight = i * n.columns + k, to = i * n.hidden + k;
      const std::int64_t te_at = n.wide + i, t_at = 2 * n.wide + i;
      const float e = sloped(all[i], above[i]), te = sloped(all[te_at], above[te_at]),
                  t = sloped(all[t_at], above[t_at]);
      of_w2 += f.ac[weight] * e + f.d[weight] * te + f.bc[weight] * t;
      of_alpha += f.ac[weight] * (all[i] - above[i]) + f.d[weight] * (all[te_at] - above[te_at]) +
                  f.bc[weight] * (all[t_at] - above[t_at]);
      gradients.w1[to] = w2 * e;
      gradients.w1[block + to] = w2 * t;
      gradients.w1[2 * block + to] = w2 * (e - t);
      gradients.w1[3 * block + to] = w2 * te;
    }
    gradients.b1[k] = w2 * bias;
    gradients.alpha[k] = w2 * of_alpha;
    gradients.w2[k] = of_w2;
  }
  gradients.b2[0] = *sums.g;
}

}  // namespace

void din_backward(const DinShape& shape, const DinBackward* calls, std::int32_t count, float* workspace) {
  thread_local Scratch scratch;
  const Sizes n(shape);
  for (std::int32_t i = 0; i < count; ++i) {
    scratch.reset(Hidden::floats(n) + Weights::floats(n) + Partial::size(n) + 8 * kGranule);
    const Hidden hidden(n, calls[i].parameters, scratch);
    const Weights weights(n, hidden, scratch);
    parallel_ranges(shape.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
      backward_rows(shape, n, hidden, weights, calls[i], workspace, first, last);
    });
    finish(n, hidden, workspace, blocks_of(shape.rows), calls[i].gradients, scratch.take(Partial::size(n)));
  }
}

std::int64_t din_backward_workspace(const DinShape& shape, std::int32_t) {
  return blocks_of(shape.rows) * Partial::size(Sizes(shape));
}

}  // namespace mal::kernels
