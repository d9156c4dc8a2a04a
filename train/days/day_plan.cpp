#include "train/days/day_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <string_view>

#include "engine/error.h"
#include "train/data/dataset_layout.h"
#include "train/experiment/run_plan.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/trained_on.h"
#include "train/trainer/trainer.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// Not those that a program is writing (OutputFolder), nor hidden ones.
std::vector<std::string> folders_in(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && !name.starts_with('.') && !name.ends_with(".tmp")) names.push_back(name);
  }
  if (error) fail_usage("--data-dir {}: {}", folder, error.message());
  if (names.empty())
    fail_usage("--data-dir {}: there is no folder in it; each day is a data set of mal_data prepare there", folder);
  std::ranges::sort(names);
  return names;
}

void check_rows(const Dataset& dataset) {
  const std::string& path = dataset.path();
  for (const Split split : {Split::train, Split::test})
    if (dataset.rows(split) == 0)
      fail("{}: it has no {} rows; prepare it with --train the day's samples and --test those of the next day", path,
           split == Split::train ? "training" : "test");
  if (dataset.schema().columns_of(ColumnKind::group).empty())
    fail("{}: it has no group column; intervals need its users: name one in the schema and prepare again", path);
}

void check_goes_on_from(const Dataset& before, const Dataset& dataset) {
  try {
    check_goes_on(before.path(), dataset, Vocab::grow, "");
  } catch (const Error& error) {
    fail(
        "{0} does not go on from {1}, the one before it by name; prepare it with --base {1}, or give the folders names "
        "in the order of the days ({2})",
        dataset.path(), before.path(), error.what());
  }
}

// last: of the training rows of this day and all before it.
void check_times(const Dataset& dataset, std::int64_t last) {
  if (dataset.schema().columns_of(ColumnKind::time).empty()) return;
  if (const std::int64_t first = dataset.stats(Split::test).first_time; first < last)
    fail(
        "{}: its test rows begin at {}, and rows up to {} (Unix seconds) were trained on until then, so that they test "
        "nothing; prepare it with test rows that are later than all training rows",
        dataset.path(), first, last);
}

void check_name(const DayModel& model) {
  const auto plain = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  };
  if (model.name.starts_with('.') || model.name.empty() || !std::ranges::all_of(model.name, plain))
    fail_usage("{}: name '{}': it names a folder, take letters, digits, _ - and .", model.file, model.name);
}

// What the command decides.
void check_overrides(const std::vector<std::string>& overrides) {
  constexpr std::array<std::string_view, 5> kOurs = {
      "data.path=", "output=", "name=", "vocab=", "train.keep_checkpoint="};
  for (const std::string& text : overrides)
    for (const std::string_view ours : kOurs)
      if (text.starts_with(ours))
        fail_usage("--set {}: days decides that itself: data sets come from --data-dir, folders are in --out", text);
}

}  // namespace

std::vector<Day> open_days(const std::string& folder) {
  std::vector<Day> days;
  std::int64_t last = 0;
  for (const std::string& name : folders_in(folder)) {
    const std::string path = fmt::format("{}/{}", folder, name);
    if (!fs::exists(path + kSchemaFile))
      fail("{} is not a data set; make one with mal_data prepare, or move it out of --data-dir {}", path, folder);
    Dataset dataset = Dataset::open(path);
    check_rows(dataset);
    if (!days.empty()) check_goes_on_from(days.back().dataset, dataset);
    last = std::max(last, dataset.stats(Split::train).last_time);
    check_times(dataset, last);
    const std::string identity = data_identity(dataset, vocabulary_fingerprint(path));
    for (const Day& day : days)
      if (day.identity == identity)
        fail("{} holds the same as {}: every day has rows of its own; remove one of them", path, day.dataset.path());
    days.push_back({name, std::move(dataset), data_fingerprint(path), identity});
  }
  return days;
}

std::vector<DayModel> read_models(const std::vector<std::string>& files, const std::vector<std::string>& overrides,
                                  const Dataset& dataset) {
  check_overrides(overrides);
  std::vector<DayModel> models;
  // Required of a run, and not the file's to say.
  std::vector<std::string> all = {"data.path=" + dataset.path(), "output=runs"};
  all.insert(all.end(), overrides.begin(), overrides.end());
  for (const std::string& file : files) {
    RunConfig config = parse_run_config(file, all);
    config.vocab = Vocab::grow;
    config.train.keep_checkpoint = true;
    DayModel model{config.name, config, file};
    check_name(model);
    for (const DayModel& other : models)
      if (other.name == model.name)
        fail_usage("{} and {} are both named '{}'; each model has its own folder, give them different names",
                   other.file, file, model.name);
    const RunConfig& first = models.empty() ? config : models.front().config;
    if (config.model.primary != first.model.primary)
      fail_usage("{} predicts the view '{}', {} predicts '{}'; their scores do not compare", files.front(),
                 first.model.primary, file, config.model.primary);
    if (config.seed != first.seed)
      fail_usage("{} has seed {}, {} has seed {}: their difference would be of the seeds too; --set seed={}",
                 files.front(), first.seed, file, config.seed, first.seed);
    const std::vector<std::string> views = dataset.schema().views();
    if (std::ranges::find(views, config.model.primary) == views.end())
      fail_usage("{}: {} has no view '{}'; its views are {}", file, dataset.path(), config.model.primary,
                 fmt::join(views, ", "));
    models.push_back(std::move(model));
  }
  return models;
}

std::int64_t steps_of_day(const DayModel& model, const Day& day) {
  return steps_on(model.config.train, day.dataset.rows(Split::train));
}

}  // namespace mal
