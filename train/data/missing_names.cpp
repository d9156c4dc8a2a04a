#include "train/data/missing_names.h"

#include <algorithm>

namespace mal {

namespace {

// Hive and MySQL write \N, other databases NULL, pandas nan, NaN, None, <NA> and NaT, Excel #N/A, JavaScript undefined.
// Not among them: NA (Namibia), none, Null and - may be names.
constexpr std::array<std::string_view, 12> kMissing = {"\\N",  "NULL", "null", "nan", "NaN",  "NAN",
                                                       "None", "NaT",  "<NA>", "N/A", "#N/A", "undefined"};

}  // namespace

MissingNames::MissingNames(const std::optional<std::string>& given) {
  bool with_built_in = true;
  for (std::size_t begin = 0; given && begin <= given->size();) {
    const std::size_t end = std::min(given->find(',', begin), given->size());
    if (end == begin)
      with_built_in = false;
    else
      tokens_.push_back(given->substr(begin, end - begin));
    begin = end + 1;
  }
  if (with_built_in) tokens_.insert(tokens_.end(), kMissing.begin(), kMissing.end());
  for (const std::string& token : tokens_) {
    first_[static_cast<unsigned char>(token.front())] = true;
    longest_ = std::max(longest_, token.size());
  }
}

// --na may name a token that has blanks of its own.
bool MissingNames::is_padded(std::string_view text) const {
  const std::string_view core = without_blanks(text);
  return core.empty() || is_token(core) || is_token(text);
}

bool MissingNames::is_token(std::string_view text) const {
  return std::ranges::find(tokens_, text) != tokens_.end();
}

}  // namespace mal
