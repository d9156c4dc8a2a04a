// What a progressive evaluation has to do: data sets, one a day, and models that are trained on them one after the
// other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/config/run_config.h"
#include "train/data/dataset.h"

namespace mal {

// Its training rows are what is learned on this day, its test rows what comes next.
struct Day {
  std::string name;  // of its folder
  Dataset dataset;
  std::string fingerprint;  // data_fingerprint(): of every byte
  std::string identity;     // data_identity(), as checkpoints name it
};

// The data sets of the folders in `folder`, in the order of their names. Throws Error that names the folder and what to
// do: for one that is no data set, without training rows, test rows or users, that does not go on from the one before
// it, or whose test rows are of a time that was trained on.
std::vector<Day> open_days(const std::string& folder);

struct DayModel {
  std::string name;  // of the configuration, and of its folders
  RunConfig config;  // data.path is that of the day
  std::string file;
};

// The first is what the others are compared with. Throws a usage Error for a configuration that says what `days` says,
// for two of one name, and for another primary view or seed than the first one's.
std::vector<DayModel> read_models(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
                                  const Dataset& dataset);

// Steps of a model on the training rows of one day.
std::int64_t steps_of_day(const DayModel& model, const Day& day);

}  // namespace mal
