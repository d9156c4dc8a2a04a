// "did you mean …": the nearest name to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mal {

// The candidate with the fewest typing slips (insertions, deletions, substitutions, swapped neighbours; upper and lower
// case count as the same letter); the first of several. "" if none is near: more slips than a third of the letters.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "; did you mean 'attention'?", or "; valid keys: a, b" (what = "valid keys") where no candidate is near.
std::string suggestion(std::string_view word, const std::vector<std::string>& candidates, std::string_view what);

}  // namespace mal
