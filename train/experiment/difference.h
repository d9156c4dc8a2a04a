// What a model's runs come to: over the seeds of a data set, then over data sets, and against another model.
#pragma once

#include <string>
#include <vector>

#include "train/experiment/bootstrap.h"
#include "train/experiment/statistics.h"

namespace mal {

// One run on the test rows, or on some of them. NaN where a metric is not defined.
struct RunResult {
  double gauc = 0, auc = 0, logloss = 0, pcoc = 0;
  double positives = 0, users = 0;  // users with both classes
  ResampledMetrics resampled;
};

// A row of a study: for each data set its runs, one a seed.
using ModelResult = std::vector<std::vector<RunResult>>;

// Over the seeds of one data set.
struct SeedSpread {
  std::vector<double> seeds;
  double mean = 0, deviation = 0;
};
// Over data sets: the mean of their means, and the deviation that seeds have within a data set (the root of the mean
// variance). A data set where the metric is not defined does not count.
struct Spread {
  double mean = 0, deviation = 0;
  std::vector<SeedSpread> datasets;
};
Spread spread_of(const ModelResult& model, double RunResult::*metric);

// Of one data set: 100 · (metric of the model − metric of the base with the same seed), averaged over the seeds. The
// interval is of that average when users are resampled, error its standard error.
struct DatasetDifference {
  SeedSpread spread;
  Interval interval;
  double error = 0;
  std::vector<double> resampled;
};

// The mean of the data sets' differences. Of one data set all is as above. Of several the interval and the error cover
// the spread between them too; see pooled().
struct Difference {
  double mean = 0;
  Interval interval;
  double error = 0;
  double detectable = 0;          // the smallest true difference seen with 80 % power (power.h says how)
  std::vector<double> resampled;  // users within their data sets alone
  double between = 0;             // deviation of the true difference between data sets, as far as it shows; 0 for one
  std::vector<DatasetDifference> datasets;
};
Difference gauc_difference(const ModelResult& model, const ModelResult& base);
Difference auc_difference(const ModelResult& model, const ModelResult& base);

// D differences d_1 … d_D with standard errors e_1 … e_D. With v = mean of e_i² (users) and s² = sample variance of d_i
// (users and data sets), the mean's variance is V = max(s², v) / D. Its degrees of freedom are those of s², made larger
// the less s² has to say: ν = (D − 1) · max(1, v / s²)² (Satterthwaite, 1946). The interval is that of the mean of the
// data sets' draws, stretched about the mean by t_ν(0.975) / 1.96 · √(V · D / v). Undefined differences do not count.
Difference pooled(std::vector<DatasetDifference> differences);

// Over all data sets.
double positives_of(const ModelResult& model);
double users_of(const ModelResult& model);

}  // namespace mal
