// The inverse of a small dense matrix.
#pragma once

#include <cstddef>
#include <vector>

namespace mal {

// Of an n × n matrix, row by row, by Gauss and Jordan with the largest pivot of each column. The matrix must have one.
std::vector<double> dense_inverse(std::vector<double> matrix, std::size_t n);

}  // namespace mal
