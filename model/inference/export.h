// From trained parameters to a model file. Which tensors it holds is asked of the header's own plan of the network, so
// the two cannot disagree.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/parameters.h"
#include "model/inference/model_file.h"
#include "model/schema.h"

namespace mal {

enum class WeightType { fp32, bf16, int8 };

struct ExportSource {
  const Schema& schema;  // with tables[].rows
  const Parameters& parameters;
  std::string model;  // the configuration's `model` section as JSON, without keys that only training reads
  // Values of a table's vocabulary by row: the first one is row 1's. Not asked for hashed tables.
  std::function<std::vector<std::string>(const std::string& table)> vocabulary;
  struct Scale {
    double mean = 0, deviation = 1;
    float fill = 0;  // of a missing number, as the network gets it
  };
  std::function<Scale(int column)> scale;  // of number columns
  FileMetadata metadata;                   // about the run, for people
};

struct ExportOptions {
  WeightType weights = WeightType::fp32;
  // Leaves out the heads that the primary view's probability does not need, with all that only they read.
  bool only_primary = false;
};

// Throws Error (exit code 2) for a model type that the header does not serve.
void export_model(const ExportSource& source, const ExportOptions& options, const std::string& path);

}  // namespace mal
