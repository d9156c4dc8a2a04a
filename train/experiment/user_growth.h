// Users grouped by how much their positives grow when credit is shared: Figure 5 of the paper.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/data/dataset.h"

namespace mal {

struct UserGroups {
  std::vector<std::string> names;   // the first: users without a training positive under either view
  std::vector<std::int32_t> codes;  // index into names, one a test row
};

// growth(u) = positives(u) under view / positives(u) under against − 1, over u's training rows. With edges e_1 < … <
// e_n the groups are growth ≤ e_1, (e_1, e_2], …, > e_n. A user with positives under view alone (the credited last
// click lies in the test period) has boundless growth and is in the last group.
UserGroups group_by_growth(const Dataset& dataset, const std::string& view, const std::string& against,
                           const std::vector<double>& edges, std::span<const std::int64_t> test_users);

}  // namespace mal
