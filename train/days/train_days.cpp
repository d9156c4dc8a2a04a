#include "train/days/train_days.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <list>
#include <thread>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/progress.h"
#include "train/experiment/child_process.h"
#include "train/trainer/run_directory.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr auto kPollInterval = std::chrono::milliseconds(20);

// One thing to do for a model; those of a model are done one after the other.
struct Task {
  std::size_t day, model;
  bool first;  // test the model of the first day; or else: train and test
};

struct Job {
  Task task;
  ChildProcess process;
};

class Chains {
 public:
  Chains(const std::vector<Day>& days, const std::vector<DayModel>& models, const DayFiles& files,
         const TrainDaysOptions& options, std::vector<std::deque<Task>> tasks)
      : days_(days),
        models_(models),
        files_(files),
        options_(options),
        tasks_(std::move(tasks)),
        // Of all models, not of those that have something to do: a run's threads are in its configuration.
        jobs_(job_count(options.device, options.jobs, models.size())),
        progress_("days", total()) {}

  void work() {
    for (std::size_t m = 0; m < tasks_.size(); ++m)
      if (!tasks_[m].empty()) waiting_.push_back(m);
    while (!waiting_.empty() || !running_.empty()) {
      while (running_.size() < jobs_ && !waiting_.empty()) {
        const std::size_t model = waiting_.front();
        waiting_.pop_front();
        start(model);
      }
      collect();
      progress_.update(done_, detail());
      if (!running_.empty()) std::this_thread::sleep_for(kPollInterval);
    }
    progress_.finish("days of models");
  }

 private:
  std::uint64_t total() const {
    std::uint64_t total = 0;
    for (const std::deque<Task>& tasks : tasks_) total += tasks.size();
    return total;
  }

  std::string log_of(std::size_t model) const { return files_.run(model) + ".log"; }

  // The next task of a model, or what one that was killed has left of it.
  void start(std::size_t model) {
    const Task task = tasks_[model].front();
    if (!task.first && files_.has_learned(task.day, model)) return finish(task);
    const std::vector<std::string> arguments = task.first ? to_test_first(task) : to_train(task);
    running_.push_back({task, ChildProcess(arguments, log_of(model))});
  }

  std::vector<std::string> to_train(const Task& task) const {
    files_.note_dataset(task.day);
    RunConfig config = models_[task.model].config;
    config.data.path = days_[task.day].dataset.path();
    config.output = files_.run(task.model);
    config.train.threads = threads_of_job(config.train.threads, jobs_);
    // Killed between weights and checkpoint, it looks finished.
    if (task.day == 0 && checkpoint_of(config.output).empty()) fs::remove_all(config.output);
    OutputFile file(config.output + ".yaml");
    file.write(to_yaml(config));
    file.commit();
    return {options_.program, config.output + ".yaml", "--device", options_.device, "--resume", "--scores"};
  }

  std::vector<std::string> to_test_first(const Task& task) const {
    return {options_.program,
            "eval",
            files_.first(task.model),
            "--data",
            days_[task.day].dataset.path(),
            "--grown",
            "--scores",
            files_.first_scores(task.day, task.model),
            "--device",
            options_.device};
  }

  void finish(const Task& task) {
    if (!task.first) files_.keep(task.day, task.model);
    std::error_code ignored;
    fs::remove(files_.run(task.model) + ".yaml", ignored);
    fs::remove(log_of(task.model), ignored);
    tasks_[task.model].pop_front();
    ++done_;
    if (!tasks_[task.model].empty()) waiting_.push_back(task.model);
  }

  void collect() {
    for (auto job = running_.begin(); job != running_.end();) {
      const std::optional<int> code = job->process.poll();
      if (!code) {
        ++job;
        continue;
      }
      const Task task = job->task;
      if (*code != 0) fail_of_child(fmt::format("'{}'", label(task)), *code, log_of(task.model));
      job = running_.erase(job);
      finish(task);
    }
  }

  std::string label(const Task& task) const {
    return fmt::format("{} {}{}", models_[task.model].name, days_[task.day].name,
                       task.first ? " (model of the first day)" : "");
  }

  std::string detail() const {
    std::string text;
    for (const Job& job : running_) text += (text.empty() ? "" : "; ") + label(job.task);
    return text;
  }

  const std::vector<Day>& days_;
  const std::vector<DayModel>& models_;
  const DayFiles& files_;
  TrainDaysOptions options_;
  std::vector<std::deque<Task>> tasks_;  // one a model
  std::size_t jobs_;
  Progress progress_;
  std::deque<std::size_t> waiting_;  // models
  std::list<Job> running_;
  std::uint64_t done_ = 0;
};

}  // namespace

void train_days(const std::vector<Day>& days, const std::vector<DayModel>& models, const DayFiles& files,
                const TrainDaysOptions& options) {
  make_folder(files.out() + "/runs");
  std::vector<std::deque<Task>> tasks(models.size());
  std::size_t all = 0, to_do = 0;
  for (std::size_t m = 0; m < models.size(); ++m) {
    const std::size_t done = files.days_done(m);
    for (std::size_t d = 0; d < days.size(); ++d) {
      if (d >= done) tasks[m].push_back({d, m, false});
      if (options.frozen && d > 0 && !files.is_first_scored(d, m)) tasks[m].push_back({d, m, true});
    }
    all += days.size() * (options.frozen ? 2 : 1) - (options.frozen ? 1 : 0);
    to_do += tasks[m].size();
  }
  fmt::print("{} days, {} models: {} to do, {} done already\n", days.size(), models.size(), to_do, all - to_do);
  std::fflush(stdout);
  if (to_do > 0) Chains(days, models, files, options, std::move(tasks)).work();
}

}  // namespace mal
