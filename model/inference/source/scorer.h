// The forward pass. A scorer belongs to one thread; all memory is taken when it is made.
#pragma once

#include "model/inference/source/features.h"

namespace mal::infer {

// Where predict() puts what is asked for; null: not asked for. n = the number of ads.
struct Predictions {
  float* probability = nullptr;  // [n] of the primary view, calibrated
  float* logit = nullptr;        // [n] of the primary view
  float* views = nullptr;        // [n, Model::views().size()] probabilities of the other heads
  float* knowledge = nullptr;    // [n, Model::knowledge_width()]
};

class Scorer {
 public:
  // The columns given here hold for every ad until the next set_user; their share of the network is computed now. Which
  // columns those are is the caller's choice, each request anew (an ad's columns may be among them).
  Status try_set_user(const Features& user);
  void clear_user() noexcept;  // every column comes with the ads again

  Status try_predict(const Features& ad, float& probability) {
    const Features* one = &ad;
    Predictions out;
    out.probability = &probability;
    return predict_all(&one, nullptr, 1, out);
  }
  Status try_predict(const Features* ads, std::size_t count, const Predictions& out) {
    return predict_all(nullptr, ads, count, out);
  }
  Status try_predict(const Features* const* ads, std::size_t count, const Predictions& out) {
    return predict_all(ads, nullptr, count, out);
  }

#if MAL_INFER_EXCEPTIONS
  void set_user(const Features& user) {
    detail::raise(try_set_user(user));
  }
  float predict(const Features& ad) {
    float probability = 0;
    detail::raise(try_predict(ad, probability));
    return probability;
  }
  void predict(const std::vector<Features>& ads, std::vector<float>& probabilities) {
    probabilities.resize(ads.size());
    Predictions out;
    out.probability = probabilities.data();
    detail::raise(try_predict(ads.data(), ads.size(), out));
  }
  void predict(const Features* ads, std::size_t count, const Predictions& out) {
    detail::raise(try_predict(ads, count, out));
  }
#endif

 private:
  friend class Model;
  using Segment = detail::Segment;
  using Part = detail::Part;

  explicit Scorer(std::shared_ptr<const detail::State> state);

  static bool has(const std::vector<std::uint64_t>& bits, std::size_t column) {
    return (bits[column / 64] >> column % 64 & 1U) != 0;
  }
  bool of_user(const Part& part) const {
    return has(user_given_, part.column) && (part.kind != detail::PartKind::attention || has(user_given_, part.target));
  }
  Status check(const Features& ad) const;
  Status missing(const Features& ad) const;
  Status predict_all(const Features* const* pointers, const Features* ads, std::size_t count, const Predictions& out);
  void read_part(std::size_t part, const Features& from, const Features& target, float* z);
  const float* sequence_of(std::size_t part, const Features& from, std::size_t& valid);
  void read_simtier(std::size_t part, const Features& from, float* out);
  void split_columns();
  void compute_user();
  void fill_row(const Features& ad, float* z, float* coefficients);
  void run(std::size_t rows, bool all);
  void run_linear(const detail::Step& step, std::size_t index, std::size_t rows);
  void run_mix(const detail::Step& step, std::size_t rows);
  void run_fields(const detail::Step& step, std::size_t rows);
  void prefetch(const Features& ad) const;
  void write(std::size_t rows, std::size_t at, const Predictions& out);

  float* at(const detail::Value& value) {
    return arena_.data() + plan().buffers[static_cast<std::size_t>(value.buffer)].offset * state_->tile + value.column;
  }
  std::size_t stride(const detail::Value& value) const {
    return plan().buffers[static_cast<std::size_t>(value.buffer)].stride;
  }
  const detail::Plan& plan() const {
    return state_->plan;
  }

