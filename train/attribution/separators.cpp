#include "train/attribution/separators.h"

#include <algorithm>

#include "train/data/parse_number.h"

namespace mal {

namespace {

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

}  // namespace

std::string_view separator_core(std::string_view separator) {
  const std::string_view core = without_blanks(separator);
  return core.empty() ? separator : core;
}

Separators::Separators(const std::string& given) : given_(separator_core(given)) {
  for (std::size_t s = 0; s < kUsual.size(); ++s)
    longer_[s] = kUsual[s] != given_ && kUsual[s].find(given_) != std::string_view::npos;
}

void Separators::look_at(std::string_view path) {
  if (const std::size_t places = count(path, given_); places > 0) {
    ++divided_;
    for (std::size_t s = 0; s < kUsual.size(); ++s)
      if (longer_[s]) longer_[s] = count(path, kUsual[s]) * count(kUsual[s], given_) == places;
    return;
  }
  if (divided_ > 0) return;
  for (std::size_t s = 0; s < kUsual.size(); ++s)
    if (path.find(kUsual[s]) != std::string_view::npos) ++with_[s];
}

std::string Separators::other() const {
  for (std::size_t s = 0; divided_ > 0 && s < kUsual.size(); ++s)
    if (longer_[s]) return std::string(kUsual[s]);
  if (divided_ > 0) return {};
  const auto most = std::ranges::max_element(with_);  // of equal ones the first, so -> before >
  return *most == 0 ? std::string() : std::string(kUsual[static_cast<std::size_t>(most - with_.begin())]);
}

}  // namespace mal
