#include "train/config/suggest.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace mal {

namespace {

// Names are short; anything longer is not a slip of the fingers, and the distance is quadratic.
constexpr std::size_t kMaxLength = 200;

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Damerau-Levenshtein distance in its optimal string alignment form (no substring is edited twice), three rows at a
// time.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = lower(a[i - 1]) == lower(b[j - 1]);
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same ? 0U : 1U)});
      const bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]);
      if (swapped) current[j] = std::min(current[j], before[j - 2] + 1);
    }
    before.swap(previous);
    previous.swap(current);
  }
  return previous[b.size()];
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = 0;
  if (word.empty() || word.size() > kMaxLength) return best;
  for (const std::string& candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t allowed = std::max<std::size_t>(1, longer / 3);
    const std::size_t difference = longer - std::min(word.size(), candidate.size());
    if (candidate.empty() || longer > kMaxLength || longer < 2 || difference > allowed) continue;
    const std::size_t slips = distance(word, candidate);
    if (slips > allowed || (!best.empty() && slips >= best_distance)) continue;
    best = candidate;
    best_distance = slips;
  }
  return best;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates, std::string_view what) {
  const std::string near = nearest(word, candidates);
  if (!near.empty()) return fmt::format("; did you mean '{}'?", near);
  if (candidates.empty()) return "";
  return fmt::format("; {}: {}", what, fmt::join(candidates, ", "));
}

}  // namespace mal
