// The hazard of intent.h, integrated. Two arms of a test see the same luck when a user's n-th conversion with an
// advertiser comes where the integral since the last one reaches the same exponential number E_n.
//
// With intent x(t) = x · 2^(−t/half_life) and λ = c · ln 2 / half_life · (1 − e^(−x(t))), c = conversion · propensity,
//   ∫ λ dt  while the intent falls from x to y  =  c · (Ein(x) − Ein(y)),   Ein(z) = ∫_0^z (1 − e^(−s)) / s ds
// because dt = −half_life / ln 2 · dx / x. So one click that raises an intent from x to x + w converts with probability
//   e^(−c · Ein(x)) − e^(−c · Ein(x + w))
// more than without it, if no other click comes: what the arm `oracle` bids with.
#pragma once

namespace mal {

double ein(double z);  // z ≥ 0

// y with Ein(x) − Ein(y) = used; 0 where used ≥ Ein(x): it is never reached.
double intent_after(double x, double used);

// The probability of a conversion that a click of weight w adds to a user of intent x, with c of above.
double caused_conversions(double x, double w, double c);

}  // namespace mal
