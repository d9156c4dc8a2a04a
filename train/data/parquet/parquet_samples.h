// Several columns of a Parquet file side by side, block by block.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data/parquet/parquet_file.h"
#include "train/data/source_block.h"

namespace mal {

class ParquetSamples {
 public:
  // Only the columns that are asked for are read. threads: that decode; 0: one a core.
  ParquetSamples(const std::string& path, const std::vector<std::string>& columns, int threads);
  bool next(SourceBlock& block);  // false at the end; the block's memory is reused
  std::int64_t rows() const { return file_.rows(); }

 private:
  ParquetFile file_;
  std::vector<ParquetColumn> columns_;
  std::vector<SourceBlock> parts_;  // one a column
  int threads_;
};

}  // namespace mal
