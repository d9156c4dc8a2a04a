#include "train/trainer/trainer.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/optimizer.h"
#include "train/config/progress.h"
#include "train/data/batch_reader.h"
#include "train/data/dataset.h"
#include "train/trainer/baseline.h"
#include "train/trainer/evaluator.h"
#include "train/trainer/interrupt.h"
#include "train/trainer/loss_meter.h"
#include "train/trainer/metrics_log.h"
#include "train/trainer/network.h"
#include "train/trainer/run_directory.h"
#include "train/trainer/scores.h"
#include "train/trainer/step_pipeline.h"
#include "train/trainer/test_report.h"
#include "train/trainer/trained_on.h"
#include "train/trainer/training_checkpoint.h"

namespace mal {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Device, data, parameters and both graphs of a run, in the order in which they need each other.
struct Setup {
  Setup(const RunConfig& run, const TrainOptions& options)
      : config(run),
        device(select_device(options.device, static_cast<int>(run.train.threads), run.train.precision)),
        dataset(Dataset::open(run.data.path)),
        parameters(
            run.seed, [this](std::int32_t width) { return sparse_state_width(device, config.sparse, width); },
            device.memory),
        network(device, parameters, dataset.schema(), run.model, run.train.batch_size, true, run.train.reduction,
                run.train.multi_task, run.seed, mean_weight(dataset)) {
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

// The weights of an earlier run in place of random ones, before anything is written.
void init_from(Setup& setup) {
  const RunConfig& config = setup.config;
  if (config.init_from.empty()) return;
  std::error_code error;
  if (std::filesystem::equivalent(config.init_from, config.output, error))
    fail_usage("init_from: {} is the output, too; choose another output, or go on with it: --resume", config.init_from);
  const SavedRun run = open_run(config.init_from);
  const char* kept = kept_of(config.init_from, run.weights, vocabularies_of(run));
  const GoesOn how = check_goes_on(config.init_from, setup.dataset, config.vocab, kept);
  load_weights(run.weights, setup.parameters, Contents::weights, how.rows);
  fmt::print(stderr, "note: begins with the weights of {}; new ids: {}\n", config.init_from, how.new_ids);
}

class Trainer {
 public:
  // vocabularies: the data set's vocabulary_fingerprint(), which has read them whole.
  Trainer(Setup& setup, RunDirectory& directory, const std::string& vocabularies)
      : setup_(setup),
        directory_(directory),
        rows_(setup.dataset.rows(Split::train)),
        data_{data_identity(setup.dataset, vocabularies), vocabularies},
        optimizer_(setup.device, setup.parameters, setup.config.dense, setup.config.sparse, schedule()),
        pipeline_(setup.network, optimizer_),
        meter_(setup.network.model.heads.size()),
        progress_("training " + setup.config.name, static_cast<std::uint64_t>(rows_ * setup.config.train.epochs)),
        logged_at_(Clock::now()),
        saved_at_(Clock::now()) {}

  // Where the run's checkpoint left off, if it has one. With vocab: grow that may have been on other data: then the
  // present data are trained on from their first row, with a schedule of their own.
  void resume() {
    if (directory_.checkpoint().empty()) return;
    const RunConfig& config = setup_.config;
    const CheckpointData trained = data_of_checkpoint(directory_.checkpoint());
    const bool other_data = trained.identity != data_.identity, grows = other_data && config.vocab == Vocab::grow;
    // Without vocab: grow load_checkpoint refuses other data.
    const char* kept = grows ? kept_of(config.output, directory_.checkpoint(), trained.vocabularies) : kTrainedOn;
    const GoesOn how = grows ? check_goes_on(config.output, setup_.dataset, config.vocab, kept) : GoesOn();
    const TrainingPosition position = load_checkpoint(directory_.checkpoint(), setup_.parameters, meter_.losses.size(),
                                                      data_.identity, config.vocab, how.rows);
    begin_ = position.begin;
    if (position.steps >= last_step())
      fail_usage("{} is finished, there is nothing to resume; to go on with new data set data.path and vocab: grow",
                 config.output);
    directory_.rewind_log(position.steps);
    optimizer_.resume(position.steps, begin_);
    meter_ = position.meter;
    if (other_data)
      go_on_with_data(how, kept);
    else
      fmt::print(stderr, "note: {} goes on after step {} of {}\n", config.output, position.steps, last_step());
    log_other_device();
  }

  // Weights then differ in their last bits from those of a run that stayed where it began.
  void log_other_device() {
    const std::string now = description(setup_.device), before = directory_.last_device();
    if (before.empty() || before == now || new_data()) return;
    fmt::print(stderr, "note: it was trained on {} until here and goes on on {}: last bits depend on that\n", before,
               now);
    directory_.log(resume_line(now, steps()));
  }

  // None of the data's rows has been trained on.
  bool new_data() const { return steps() == begin_; }
  std::int64_t steps() const { return optimizer_.steps(); }

  // Returns the number of steps.
  std::int64_t run(RateCounter& baseline) {
    const InterruptGuard guard;
    const Clock::time_point start = Clock::now();
    const TrainConfig& config = setup_.config.train;
    const std::int64_t batch_size = config.batch_size, an_epoch = steps_on(config, rows_) / config.epochs;
    const std::int64_t done = optimizer_.steps() - begin_, first_epoch = done / an_epoch,
                       first_row = done % an_epoch * batch_size;
    seen_ = first_epoch * rows_ + first_row;
    const std::int64_t resumed = seen_;
    count_rows(baseline, std::min(seen_, rows_));
    // What is kept comes in the order of the first epoch.
    const bool keep = setup_.config.data.on_device && setup_.config.data.shuffle_window == 0 &&
                      config.epochs > first_epoch + 1 && setup_.network.stage.keep(an_epoch);
    bool kept = false;
    for (std::int64_t epoch = first_epoch; epoch < config.epochs; ++epoch) {
      const std::int64_t first = epoch == first_epoch ? first_row : 0;
      if (kept)
        run_kept(epoch);
      else
        read_epoch(epoch, first, keep && first == 0, baseline);
      kept = kept || (keep && first == 0);
    }
    take_all_results();
    if (!meter_.empty()) log(optimizer_.steps(), config.epochs - 1);
    progress_.finish(fmt::format("{:.0f} samples/s", static_cast<double>(seen_ - resumed) / seconds_since(start)));
    return optimizer_.steps();
  }

  void save() {
    save_checkpoint(directory_.checkpoint_path(), setup_.parameters, {optimizer_.steps(), meter_, begin_}, data_);
    saved_at_ = Clock::now();
  }

 private:
  // From here on the checkpoint has the rows of the present data: where one is killed before, between or after, one of
  // both folders says what they mean (kept_of).
  void go_on_with_data(const GoesOn& how, const char* kept) {
    fmt::print(stderr, "note: {} goes on after step {} with new data; new ids: {}\n", setup_.config.output, begin_,
               how.new_ids);
    directory_.announce(setup_.config.data.path, kept);
    save();
  }
  // Of the present data.
  std::int64_t total_steps() const { return steps_on(setup_.config.train, rows_); }
  std::int64_t last_step() const { return begin_ + total_steps(); }
  ScheduleConfig schedule() const {
    ScheduleConfig schedule = setup_.config.schedule;
    schedule.total_steps = total_steps();
    return schedule;
  }

  BatchReader read(std::int64_t epoch, std::int64_t first_row) const {
    const DataConfig& data = setup_.config.data;
    return {setup_.dataset,
            Split::train,
            setup_.config.train.batch_size,
            first_row,
            static_cast<int>(data.prefetch),
            {.window = data.shuffle_window, .seed = setup_.config.seed, .round = epoch}};
  }

  // The rows that were trained before the checkpoint.
  void count_rows(RateCounter& baseline, std::int64_t rows) const {
    if (rows == 0 || !baseline.active()) return;
    BatchReader reader = read(0, 0);
    for (std::int64_t counted = 0; counted < rows;) {
      const Batch* batch = reader.next();
      baseline.count(*batch);
      counted += batch->rows;
    }
  }

  void read_epoch(std::int64_t epoch, std::int64_t first_row, bool keep, RateCounter& baseline) {
    const std::int64_t batch_size = setup_.config.train.batch_size;
    BatchReader reader = read(epoch, first_row);
    while (const Batch* batch = reader.next()) {
      if (epoch == 0) baseline.count(*batch);
      if (keep)
        pipeline_.step_and_keep(*batch, epoch, batch->first_row / batch_size);
      else
        pipeline_.step(*batch, epoch);
      after_step();
    }
  }

  void run_kept(std::int64_t epoch) {
    const std::int64_t batch_size = setup_.config.train.batch_size;
    for (std::int64_t first = 0; first < rows_; first += batch_size) {
      pipeline_.step_kept(first / batch_size, first, std::min(batch_size, rows_ - first), epoch);
      after_step();
    }
  }

  void after_step() {
    while (const auto result = pipeline_.next_result(pipeline_.full())) take(*result);
    if (optimizer_.steps() == last_step()) return;
    const bool stop = InterruptGuard::requested();
    if (!stop && !checkpoint_is_due()) return;
    take_all_results();  // what is saved is the state after the last step that was asked for
    save();
    if (stop) fail("interrupted after step {} of {}; --resume goes on from there", optimizer_.steps(), last_step());
  }

  void take_all_results() {
    while (const auto result = pipeline_.next_result(true)) take(*result);
  }

  void take(const StepResult& result) {
    const double loss = setup_.network.total(result.losses);
    if (!std::isfinite(loss))
      fail(
          "the loss of step {} (training rows {} to {}) is not finite, nothing was updated: lower the learning rates, "
          "or look at these rows",
          result.step, result.first_row, result.first_row + result.rows - 1);
    if (!result.finite)
      fail(
          "the gradient of step {} is not finite, nothing was updated: lower the learning rates, or set "
          "train.clip_norm",
          result.step);
    meter_.add(loss, result.losses);
    gradient_norm_ = result.gradient_norm;
    seen_ += result.rows;
    since_log_ += result.rows;
    progress_.update(static_cast<std::uint64_t>(seen_), detail_);
    if (result.step % setup_.config.train.log_every == 0) log(result.step, result.epoch);
  }

  bool checkpoint_is_due() const {
    const TrainConfig& config = setup_.config.train;
    return (config.checkpoint_every > 0 && optimizer_.steps() % config.checkpoint_every == 0) ||
           (config.checkpoint_minutes > 0 && seconds_since(saved_at_) > 60 * config.checkpoint_minutes);
  }

  void log(std::int64_t step, std::int64_t epoch) {
    TrainLine line;
    line.step = step;
    line.epoch = epoch;
    line.rows = seen_;
    line.loss = meter_.mean();
    for (const Head& head : setup_.network.model.heads) line.heads.push_back(head.name);
    line.losses = meter_.means();
    line.gradient_norm = gradient_norm_;
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
  CheckpointData data_;     // of checkpoints
  std::int64_t begin_ = 0;  // steps that were done on earlier data
  Optimizer optimizer_;
  StepPipeline pipeline_;
  LossMeter meter_;
  double gradient_norm_ = 0;  // of the last step that was taken
  Progress progress_;
  Clock::time_point logged_at_, saved_at_;
  std::int64_t seen_ = 0, since_log_ = 0;
  std::string detail_;
};

// The last step has no next loss that would show it.
void check_weights(const Parameters& parameters, std::int64_t steps) {
  const auto check = [steps](const std::string& name, const Buffer& buffer, std::int64_t width, std::int64_t stride) {
    buffer.read(
        static_cast<std::size_t>(stride) * sizeof(float), [&](std::int64_t, std::int64_t rows, const std::byte* data) {
          for (std::int64_t r = 0; r < rows; ++r) {
            const float* row = reinterpret_cast<const float*>(data) + r * stride;
            const bool finite = std::all_of(row, row + width, [](float value) { return std::isfinite(value); });
            if (!finite)
              fail("the weights of {} are not finite after step {}, nothing was saved: lower the learning rates", name,
                   steps);
          }
        });
  };
  for (const Parameter& parameter : parameters.all_dense()) check(parameter.name, parameter.value.buffer(), 1, 1);
  for (const EmbeddingTable& table : parameters.all_tables())
    check(table.name(), table.buffer(), table.width(), table.row_stride());
}

double peak_memory_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

}  // namespace

std::int64_t steps_on(const TrainConfig& config, std::int64_t rows) {
  return config.epochs * ((rows + config.batch_size - 1) / config.batch_size);
}

Metrics train(const RunConfig& config, const TrainOptions& options) {
  Setup setup(config, options);
  RateCounter baseline(setup.dataset.schema(), config.model.primary, config.eval.baseline, mean_weight(setup.dataset));
  if (!has_checkpoint(config, options.existing)) init_from(setup);
  RunDirectory directory(config, options.existing);
  const std::string vocabularies = vocabulary_fingerprint(config.data.path);
  Trainer trainer(setup, directory, vocabularies);
  trainer.resume();
  directory.begin(config);
  if (trainer.new_data())
    directory.log(start_line(config, description(setup.device), setup.dataset.rows(Split::train),
                             setup.dataset.rows(Split::test),
                             setup.parameters.dense_count() + setup.parameters.table_count(), trainer.steps()));
  const std::int64_t steps = trainer.run(baseline);
  check_weights(setup.parameters, steps);
  directory.save(setup.parameters, config, vocabularies, steps);

  const ScoredSplit test = score_split(setup.device, setup.parameters, config.model, setup.dataset, Split::test,
                                       config.train.eval_batch_size, config.eval.slices);
  Metrics metrics = evaluate(test.scored);
  if (baseline.active())
    directory.log(baseline_line(baseline.evaluate(setup.dataset, test.scored), baseline.column(), steps));
  const std::vector<SliceTable> slices = slice_tables(setup.dataset, test, config.eval.slices);
  directory.log(test_line(metrics, slices, steps));
  if (options.scores) save_scores(config.output, test.scored.logits);
  if (config.train.keep_checkpoint)
    trainer.save();
  else
    directory.finish();
  print_metrics(config.name, metrics, slices);
  fmt::print("run: {} ({} steps, peak memory {:.0f} MiB with the mapped data)\n", config.output, steps,
             peak_memory_mib());
  return metrics;
}

void dry_run(const RunConfig& config, const TrainOptions& options) {
  Setup setup(config, options);
  init_from(setup);
  fmt::print("{}\n{}", to_yaml(config), describe(setup.network, setup.parameters, setup.dataset.rows(Split::train)));
}

}  // namespace mal
