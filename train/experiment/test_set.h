// What the test rows of a data set are compared by: credits of every view, users, slices.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/data/dataset.h"

namespace mal {

struct TestSet {
  std::vector<std::string> views;
  std::vector<std::vector<float>> credits;        // one a view
  std::vector<float> weights;                     // of the rows; empty where the data set has none
  std::vector<std::int64_t> users;                // the group key of each row
  std::vector<std::string> slices;                // names of the slice columns
  std::vector<std::vector<std::int32_t>> values;  // one a slice column: the code of each row
  std::vector<std::vector<std::string>> names;    // one a slice column: the values' names by code

  std::int64_t rows() const { return static_cast<std::int64_t>(users.size()); }
  std::size_t view_of(const std::string& view) const;                   // index into views; Error that names them
  const std::vector<float>& credits_of(const std::string& view) const;  // Error (exit code 2) that names the views
  std::size_t slice_of(const std::string& column) const;                // index into slices; the same
};

// Throws Error for a data set without a group column: there would be no users to resample.
TestSet read_test_set(const Dataset& dataset);

}  // namespace mal
