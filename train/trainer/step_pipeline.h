// Training steps that are asked for ahead of the device: batch up, forward, backward, norm, update, report down. The
// host waits only for a step that is kMostLate behind; what a step reports arrives as late as that. From the second
// time on a step of the same shape is replayed as the device recorded it.
//
// A step with a loss or gradient that is not finite moves nothing: the device itself decides (GradientNorm::finite).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/optimizer.h"
#include "model/batch.h"
#include "train/trainer/network.h"

namespace mal {

struct StepResult {
  std::int64_t step = 0, epoch = 0, first_row = 0, rows = 0;
  std::vector<double> losses;  // one a head, without λ
  double gradient_norm = 0;
  bool finite = false;
};

class StepPipeline {
 public:
  // Both must outlive it.
  StepPipeline(Network& network, Optimizer& optimizer);
  ~StepPipeline();  // waits for the steps that are under way
  StepPipeline(const StepPipeline&) = delete;
  StepPipeline& operator=(const StepPipeline&) = delete;

  // Asks for the next step, of an epoch that is only passed on. The batch may be changed afterwards. Not when full().
  void step(const Batch& batch, std::int64_t epoch);
  // The same of a batch that stays in the device's memory as the index-th, and of one that did: BatchStage::keep().
  void step_and_keep(const Batch& batch, std::int64_t epoch, std::int64_t index);
  void step_kept(std::int64_t index, std::int64_t first_row, std::int64_t rows, std::int64_t epoch);
  // Results in the order of the steps; none if the next one is not there yet. wait: then for it, if there is one.
  std::optional<StepResult> next_result(bool wait);
  bool full() const { return asked_ - taken_ == kMostLate; }

 private:
  static constexpr std::int64_t kMostLate = 8;
  struct Under {  // a step under way
    StepResult about;
    PinnedBuffer constants, report;
    std::unique_ptr<kernels::Event> done;
  };
  struct Known {  // steps of one shape
    bool ran = false;
    std::unique_ptr<kernels::Recording> recording;
  };

  template <typename Load>
  void step(std::int64_t first_row, std::int64_t rows, std::int64_t epoch, const Load& load);
  void run(std::int64_t rows);
  void forward_backward_update(std::int64_t rows);
  Under& under(std::int64_t number) { return under_[static_cast<std::size_t>(number % kMostLate)]; }

  Network& network_;
  Optimizer& optimizer_;
  kernels::Runtime& runtime_;
  Buffer constants_;
  std::array<Under, kMostLate> under_;
  std::int64_t asked_ = 0, taken_ = 0;
  std::map<std::pair<std::size_t, std::int64_t>, Known> known_;  // by the inputs' slot and the rows
};

}  // namespace mal
