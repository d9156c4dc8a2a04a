// Weights on disk: the safetensors layout (a JSON header, then raw little-endian fp32), which Python opens too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/parameters.h"

namespace mal {

using Metadata = std::map<std::string, std::string>;

enum class Contents {
  weights,   // every dense parameter, running statistic and table: what a prediction needs
  training,  // and the optimiser's state of each, so that training can go on with the same bits
};

// Which rows of the file the model's tables have: the same ones, unless
struct TableRows {
  // the file's are the model's first ones, and those that follow stay as they are; or,
  bool grown = false;
  // for tables of these names, each of the model's rows lies in this row of the file (−1: in none, it stays as it is).
  std::map<std::string, std::vector<std::int32_t>> moved = {};
};

// Written to a temporary file, synced and renamed. The metadata also gets the format version and a checksum of header
// and data.
void save_weights(const std::string& path, const Parameters& parameters, const Metadata& metadata,
                  Contents contents = Contents::weights);

// Into `parameters`, whose names and shapes must be the file's. Trusts nothing: every offset, shape and size is checked
// before use, then the checksum, so that no flipped bit of the file goes unnoticed. Error names the file and what is
// wrong. Returns the metadata.
Metadata load_weights(const std::string& path, Parameters& parameters, Contents contents = Contents::weights,
                      const TableRows& rows = {});

// The metadata alone, without a look at the data: whether the file is whole is seen by load_weights.
Metadata read_metadata(const std::string& path, Contents contents = Contents::weights);

}  // namespace mal
