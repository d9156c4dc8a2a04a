// From blocks of one column of a columnar file to the numbers that are stored: what SampleEncoder does for rows of
// text. Columns know nothing of each other, so that several threads can encode one each.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"
#include "train/data/source_block.h"

namespace mal {

class ColumnEncoder {
 public:
  // not_before: the first row's time must not be earlier (a test split: the end of train).
  ColumnEncoder(const Schema& schema, std::size_t column, FittedColumns& fitted, std::int64_t not_before);

  // A block of the column alone; the result is valid until the next call. Throws Error with file:row:column as
  // SampleEncoder does, and for a column of a type that its kind cannot have. A null id is an empty one, a null list an
  // empty list, a null slice the empty value; a null number, score, credit, group or time is an error.
  const BatchColumn& encode(const SourceBlock& block);

  const ColumnStats& stats() const { return stats_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t first_time() const { return times_.first_time; }  // of a time column
  std::int64_t last_time() const { return times_.last_time; }

 private:
  void encode_ids(const SourceBlock& block, const SourceColumn& source);
  template <typename Lookup>
  void find_ids(const SourceBlock& block, const SourceColumn& source, const Lookup& lookup);
  template <typename IdAt>
  void store_ids(const SourceBlock& block, const SourceColumn& source, const IdAt& id_at);
  void encode_scores(const SourceBlock& block, const SourceColumn& source);
  void encode_numbers(const SourceBlock& block, const SourceColumn& source);
  void encode_groups(const SourceBlock& block, const SourceColumn& source);
  void encode_slices(const SourceBlock& block, const SourceColumn& source);
  void encode_times(const SourceBlock& block, const SourceColumn& source);

  const Column& column_;
  FittedColumns& fitted_;
  std::size_t index_;  // of the column, in the schema
  std::int64_t not_before_;
  int table_;  // −1: it has none
  std::int64_t buckets_ = 0;
  BatchColumn out_;
  ColumnStats stats_;
  SplitStats times_;
  std::int64_t rows_ = 0;
  std::uint64_t dictionary_ = 0;  // whose entries' ids are known
  std::vector<std::int32_t> dictionary_ids_;
};

}  // namespace mal
