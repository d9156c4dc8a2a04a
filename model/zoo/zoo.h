// The models of MODELS.md §3, one file each. heads[0] of every result is the primary view's.
#pragma once

#include <vector>

#include "model/registry.h"

namespace mal::zoo {

std::vector<Head> build_base(const ZooContext& context);
std::vector<Head> build_mal(const ZooContext& context);

}  // namespace mal::zoo
