// Trains and tests every model on every day that it has not seen yet, several models at once.
#pragma once

#include <string>
#include <vector>

#include "train/days/day_files.h"

namespace mal {

struct TrainDaysOptions {
  std::string program;          // mal_gpu_train
  std::string device = "auto";  // of every run
  int jobs = 0;                 // models at once; 0: as many as cores on the CPU, one on a GPU
  bool frozen = true;           // test the model of the first day, too
};

// Each day of a model is a process of its own, `mal_gpu_train CONFIG --resume --scores`; killed at any point, it goes
// on to the same bits. Throws Error with a process's own message if one fails; what was done stays done.
void train_days(const std::vector<Day>& days, const std::vector<DayModel>& models, const DayFiles& files,
                const TrainDaysOptions& options);

}  // namespace mal
