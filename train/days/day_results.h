// Everything that the tables and pictures of a progressive evaluation show.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/days/day_files.h"
#include "train/days/day_scores.h"

namespace mal {

struct ModelDays {
  std::string name;
  std::vector<std::int64_t> steps;    // done by the end of each day
  std::vector<DayScores> days;        // of the model that has learned up to the day
  std::vector<DayScores> first_days;  // of the model of the first day; empty: not tested. On the first day both are one

  DayScores mean() const { return mean_over_days(days); }
};

struct DayResults {
  std::vector<std::string> names;  // of the days
  std::vector<std::int64_t> training_rows, test_rows, positives, users;
  std::vector<ModelDays> models;  // the first is what the others are compared with
  std::string primary, about;     // about: what DATA/about.txt says of the days
  std::size_t all_users = 0;
  std::int64_t resamples = 0, seed = 0;  // of the draws; the model's seed is in its configuration
};

struct DrawOptions {
  std::int64_t resamples = 2000, seed = 1;
};

// From the scores of every day and model, which must be there.
DayResults day_results(const std::vector<Day>& days, const std::vector<DayModel>& models, const DayFiles& files,
                       bool frozen, const DrawOptions& draws);

}  // namespace mal
