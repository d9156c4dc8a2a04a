#include "train/metrics/auc.h"

#include <algorithm>
#include <bit>

#include "train/metrics/sample.h"

namespace mal {

namespace {

// Integers in the order of the floats they stand for.
std::uint32_t ordered_bits(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0F);  // −0 + 0 is +0
  constexpr std::uint32_t kSign = 0x80000000U;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace

std::vector<std::uint32_t> order_by_logit(std::span<const float> logits) {
  // Sorting (logit, row) packed into one integer is several times faster than sorting rows that look up their logit.
  std::vector<std::uint64_t> keys(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) keys[i] = std::uint64_t{ordered_bits(logits[i])} << 32U | i;
  std::ranges::sort(keys);
  std::vector<std::uint32_t> order(logits.size());
  std::ranges::transform(keys, order.begin(), [](std::uint64_t key) { return static_cast<std::uint32_t>(key); });
  return order;
}

std::optional<double> weighted_auc(std::span<const float> logits, std::span<const float> credits,
                                   std::span<const std::uint32_t> order, const RowWeights& weights) {
  Sum won, positives, negatives;  // negatives: below the current score
  for (std::size_t begin = 0; begin < order.size();) {
    const float score = logits[order[begin]];
    double tied_positives = 0, tied_negatives = 0;
    std::size_t end = begin;
    for (; end < order.size() && logits[order[end]] == score; ++end) {
      const float credit = credits[order[end]];
      (is_positive(credit) ? tied_positives : tied_negatives) += sample_weight(credit) * weights.of(order[end]);
    }
    won.add(tied_positives * (negatives.value() + 0.5 * tied_negatives));
    positives.add(tied_positives);
    negatives.add(tied_negatives);
    begin = end;
  }
  if (positives.value() <= 0 || negatives.value() <= 0) return std::nullopt;
  return won.value() / (positives.value() * negatives.value());
}

}  // namespace mal
