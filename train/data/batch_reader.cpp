#include "train/data/batch_reader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/random.h"
#include "train/data/dataset_layout.h"

namespace mal {

namespace {

template <typename T>
void gather_cells(const std::vector<T>& from, const std::int64_t* rows, std::int64_t count, std::int64_t width,
                  std::vector<T>& to) {
  to.resize(static_cast<std::size_t>(from.empty() ? 0 : count * width));
  if (from.empty()) return;
  for (std::int64_t r = 0; r < count; ++r) std::copy_n(from.begin() + rows[r] * width, width, to.begin() + r * width);
}

// Gives the rows of a split in the order that ShuffleOptions say.
class ShuffledRows {
 public:
  ShuffledRows(const Dataset& dataset, Split split, std::int64_t batch_size, const ShuffleOptions& shuffle)
      : dataset_(dataset),
        split_(split),
        window_((shuffle.window + batch_size - 1) / batch_size * batch_size),
        random_(shuffle.seed, fmt::format("data: shuffle {}", shuffle.round)) {}

  // As Dataset::read; the rows asked for lie in one window.
  void read(std::int64_t first, std::int64_t count, Batch& batch) {
    if (first < begin_ || first >= begin_ + rows_.rows || rows_.rows == 0) load(first / window_ * window_);
    batch.rows = count;
    batch.first_row = first;
    batch.columns.resize(rows_.columns.size());
    const std::int64_t* order = order_.data() + (first - begin_);
    for (std::size_t c = 0; c < rows_.columns.size(); ++c) {
      const auto width = static_cast<std::int64_t>(stored_width(dataset_.schema().columns[c]));
      gather_cells(rows_.columns[c].ids, order, count, width, batch.columns[c].ids);
      gather_cells(rows_.columns[c].values, order, count, width, batch.columns[c].values);
      gather_cells(rows_.columns[c].keys, order, count, width, batch.columns[c].keys);
      gather_cells(rows_.columns[c].lengths, order, count, 1, batch.columns[c].lengths);
    }
  }

 private:
  void load(std::int64_t begin) {
    begin_ = begin;
    dataset_.read(split_, begin, std::min(window_, dataset_.rows(split_) - begin), rows_);
    order_.resize(static_cast<std::size_t>(rows_.rows));
    std::iota(order_.begin(), order_.end(), 0);
    for (std::int64_t i = rows_.rows - 1; i > 0; --i) {  // Fisher and Yates
      const std::uint64_t other =
          random_.below(static_cast<std::uint64_t>(begin + i), static_cast<std::uint64_t>(i) + 1);
      std::swap(order_[static_cast<std::size_t>(i)], order_[other]);
    }
  }

  const Dataset& dataset_;
  Split split_;
  std::int64_t window_;
  Random random_;
  std::int64_t begin_ = 0;  // of the window
  Batch rows_;              // of the window, in time order
  std::vector<std::int64_t> order_;
};

}  // namespace

struct BatchReader::State {
  std::vector<Batch> batches;
  std::deque<Batch*> free, ready;
  Batch* lent = nullptr;
  std::mutex mutex;
  std::condition_variable changed;
  std::exception_ptr error;
  bool finished = false, stopping = false;
  std::thread worker;

  void work(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first,
            const ShuffleOptions& shuffle);
};

void BatchReader::State::work(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first,
                              const ShuffleOptions& shuffle) {
  ShuffledRows shuffled(dataset, split, batch_size, shuffle);
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
      const std::int64_t count = std::min(batch_size, rows - first);
      if (shuffle.window > 0)
        shuffled.read(first, count, *batch);
      else
        dataset.read(split, first, count, *batch);
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
                         int prefetch, const ShuffleOptions& shuffle)
    : state_(std::make_unique<State>()) {
  if (batch_size < 1 || first_row < 0)
    fail("a batch has at least 1 row and begins at row 0 or later; asked for {} rows from {}", batch_size, first_row);
  if (shuffle.window < 0 || (shuffle.window > 0 && first_row % batch_size != 0))
    fail("shuffled rows come in windows of at least 1 row and whole batches; asked for a window of {} from row {}",
         shuffle.window, first_row);
  // One more than is ready at once: the one that the caller holds.
  state_->batches.resize(static_cast<std::size_t>(std::max(1, prefetch)) + 1);
  for (Batch& batch : state_->batches) state_->free.push_back(&batch);
  state_->worker = std::thread([state = state_.get(), &dataset, split, batch_size, first_row, shuffle] {
    state->work(dataset, split, batch_size, first_row, shuffle);
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
