// The folder that `mal_gpu_train days` writes, and how far it is.
//   runs/NAME/              a model's run, on the last day that it was trained on
//   first/NAME/             the same after its first day: configuration, weights, trained_on/
//   scores/DAY/dataset      the fingerprint of the data set, from before its first step
//   scores/DAY/NAME/        scores.bin: logits of the day's test rows, by the model that has learned up to this day;
//                           first/scores.bin: by the model of the first day
//   days.md, .json, .html   what comes of them
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "train/days/day_plan.h"

namespace mal {

void make_folder(const std::string& path);  // with those above it; Error that names it

class DayFiles {
 public:
  DayFiles(std::string out, const std::vector<Day>& days, const std::vector<DayModel>& models)
      : out_(std::move(out)), days_(days), models_(models) {}

  const std::string& out() const { return out_; }
  std::string run(std::size_t model) const { return out_ + "/runs/" + models_[model].name; }
  std::string first(std::size_t model) const { return out_ + "/first/" + models_[model].name; }
  std::string scores(std::size_t day, std::size_t model) const { return folder(day) + "/" + models_[model].name; }
  std::string first_scores(std::size_t day, std::size_t model) const { return scores(day, model) + "/first"; }

  bool is_scored(std::size_t day, std::size_t model) const;
  bool is_first_scored(std::size_t day, std::size_t model) const;

  // Error for a data set that is not what it was when it was trained on, or that is gone.
  void check_datasets() const;
  // Before the first step on a day.
  void note_dataset(std::size_t day) const;

  // The days that a model has been trained and tested on. Its run is compared with them, by the data that its
  // checkpoint names and its steps: Error where they do not belong together.
  std::size_t days_done(std::size_t model) const;
  // Whether the model's run has learned all of this day: killed then, it has nothing left to do but this.
  bool has_learned(std::size_t day, std::size_t model) const;

  // The run has just finished a day: keeps its scores and, of the first day, the model.
  void keep(std::size_t day, std::size_t model) const;

 private:
  std::string folder(std::size_t day) const { return out_ + "/scores/" + days_[day].name; }
  std::int64_t steps_before(std::size_t day, std::size_t model) const;
  void check_run(std::size_t done, std::size_t model) const;
  void keep_first(std::size_t model) const;

  std::string out_;
  const std::vector<Day>& days_;
  const std::vector<DayModel>& models_;
};

}  // namespace mal
