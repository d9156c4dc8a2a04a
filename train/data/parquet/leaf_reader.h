// The values of one Parquet column as the pages have them, without Arrow's arrays in between: dictionary codes stay
// codes, and lists are counted in one pass over the levels.
#pragma once

#include <parquet/arrow/schema.h>
#include <parquet/file_reader.h>

#include <cstdint>
#include <memory>
#include <string>

#include "train/data/source_block.h"

namespace mal {

class LeafReader {
 public:
  virtual ~LeafReader() = default;
  virtual void open(parquet::RowGroupReader& group, std::int64_t rows) = 0;
  // The next rows of the group, at most `rows`, into an empty column; returns how many. Fewer than are left: the file
  // is damaged.
  virtual std::int64_t read(std::int64_t rows, SourceColumn& out) = 0;
};

// Null for a column that only Arrow's own reader can read: of types that are rarely in samples.
std::unique_ptr<LeafReader> make_leaf_reader(const parquet::arrow::SchemaField& field,
                                             const parquet::SchemaDescriptor& schema, const std::string& path);

}  // namespace mal
