// The additive hazard model: the credit of the mechanism `additive_hazard`.
//
// A click of channel c at time t_k adds to the hazard of converting, and its effect fades:
//   λ(t) = Σ over the clicks k before t of β_c(k) · g(t − t_k),   g(Δ) = exp(−Δ/τ) / τ
// β_c ≥ 0 is the number of conversions that a click of c brings in the long run, τ the mean delay, of all channels
// alike. After Zhang, Wei, Ren, "Multi-touch attribution in online advertising with survival theory", ICDM 2014, whose
// delays are a channel's own: on the simulated platform one for all came nearer to the truth, because a channel that is
// often seen late in a journey is not forgotten faster for it.
//
// Maximum likelihood, a click k watched for e_k and conversions at times T:
//   ℓ = Σ_T log λ(T) − Σ_k β_c(k) · (1 − exp(−e_k/τ)) + Σ_c (b log β_c − β_c)
// The last sum is a prior of one click a channel that brings b = conversions / clicks of all: β is finite and above 0
// where next to nothing was seen. EM: p_k = β g / λ is the share of a conversion that click k brought; then, every
// update in closed form and none lowering ℓ,
//   τ   = (Σ p_k Δ_k + Σ u_k (e_k + τ)) / (Σ p_k + Σ u_k),   u_k = β exp(−e_k/τ): conversions yet to come
//   β_c = (Σ p_k of c + b) / (Σ (1 − exp(−e_k/τ)) of c + 1)
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/attribution/hazard_sample.h"
#include "train/attribution/mechanisms.h"

namespace mal {

struct AdditiveHazard {
  std::vector<double> effects;         // β, one a channel
  double delay_seconds = 0;            // τ; between 1 second and 100 times the longest exposure
  std::vector<double> log_likelihood;  // ℓ at the start of each round of the EM; never falls
};

AdditiveHazard fit_additive_hazard(const HazardSample& sample, std::uint32_t channels);

// The share of click k is β_c(k) g(T − t_k) / Σ; T cancels out. Linear where β is 0 for every click.
void credit_by_hazard(const Journey& journey, std::span<const double> effects, double delay_seconds,
                      std::span<double> credits);

}  // namespace mal