  std::shared_ptr<const detail::State> state_;
  Features user_;
  std::vector<std::uint64_t> user_given_;
  std::vector<float> arena_;                   // [row_floats · tile]
  std::vector<float> coefficients_;            // [tile, 2]
  std::vector<float> user_rows_;               // [2, width of z]: the user's part of z less its mean; ones
  std::vector<float> user_product_;            // [2, widest layer that reads z]
  std::vector<std::vector<float>> extra_;      // one a step that reads z: [panels, 2, 16]
  std::vector<std::vector<float>> sequences_;  // one a part of the trunk: the user's embeddings
  std::vector<float> sequence_;                // of an ad
  std::vector<float> scratch_, counts_, pooled_;
  std::vector<Segment> user_segments_, ad_segments_;
  std::vector<std::size_t> ad_parts_;
  std::vector<const Features*> batch_;
  std::size_t user_width_ = 0;
  float user_mean_ = 0, user_squares_ = 0;  // of the user's part of z: mean and Σ (z − mean)²
  bool has_user_ = false;
};

inline Scorer::Scorer(std::shared_ptr<const detail::State> state)
    : state_(std::move(state)), user_(state_), user_given_(state_->required.size()) {
  const detail::Trunk& trunk = state_->trunk;
  arena_.resize(plan().row_floats * state_->tile);
  coefficients_.resize(2 * state_->tile);
  user_rows_.resize(2 * trunk.width);
  sequences_.resize(trunk.parts.size());
  std::size_t longest = 1, scratch = 1, widest = 0, mixed = 1;
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[p].column];
    if (trunk.parts[p].kind != detail::PartKind::attention) continue;
    sequences_[p].resize(column.length * trunk.dim);
    longest = std::max(longest, column.length * trunk.dim);
    scratch = std::max(scratch, (trunk.dim + 2) * state_->din[p].padded_hidden + column.length);
  }
  extra_.resize(plan().steps.size());
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    const detail::Step& step = plan().steps[i];
    mixed = std::max(mixed, step.parts.size());
    if (!state_->split || step.op != detail::Op::linear || step.in.buffer != 0) continue;
    extra_[i].resize(2 * detail::padded(step.out.width));
    widest = std::max(widest, detail::padded(step.out.width));
  }
  user_product_.resize(2 * widest);
  sequence_.resize(longest);
  scratch_.resize(std::max(scratch, mixed));
  counts_.resize(trunk.tiers);
  pooled_.resize(trunk.dim);
  user_segments_.reserve(trunk.parts.size());
  ad_segments_.reserve(trunk.parts.size());
  ad_parts_.reserve(trunk.parts.size());
  batch_.resize(state_->tile);
  split_columns();
}

inline void Scorer::clear_user() noexcept {
  std::fill(user_given_.begin(), user_given_.end(), 0);
  has_user_ = false;
  split_columns();
}

inline Status Scorer::try_set_user(const Features& user) {
  if (user.state_ != state_)
    return detail::refuse("these features were made by another model; make them with this scorer's model");
  user_.ids_ = user.ids_;
  user_.values_ = user.values_;
  user_.lengths_ = user.lengths_;
  user_.given_ = user.given_;
  user_given_ = user.given_;
  has_user_ = true;
  split_columns();
  compute_user();
  return {};
}

// Which ranges of z are known with the user, and which come with each ad; neighbours are joined.
inline void Scorer::split_columns() {
  user_segments_.clear();
  ad_segments_.clear();
  ad_parts_.clear();
  user_width_ = 0;
  const std::vector<Part>& parts = state_->trunk.parts;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const bool user = of_user(parts[p]);
    std::vector<Segment>& list = user ? user_segments_ : ad_segments_;
    if (!list.empty() && list.back().first + list.back().count == parts[p].first)
      list.back().count += parts[p].width;
    else
      list.push_back({parts[p].first, parts[p].width});
    if (user)
      user_width_ += parts[p].width;
    else
      ad_parts_.push_back(p);
  }
}

