// What is fitted on the training data and used for both splits: vocabularies, means and deviations.
#pragma once

#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "model/schema.h"
#include "train/data/dataset_stats.h"
#include "train/data/id_memory.h"
#include "train/data/integer_ids.h"
#include "train/data/sample_values.h"
#include "train/data/source_block.h"
#include "train/data/text_table.h"
#include "train/data/vocabulary.h"

namespace mal {

class FittedColumns {
 public:
  explicit FittedColumns(const Schema& schema);

  // A table whose values and numbers are given: it counts nothing.
  void give(int table, Vocabulary vocabulary);
  // A table that goes on from the numbers of an earlier data set: its values keep them, new ones follow.
  void start(int table, Vocabulary vocabulary) { tables[static_cast<std::size_t>(table)] = std::move(vocabulary); }
  // A table with `evict` that goes on from what an earlier data set remembered.
  void remember(int table, IdMemory memory) { memories[static_cast<std::size_t>(table)] = std::move(memory); }
  // The scale of a standardized column, as an earlier data set had it: its values are not looked at.
  void give_scale(std::size_t column, const NumberScale& scale);
  // False if everything is given or hashed and no number is standardized: the training data need not be read.
  bool needs_data() const;

  void count(const TextTable& table, const std::vector<int>& fields);  // one training row
  // A block of training rows of one column alone, for which counts() is true; columns may be counted at the same time.
  void count(const SourceBlock& block, std::size_t column);
  bool counts(std::size_t column) const {
    return counted_[column] >= 0 || scaled_[column] || static_cast<int>(column) == clock_;
  }
  bool is_given(std::size_t table) const { return given_[table]; }
  // A value of a number column, as number_of() gives it.
  template <typename Where>
  void add_number(std::size_t column, double value, const Where& where) {
    const Column& spec = columns_[column];
    if (std::isnan(value) && spec.filled_by_mean()) return;
    if (std::isnan(value) && spec.default_value) value = *spec.default_value;
    moments_[column].add(transformed_number(spec, value, where));
  }

  void finish(Schema& schema);  // numbers the vocabularies, fills tables[].rows, computes the scales

  // Of a finished table, made when it is first asked for.
  const IntegerIndex& integers(int table);

  std::vector<Vocabulary> tables;         // one a table of the schema; empty where it is hashed
  std::vector<IdMemory> memories;         // one a table; empty where it has no `evict`
  std::optional<std::int64_t> last_time;  // of the training rows that were counted, if a table's clock needs it
  std::vector<NumberScale> numbers;       // one a column of the schema
  std::vector<SliceNames> slices;         // one a column of the schema

  TimeFormat time;  // how times are read that are no timestamps; of text tables, their own options say so

  // For a part of a data set: numbers are stored as they are (dataset_layout.h, part_column), not yet scaled.
  bool raw_numbers = false;

 private:
  struct Moments {  // Welford's: squares = Σ (x − mean)²
    double count = 0, mean = 0, squares = 0;
    void add(double value);
  };
  void count_ids(const SourceColumn& values, std::size_t column, std::size_t table);
  void count_entry(const SourceColumn& values, std::size_t table, std::size_t place, std::int64_t times);
  void count_numbers(const SourceBlock& block, const SourceColumn& values, std::size_t column);

  void find_clock();
  void read_clock(const SourceBlock& block, const SourceColumn& values);

  std::vector<Column> columns_;
  std::vector<TableSpec> specs_;
  int clock_ = -1;                             // the time column, if a table that is counted has an `evict` of time
  std::vector<int> counted_;                   // of each column: the table whose values are counted, −1 where none is
  std::vector<bool> scaled_;                   // one a column: standardized by what is counted
  std::vector<bool> given_;                    // one a table
  std::vector<IntegerCounts> integer_counts_;  // one a table
  // Of the dictionary that a column is in, how often each entry was seen; one a column.
  std::vector<std::vector<std::int64_t>> entry_counts_;
  std::deque<std::mutex> mutexes_;                      // one a table: for tables, integer_counts_ and indices_
  std::vector<std::unique_ptr<IntegerIndex>> indices_;  // one a table; null until asked for
  std::vector<Moments> moments_;
  std::vector<std::string_view> items_;
};

}  // namespace mal
