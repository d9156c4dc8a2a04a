// A loaded model: everything a scorer reads, checked and never changed after. Shared by all threads.
#pragma once

#include "model/inference/source/trunk.h"
#include "model/inference/source/zoo.h"

namespace mal::infer::detail {

// Vocabulary of a table, in place: hashes in rising order, and for each its row and its text.
struct Vocabulary {
  const unsigned char *keys = nullptr, *rows = nullptr, *offsets = nullptr, *text = nullptr;
  std::uint64_t count = 0;

  std::uint64_t key(std::uint64_t i) const { return load_as<std::uint64_t>(keys + 8 * i); }
  std::uint64_t offset(std::uint64_t i) const { return load_as<std::uint64_t>(offsets + 8 * i); }

  // Hashes are spread evenly, so their place can be guessed: within √count at first; each further guess, which knows
  // the key at the last one, is off by about the root of the distance between them.
  // The upper halves of the hashes are enough for fewer than 2^31 entries (kMaxRows), whose products fit in 64 bits.
  std::uint64_t first_guess(std::uint64_t hash) const { return (hash >> 32) * count >> 32; }
  std::uint64_t better_guess(std::uint64_t hash, std::uint64_t first) const {
    const std::int64_t away = static_cast<std::int64_t>(hash - key(first)) >> 32;
    const std::int64_t place = static_cast<std::int64_t>(first) + (away * static_cast<std::int64_t>(count) >> 32);
    return static_cast<std::uint64_t>(std::min(static_cast<std::int64_t>(count) - 1, std::max<std::int64_t>(0, place)));
  }
  // The first entry whose key is not below the hash, from a guess outward: logarithmic, whatever a file holds.
  std::uint64_t lower_bound(std::uint64_t hash, std::uint64_t guess) const {
    std::uint64_t low = guess, high = guess, step = 1;
    for (; low > 0 && key(low - 1) >= hash; step *= 2) high = low, low -= std::min(low, step);
    if (low == guess)
      for (; high < count && key(high) < hash; step *= 2) low = high + 1, high += std::min(count - high, step);
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (key(middle) < hash)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  // 0: unseen. Equal hashes are told apart by their texts.
  std::int32_t row_at(std::uint64_t hash, std::uint64_t entry, std::string_view value) const {
    for (; entry < count && key(entry) == hash; ++entry) {
      const std::uint64_t begin = offset(entry), size = offset(entry + 1) - begin;
      if (size == value.size() && std::memcmp(text + begin, value.data(), value.size()) == 0)
        return load_as<std::int32_t>(rows + 4 * entry);
    }
    return 0;
  }
  // The same within four of a guess, without a branch that nobody can foresee.
  std::uint64_t locate(std::uint64_t hash, std::uint64_t guess) const {
    constexpr std::uint64_t kWindow = 8;
    if (count < kWindow) return lower_bound(hash, guess);
    const std::uint64_t first = std::min(guess < kWindow / 2 ? 0 : guess - kWindow / 2, count - kWindow);
    std::uint64_t below = 0;
    for (std::uint64_t i = 0; i < kWindow; ++i) below += key(first + i) < hash ? 1 : 0;
    const bool inside = (below > 0 || first == 0) && (below < kWindow || first + kWindow == count);
    return inside ? first + below : lower_bound(hash, guess);
  }
};

// A value on its way to its row. Many are looked up together: every step of all before the next one, so that their
// cache misses overlap.
struct Lookup {
  const Vocabulary* vocabulary = nullptr;
  std::string_view value;
  std::uint64_t hash = 0, place = 0;
  std::int32_t row = 0;  // the result; 0: unseen

  static constexpr std::size_t kTogether = 32;

  void start(const Vocabulary& where, std::string_view what) {
    vocabulary = &where;
    value = what;
    if (where.count == 0) return;
    hash = xxh3_64(value);
    place = where.first_guess(hash);
    prefetch(where.keys + 8 * place);
  }
  static void finish(Lookup* all, std::size_t n) {
    for (int round = 0; round < 2; ++round)
      for (std::size_t i = 0; i < n; ++i) all[i].approach();
    for (std::size_t i = 0; i < n; ++i) all[i].locate();
    for (std::size_t i = 0; i < n; ++i)
      if (all[i].vocabulary->count > 0) prefetch(all[i].vocabulary->text + all[i].vocabulary->offset(all[i].place));
    for (std::size_t i = 0; i < n; ++i) {
      const Vocabulary& v = *all[i].vocabulary;
      all[i].row = v.count == 0 ? 0 : v.row_at(all[i].hash, all[i].place, all[i].value);
    }
  }