// With x̂ = (z − μ) r:  x̂ W = r Σ_ad (z − μ) W + r Σ_user (z − m) W + r (m − μ) Σ_user W, m the mean of the user's part.
// The two sums over the user's part do not depend on the ad. They go into the products as two more inputs. Their
// variance follows from Σ (z − μ)² = Σ (z − m)² + n (m − μ)² (Chan et al.), which loses no digits.
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
    k.normalise(z + s.first, s.count, user_mean_, 1.0F);
    std::fill_n(z + trunk.width + s.first, s.count, 1.0F);
  }
  static constexpr float kNoBias[detail::kLanes] = {};
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (extra_[i].empty()) continue;
    const detail::Step& step = plan().steps[i];
    for (std::size_t column = 0; column < step.out.width; column += detail::kLanes) {
      detail::Product product;
      product.x = z;
      product.ldx = trunk.width;
      product.inputs = step.in.width;
      product.panels = step.weights.panels.data() + column * step.in.width;
      product.bias = kNoBias;
      product.segments = user_segments_.data();
      product.segment_count = user_segments_.size();
      product.y = extra_[i].data() + 2 * column;
      product.ldy = detail::kLanes;
      product.rows = 2;
      product.outputs = detail::kLanes;
      k.product(product);
    }
  }
}

inline const float* Scorer::sequence_of(std::size_t part, const Features& from, std::size_t& valid) {
  const detail::ColumnSpec& column = state_->schema.columns[state_->trunk.parts[part].column];
  valid = static_cast<std::size_t>(from.lengths_[state_->trunk.parts[part].column]);
  float* out = &from == &user_ ? sequences_[part].data() : sequence_.data();
  const detail::Table& table = state_->tables[static_cast<std::size_t>(column.table)];
  for (std::size_t j = 0; j < valid; ++j)
    table.read(from.ids_[column.cells + j], state_->trunk.dim, out + j * state_->trunk.dim);
  return out;
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
      const detail::ColumnSpec& of = state_->schema.columns[part.target];
      state_->tables[static_cast<std::size_t>(of.table)].read(target.ids_[of.cells], dim, pooled_.data());
      state_->kernels->din(state_->din[index], sequence, valid, pooled_.data(), out, scratch_.data());
      break;
    }
    case detail::PartKind::simtier:
      read_simtier(index, from, out);
      break;
    case detail::PartKind::number:
      *out = from.values_[column.cells];
      break;
  }
}

// The ad's parts of a row of z, normalised; and what the products need to know of the row.
inline void Scorer::fill_row(const Features& ad, float* z, float* coefficients) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  for (const std::size_t p : ad_parts_) {
    const Part& part = trunk.parts[p];
    const bool user_column = has(user_given_, part.column);
    const bool user_target = part.kind == detail::PartKind::attention && has(user_given_, part.target);
    read_part(p, user_column ? user_ : ad, user_target ? user_ : ad, z);
  }
  if (!state_->split) {
    for (const Segment& s : user_segments_) std::copy_n(user_rows_.data() + s.first, s.count, z + s.first);
    if (!trunk.layer_norm) return;
    const auto n = static_cast<float>(trunk.width);
    const float mean = k.sum(z, trunk.width) / n;
    const float scale = 1.0F / std::sqrt(k.squares(z, trunk.width, mean) / n + trunk.epsilon);
    for (std::size_t c = 0; c < trunk.width; ++c) z[c] = (z[c] - mean) * scale * state_->gamma[c] + state_->beta[c];
    return;
  }
  coefficients[0] = 1;
  coefficients[1] = user_width_ == 0 ? 0 : user_mean_;
  if (!trunk.layer_norm) return;
  const auto n = static_cast<float>(trunk.width), user = static_cast<float>(user_width_);
  float sum = user_width_ == 0 ? 0 : user * user_mean_;
  for (const Segment& s : ad_segments_) sum += k.sum(z + s.first, s.count);
  const float mean = sum / n, away = user_width_ == 0 ? 0 : user_mean_ - mean;
  float squares = user_width_ == 0 ? 0 : user_squares_ + user * away * away;
  for (const Segment& s : ad_segments_) squares += k.squares(z + s.first, s.count, mean);
  const float scale = 1.0F / std::sqrt(squares / n + trunk.epsilon);
  for (const Segment& s : ad_segments_) k.normalise(z + s.first, s.count, mean, scale);
  coefficients[0] = scale;
  coefficients[1] = scale * away;
}

