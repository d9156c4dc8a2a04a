// The simulated platform: what `mal_data simulate` does. Model, parameters and limits: docs/simulated-platform.md.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/simulate/user_path.h"
#include "train/simulate/world.h"

namespace mal {

struct SimulateOptions {
  std::string out;
  std::uint32_t users = 20000;
  int days = 30;
  std::uint64_t seed = 1;
  WorldParameters world = default_world();
  int threads = 0;  // 0: one a core
  bool progress = true;
};

struct Platform {
  World world;
  std::vector<SimulatedClick> clicks;            // user by user, each in time order
  std::vector<SimulatedConversion> conversions;  // in time order
};

// In memory. The same for every number of threads.
Platform simulate_platform(const SimulateOptions& options);

// Writes DIR/clicks.csv, DIR/conversions.csv, DIR/world.yaml and DIR/simulate.json: all or nothing. Memory: 20 + 4 ·
// history bytes a user, 24 a click of the busiest 64th of the days (of a day, up to 64 days), 24 a conversion, and
// about 2 MB a thread. Throws Error.
struct SimulateReport {
  std::uint64_t clicks = 0, conversions = 0;
};
SimulateReport simulate(const SimulateOptions& options);

}  // namespace mal