 private:
  void approach() {
    const Vocabulary& v = *vocabulary;
    if (v.count == 0) return;
    place = v.better_guess(hash, place);
    prefetch(v.keys + 8 * (place < 4 ? 0 : place - 4));
    prefetch(v.keys + 8 * std::min(v.count - 1, place + 3));
  }
  void locate() {
    const Vocabulary& v = *vocabulary;
    if (v.count == 0) return;
    place = std::min(v.count - 1, v.locate(hash, place));
    prefetch(v.offsets + 8 * place);
    prefetch(v.rows + 4 * place);
  }
};

struct Table {
  Type type = Type::f32;
  const unsigned char* data = nullptr;
  const float* scale = nullptr;  // of I8: one a row
  std::uint64_t rows = 0, hash = 0;
  std::size_t row_bytes = 0;
  Vocabulary vocabulary;

  const unsigned char* row(std::int32_t index) const { return data + static_cast<std::size_t>(index) * row_bytes; }
  void read(std::int32_t index, std::size_t dim, float* out) const {
    const unsigned char* from = row(index);
    if (type == Type::f32) {
      std::memcpy(out, from, dim * sizeof(float));
    } else if (type == Type::bf16) {
      for (std::size_t i = 0; i < dim; ++i) out[i] = widened(load_as<std::uint16_t>(from + 2 * i));
    } else {
      const float factor = scale[index];
      for (std::size_t i = 0; i < dim; ++i) out[i] = factor * static_cast<float>(static_cast<signed char>(from[i]));
    }
  }
};

// From the primary's logit to its probability: σ, or what `mal_gpu_train calibrate` fitted.
struct Calibration {
  enum class Kind { none, isotonic, platt };
  Kind kind = Kind::none;
  std::vector<float> x, y;  // isotonic: rising logits, and their probabilities; linear between them
  float slope = 1, shift = 0;

  static float sigmoid(double x) {
    const double e = std::exp(-std::abs(x));
    return static_cast<float>(x >= 0 ? 1 / (1 + e) : e / (1 + e));
  }
  float probability(float logit) const {
    if (kind == Kind::none) return sigmoid(static_cast<double>(logit));
    if (kind == Kind::platt)
      return sigmoid(static_cast<double>(slope) * static_cast<double>(logit) + static_cast<double>(shift));
    const auto above = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), logit) - x.begin());
    if (above == 0) return y.front();
    if (above == x.size()) return y.back();
    const float share = (logit - x[above - 1]) / (x[above] - x[above - 1]);
    return y[above - 1] + share * (y[above] - y[above - 1]);
  }
};

struct State {
  Bytes bytes;
  Container container;
  Schema schema;
  Trunk trunk;
  Plan plan;
  Outputs outputs;
  std::string type, primary;
  std::vector<Table> tables;    // as schema.tables
  std::vector<DinWeights> din;  // one a part of the trunk; empty but for attention
  std::vector<MultiHeadWeights> multi_head;
  std::vector<std::vector<float>> tiers;  // one a part of the trunk: [tiers, width] of SimTier embeddings
  std::vector<float> tier_weights;        // of n scores in a tier: n, log(1 + n) or log2(1 + n)
  std::vector<float> gamma, beta;         // of LayerNorm; without one, ones and zeros
  // Only linear layers read z: LayerNorm's β is in their bias, and the user's share of them is computed once a request.
  bool split = false;
  std::vector<bool> for_primary;   // steps that the primary's logit needs
  std::vector<std::string> views;  // heads beside the primary, with one logit
  std::vector<Value> view_logits;
  Calibration calibration;
  std::size_t tile = 1;  // rows that go through the steps at once
  const Kernels* kernels = nullptr;
  std::vector<std::uint64_t> required;  // columns that the network reads, a bit each
  std::vector<std::size_t> by_name;     // columns, by name

  int find_column(std::string_view name) const {
    const auto found = std::lower_bound(by_name.begin(), by_name.end(), name,
                                        [&](std::size_t c, std::string_view n) { return schema.columns[c].name < n; });
    return found != by_name.end() && schema.columns[*found].name == name ? static_cast<int>(*found) : -1;
  }
};

}  // namespace mal::infer::detail
