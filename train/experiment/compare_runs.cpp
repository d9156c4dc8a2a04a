#include "train/experiment/compare_runs.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include "engine/error.h"
#include "train/data/dataset.h"
#include "train/experiment/evidence.h"
#include "train/experiment/result_table.h"
#include "train/metrics/sample.h"
#include "train/report/run_log.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

struct ComparedRun {
  std::string name;
  ModelResult result;
  double positive_users = 0;  // AUC's interval is no better than they are many
};

constexpr const char* kOneTestSet =
    "compare runs of one test set: --data names it if it moved; if it was made anew, train the run again with --scores";

void check_metric(const RunLog& log, const char* name, const std::optional<double>& logged, double ours,
                  const std::string& dataset) {
  constexpr double kRounding = 1e-6;
  if (logged ? std::abs(*logged - ours) <= kRounding : std::isnan(ours)) return;
  fail("{}: its scores come to {} {:.6f} on {}, and its log says {}: that is not what it was tested on; {}", log.folder,
       name, ours, dataset, logged ? fmt::format("{:.6f}", *logged) : "that there is none", kOneTestSet);
}

std::vector<float> scores_of(const RunLog& log, const TestSet& test, const std::string& dataset) {
  if (!std::filesystem::exists(log.folder + kScoresFile))
    fail("{} has no scores.bin; train the run again with --scores", log.folder);
  std::vector<float> logits;
  try {
    logits = load_scores(log.folder);
  } catch (const Error&) {
    fail("{}{} is damaged; train the run again with --scores", log.folder, kScoresFile);
  }
  if (static_cast<std::int64_t>(logits.size()) != test.rows())
    fail("{}{} holds scores of {} rows, and {} has {} test rows: that is not what it was tested on; {}", log.folder,
         kScoresFile, logits.size(), dataset, test.rows(), kOneTestSet);
  return logits;
}

double positive_users_of(const TestSet& test, const std::string& view) {
  const std::vector<float>& credits = test.credits_of(view);
  std::unordered_set<std::int64_t> users;
  for (std::size_t row = 0; row < credits.size(); ++row)
    if (is_positive(credits[row])) users.insert(test.users[row]);
  return static_cast<double>(users.size());
}

ComparedRun compared_run(const RunLog& log, const TestSet& test, const UserResamples& resamples,
                         const std::string& dataset) {
  std::vector<std::uint32_t> rows(static_cast<std::size_t>(test.rows()));
  std::iota(rows.begin(), rows.end(), 0U);
  RunResult result = result_of(scores_of(log, test, dataset), test, log.primary, rows, resamples);
  check_metric(log, "AUC", log.test.auc, result.auc, dataset);
  check_metric(log, "GAUC", log.test.gauc, result.gauc, dataset);
  return {log.name, {{std::move(result)}}, positive_users_of(test, log.primary)};
}

// Whatever can be told without reading the test rows.
std::vector<RunLog> comparable_logs(const std::vector<std::string>& folders) {
  if (folders.size() < 2) fail_usage("compare needs two runs or more: the first is what the others are compared with");
  std::vector<RunLog> logs;
  for (const std::string& folder : folders) {
    const RunLog& log = logs.emplace_back(read_run_log(folder));
    const RunLog& first = logs.front();
    for (std::size_t earlier = 0; earlier + 1 < logs.size(); ++earlier)
      if (std::filesystem::equivalent(folders[earlier], folder))
        fail_usage("{} and {} are the same run; name another one", folders[earlier], folder);
    if (log.primary != first.primary)
      fail("{} predicts the view '{}', {} predicts '{}'; compare runs of one primary view", first.folder, first.primary,
           folder, log.primary);
    if (log.seed != first.seed)
      fail(
          "{} has seed {:.0f}, {} has seed {:.0f}: their difference would be of the seeds too; train both with one, "
          "--set seed={:.0f}",
          first.folder, first.seed, folder, log.seed, first.seed);
  }
  return logs;
}

std::string test_path(const CompareOptions& options) {
  if (!options.data.empty()) return options.data;
  const std::string& run = options.runs.front();
  std::string path = open_run(run).config.data.path;
  if (!std::filesystem::exists(path))
    fail_usage("{} was tested on {}, which is not there from this folder; say where it is with --data", run, path);
  return path;
}

}  // namespace

std::string verdict_text(const std::string& metric, const std::string& model, const std::string& base,
                         const Difference& difference, double users) {
  // Fewer are too few for quantiles of draws: of one user, every draw is that user, and the interval has no width.
  constexpr double kFewUsers = 30;
  const Interval& interval = difference.interval;
  if (!std::isfinite(difference.mean) || !std::isfinite(interval.low) || !std::isfinite(interval.high))
    return fmt::format("{:<4}  not defined on these test rows", metric);
  const std::string numbers = fmt::format("{:<4}  {}", metric, difference_text(difference));
  if (difference.mean == 0 && difference.error == 0)
    return fmt::format("{}: {} and {} order these test rows alike", numbers, model, base);
  if (users < kFewUsers)
    return fmt::format("{}: too few users ({:.0f}) for an interval that tells {} from {}", numbers, users, model, base);
  if (interval.low <= 0 && interval.high >= 0)
    return fmt::format(
        "{}: the interval holds 0, so these test users do not tell {} from {}; they see differences from {} on (80 % "
        "power)",
        numbers, model, base, number_text(difference.detectable, 2));
  return fmt::format(
      "{}: the interval leaves out 0, so {} is {} than {} by more than the choice of test users explains", numbers,
      model, interval.low > 0 ? "better" : "worse", base);
}

void compare_runs(const CompareOptions& options) {
  const std::vector<RunLog> logs = comparable_logs(options.runs);
  const std::string path = test_path(options);
  const Dataset dataset = Dataset::open(path);
  const TestSet test = read_test_set(dataset);
  const UserResamples resamples(test.users, options.resamples, static_cast<std::uint64_t>(options.seed));
  const ComparedRun base = compared_run(logs.front(), test, resamples, path);
  for (std::size_t r = 1; r < logs.size(); ++r) {
    const ComparedRun model = compared_run(logs[r], test, resamples, path);
    const bool named = model.name != base.name;
    const std::string &of = named ? model.name : options.runs[r], &against = named ? base.name : options.runs.front();
    const auto verdict = [&](const char* metric, const Difference& difference, double users) {
      return verdict_text(metric, of, against, difference, users);
    };
    fmt::print(
        "{} against {}: 100 × difference [95 % interval when the {} test users are drawn with replacement, {} "
        "times]\n{}\n{}\n",
        of, against, resamples.users(), options.resamples,
        verdict("GAUC", gauc_difference(model.result, base.result), users_of(base.result)),
        verdict("AUC", auc_difference(model.result, base.result), base.positive_users));
  }
  fmt::print(
      "One data set and one seed of the weights: what others would give is not in the interval "
      "(docs/experiments.md has studies of several).\n");
}

}  // namespace mal
