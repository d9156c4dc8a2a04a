// Means, quantiles and correlations of a few numbers. What is not defined is NaN.
#pragma once

#include <span>
#include <vector>

namespace mal {

double mean_of(std::span<const double> values);
double deviation_of(std::span<const double> values);  // of a sample: divided by n − 1; NaN below two values

// The q-quantile of the values that are not NaN, interpolated linearly between neighbours.
double quantile_of(std::vector<double> values, double q);

double pearson(std::span<const double> x, std::span<const double> y);
double spearman(std::span<const double> x, std::span<const double> y);  // Pearson's of the ranks, ties by midrank

struct Interval {
  double low = 0, high = 0;
};
// Holds 95 % of the resampled values: their 2.5 % and 97.5 % quantiles.
Interval interval_of(const std::vector<double>& resampled);
// The q-quantile of Student's t with so many degrees of freedom, at least 1; INFINITY: of the normal distribution.
double student_quantile(double q, double degrees);

// The mean of independent estimates that each have a variance of their own, such as those of several data sets. With
// `within` the mean of these variances and s² the sample variance of the estimates, the variance of one estimate is
// max(s², within), and that of the mean a D-th of it, with (D − 1) · max(1, within / s²)² degrees of freedom
// (Satterthwaite; infinite where s is 0). Of two estimates or more.
struct Pooling {
  double within = 0, variance = 0, degrees = 0;
};
Pooling pooling_of(std::span<const double> estimates, std::span<const double> variances);

// The deviation of the resampled values that are not NaN.
double standard_error_of(std::vector<double> resampled);

}  // namespace mal
