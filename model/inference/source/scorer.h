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
    return has(user_given_, part.column) && (part.kind != detail::PartKind::attention || has_target(part));
  }
  // What a sequence is compared with came with the user.
  bool has_target(const Part& part) const {
    if (state_->trunk.attention != detail::Attention::mha) return has(user_given_, part.target);
    return user_asks_;
  }
  Status check(const Features& ad) const;
  Status missing(const Features& ad) const;
  Status predict_all(const Features* const* pointers, const Features* ads, std::size_t count, const Predictions& out);
  void read_part(std::size_t part, const Features& from, const Features& target, float* z);
  const float* sequence_of(std::size_t part, const Features& from, std::size_t& valid);
  static detail::Product product(const detail::Weights& weights) {
    detail::Product product;
    product.panels = weights.panels.data();
    product.strips = weights.strips.data();
    product.halves = weights.halves.empty() ? nullptr : weights.halves.data();
    product.half_strips = weights.half_strips.data();
    product.bias = weights.bias.data();
    return product;
  }
  void multiply(const detail::Weights& weights, const float* x, std::size_t inputs, std::size_t rows,
                std::size_t outputs, float* y) const;
  void attend(std::size_t part, const float* sequence, std::size_t valid, float* out);
  void layer_norm(float* z) const;
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
  detail::Lines<float> arena_;         // [row_floats · tile]
  detail::Lines<float> coefficients_;  // [tile, kExtras]
  detail::Lines<float> user_rows_;     // [2, width of z]: the user's part of z less its mean, times γ; γ
  // One a step that reads z: these two rows times its weights, and γ of the ad's sparse segments; [kExtras, padded].
  std::vector<detail::Lines<float>> extra_;
  std::vector<detail::Lines<float>> sequences_;  // one a part of the trunk: the user's embeddings
  detail::Lines<float> sequence_;                // of an ad
  detail::Lines<float> embeddings_, query_;      // mha: of one sequence, and of what asks
  detail::Lines<float> scratch_, counts_, pooled_;
  std::vector<Segment> user_segments_, ad_segments_;
  std::size_t dense_count_ = 0;           // the ad's segments after so many are sparse
  std::vector<Segment> summed_segments_;  // the user's, when all rows of extra_ but the first were made
  std::vector<std::size_t> ad_parts_;
  std::vector<const Features*> batch_;
  std::size_t user_width_ = 0;
  float user_mean_ = 0, user_squares_ = 0;  // of the user's part of z: mean and Σ (z − mean)²
  bool has_user_ = false;
  bool user_asks_ = false;  // mha: all that queries are made of came with the user
};

inline Scorer::Scorer(std::shared_ptr<const detail::State> state)
    : state_(std::move(state)), user_(state_), user_given_(state_->required.size()) {
  const detail::Trunk& trunk = state_->trunk;
  arena_.resize(plan().row_floats * state_->tile);
  coefficients_.resize(detail::kExtras * state_->tile);
  user_rows_.resize(2 * trunk.width);
  sequences_.resize(trunk.parts.size());
  std::size_t longest = 1, scratch = 1, mixed = 1;
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[p].column];
    if (trunk.parts[p].kind != detail::PartKind::attention) continue;
    const bool mha = trunk.attention == detail::Attention::mha;
    sequences_[p].resize(column.length * trunk.dim * (mha ? 2 : 1));
    longest = std::max(longest, sequences_[p].size());
    scratch = std::max(scratch, column.length + (mha ? 2 * trunk.dim : (trunk.dim + 2) * state_->din[p].padded_hidden));
  }
  extra_.resize(plan().steps.size());
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    const detail::Step& step = plan().steps[i];
    mixed = std::max(mixed, step.parts.size());
    if (!state_->split || step.op != detail::Op::linear || step.in.buffer != 0) continue;
    extra_[i].resize(detail::kExtras * detail::padded(step.out.width));
  }
  std::copy(state_->gamma.begin(), state_->gamma.end(), user_rows_.begin() + static_cast<std::ptrdiff_t>(trunk.width));
  sequence_.resize(longest);
  embeddings_.resize(trunk.attention == detail::Attention::mha ? longest / 2 : 0);
  query_.resize(trunk.query_width);
  scratch_.resize(std::max(scratch, mixed));
  counts_.resize(trunk.tiers);
  pooled_.resize(trunk.dim);
  user_segments_.reserve(trunk.parts.size());
  ad_segments_.reserve(trunk.parts.size());
  summed_segments_.reserve(trunk.parts.size());
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
  user.settle();
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

// Which ranges of z are known with the user, and which come with each ad, the sparse ones last; neighbours are joined.
inline void Scorer::split_columns() {
  const auto append = [](std::vector<Segment>& list, std::size_t from, const Part& part) {
    if (list.size() > from && list.back().first + list.back().count == part.first)
      list.back().count += part.width;
    else
      list.push_back({part.first, part.width});
  };
  user_segments_.clear();
  ad_segments_.clear();
  ad_parts_.clear();
  user_width_ = 0;
  const std::vector<Part>& parts = state_->trunk.parts;
  user_asks_ = std::all_of(parts.begin(), parts.end(),
                           [&](const Part& part) { return !part.asks || has(user_given_, part.column); });
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!of_user(parts[p])) {
      ad_parts_.push_back(p);
      if (!parts[p].sparse()) append(ad_segments_, 0, parts[p]);
      continue;
    }
    append(user_segments_, 0, parts[p]);
    user_width_ += parts[p].width;
  }
  dense_count_ = ad_segments_.size();
  for (const std::size_t p : ad_parts_)
    if (parts[p].sparse()) append(ad_segments_, dense_count_, parts[p]);
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
  ad.settle();
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
      fill_row(*batch_[r], at(z) + r * stride(z), coefficients_.data() + detail::kExtras * r);
    }
    run(rows, out.views != nullptr);
    write(rows, first, out);
  }
  return {};
}

}  // namespace mal::infer
