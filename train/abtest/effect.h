// How far one arm is from another, and how sure that is. Users are the units.
//
// A measure is a ratio of two sums over users: GMV and orders are of GMV to users, ROI is of GMV to spend. With r the
// logarithm of arm A's ratio less that of arm B, the delta method has each user move r by
//   ψ_u = num_u / mean(num) − den_u / mean(den)                       in the user's arm
//   users in one arm each:  Var(r) = s²(ψ of A) / n_A + s²(ψ of B) / n_B
//   users in both arms:     Var(r) = s²(ψ of A − ψ of B) / n
// and the 95 % interval of the difference is e^(r ± 1.96 √Var) − 1.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace mal {

// What of a user is summed above and below the line.
struct Fraction {
  double num, den;
};
using FractionOf = std::function<Fraction(std::size_t user)>;

// NaN where a sum is not above 0, or nothing varies for want of users.
struct LogRatio {
  double value = 0, variance = 0;
};

// a, b: the users of the arms. The same users: paired.
LogRatio log_ratio(const FractionOf& of_a, std::span<const std::uint32_t> a, const FractionOf& of_b,
                   std::span<const std::uint32_t> b);

// Percent.
struct Effect {
  double change = 0, low = 0, high = 0;
  bool clear() const { return low > 0 || high < 0; }  // the interval leaves out 0
};
// Over seeds, which are platforms of their own: the mean of their logarithms. With v the mean of their variances and s²
// the sample variance between D seeds, the variance is max(s², v) / D and the interval Student's t with
// (D − 1) · max(1, v / s²)² degrees of freedom, as `compare` does over data sets. Seeds that are NaN do not count.
Effect effect_of(std::span<const LogRatio> seeds);

}  // namespace mal
