// Credit of the mechanism `neural`: the Shapley values of a journey's clicks in the game v(S) = λ(S), the hazard of
// the clicks of S alone at the moment of the conversion, the mean of several networks; v(∅) = 0. Negative ones count
// as 0.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/attribution/aged_click.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/neural_network.h"

namespace mal {

class NeuralCredit {
 public:
  // Exact up to so many clicks; above, each network goes through so many orders of its own, forwards and backwards.
  static constexpr std::size_t kExact = 7, kOrders = 4;

  // Channel c of the journeys is number[c] of the network; kNoChannel: not in it.
  NeuralCredit(const std::vector<NeuralWeights>& networks, std::vector<std::uint32_t> number)
      : networks_(networks.begin(), networks.end()), number_(std::move(number)) {}

  // Clicks of channels that the network does not have get nothing beside others, and of more than NeuralShape::kClicks
  // of the rest the last ones alone get any. Those of one channel and moment share alike, and which row came first does
  // not matter. Linear where no click raises the hazard. Not for two threads at a time: what was computed is kept for
  // journeys of the same channels and ages.
  void credit(const Journey& journey, std::span<double> credits);

 private:
  const std::vector<double>& shares(const std::string& key);  // of clicks_
  std::vector<double> exact_values(std::size_t network) const;
  std::vector<double> sampled_values(std::size_t network) const;

  std::vector<NeuralNetwork> networks_;
  std::vector<std::uint32_t> number_;
  std::vector<BinnedClick> clicks_;  // of the journey at hand
  std::vector<std::size_t> places_;  // of them, in the journey
  std::unordered_map<std::string, std::vector<double>> known_;
};

}  // namespace mal
