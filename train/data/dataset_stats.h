// What `prepare` counts while it encodes, kept with the data set as stats.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"

namespace mal {

// Of one column in one split; what stays 0 depends on the kind.
struct ColumnStats {
  std::int64_t values = 0;                   // ids, scores or numbers looked at
  std::int64_t unseen = 0;                   // ids: not in the vocabulary, or rarer on train than min_count
  std::int64_t missing = 0;                  // ids: empty; numbers: missing
  std::int64_t clamped = 0;                  // scores outside [−1, 1]
  std::int64_t truncated = 0;                // lists longer than the column's length
  std::int64_t positives = 0;                // credits or weights above 0
  double sum = 0, minimum = 0, maximum = 0;  // credits, weights and numbers, as they stand in the file
};

struct SplitStats {
  std::int64_t rows = 0;
  std::int64_t first_time = 0, last_time = 0;  // of a schema with a time column
  std::vector<ColumnStats> columns;            // in schema order
};

// stored = (x − mean) / deviation of a column with `standardize`; of the others: (x − 0) / 1.
struct NumberScale {
  double mean = 0, deviation = 1;
  double fill = 0;  // x of a missing number where nothing but the mean of train stands for it
};

struct DatasetStats {
  std::string schema;  // checksum of schema.yaml
  SplitStats train, test;
  std::vector<NumberScale> numbers;  // in schema order
};

std::string schema_checksum(std::string_view text);
void write_stats(const std::string& path, const Schema& schema, const DatasetStats& stats);
// Throws Error for a file that is not what write_stats writes for this schema.
DatasetStats read_stats(const std::string& path, const Schema& schema);

}  // namespace mal
