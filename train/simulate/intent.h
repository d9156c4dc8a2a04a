// The causal heart: what clicks do to the intent of a user towards an advertiser, and intent to the hazard of
// converting.
//
// Click k at time t_k adds w_k. Intent is x(t) = Σ_k w_k · 2^(−(t − t_k)/half_life), the hazard
//   λ(t) = κ · (1 − e^(−x(t)))
// so each further click counts less. κ = conversion · ln 2 / half_life makes the expected number of conversions of one
// small click, ∫λ dt ≈ conversion · w, the same whatever the half-life.
#pragma once

#include <span>

#include "train/simulate/draws.h"

namespace mal {

struct Hazard {
  double half_life;  // seconds
  double kappa;      // per second
};

double decayed(double intent, double seconds, double half_life);

// Seconds from now to the next conversion, if no further click comes; infinity if it is later than `horizon` seconds.
double sample_conversion(const Hazard& hazard, double intent, double horizon, Draws& draws);

// The true causal credit: the Shapley value of each contribution x_k in the game v(S) = 1 − e^(−Σ_{k∈S} x_k), divided
// by v(all), so that shares sum to 1 (to 0 if every x_k is 0). By the multilinear extension (Owen, 1972):
//   φ_k = (1 − e^(−x_k)) ∫_0^1 Π_{j≠k} (1 − s (1 − e^(−x_j))) ds
// a polynomial of degree n − 1 in s: Gauss-Legendre with 16 points is exact to n = 32 and close above.
void shapley_shares(std::span<const double> contributions, std::span<double> shares);

}  // namespace mal
