// The rows of one step, column by column, as a Dataset delivers them and a model binds them.
#pragma once

#include <cstdint>
#include <vector>

namespace mal {

// Which vectors are filled depends on the column's kind (L = its length, B = rows):
//   id: ids[B]   ids, sequence: ids[B, L], lengths[B]   scores: values[B, L], lengths[B]
//   number, credit, weight: values[B]   slice: ids[B]   group: keys[B]   time: values stay empty, keys[B] (seconds)
// Positions at or beyond a row's length hold 0. Valid positions come first, the oldest first.
struct BatchColumn {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> lengths;
  std::vector<float> values;
  std::vector<std::int64_t> keys;
};

struct Batch {
  std::int64_t rows = 0;
  std::int64_t first_row = 0;        // of the split, for messages
  std::vector<BatchColumn> columns;  // in schema order
};

}  // namespace mal
