// What a row of z is made of: the columns of the user and of the ad, embedded, attended, counted and normalised.
#pragma once

#include "model/inference/source/scorer.h"

namespace mal::infer {

// With x̂ = (z − μ) r and W' = γ W:  x̂ W' = r Σ_ad (z − μ) W' + r Σ_user (z − m) W' + r (m − μ) Σ_user W', m the mean of
// the user's part. The two sums over the user's part do not depend on the ad: they go into the products as two more
// inputs. The second does not depend on the user either, as long as the same columns are given. The variance follows
// from Σ (z − μ)² = Σ (z − m)² + n (m − μ)² (Chan et al.), which loses no digits.
// What is sparse of the ad's part is taken apart too, r Σ z W' − r μ Σ W', so that its zeros stay zeros: their weights
// are not read. Its second sum is a third input, without the user's values as well. But not where |μ| r is large: then
// the sums would cancel, and there is little to gain, since where a part f of z is zero, |μ| r ≤ 1 / √f.
inline void Scorer::compute_user() {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  float* z = user_rows_.data();
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    std::size_t valid = 0;
    if (of_user(trunk.parts[p]))
      read_part(p, user_, user_, z);
    else if (trunk.parts[p].kind == detail::PartKind::attention && has(user_given_, trunk.parts[p].column))
      sequence_of(p, user_, valid);
  }
  if (!state_->split || user_width_ == 0) return;
  float sum = 0;
  for (const Segment& s : user_segments_) sum += k.sum(z + s.first, s.count);
  user_mean_ = sum / static_cast<float>(user_width_);
  user_squares_ = 0;
  for (const Segment& s : user_segments_) {
    user_squares_ += k.squares(z + s.first, s.count, user_mean_);
    k.normalise(z + s.first, s.count, user_mean_, 1.0F, state_->gamma.data() + s.first);
  }
  const bool summed =
      std::equal(user_segments_.begin(), user_segments_.end(), summed_segments_.begin(), summed_segments_.end(),
                 [](const Segment& a, const Segment& b) { return a.first == b.first && a.count == b.count; });
  summed_segments_ = user_segments_;
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (extra_[i].empty()) continue;
    detail::Product product = Scorer::product(plan().steps[i].weights);
    product.bias = nullptr;
    product.x = z;
    product.ldx = product.inputs = trunk.width;
    product.segments = user_segments_.data();
    product.segment_count = user_segments_.size();
    product.y = extra_[i].data();
    product.ldy = product.outputs = extra_[i].size() / detail::kExtras;
    product.rows = summed ? 1 : 2;
    k.product(product);
    if (summed) continue;
    product.x += trunk.width;
    product.segments = ad_segments_.data() + dense_count_;
    product.segment_count = ad_segments_.size() - dense_count_;
    product.y += 2 * product.ldy;
    product.rows = 1;
    k.product(product);
  }
}

// The embeddings of a sequence; with mha, its keys and values: [valid, 2 dim].
inline const float* Scorer::sequence_of(std::size_t part, const Features& from, std::size_t& valid) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[part].column];
  valid = static_cast<std::size_t>(from.lengths_[trunk.parts[part].column]);
  const bool project = trunk.attention == detail::Attention::mha;
  float* out = &from == &user_ ? sequences_[part].data() : sequence_.data();
  float* embeddings = project ? embeddings_.data() : out;
  const detail::Table& table = state_->tables[static_cast<std::size_t>(column.table)];
  for (std::size_t j = 0; j < valid; ++j)
    table.read(from.ids_[column.cells + j], trunk.dim, embeddings + j * trunk.dim);
  if (project) multiply(state_->multi_head[part].key_value, embeddings, trunk.dim, valid, 2 * trunk.dim, out);
  return out;
}

// y [rows, outputs] = x [rows, inputs] W + b
inline void Scorer::multiply(const detail::Weights& weights, const float* x, std::size_t inputs, std::size_t rows,
                             std::size_t outputs, float* y) const {
  const Segment all = {0, inputs};
  detail::Product product = Scorer::product(weights);
  product.x = x;
  product.ldx = product.inputs = inputs;
  product.segments = &all;
  product.segment_count = 1;
  product.y = y;
  product.ldy = product.outputs = outputs;
  product.rows = rows;
  state_->kernels->product(product);
}

// Head h: softmax over the positions of k_j,h · q_h, then Σ p_j v_j,h; all heads together through the output layer.
// query_ is filled: parts that ask come before those that attend.
inline void Scorer::attend(std::size_t part, const float* sequence, std::size_t valid, float* out) {
  const detail::MultiHeadWeights& weights = state_->multi_head[part];
  const std::size_t d = state_->trunk.dim, of_head = d / state_->trunk.heads;
  float *query = scratch_.data(), *pooled = query + d, *scores = pooled + d;
  multiply(weights.query, query_.data(), query_.size(), 1, d, query);
  std::fill_n(pooled, d, 0.0F);
  for (std::size_t first = 0; first < d; first += of_head) {
    for (std::size_t j = 0; j < valid; ++j) {
      scores[j] = 0;
      for (std::size_t i = first; i < first + of_head; ++i) scores[j] += sequence[2 * d * j + i] * query[i];
    }
    detail::softmax(scores, valid);
    for (std::size_t j = 0; j < valid; ++j)
      for (std::size_t i = first; i < first + of_head; ++i) pooled[i] += scores[j] * sequence[2 * d * j + d + i];
  }
  multiply(weights.output, pooled, d, 1, d, out);
}

