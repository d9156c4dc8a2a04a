#include "train/trainer/trainer.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/error.h"
#include "engine/optimizer.h"
#include "train/config/progress.h"
#include "train/data/batch_reader.h"
#include "train/data/dataset.h"
#include "train/trainer/baseline.h"
#include "train/trainer/evaluator.h"
#include "train/trainer/metrics_log.h"
#include "train/trainer/network.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/scores.h"
#include "train/trainer/test_report.h"

namespace mal {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::int64_t steps_of(std::int64_t rows, std::int64_t batch) {
  return (rows + batch - 1) / batch;
}

// Device, data, parameters and both graphs of a run, in the order in which they need each other.
struct Setup {
  Setup(const RunConfig& run, const TrainOptions& options)
      : config(run),
        device(select_device(options.device, static_cast<int>(run.train.threads))),
        dataset(Dataset::open(run.data.path)),
        parameters(run.seed, [this](std::int32_t width) { return sparse_state_width(device, config.sparse, width); }),
        network(device, parameters, dataset.schema(), run.model, run.train.batch_size, true, run.train.reduction,
                run.train.multi_task, run.seed) {
    if (dataset.rows(Split::train) == 0) fail("{}: the data set has no training rows", run.data.path);
    // Not only when all the training is done.
    check_slices(dataset.schema(), config.eval.slices);
    if (!device.note.empty()) fmt::print(stderr, "note: {}\n", device.note);
  }

  RunConfig config;
  Device device;
  Dataset dataset;
  Parameters parameters;
  Network network;
};

// Sums of losses since the last log line.
class LossMeter {
 public:
  explicit LossMeter(std::size_t heads) : losses_(heads) {}

  void add(const Network& network) {
    ++steps_;
    total_ += network.total_loss();
    for (std::size_t h = 0; h < losses_.size(); ++h) losses_[h] += network.losses[h];
  }
  double mean() const { return total_ / steps_; }
  std::vector<double> means() const {
    std::vector<double> means = losses_;
    for (double& mean : means) mean /= steps_;
    return means;
  }
  bool empty() const { return steps_ == 0; }
  void reset() { *this = LossMeter(losses_.size()); }

 private:
  double steps_ = 0, total_ = 0;
  std::vector<double> losses_;
};

class Trainer {
 public:
  Trainer(Setup& setup, RunDirectory& directory)
      : setup_(setup),
        directory_(directory),
        rows_(setup.dataset.rows(Split::train)),
        optimizer_(setup.device, setup.parameters, setup.config.dense, setup.config.sparse, schedule()),
        meter_(setup.network.losses.size()),
        progress_("training " + setup.config.name, static_cast<std::uint64_t>(rows_ * setup.config.train.epochs)),
        logged_at_(Clock::now()) {}

  // Returns the number of steps.
  std::int64_t run(RateCounter& baseline) {
    const Clock::time_point start = Clock::now();
    for (std::int64_t epoch = 0; epoch < setup_.config.train.epochs; ++epoch) {
      BatchReader reader(setup_.dataset, Split::train, setup_.config.train.batch_size, 0,
                         static_cast<int>(setup_.config.data.prefetch));
      while (const Batch* batch = reader.next()) {
        if (epoch == 0) baseline.count(*batch);
        step(*batch, epoch);
      }
    }
    if (!meter_.empty()) log(setup_.config.train.epochs - 1);
    const auto rows = static_cast<double>(seen_);
    progress_.finish(fmt::format("{:.0f} samples/s", rows / seconds_since(start)));
    return optimizer_.steps();
  }

 private:
  ScheduleConfig schedule() const {
    ScheduleConfig schedule = setup_.config.schedule;
    schedule.total_steps = setup_.config.train.epochs * steps_of(rows_, setup_.config.train.batch_size);
    return schedule;
  }

