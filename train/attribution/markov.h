// Removal effects of channels in a Markov chain of journeys: the credit of the mechanism `markov`.
//
// A journey is a walk start → channel → channel … → conversion or null; the chain's probabilities are the observed
// shares of the steps. The removal effect of channel c is the part of all conversions that is lost when every walk that
// comes to c ends there: R_c = 1 − P(conversion without c) / P(conversion). After Anderl, Becker, von Wangenheim,
// Schumann, "Mapping the customer journey", 2016.
//
// A walk that converts through c first comes to c, then converts from there: R_c = P(start comes to c) · h_c / h_start,
// where h is the probability to convert. With G = (I − Q)⁻¹ of the channels' steps Q, the expected visits, P(start
// comes to c) = G(start, c) / G(c, c): one inverse gives every R_c.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mal {

class MarkovChain {
 public:
  static constexpr std::uint32_t kMaxChannels = 2048;  // the inverse costs their third power
  // Throws a usage Error for more channels than that.
  explicit MarkovChain(std::uint32_t channels = 0);

  // In the order of time; a channel that is not in the chain yet makes it larger, or throws as the constructor does.
  void add(std::span<const std::uint32_t> journey_channels, bool converted);

  // A step that `count` walks take, from a channel (or the start) to another (or an end).
  static constexpr std::uint32_t kFromStart = 0xFFFFFFFF, kToConversion = 0xFFFFFFFE, kToNull = 0xFFFFFFFD;
  void add_steps(std::uint32_t from, std::uint32_t to, double count);

  // Channel c becomes number[c], a permutation. Effects then depend, to the last bit, on the new numbers alone.
  void renumber(std::span<const std::uint32_t> number);

  std::vector<double> removal_effects() const;  // one a channel, in [0, 1]; 0 of a channel without conversions

 private:
  // Rows: the start, then the channels. Columns: conversion, null, then the channels.
  static constexpr std::size_t kStart = 0, kConversion = 0, kNull = 1;
  static std::size_t row(std::size_t channel) { return channel + 1; }
  static std::size_t column(std::size_t channel) { return channel + 2; }
  std::size_t at(std::size_t row, std::size_t column) const { return row * (room_ + 2) + column; }
  void grow(std::size_t channels);

  std::size_t channels_ = 0;
  std::size_t room_ = 0;       // channels that steps_ has room for
  std::vector<double> steps_;  // counts
};

}  // namespace mal
