// A prepared data set, memory-mapped: a folder of schema.yaml, stats.json, vocab/ and shards of column files.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/batch.h"
#include "model/schema.h"
#include "train/data/dataset_stats.h"

namespace mal {

enum class Split { train, test };

class Dataset {
 public:
  // Checks every header, every file size and the number of rows, so that opening costs the same for any number of rows;
  // read() checks the values, verify() the checksums. Throws Error that names the file and what is wrong.
  static Dataset open(const std::string& path);
  Dataset(Dataset&&) noexcept;
  Dataset& operator=(Dataset&&) noexcept;
  ~Dataset();

  const std::string& path() const;
  const Schema& schema() const;  // with tables[].rows
  std::int64_t rows(Split split) const;

  // Rows first to first + count − 1 of a split into `batch`, whose memory is reused. Throws Error for an id that is no
  // row of its table, a length beyond the column's, a number that is not finite or a credit outside [0, 1]: with the
  // file and row. Many threads may read at once, each into its own batch.
  void read(Split split, std::int64_t first, std::int64_t count, Batch& batch) const;

  const std::vector<std::string>& slice_names(int column) const;  // of a slice column, by code
  const SplitStats& stats(Split split) const;  // counted while preparing: unseen ids, clamped scores, positives
  const NumberScale& scale(int column) const;  // of a number column
  void verify() const;  // reads everything once and compares the checksums; Error names the damaged file

 private:
  struct State;
  explicit Dataset(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace mal
