#include "train/data/parquet/parquet_samples.h"

#include <utility>

#include "train/config/parallel.h"

namespace mal {

ParquetSamples::ParquetSamples(const std::string& path, const std::vector<std::string>& columns, int threads)
    : file_(path), parts_(columns.size()), threads_(thread_count(threads)) {
  for (const std::string& column : columns) columns_.emplace_back(file_, column);
}

bool ParquetSamples::next(SourceBlock& block) {
  std::vector<char> more(columns_.size());
  block.columns.resize(columns_.size());
  parallel_for(columns_.size(), threads_, [&](std::size_t c) {
    // A column keeps what it has of the last block: its dictionary may still be the right one.
    parts_[c].columns.resize(1);
    std::swap(parts_[c].columns.front(), block.columns[c]);
    more[c] = columns_[c].next(parts_[c]) ? 1 : 0;
    std::swap(parts_[c].columns.front(), block.columns[c]);
  });
  if (columns_.empty() || more.front() == 0) return false;  // all end together
  block.path = parts_.front().path;
  block.first_row = parts_.front().first_row;
  block.rows = parts_.front().rows;
  return true;
}

}  // namespace mal