inline void Scorer::read_simtier(std::size_t part, const Features& from, float* out) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[part].column];
  const auto valid = static_cast<std::size_t>(from.lengths_[trunk.parts[part].column]);
  const float* scores = from.values_.data() + column.cells;
  std::fill(counts_.begin(), counts_.end(), 0.0F);
  const auto tiers = static_cast<float>(trunk.tiers);
  for (std::size_t j = 0; j < valid; ++j) {  // scores are in [−1, 1] since set()
    const auto tier = static_cast<std::size_t>((scores[j] + 1.0F) * tiers / 2.0F);
    counts_[std::min(trunk.tiers - 1, tier)] += 1.0F;
  }
  for (std::size_t t = 0; t < trunk.tiers; ++t) {
    const float weight = state_->tier_weights[static_cast<std::size_t>(counts_[t])];
    if (trunk.simtier == detail::SimTier::count) {
      out[t] = weight;
      continue;
    }
    const float* vector = state_->tiers[part].data() + t * trunk.tier_width;
    for (std::size_t q = 0; q < trunk.tier_width; ++q) out[t * trunk.tier_width + q] = weight * vector[q];
  }
}

// One part of z. target: who holds the target of an attention.
inline void Scorer::read_part(std::size_t index, const Features& from, const Features& target, float* z) {
  const Part& part = state_->trunk.parts[index];
  const detail::ColumnSpec& column = state_->schema.columns[part.column];
  const std::size_t dim = state_->trunk.dim;
  float* out = z + part.first;
  switch (part.kind) {
    case detail::PartKind::id:
      state_->tables[static_cast<std::size_t>(column.table)].read(from.ids_[column.cells], dim, out);
      break;
    case detail::PartKind::pooled: {
      const auto valid = static_cast<std::size_t>(from.lengths_[part.column]);
      std::fill_n(out, dim, 0.0F);
      for (std::size_t j = 0; j < valid; ++j) {
        state_->tables[static_cast<std::size_t>(column.table)].read(from.ids_[column.cells + j], dim, pooled_.data());
        for (std::size_t i = 0; i < dim; ++i) out[i] += pooled_[i];
      }
      if (valid == 0 || part.pooling == detail::Pooling::sum) break;
      const auto n = static_cast<float>(valid);
      const float weight = 1.0F / (part.pooling == detail::Pooling::mean ? n : std::sqrt(n));
      for (std::size_t i = 0; i < dim; ++i) out[i] *= weight;
      break;
    }
    case detail::PartKind::attention: {
      auto valid = static_cast<std::size_t>(from.lengths_[part.column]);
      const float* sequence =
          &from == &user_ && &target != &user_ ? sequences_[index].data() : sequence_of(index, from, valid);
      if (valid == 0) {
        std::fill_n(out, dim, 0.0F);
        break;
      }
      if (state_->trunk.attention == detail::Attention::mha) {
        attend(index, sequence, valid, out);
        break;
      }
      const detail::ColumnSpec& of = state_->schema.columns[part.target];
      state_->tables[static_cast<std::size_t>(of.table)].read(target.ids_[of.cells], dim, pooled_.data());
      state_->kernels->din(state_->din[index], sequence, valid, pooled_.data(), out, scratch_.data());
      break;
    }
    case detail::PartKind::simtier:
      read_simtier(index, from, out);
      break;
    case detail::PartKind::number:
      std::copy_n(from.values_.data() + column.cells, part.width, out);
      break;
  }
  if (part.asks) std::copy_n(out, part.width, query_.data() + part.query);
}

inline void Scorer::layer_norm(float* z) const {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  const auto n = static_cast<float>(trunk.width);
  const float mean = k.sum(z, trunk.width) / n;
  const float scale = 1.0F / std::sqrt(k.squares(z, trunk.width, mean) / n + trunk.epsilon);
  for (std::size_t c = 0; c < trunk.width; ++c) z[c] = (z[c] - mean) * scale * state_->gamma[c] + state_->beta[c];
}

// The ad's parts of a row of z, normalised; and what the products need to know of the row.
inline void Scorer::fill_row(const Features& ad, float* z, float* coefficients) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  for (const std::size_t p : ad_parts_) {
    const Part& part = trunk.parts[p];
    const bool user_column = has(user_given_, part.column);
    read_part(p, user_column ? user_ : ad, has_target(part) ? user_ : ad, z);
  }
  if (!state_->split) {
    for (const Segment& s : user_segments_) std::copy_n(user_rows_.data() + s.first, s.count, z + s.first);
    if (trunk.layer_norm && !trunk.senet) layer_norm(z);
    return;
  }
  coefficients[0] = 1;
  coefficients[1] = user_width_ == 0 ? 0 : user_mean_;
  coefficients[2] = 0;
  if (!trunk.layer_norm) return;
  const auto n = static_cast<float>(trunk.width), user = static_cast<float>(user_width_);
  float sum = user_width_ == 0 ? 0 : user * user_mean_;
  for (const Segment& s : ad_segments_) sum += k.sum(z + s.first, s.count);
  const float mean = sum / n, away = user_width_ == 0 ? 0 : user_mean_ - mean;
  float squares = user_width_ == 0 ? 0 : user_squares_ + user * away * away;
  for (const Segment& s : ad_segments_) squares += k.squares(z + s.first, s.count, mean);
  const float scale = 1.0F / std::sqrt(squares / n + trunk.epsilon);
  constexpr float kFar = 4;
  const bool apart = user_width_ != 0 && std::abs(mean) * scale <= kFar;
  for (std::size_t i = 0; i < ad_segments_.size(); ++i) {
    const Segment& s = ad_segments_[i];
    const float center = i < dense_count_ || !apart ? mean : 0.0F;
    k.normalise(z + s.first, s.count, center, scale, state_->gamma.data() + s.first);
  }
  coefficients[0] = scale;
  coefficients[1] = scale * away;
  coefficients[2] = apart ? -scale * mean : 0.0F;
}

}  // namespace mal::infer
