// A column that a folder's name gives, block by block, as if the Parquet file had it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/schema.h"
#include "train/data/parquet/parquet_file.h"
#include "train/data/source_block.h"

namespace mal {

class FolderBlocks {
 public:
  // text: the value, read as a text table's field would be; empty: null. It outlives this. Throws Error for a text that
  // `column` cannot have.
  FolderBlocks(const ParquetFile& file, const Column& column, const std::string& text);
  bool next(SourceBlock& block);  // as ParquetColumn does

 private:
  const ParquetFile& file_;
  SourceType type_ = SourceType::none;
  bool list_;
  std::vector<std::string_view> texts_;  // of a row: one, or the items of its list
  std::vector<double> reals_;
  std::int64_t done_ = 0;
};

}  // namespace mal