  void step(const Batch& batch, std::int64_t epoch) {
    Network& network = setup_.network;
    network.forward(batch);
    network.backward(batch, optimizer_.steps() + 1);
    if (!std::isfinite(network.total_loss()))
      fail(
          "the loss of step {} (training rows {} to {}) is not finite, nothing was updated: lower the learning rates, "
          "or look at these rows",
          optimizer_.steps() + 1, batch.first_row, batch.first_row + batch.rows - 1);
    optimizer_.step(network.graph);
    meter_.add(network);
    seen_ += batch.rows;
    since_log_ += batch.rows;
    progress_.update(static_cast<std::uint64_t>(seen_), detail_);
    if (optimizer_.steps() % setup_.config.train.log_every == 0) log(epoch);
  }

  void log(std::int64_t epoch) {
    TrainLine line;
    line.step = optimizer_.steps();
    line.epoch = epoch;
    line.rows = seen_;
    line.loss = meter_.mean();
    for (const Head& head : setup_.network.model.heads) line.heads.push_back(head.name);
    line.losses = meter_.means();
    line.gradient_norm = optimizer_.gradient_norm();
    line.samples_per_second = static_cast<double>(since_log_) / seconds_since(logged_at_);
    directory_.log(train_line(line));
    detail_ =
        fmt::format("step {}, loss {:.4f}, {:.0f} samples/s", line.step, line.losses.front(), line.samples_per_second);
    meter_.reset();
    since_log_ = 0;
    logged_at_ = Clock::now();
  }

  Setup& setup_;
  RunDirectory& directory_;
  std::int64_t rows_;
  Optimizer optimizer_;
  LossMeter meter_;
  Progress progress_;
  Clock::time_point logged_at_;
  std::int64_t seen_ = 0, since_log_ = 0;
  std::string detail_;
};

// The last step has no next loss that would show it.
void check_weights(const Parameters& parameters, std::int64_t steps) {
  const auto check = [steps](const std::string& name, const float* values, std::int64_t count) {
    const bool finite = std::all_of(values, values + count, [](float value) { return std::isfinite(value); });
    if (!finite)
      fail("the weights of {} are not finite after step {}, nothing was saved: lower the learning rates", name, steps);
  };
  for (const Parameter& parameter : parameters.all_dense())
    check(parameter.name, parameter.value.data(), parameter.value.size());
  for (const EmbeddingTable& table : parameters.all_tables())
    for (std::int64_t row = 0; row < table.rows(); ++row)
      check(table.name(), table.data() + row * table.row_stride(), table.width());
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

Metrics train(const RunConfig& config, const TrainOptions& options) {
  Setup setup(config, options);
  RateCounter baseline(setup.dataset.schema(), config.model.primary, config.eval.baseline);
  RunDirectory directory(config, options.overwrite);
  directory.log(start_line(config, setup.device.name, setup.dataset.rows(Split::train), setup.dataset.rows(Split::test),
                           setup.parameters.dense_count() + setup.parameters.table_count()));
  const std::int64_t steps = Trainer(setup, directory).run(baseline);
  check_weights(setup.parameters, steps);
  directory.save(setup.parameters, config, vocabulary_fingerprint(config.data.path), steps);

  const ScoredSplit test = score_split(setup.device, setup.parameters, config.model, setup.dataset, Split::test,
                                       config.train.eval_batch_size, config.eval.slices);
  Metrics metrics = evaluate(test.scored);
  if (baseline.active())
    directory.log(baseline_line(baseline.evaluate(setup.dataset, test.scored), baseline.column(), steps));
  const std::vector<SliceTable> slices = slice_tables(setup.dataset, test, config.eval.slices);
  directory.log(test_line(metrics, slices, steps));
  if (options.scores) save_scores(config.output, test.scored.logits);
  print_metrics(config.name, metrics, slices);
  fmt::print("run: {} ({} steps, peak memory {:.0f} MiB with the mapped data)\n", config.output, steps,
             peak_memory_mib());
  return metrics;
}

void dry_run(const RunConfig& config, const TrainOptions& options) {
  const Setup setup(config, options);
  fmt::print("{}\n{}", to_yaml(config), describe(setup.network, setup.parameters, setup.dataset.rows(Split::train)));
}

}  // namespace mal
