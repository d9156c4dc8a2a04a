// From blocks of a columnar file to the numbers that are stored: what SampleEncoder does for rows of text, column by
// column and on several threads.
#pragma once

#include <cstdint>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"
#include "train/data/source_block.h"

namespace mal {

class BlockEncoder {
 public:
  // not_before: the first row's time must not be earlier (a test split: the end of train).
  BlockEncoder(const Schema& schema, FittedColumns& fitted, std::int64_t not_before, int threads);

  // fields: of each column of the schema, its column of the block. Throws Error with file:row:column as SampleEncoder
  // does, and for a column of a type that its kind cannot have. A null id is an empty one, a null list an empty list, a
  // null slice the empty value; a null number, score, credit, group or time is an error.
  const Batch& encode(const SourceBlock& block, const std::vector<int>& fields);

  const SplitStats& stats() const { return stats_; }

 private:
  void encode_column(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  void encode_ids(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  template <typename Lookup>
  void store_ids(std::size_t column, const SourceBlock& block, const SourceColumn& source, const Lookup& lookup);
  void encode_scores(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  void encode_numbers(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  void encode_groups(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  void encode_slices(std::size_t column, const SourceBlock& block, const SourceColumn& source);
  void encode_times(std::size_t column, const SourceBlock& block, const SourceColumn& source);

  const Schema& schema_;
  FittedColumns& fitted_;
  std::int64_t not_before_;
  int threads_;
  std::vector<int> table_of_;                  // of each column; −1 where it has none
  std::vector<const IntegerIndex*> integers_;  // of each column; null where its values are not integers
  Batch batch_;
  SplitStats stats_;
};

}  // namespace mal