inline void Scorer::run_linear(const detail::Step& step, std::size_t index, std::size_t rows) {
  detail::Product product;
  product.x = at(step.in);
  product.ldx = stride(step.in);
  product.inputs = step.in.width;
  product.panels = step.weights.panels.data();
  product.bias = step.weights.bias.data();
  product.segments = step.all.data();
  product.segment_count = step.all.size();
  if (!extra_[index].empty() && user_width_ > 0) {
    product.segments = ad_segments_.data();
    product.segment_count = ad_segments_.size();
    product.extra = extra_[index].data();
    product.coefficients = coefficients_.data();
  }
  if (step.add.valid()) {
    product.add = at(step.add);
    product.ldadd = stride(step.add);
  }
  product.y = at(step.out);
  product.ldy = stride(step.out);
  product.rows = rows;
  product.outputs = step.out.width;
  product.activation = step.activation;
  state_->kernels->product(product);
}

inline void Scorer::run_mix(const detail::Step& step, std::size_t rows) {
  const std::size_t count = step.parts.size();
  for (std::size_t r = 0; r < rows; ++r) {
    float* weights = scratch_.data();
    std::copy_n(at(step.gates) + r * stride(step.gates), count, weights);
    detail::softmax(weights, count);
    if (step.self_kind == detail::SelfGate::native)
      for (std::size_t j = 0; j < step.self_count; ++j) weights[step.self_first + j] += step.native_weights[j];
    if (step.self_kind == detail::SelfGate::sigmoid || step.self_kind == detail::SelfGate::softmax) {
      float* self = at(step.self) + r * stride(step.self);
      if (step.self_kind == detail::SelfGate::softmax) detail::softmax(self, step.self_count);
      for (std::size_t j = 0; j < step.self_count; ++j)
        weights[step.self_first + j] +=
            step.self_kind == detail::SelfGate::softmax ? self[j] : 1.0F / (1.0F + std::exp(-self[j]));
    }
    float* out = at(step.out) + r * stride(step.out);
    std::fill_n(out, step.out.width, 0.0F);
    for (std::size_t e = 0; e < count; ++e) {
      const float* part = at(step.parts[e]) + r * stride(step.parts[e]);
      for (std::size_t i = 0; i < step.out.width; ++i) out[i] += weights[e] * part[i];
    }
  }
}

inline void Scorer::run_fields(const detail::Step& step, std::size_t rows) {
  const std::vector<detail::Field>& fields = plan().fields;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* in = at(step.in) + r * stride(step.in);
    float* out = at(step.out) + r * stride(step.out);
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (step.op == detail::Op::field_means) {
        out[f] = state_->kernels->sum(in + fields[f].first, fields[f].width) / static_cast<float>(fields[f].width);
        continue;
      }
      const float logit = at(step.add)[r * stride(step.add) + f], factor = 2.0F / (1.0F + std::exp(-logit));
      for (std::size_t i = 0; i < fields[f].width; ++i) out[fields[f].first + i] = in[fields[f].first + i] * factor;
    }
  }
}

inline void Scorer::run(std::size_t rows, bool all) {
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (!all && !state_->for_primary[i]) continue;
    const detail::Step& step = plan().steps[i];
    switch (step.op) {
      case detail::Op::linear:
        run_linear(step, i, rows);
        break;
      case detail::Op::mix:
        run_mix(step, rows);
        break;
      case detail::Op::field_means:
      case detail::Op::field_scale:
        run_fields(step, rows);
        break;
      case detail::Op::gate:
      case detail::Op::copy:
        for (std::size_t r = 0; r < rows; ++r) {
          const float* in = at(step.in) + r * stride(step.in);
          float* out = at(step.out) + r * stride(step.out);
          if (step.op == detail::Op::copy) {
            std::copy_n(in, step.out.width, out);
            continue;
          }
          const float* gate = at(step.add) + r * stride(step.add);
          for (std::size_t c = 0; c < step.out.width; ++c) out[c] = in[c] * 2.0F / (1.0F + std::exp(-gate[c]));
        }
        break;
    }
  }
}

