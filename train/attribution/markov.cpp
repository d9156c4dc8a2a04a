#include "train/attribution/markov.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "train/attribution/dense_inverse.h"

namespace mal {

MarkovChain::MarkovChain(std::uint32_t channels) {
  grow(channels);
}

void MarkovChain::grow(std::size_t channels) {
  if (channels > kMaxChannels)
    fail_usage("markov: there are more than {} channels, and more are not possible; name a coarser column by --channel",
               kMaxChannels);
  channels_ = channels;
  if (channels <= room_ && !steps_.empty()) return;
  const std::size_t old_row = room_ + 2, old_rows = steps_.size() / old_row;
  room_ = std::max(channels, std::min<std::size_t>(2 * room_, kMaxChannels));
  std::vector<double> steps((room_ + 1) * (room_ + 2), 0.0);
  for (std::size_t from = 0; from < old_rows; ++from)
    std::copy_n(steps_.data() + from * old_row, old_row, steps.data() + at(from, 0));
  steps_ = std::move(steps);
}

void MarkovChain::add(std::span<const std::uint32_t> journey_channels, bool converted) {
  std::size_t from = kStart;
  for (const std::uint32_t channel : journey_channels) {
    if (channel >= channels_) grow(channel + std::size_t{1});
    ++steps_[at(from, column(channel))];
    from = row(channel);
  }
  ++steps_[at(from, converted ? kConversion : kNull)];
}

void MarkovChain::add_steps(std::uint32_t from, std::uint32_t to, double count) {
  for (const std::uint32_t channel : {from, to})
    if (channel < kToNull && channel >= channels_) grow(channel + std::size_t{1});
  const std::size_t place = to == kToConversion ? kConversion : to == kToNull ? kNull : column(to);
  steps_[at(from == kFromStart ? kStart : row(from), place)] += count;
}

void MarkovChain::renumber(std::span<const std::uint32_t> number) {
  std::vector<double> steps(steps_.size(), 0.0);
  for (std::size_t from = 0; from <= channels_; ++from) {
    const std::size_t new_from = from == kStart ? kStart : row(number[from - 1]);
    for (const std::size_t to : {kConversion, kNull}) steps[at(new_from, to)] = steps_[at(from, to)];
    for (std::size_t to = 0; to < channels_; ++to)
      steps[at(new_from, column(number[to]))] = steps_[at(from, column(to))];
  }
  steps_ = std::move(steps);
}

std::vector<double> MarkovChain::removal_effects() const {
  std::vector<double> share = steps_;
  for (std::size_t from = 0; from <= channels_; ++from) {
    const auto begin = share.begin() + static_cast<std::ptrdiff_t>(at(from, 0));
    const auto end = begin + static_cast<std::ptrdiff_t>(channels_ + 2);
    const double sum = std::accumulate(begin, end, 0.0);
    if (sum > 0) std::transform(begin, end, begin, [sum](double steps) { return steps / sum; });
  }
  std::vector<double> rest(channels_ * channels_);
  for (std::size_t from = 0; from < channels_; ++from)
    for (std::size_t to = 0; to < channels_; ++to)
      rest[from * channels_ + to] = (from == to ? 1.0 : 0.0) - share[at(row(from), column(to))];
  // Every journey ends, so from every channel that was seen the end can be reached, and I − Q has an inverse.
  const std::vector<double> visits = dense_inverse(std::move(rest), channels_);

  std::vector<double> converts(channels_, 0.0), from_start(channels_, 0.0);
  for (std::size_t from = 0; from < channels_; ++from)
    for (std::size_t to = 0; to < channels_; ++to) {
      converts[from] += visits[from * channels_ + to] * share[at(row(to), kConversion)];
      from_start[to] += share[at(kStart, column(from))] * visits[from * channels_ + to];
    }
  double total = 0;
  for (std::size_t c = 0; c < channels_; ++c) total += share[at(kStart, column(c))] * converts[c];
  std::vector<double> effects(channels_, 0.0);
  for (std::size_t c = 0; c < channels_ && total > 0; ++c)
    effects[c] = std::clamp(from_start[c] / visits[c * channels_ + c] * converts[c] / total, 0.0, 1.0);
  return effects;
}

}  // namespace mal
