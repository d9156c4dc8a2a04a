// Paths → channel totals: what `mal_data attribute --format paths` does. docs/paths.md describes it for users.
#pragma once

#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/channel_model.h"
#include "train/attribution/channel_totals.h"
#include "train/attribution/markov_totals.h"
#include "train/attribution/path_table.h"

namespace mal {

struct PathsReport {
  PathTable paths;
  ChannelTable table;  // clicks: touches of all paths
  ChannelModel model;  // of the data-driven mechanisms; empty without one
  std::optional<MarkovTotals> markov;
  std::uint64_t touches = 0, longest = 0;
};

// Writes DIR/channels.csv and DIR/attribution.json; with a data-driven mechanism DIR/channel_model.json, with markov
// DIR/transitions.csv and DIR/removal_effects.csv; all of them or none. Throws Error.
PathsReport attribute_paths(const AttributeOptions& options);

// What is probably a mistake.
std::vector<std::string> warnings(const AttributeOptions& options, const PathsReport& report);
std::string summary(const PathsReport& report);  // for people, several lines
std::string to_json(const AttributeOptions& options, const PathsReport& report);

}  // namespace mal
