// Removal effects in a Markov chain of any order: how much of all conversions, and of their value, is lost when every
// walk that comes to a channel ends there.
//
//   R_c = 1 − P(conversion without c) / P(conversion)         value: 1 − E[value without c] / E[value]
//
// "Without c": a walk that enters a state that contains c ends in null. A conversion out of a state has the mean value
// of the observed ones.
//
// Order 1 takes one inverse (markov.h has the formula). For higher orders, whose matrices are large and nearly empty,
// h = Qh + r is solved by sweeps over the states (Gauss, Seidel), from 0 upwards and from above downwards: the solution
// lies between the two, and the sweeps end when they agree to 13 digits. Then, once a channel,
//
//   f = h in the states that contain c,    f = Qf in the others,    R_c = f(start) / h(start)
//
// which is what c's walks bring: the same as the difference above, and not the difference of two nearly equal numbers.
#pragma once

#include <vector>

#include "train/attribution/walk_chain.h"

namespace mal {

struct RemovalEffects {
  std::vector<double> conversions, value;  // one a channel, in [0, 1]; value: 0 where no conversion has one
};

// Throws a usage Error for a chain that would take minutes and more.
RemovalEffects removal_effects(const ChainTable& chain);

// The two ways of it; removal_effects chooses. Dense: order 1 alone.
RemovalEffects dense_removal_effects(const ChainTable& chain);
RemovalEffects swept_removal_effects(const ChainTable& chain);

// effects / their sum; all 0 if that is 0.
std::vector<double> shares_of(const std::vector<double>& effects);

}  // namespace mal
