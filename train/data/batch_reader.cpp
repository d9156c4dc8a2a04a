#include "train/data/batch_reader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/error.h"

namespace mal {

struct BatchReader::State {
  std::vector<Batch> batches;
  std::deque<Batch*> free, ready;
  Batch* lent = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr error;
  bool finished = false, stopping = false;
  std::thread worker;

  void work(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first);
};

void BatchReader::State::work(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first) {
  const std::int64_t rows = dataset.rows(split);
  std::exception_ptr problem;
  while (first < rows && !problem) {
    Batch* batch = nullptr;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return stopping || !free.empty(); });
      if (stopping) return;
      batch = free.front();
      free.pop_front();
    }
    try {
      dataset.read(split, first, std::min(batch_size, rows - first), *batch);
      first += batch->rows;
      const std::lock_guard lock(mutex);
      ready.push_back(batch);
    } catch (...) {
      problem = std::current_exception();
    }
    changed.notify_all();
  }
  const std::lock_guard lock(mutex);
  error = problem;
  finished = true;
  changed.notify_all();
}

BatchReader::BatchReader(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first_row,
                         int prefetch)
    : state_(std::make_unique<State>()) {
  if (batch_size < 1 || first_row < 0)
    fail("a batch has at least 1 row and begins at row 0 or later; asked for {} rows from {}", batch_size, first_row);
  // One more than is ready at once: the one that the caller holds.
  state_->batches.resize(static_cast<std::size_t>(std::max(1, prefetch)) + 1);
  for (Batch& batch : state_->batches) state_->free.push_back(&batch);
  state_->worker = std::thread([state = state_.get(), &dataset, split, batch_size, first_row] {
    state->work(dataset, split, batch_size, first_row);
  });
}

BatchReader::~BatchReader() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->changed.notify_all();
  state_->worker.join();
}

const Batch* BatchReader::next() {
  State& s = *state_;
  std::unique_lock lock(s.mutex);
  if (s.lent != nullptr) s.free.push_back(s.lent);
  s.lent = nullptr;
  s.changed.notify_all();
  s.changed.wait(lock, [&] { return !s.ready.empty() || s.finished; });
  if (s.ready.empty()) {
    if (s.error) std::rethrow_exception(s.error);
    return nullptr;
  }
  s.lent = s.ready.front();
  s.ready.pop_front();
  return s.lent;
}

}  // namespace mal