inline Status Scorer::check(const Features& ad) const {
  if (ad.state_ != state_)
    return detail::refuse("these features were made by another model; make them with this scorer's model");
  std::uint64_t wrong = 0;
  for (std::size_t w = 0; w < user_given_.size(); ++w)
    wrong |= (state_->required[w] & ~(user_given_[w] | ad.given_[w])) | (user_given_[w] & ad.given_[w]);
  return wrong == 0 ? Status() : missing(ad);
}

inline Status Scorer::missing(const Features& ad) const {
  for (std::size_t c = 0; c < state_->schema.columns.size(); ++c) {
    const std::string& name = state_->schema.columns[c].name;
    if (has(user_given_, c) && has(ad.given_, c))
      return detail::refuse("column ", name, " is given with the user and with the ad; give it once");
    if (has(state_->required, c) && !has(user_given_, c) && !has(ad.given_, c))
      return detail::refuse("column ", name,
                            " is given neither with the user nor with the ad; set it (an unknown id is empty text)");
  }
  return {};
}

inline void Scorer::prefetch(const Features& ad) const {
  for (const std::size_t p : ad_parts_) {
    const Part& part = state_->trunk.parts[p];
    if (part.kind != detail::PartKind::id) continue;
    const detail::ColumnSpec& column = state_->schema.columns[part.column];
    detail::prefetch(state_->tables[static_cast<std::size_t>(column.table)].row(ad.ids_[column.cells]));
  }
}

inline void Scorer::write(std::size_t rows, std::size_t first, const Predictions& out) {
  const detail::Outputs& outputs = state_->outputs;
  for (std::size_t r = 0; r < rows; ++r) {
    const float logit = at(outputs.primary)[r * stride(outputs.primary)];
    if (out.logit != nullptr) out.logit[first + r] = logit;
    if (out.probability != nullptr) out.probability[first + r] = state_->calibration.probability(logit);
    for (std::size_t v = 0; out.views != nullptr && v < state_->view_logits.size(); ++v) {
      const detail::Value& value = state_->view_logits[v];
      out.views[(first + r) * state_->view_logits.size() + v] =
          detail::Calibration::sigmoid(static_cast<double>(at(value)[r * stride(value)]));
    }
    if (out.knowledge != nullptr)
      std::copy_n(at(outputs.knowledge) + r * stride(outputs.knowledge), outputs.knowledge.width,
                  out.knowledge + (first + r) * outputs.knowledge.width);
  }
}

inline Status Scorer::predict_all(const Features* const* pointers, const Features* ads, std::size_t count,
                                  const Predictions& out) {
  for (std::size_t first = 0; first < count; first += state_->tile) {
    const std::size_t rows = std::min(state_->tile, count - first);
    for (std::size_t r = 0; r < rows; ++r) {
      batch_[r] = pointers != nullptr ? pointers[first + r] : ads + first + r;
      if (batch_[r] == nullptr) return detail::refuse("an ad is null");
      Status status = check(*batch_[r]);
      if (!status.ok()) return status;
    }
    constexpr std::size_t kAhead = 4;
    for (std::size_t r = 0; r < std::min(kAhead, rows); ++r) prefetch(*batch_[r]);
    const detail::Value z{0, 0, state_->trunk.width};
    for (std::size_t r = 0; r < rows; ++r) {
      if (r + kAhead < rows) prefetch(*batch_[r + kAhead]);
      fill_row(*batch_[r], at(z) + r * stride(z), coefficients_.data() + 2 * r);
    }
    run(rows, out.views != nullptr);
    write(rows, first, out);
  }
  return {};
}

}  // namespace mal::infer
