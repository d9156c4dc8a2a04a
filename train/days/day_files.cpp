#include "train/days/day_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "engine/error.h"
#include "engine/file.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/scores.h"
#include "train/trainer/trained_on.h"
#include "train/trainer/training_checkpoint.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDatasetFile = "/dataset";
constexpr const char* kConfigFile = "/config.yaml";
constexpr const char* kWeightsFile = "/model.safetensors";

}  // namespace

void make_folder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail("cannot create {}: {}", path, error.message());
}

bool DayFiles::is_scored(std::size_t day, std::size_t model) const {
  return has_scores(scores(day, model), days_[day].dataset.rows(Split::test));
}

bool DayFiles::is_first_scored(std::size_t day, std::size_t model) const {
  return has_scores(first_scores(day, model), days_[day].dataset.rows(Split::test));
}

void DayFiles::check_datasets() const {
  const std::string all = out_ + "/scores";
  if (!fs::exists(all)) return;
  std::size_t known = 0;
  for (const auto& entry : fs::directory_iterator(all)) {
    const std::string name = entry.path().filename().string();
    if (!fs::exists(entry.path().string() + kDatasetFile)) continue;
    ++known;
    if (std::ranges::find(days_, name, &Day::name) == days_.end())
      fail(
          "{} was trained on the data set {}, which is not there any more; put it back, or begin anew with another "
          "--out",
          out_, name);
  }
  for (std::size_t d = 0; d < days_.size(); ++d) {
    const std::string file = folder(d) + kDatasetFile, path = days_[d].dataset.path();
    if (!fs::exists(file)) {
      if (d < known)
        fail(
            "{} is new, and {} was trained on later days already; give it a later name, or begin anew with another "
            "--out",
            path, out_);
      continue;
    }
    if (read_file(file) != days_[d].fingerprint + "\n")
      fail(
          "{} is not what {} was trained on: it was changed or made anew since; put the old one back, or begin anew "
          "with another --out",
          path, out_);
  }
}

void DayFiles::note_dataset(std::size_t day) const {
  if (fs::exists(folder(day) + kDatasetFile)) return;
  make_folder(folder(day));
  OutputFile file(folder(day) + kDatasetFile);
  file.write(days_[day].fingerprint + "\n");
  file.commit();
}

std::int64_t DayFiles::steps_before(std::size_t day, std::size_t model) const {
  std::int64_t steps = 0;
  for (std::size_t d = 0; d < day; ++d) steps += steps_of_day(models_[model], days_[d]);
  return steps;
}

bool DayFiles::has_learned(std::size_t day, std::size_t model) const {
  const std::string checkpoint = checkpoint_of(run(model));
  return !checkpoint.empty() && data_of_checkpoint(checkpoint).identity == days_[day].identity &&
         position_of_checkpoint(checkpoint).steps == steps_before(day + 1, model);
}

void DayFiles::check_run(std::size_t done, std::size_t model) const {
  const std::string path = run(model), checkpoint = checkpoint_of(path);
  const char* anew = "remove it with its folders in first/ and scores/, and the model begins anew";
  if (fs::exists(path + kConfigFile))
    check_begun_alike(path, models_[model].config,
                      "begin anew with another --out, or put the configuration back as it was");
  if (checkpoint.empty()) {
    // Killed before its first checkpoint, it begins anew.
    if (done == 0) return;
    fail("{} has no checkpoint, and was tested on {} already; {}", path, days_[done - 1].name, anew);
  }
  const std::string identity = data_of_checkpoint(checkpoint).identity;
  const TrainingPosition at = position_of_checkpoint(checkpoint);
  for (std::size_t d = done == 0 ? 0 : done - 1; d < std::min(done + 1, days_.size()); ++d) {
    const bool finished = at.steps == steps_before(d + 1, model);
    if (identity == days_[d].identity && at.begin == steps_before(d, model) && (d == done || finished)) return;
  }
  fail(
      "{} is after step {} of other data than {} lets expect: something else has trained it, or its scores are gone; "
      "{}",
      path, at.steps, days_[std::min(done, days_.size() - 1)].name, anew);
}

std::size_t DayFiles::days_done(std::size_t model) const {
  std::size_t done = 0;
  while (done < days_.size() && is_scored(done, model)) ++done;
  check_run(done, model);
  return done;
}

void DayFiles::keep_first(std::size_t model) const {
  const std::string path = run(model);
  make_folder(out_ + "/first");
  OutputFolder folder(first(model), kConfigFile + 1);
  keep_trained_on(folder.path(), days_[0].dataset.path());
  link_or_copy(path + kConfigFile, folder.path() + kConfigFile);
  link_or_copy(path + kWeightsFile, folder.path() + kWeightsFile);
  folder.commit();
}

void DayFiles::keep(std::size_t day, std::size_t model) const {
  if (day == 0) keep_first(model);
  make_folder(scores(day, model));
  save_scores(scores(day, model), load_scores(run(model)));
}

}  // namespace mal
