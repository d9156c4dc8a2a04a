// A Parquet file whose footer has been read, and one column of it, block by block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "train/data/source_block.h"

namespace mal {

// Errors of both classes (all of them mal::Error, with the file): no Parquet, cut short, damaged, a column that is not
// there (with the nearest name) or of a type without meaning in a sample, text that is not UTF-8. A build without
// Apache Arrow throws for every file, and says how to get one with it.
class ParquetFile {
 public:
  explicit ParquetFile(std::string path);
  const std::string& path() const { return path_; }
  std::int64_t rows() const;
  std::vector<std::string> column_names() const;
  std::uint64_t bytes(const std::string& column) const;  // compressed; throws as ParquetColumn does

 private:
  friend class ParquetColumn;
  struct State;
  std::string path_;
  std::shared_ptr<State> state_;
};

// Lists may be list, large_list or fixed_size_list, values any integer, floating-point or text type, bool (0 and 1),
// dictionaries of these, timestamps and dates. Integers and texts of a part of the file that has a dictionary come
// coded by it. Columns of one file may be read by several threads at once.
class ParquetColumn {
 public:
  ParquetColumn(const ParquetFile& file, const std::string& column);
  ~ParquetColumn();
  ParquetColumn(ParquetColumn&&) noexcept;

  // Blocks end where row groups do: they are the same for every column of a file.
  static constexpr std::int64_t kBlockRows = 16384;
  bool next(SourceBlock& block);  // with this column alone; false at the end; the block's memory is reused

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mal
