#include "train/experiment/run_all.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <list>
#include <thread>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/progress.h"
#include "train/experiment/child_process.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr auto kPollInterval = std::chrono::milliseconds(50);

// One run under way.
struct Job {
  const PlannedRun* run;
  ChildProcess process;
};

class Pool {
 public:
  Pool(const RunAllOptions& options, std::deque<const PlannedRun*> waiting)
      : options_(options),
        waiting_(std::move(waiting)),
        total_(waiting_.size()),
        jobs_(job_count(options.device, options.jobs, total_)),
        progress_("experiment", static_cast<std::uint64_t>(total_)) {}

  void work() {
    while (!waiting_.empty() || !running_.empty()) {
      while (running_.size() < jobs_ && !waiting_.empty()) {
        start(*waiting_.front());
        waiting_.pop_front();
      }
      collect();
      progress_.update(done_, detail_);
      std::this_thread::sleep_for(kPollInterval);
    }
    progress_.finish("runs");
  }

 private:
  void start(const PlannedRun& run) {
    RunConfig config = run.config;
    config.train.threads = threads_of_job(config.train.threads, jobs_);
    fs::remove_all(config.output);
    OutputFile file(config.output + ".yaml");
    file.write(to_yaml(config));
    file.commit();
    running_.push_back({&run, ChildProcess({options_.program, config.output + ".yaml", "--device", options_.device,
                                            "--overwrite", "--scores"},
                                           config.output + ".log")});
    describe();
  }

  void collect() {
    for (auto job = running_.begin(); job != running_.end();) {
      const std::optional<int> code = job->process.poll();
      if (!code) {
        ++job;
        continue;
      }
      if (*code != 0)
        fail_of_child(fmt::format("the run '{}'", job->run->label), *code, job->run->config.output + ".log");
      fs::remove(job->run->config.output + ".yaml");
      fs::remove(job->run->config.output + ".log");
      job = running_.erase(job);
      ++done_;
      describe();
    }
  }

  void describe() {
    detail_.clear();
    for (const Job& job : running_) detail_ += (detail_.empty() ? "" : "; ") + job.run->label;
  }

  RunAllOptions options_;
  std::deque<const PlannedRun*> waiting_;
  std::size_t total_, jobs_;
  Progress progress_;
  std::list<Job> running_;
  std::uint64_t done_ = 0;
  std::string detail_;
};

}  // namespace

bool is_done(const PlannedRun& run, const std::vector<Dataset>& datasets) {
  return has_scores(run.config.output, datasets[run.dataset].rows(Split::test));
}

void run_all(const Experiment& experiment, const RunPlan& plan, const std::vector<Dataset>& datasets,
             const RunAllOptions& options) {
  fs::create_directories(experiment.output + "/runs");
  std::deque<const PlannedRun*> waiting;
  for (const PlannedRun& run : plan.runs())
    if (!is_done(run, datasets)) waiting.push_back(&run);
  const std::size_t done = plan.runs().size() - waiting.size();
  fmt::print("{} runs: {} done already, {} to do\n", plan.runs().size(), done, waiting.size());
  std::fflush(stdout);
  if (!waiting.empty()) Pool(options, std::move(waiting)).work();
}

}  // namespace mal
