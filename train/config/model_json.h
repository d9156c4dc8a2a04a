// The `model` section as mal_infer.h reads it from a model file.
#pragma once

#include <string>

#include "train/config/run_config.h"

namespace mal {

// JSON of every key of `model` that a prediction depends on. Keys that only training reads (initial values, weights of
// losses) are left out: the header refuses keys that it does not know, because ignoring one could mean another
// prediction.
std::string model_json(const RunConfig& config);

}  // namespace mal
