#include "train/days/day_results.h"

#include <algorithm>

#include "train/config/progress.h"
#include "train/experiment/test_set.h"
#include "train/metrics/sample.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

DayTest read_test(const Dataset& dataset, const std::string& primary) {
  TestSet set = read_test_set(dataset);
  DayTest test{std::move(set.users), set.credits_of(primary), std::move(set.weights), 0};
  test.positives = std::ranges::count_if(test.credits, is_positive);
  return test;
}

}  // namespace

DayResults day_results(const std::vector<Day>& days, const std::vector<DayModel>& models, const DayFiles& files,
                       bool frozen, const DrawOptions& draws) {
  DayResults results;
  results.primary = models.front().config.model.primary;
  results.resamples = draws.resamples;
  results.seed = draws.seed;
  std::vector<DayTest> tests;
  tests.reserve(days.size());
  for (const Day& day : days) tests.push_back(read_test(day.dataset, results.primary));
  const DayEvaluator evaluator(tests, draws.resamples, static_cast<std::uint64_t>(draws.seed));
  results.all_users = evaluator.users();
  for (std::size_t d = 0; d < days.size(); ++d) {
    results.names.push_back(days[d].name);
    results.training_rows.push_back(days[d].dataset.rows(Split::train));
    results.test_rows.push_back(days[d].dataset.rows(Split::test));
    results.positives.push_back(tests[d].positives);
    results.users.push_back(evaluator.users_of(d));
  }
  Progress progress("comparing", models.size() * days.size());
  for (std::size_t m = 0; m < models.size(); ++m) {
    ModelDays& model = results.models.emplace_back();
    model.name = models[m].name;
    std::int64_t steps = 0;
    for (std::size_t d = 0; d < days.size(); ++d) {
      model.steps.push_back(steps += steps_of_day(models[m], days[d]));
      model.days.push_back(evaluator.scores(d, load_scores(files.scores(d, m))));
      if (frozen)
        model.first_days.push_back(d == 0 ? model.days.front()
                                          : evaluator.scores(d, load_scores(files.first_scores(d, m))));
      progress.update(m * days.size() + d + 1, model.name);
    }
  }
  progress.finish("days of models");
  return results;
}

}  // namespace mal
