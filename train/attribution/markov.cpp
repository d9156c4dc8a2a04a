#include "train/attribution/markov.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"

namespace mal {

namespace {

// The inverse of a square matrix, by Gauss and Jordan with the largest pivot of each column.
std::vector<double> inverse(std::vector<double> matrix, std::size_t n) {
  std::vector<double> result(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) result[i * n + i] = 1;
  const auto subtract = [n](std::vector<double>& m, std::size_t row, std::size_t pivot, double factor) {
    for (std::size_t k = 0; k < n; ++k) m[row * n + k] -= factor * m[pivot * n + k];
  };
  for (std::size_t column = 0; column < n; ++column) {
    std::size_t pivot = column;
    for (std::size_t row = column + 1; row < n; ++row)
      if (std::abs(matrix[row * n + column]) > std::abs(matrix[pivot * n + column])) pivot = row;
    for (std::size_t k = 0; k < n; ++k) {
      std::swap(matrix[pivot * n + k], matrix[column * n + k]);
      std::swap(result[pivot * n + k], result[column * n + k]);
    }
    const double scale = 1 / matrix[column * n + column];
    for (std::size_t k = 0; k < n; ++k) {
      matrix[column * n + k] *= scale;
      result[column * n + k] *= scale;
    }
    for (std::size_t row = 0; row < n; ++row) {
      const double factor = matrix[row * n + column];
      if (row == column || factor == 0) continue;
      subtract(matrix, row, column, factor);
      subtract(result, row, column, factor);
    }
  }
  return result;
}

}  // namespace

MarkovChain::MarkovChain(std::uint32_t channels) : channels_(channels) {
  if (channels > kMaxChannels)
    fail_usage("markov: there are {} channels, at most {} are possible; name a coarser column by --channel", channels,
               kMaxChannels);
  steps_.assign((channels_ + 1) * (channels_ + 2), 0.0);
}

void MarkovChain::add(std::span<const std::uint32_t> journey_channels, bool converted) {
  std::size_t from = channels_;
  for (const std::uint32_t channel : journey_channels) {
    ++steps_[at(from, channel)];
    from = channel;
  }
  ++steps_[at(from, converted ? channels_ : channels_ + 1)];
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
      rest[from * channels_ + to] = (from == to ? 1.0 : 0.0) - share[at(from, to)];
  // Every journey ends, so from every channel that was seen the end can be reached, and I − Q has an inverse.
  const std::vector<double> visits = inverse(std::move(rest), channels_);

  std::vector<double> converts(channels_, 0.0), from_start(channels_, 0.0);
  for (std::size_t from = 0; from < channels_; ++from)
    for (std::size_t to = 0; to < channels_; ++to) {
      converts[from] += visits[from * channels_ + to] * share[at(to, channels_)];
      from_start[to] += share[at(channels_, from)] * visits[from * channels_ + to];
    }
  double total = 0;
  for (std::size_t c = 0; c < channels_; ++c) total += share[at(channels_, c)] * converts[c];
  std::vector<double> effects(channels_, 0.0);
  for (std::size_t c = 0; c < channels_ && total > 0; ++c)
    effects[c] = std::clamp(from_start[c] / visits[c * channels_ + c] * converts[c] / total, 0.0, 1.0);
  return effects;
}

}  // namespace mal
