// Users grouped by how much their positives grow when credit is shared: Figure 5 of the paper.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/data/dataset.h"
#include "train/experiment/experiment_file.h"

namespace mal {

// With edges e_1 < … < e_n: growth ≤ e_1, (e_1, e_2], …, > e_n. Of ratios, users without positives are a group of
// their own, the first.
std::vector<std::string> group_names(const UserGrowth& growth);

// The group of each test row, an index into group_names. Positives are counted over the user's training rows, or those
// of the last days before the latest training row. growth(u) = positives(u) under view − positives(u) under against; of
// ratios (positives under view) / (positives under against) − 1, where a user with positives under view alone (the
// credited last click is not a training row) has boundless growth and is in the last group.
std::vector<std::int32_t> group_by_growth(const Dataset& dataset, const std::string& view, const std::string& against,
                                          const UserGrowth& growth, std::span<const std::int64_t> test_users);

}  // namespace mal
