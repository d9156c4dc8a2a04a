// World files: the parameters of the simulated platform as strict YAML. A key that is not given has the preset's value.
//
//   preset: many_ads        # where the file starts from; default: default
//   ads: {present: 0.8, lifetime_days: 20}
//   industries:             # where given, these and no others
//   - {name: sports, half_life_days: 4, revisit: 0.09, conversion: 0.07, share: 1, price: 5.5}
#pragma once

#include <string>
#include <string_view>

#include "train/simulate/world_parameters.h"

namespace mal {

// The name of a preset or the path of a file. Throws Error (exit code 2): file:line, what, what to do.
WorldParameters read_world(const std::string& preset_or_file);
WorldParameters world_of_yaml(std::string_view text, const std::string& name);

// A file with every key: read again it gives the same numbers, to the last bit.
std::string world_yaml(const WorldParameters& parameters);

}  // namespace mal
