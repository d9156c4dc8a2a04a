// SENet's gate over the fields of an input (Hu et al., CVPR'18; of fields: Huang et al., RecSys'19).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/parameters.h"

namespace mal {

// x with field f times e_f, e = 2σ(linear NAME/1 (ReLU(linear NAME/0 (s)))), s_f = mean of field f; NAME/0 is
// max(1, F / reduction) wide. fields: the widths of the F fields, side by side.
Value senet(Graph& graph, Parameters& parameters, Value x, const std::vector<std::int64_t>& fields,
            std::int64_t reduction, const std::string& name);

}  // namespace mal
