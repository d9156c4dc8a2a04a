// Parquet files, read block by block: only the columns that are asked for, only so many rows at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/data/source_block.h"

namespace mal {

// Lists may be list, large_list or fixed_size_list, values any integer, floating-point or text type, bool (0 and 1),
// dictionaries of these, timestamps and dates. Errors (all of them mal::Error, with the file): no Parquet, cut short,
// damaged, a column that is not there (with the nearest name) or of another type, text that is not UTF-8. A build
// without Apache Arrow throws for every file, and says how to get one with it.
class ParquetSamples {
 public:
  // threads: that decode; 0: one a core.
  ParquetSamples(const std::string& path, const std::vector<std::string>& columns, int threads);
  ~ParquetSamples();
  ParquetSamples(const ParquetSamples&) = delete;
  ParquetSamples& operator=(const ParquetSamples&) = delete;

  static std::vector<std::string> column_names(const std::string& path);

  static constexpr std::int64_t kBlockRows = 16384;
  bool next(SourceBlock& block);  // false at the end; the block's memory is reused
  std::int64_t rows() const;      // of the file

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mal
