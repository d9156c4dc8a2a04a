// Columns that are no data: the row numbers that pandas (and R) write beside a table unless told otherwise.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mal {

// Their places, rising: the first columns as long as they have no name or one that pandas gave for want of one
// ("Unnamed: 0", "Unnamed: 0.1"), and Parquet's "__index_level_0__" anywhere. None where nothing else would be left.
std::vector<std::size_t> pandas_index(const std::vector<std::string>& columns);

}  // namespace mal
