// Batches of a split in time order, prepared ahead by a thread of its own.
#pragma once

#include <cstdint>
#include <memory>

#include "model/batch.h"
#include "train/data/dataset.h"

namespace mal {

class BatchReader {
 public:
  // prefetch: batches that may be ready at once, at least 1. The data set must outlive the reader.
  BatchReader(const Dataset& dataset, Split split, std::int64_t batch_size, std::int64_t first_row = 0,
              int prefetch = 3);
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
