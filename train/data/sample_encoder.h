// From the fields of one row of text to the numbers that are stored; counts what it sees on the way.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/schema.h"
#include "train/data/text_table.h"
#include "train/data/vocabulary.h"

namespace mal {

// What is fitted on the training data and used for both splits.
struct FittedColumns {
  explicit FittedColumns(const Schema& schema);
  void count(const Schema& schema, const TextTable& table, const std::vector<int>& fields);  // one training row
  void finish(Schema& schema);  // numbers the vocabularies; fills tables[].rows and the statistics

  struct Number {
    double count = 0, mean = 0, squares = 0;  // Welford's; squares = Σ (x − mean)²
    double deviation() const;                 // √(squares / count); 1 where the column is constant
  };
  std::vector<Vocabulary> tables;  // one a table of the schema; empty where it is hashed
  std::vector<Number> numbers;     // one a column of the schema
  std::vector<SliceNames> slices;  // one a column of the schema
};

// Of one column in one split.
struct ColumnCounts {
  std::int64_t values = 0;     // ids or scores looked at
  std::int64_t unseen = 0;     // ids that the vocabulary does not have
  std::int64_t missing = 0;    // empty fields
  std::int64_t clamped = 0;    // scores outside [−1, 1]
  std::int64_t truncated = 0;  // lists longer than the column's length
  std::int64_t positives = 0;  // credits above 0
  double credit = 0;           // Σ
};

// One row, encoded. Per column of the schema; what is used depends on the kind (train/data/shard_writer.cpp).
struct EncodedCell {
  std::vector<std::int32_t> ids;
  std::vector<float> values;
  std::int32_t length = 0;
  std::int64_t key = 0;
};

class SampleEncoder {
 public:
  SampleEncoder(const Schema& schema, FittedColumns& fitted);
  // Throws Error with file:line:column for a credit outside [0, 1], a NaN score, text where a number belongs, or times
  // that go backwards.
  void encode(const TextTable& table, const std::vector<int>& fields);
  const std::vector<EncodedCell>& cells() const { return cells_; }

  const std::vector<ColumnCounts>& counts() const { return counts_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t first_time() const { return first_time_; }
  std::int64_t last_time() const { return last_time_; }

 private:
  std::int32_t id_of(std::size_t column, std::string_view value);
  void encode_ids(std::size_t column, std::string_view field);
  void encode_scores(std::size_t column, const TextTable& table, int field);
  void encode_number(std::size_t column, const TextTable& table, int field);
  void encode_credit(std::size_t column, const TextTable& table, int field);
  void encode_time(std::size_t column, const TextTable& table, int field);

  const Schema& schema_;
  FittedColumns& fitted_;
  std::vector<int> table_of_;  // of each column; −1 where it has none
  std::vector<EncodedCell> cells_;
  std::vector<ColumnCounts> counts_;
  std::vector<std::string_view> items_;
  std::int64_t rows_ = 0, first_time_ = 0, last_time_ = 0;
};

// Where each column of the schema stands in a file; throws Error that names a missing column.
std::vector<int> find_fields(const Schema& schema, const TextTable& table);

}  // namespace mal
