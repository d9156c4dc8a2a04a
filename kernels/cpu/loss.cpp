// Every view's loss and its gradient in one pass over the logit block. Values come from logits: BCE as softplus(x) − l
// x, softmax cross-entropy through log-sum-exp; a rounded probability is never seen by a logarithm.
#include <cmath>

#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// softplus(x) = log(1 + eˣ) without overflow.
double softplus(double x) {
  return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::abs(x)));
}

double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return x >= 0 ? 1.0 / (1.0 + e) : e / (1.0 + e);
}

struct Label {
  double label, weight;
};
Label label_of(float credit) {
  return credit > 0 ? Label{1.0, credit} : Label{0.0, 1.0};
}

// Of the rows; 1 without weights.
struct RowWeights {
  const float* data;
  std::int64_t stride;
  double mean;
  double of(std::int64_t row) const { return data == nullptr ? 1.0 : static_cast<double>(data[row * stride]) / mean; }
};

double view_row(const LossHead& head, const float* logits, const float* credits, double scale, float* gradient) {
  const double logit = logits[head.column];
  const Label label = label_of(credits[head.views[0]]);
  gradient[head.column] = static_cast<float>(scale * label.weight * (sigmoid(logit) - label.label));
  return label.weight * (softplus(logit) - label.label * logit);
}

double cartesian_row(const LossHead& head, const float* logits, const float* credits, double scale, float* gradient) {
  const std::int64_t classes = std::int64_t{1} << head.view_count;
  const float* x = logits + head.column;
  float* g = gradient + head.column;
  std::int64_t label = 0;
  for (std::int32_t k = 0; k < head.view_count; ++k)
    if (credits[head.views[k]] > 0) label |= std::int64_t{1} << k;
  const double top = *std::max_element(x, x + classes);
  double sum = 0;
  for (std::int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(x[c]) - top);
  const double log_sum = top + std::log(sum);
  for (std::int64_t c = 0; c < classes; ++c)
    g[c] = static_cast<float>(scale * (std::exp(static_cast<double>(x[c]) - log_sum) - (c == label ? 1.0 : 0.0)));
  return log_sum - static_cast<double>(x[label]);
}

std::int64_t blocks_of(std::int64_t rows) {
  return (rows + kRowBlock - 1) / kRowBlock;
}

// B, 1, or Σ w of a head. A cartesian head's weights are those of the rows. Where all are 0, there is nothing to
// divide.
double divisor_of(const LossHead& head, Reduction reduction, const float* credits, std::int64_t ldcredits,
                  const RowWeights& weights, std::int64_t rows) {
  if (reduction == Reduction::sum) return 1.0;
  if (reduction == Reduction::mean) return static_cast<double>(rows);
  const bool cartesian = head.kind == HeadKind::cartesian;
  double sum = 0;
  for (std::int64_t r = 0; r < rows; ++r)
    sum += weights.of(r) * (cartesian ? 1.0 : label_of(credits[r * ldcredits + head.views[0]]).weight);
  return sum > 0 ? sum : 1.0;
}

}  // namespace

void multi_view_loss(const float* logits, std::int64_t ldlogits, const float* credits, std::int64_t ldcredits,
                     const float* weights, std::int64_t ldweights, double weight_mean, const LossHead* heads,
                     std::int32_t head_count, Reduction reduction, float* dlogits, std::int64_t lddlogits,
                     std::int64_t columns, double* losses, std::int64_t rows, double* workspace) {
  std::fill_n(losses, head_count, 0.0);
  if (rows == 0) return;
  const RowWeights row_weights{weights, ldweights, weight_mean};
  double* divisors = workspace;
  double* partial = workspace + head_count;
  for (std::int32_t h = 0; h < head_count; ++h)
    divisors[h] = divisor_of(heads[h], reduction, credits, ldcredits, row_weights, rows);
  parallel_ranges(rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    double* sums = partial + first / kRowBlock * head_count;
    std::fill_n(sums, head_count, 0.0);
    for (std::int64_t r = first; r < last; ++r) {
      float* gradient = dlogits + r * lddlogits;
      std::fill_n(gradient, columns, 0.0F);
      const double weight = row_weights.of(r);
      for (std::int32_t h = 0; h < head_count; ++h) {
        const auto row = heads[h].kind == HeadKind::view ? view_row : cartesian_row;
        sums[h] += weight * row(heads[h], logits + r * ldlogits, credits + r * ldcredits,
                                weight * (heads[h].scale / divisors[h]), gradient);
      }
    }
  });
  for (std::int64_t block = 0; block < blocks_of(rows); ++block)
    for (std::int32_t h = 0; h < head_count; ++h) losses[h] += partial[block * head_count + h];
  for (std::int32_t h = 0; h < head_count; ++h) losses[h] /= divisors[h];
}

std::int64_t multi_view_loss_workspace(std::int64_t rows, std::int32_t head_count) {
  return (blocks_of(rows) + 1) * head_count;
}

}  // namespace mal::kernels
