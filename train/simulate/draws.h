// Random numbers drawn one after the other, for one user or one ad: stream and owner fix them, whatever thread asks.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/random.h"

namespace mal {

class Draws {
 public:
  Draws(const Random& random, std::uint64_t owner) : random_(random), next_(owner << 32) {}
  static Draws from(const Random& random, std::uint64_t first) {  // number `first` of the stream, and those after it
    Draws draws(random, 0);
    draws.next_ = first;
    return draws;
  }

  double uniform() { return random_.uniform(next_++); }
  double normal() { return random_.normal(next_++); }
  std::uint64_t below(std::uint64_t n) { return random_.below(next_++, n); }
  double exponential() { return -std::log1p(-uniform()); }  // mean 1

  int poisson(double mean) {  // for small means: the number of exponential gaps that fit
    int count = 0;
    for (double sum = exponential(); sum < mean; sum += exponential()) ++count;
    return count;
  }

  // i with probability weights[i] / Σ weights.
  std::size_t choose(std::span<const double> weights) {
    double sum = 0;
    for (const double weight : weights) sum += weight;
    double left = uniform() * sum;
    for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
      left -= weights[i];
      if (left < 0) return i;
    }
    return weights.size() - 1;
  }

 private:
  const Random& random_;
  std::uint64_t next_;
};

}  // namespace mal
