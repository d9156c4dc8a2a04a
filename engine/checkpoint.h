// Weights on disk: the safetensors layout (a JSON header, then raw little-endian fp32), which Python opens too.
#pragma once

#include <map>
#include <string>

#include "engine/parameters.h"

namespace mal {

using Metadata = std::map<std::string, std::string>;

// Every dense parameter, every running statistic and every table (weights alone, without optimiser state), written to a
// temporary file, synced and renamed. The metadata also gets the format version and a checksum of the data.
void save_weights(const std::string& path, const Parameters& parameters, const Metadata& metadata);

// Into `parameters`, whose names and shapes must be the file's. Trusts nothing: every offset, shape and size is checked
// before use, then the checksum. Error names the file and what is wrong. Returns the metadata.
Metadata load_weights(const std::string& path, Parameters& parameters);

}  // namespace mal
