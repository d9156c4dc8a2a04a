// Batches of a split, in time order or shuffled within windows of it, prepared ahead by a thread of its own.
#pragma once

#include <cstdint>
#include <memory>

#include "model/batch.h"
#include "train/data/dataset.h"

namespace mal {

// Rows are shuffled within windows that follow each other in time; the order depends on the seed and the round alone.
struct ShuffleOptions {
  std::int64_t window = 0;  // rows, rounded up to whole batches; 0: time order
  std::uint64_t seed = 1;
  std::int64_t round = 0;  // the epoch: another order
};

class BatchReader {
 public:
  // prefetch: batches that may be ready at once, at least 1. The data set must outlive the reader. Shuffled, a batch's
  // first_row is its place in the new order, and a window is in memory beside the batches.
  BatchReader(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first_row = 0,
              int prefetch = 3, const ShuffleOptions& shuffle = {});
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  // The next batch, the last one smaller; null at the end. Valid until the next call. Throws what reading threw.
  const Batch* next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mal
