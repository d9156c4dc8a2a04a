#include "train/data/pandas_index.h"

#include <algorithm>
#include <string_view>

namespace mal {

namespace {

bool is_number(std::string_view text, std::string_view also = "") {
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return (c >= '0' && c <= '9') || also.find(c) != std::string_view::npos;
  });
}

bool is_unnamed(std::string_view name) {
  constexpr std::string_view kUnnamed = "Unnamed: ";
  return name.empty() || (name.starts_with(kUnnamed) && is_number(name.substr(kUnnamed.size()), "."));
}

bool is_level(std::string_view name) {
  constexpr std::string_view kBefore = "__index_level_", kAfter = "__";
  return name.size() > kBefore.size() + kAfter.size() && name.starts_with(kBefore) && name.ends_with(kAfter) &&
         is_number(name.substr(kBefore.size(), name.size() - kBefore.size() - kAfter.size()));
}

}  // namespace

std::vector<std::size_t> pandas_index(const std::vector<std::string>& columns) {
  std::vector<std::size_t> places;
  bool leading = true;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    leading = leading && is_unnamed(columns[c]);
    if (leading || is_level(columns[c])) places.push_back(c);
  }
  if (places.size() == columns.size()) places.clear();
  return places;
}

}  // namespace mal
