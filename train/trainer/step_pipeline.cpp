#include "train/trainer/step_pipeline.h"

#include <cstring>

#include "engine/error.h"

namespace mal {

using kernels::Queue;

StepPipeline::StepPipeline(Network& network, Optimizer& optimizer)
    : network_(network), optimizer_(optimizer), runtime_(*network.graph.device().memory) {
  const Memory& memory = network.graph.device().memory;
  constants_ = Buffer(memory, sizeof(Optimizer::Constants));
  for (Under& under : under_) {
    under.constants = PinnedBuffer(memory, sizeof(Optimizer::Constants));
    under.report = PinnedBuffer(memory, network.report.size());
    under.done = memory->make_event();
  }
}

StepPipeline::~StepPipeline() {
  try {
    runtime_.wait_for(Queue::compute);
  } catch (...) {  // NOLINT(bugprone-empty-catch): the device has failed, and an earlier exception says how
  }
}

void StepPipeline::forward_backward_update(std::int64_t rows) {
  network_.train(rows, optimizer_.steps() + 1);
  optimizer_.update(network_.graph, constants_.as<Optimizer::Constants>(), network_.device_losses(),
                    static_cast<std::int32_t>(network_.model.heads.size()), network_.norm());
}

void StepPipeline::run(std::int64_t rows) {
  // Gradient surgery waits for its products in the middle of a step: it cannot be recorded.
  if (network_.surgery) return forward_backward_update(rows);
  Known& known = known_[{network_.stage.slot(), rows}];
  // The first one runs as it is: it may still load and allocate what later ones find.
  if (!std::exchange(known.ran, true)) return forward_backward_update(rows);
  if (!known.recording) known.recording = runtime_.record([this, rows] { forward_backward_update(rows); });
  runtime_.replay(*known.recording);
}

template <typename Load>
void StepPipeline::step(std::int64_t first_row, std::int64_t rows, std::int64_t epoch, const Load& load) {
  if (full()) fail("step pipeline: {} results have not been taken", kMostLate);
  Under& now = under(asked_);
  now.about = {optimizer_.steps() + 1, epoch, first_row, rows, {}, 0, false};
  *now.constants.as<Optimizer::Constants>() = optimizer_.constants(now.about.step);
  runtime_.copy(constants_.data(), now.constants.as(), sizeof(Optimizer::Constants), Queue::compute);
  load(network_.stage);
  run(rows);
  network_.stage.done();
  runtime_.copy(now.report.as(), network_.report.data(), network_.report.size(), Queue::compute);
  runtime_.record(*now.done, Queue::compute);
  optimizer_.count_step();
  ++asked_;
}

void StepPipeline::step(const Batch& batch, std::int64_t epoch) {
  step(batch.first_row, batch.rows, epoch, [&](BatchStage& stage) { stage.load(batch); });
}

void StepPipeline::step_and_keep(const Batch& batch, std::int64_t epoch, std::int64_t index) {
  step(batch.first_row, batch.rows, epoch, [&](BatchStage& stage) { stage.load_and_keep(batch, index); });
}

void StepPipeline::step_kept(std::int64_t index, std::int64_t first_row, std::int64_t rows, std::int64_t epoch) {
  step(first_row, rows, epoch, [&](BatchStage& stage) { stage.load_kept(index); });
}

std::optional<StepResult> StepPipeline::next_result(bool wait) {
  if (taken_ == asked_) return std::nullopt;
  Under& next = under(taken_);
  if (wait)
    runtime_.wait(*next.done);
  else if (!runtime_.happened(*next.done))
    return std::nullopt;
  ++taken_;
  StepResult result = std::move(next.about);
  const auto& norm = *next.report.as<const kernels::GradientNorm>();
  result.gradient_norm = norm.norm;
  result.finite = norm.finite != 0;
  result.losses.resize(network_.model.heads.size());
  std::memcpy(result.losses.data(), next.report.as() + sizeof norm, result.losses.size() * sizeof(double));
  return result;
}

}  // namespace mal
