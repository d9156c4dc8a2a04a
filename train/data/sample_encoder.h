// From the fields of rows of text to the numbers that are stored; counts what it sees on the way.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/fitted_columns.h"
#include "train/data/text_table.h"

namespace mal {

class SampleEncoder {
 public:
  // not_before: the first row's time must not be earlier (a test split: the end of train).
  SampleEncoder(const Schema& schema, FittedColumns& fitted, std::int64_t not_before);
  // Adds a row to the block. Throws Error with file:line:column for a credit outside [0, 1], a score that is not
  // finite, text where a number belongs, an empty group, or times that go backwards.
  void encode(const TextTable& table, const std::vector<int>& fields);

  // Up to kBlockRows encoded rows, column by column; batch.rows of them count.
  static constexpr std::int64_t kBlockRows = 1024;
  const Batch& block() const { return block_; }
  bool full() const { return block_.rows == kBlockRows; }
  void clear() { block_.rows = 0; }

  const SplitStats& stats() const { return stats_; }

 private:
  std::int32_t id_of(std::size_t column, std::string_view value);
  void encode_list(std::size_t column, const TextTable& table, int field);
  void encode_scores(std::size_t column, const TextTable& table, int field);
  void encode_number(std::size_t column, const TextTable& table, int field);
  void encode_credit(std::size_t column, const TextTable& table, int field);
  void encode_time(std::size_t column, const TextTable& table, int field);
  std::size_t newest(std::size_t column);

  const Schema& schema_;
  FittedColumns& fitted_;
  std::int64_t not_before_;
  std::vector<int> table_of_;  // of each column; −1 where it has none
  Batch block_;
  std::size_t row_ = 0;  // of the block
  SplitStats stats_;
  std::vector<std::string_view> items_;
};

// Where each column of the schema stands in a file; throws Error that names a missing column.
std::vector<int> find_fields(const Schema& schema, const TextTable& table);

}  // namespace mal
