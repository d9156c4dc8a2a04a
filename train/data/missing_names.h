// Which texts say that there is no name: "NULL", "nan" and so on, as databases, pandas and JavaScript write them.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/data/parse_number.h"

namespace mal {

class MissingNames {
 public:
  // given: what --na says, tokens with commas between them. They join the built-in ones; an empty token among them
  // leaves the built-in ones out, so "" means that only empty fields are missing.
  explicit MissingNames(const std::optional<std::string>& given = std::nullopt);

  // True for an empty text, too. Blanks around it do not count, as around numbers.
  bool has(std::string_view text) const {
    if (text.empty()) return true;
    if (is_blank(text.front()) || is_blank(text.back())) return is_padded(text);
    // Few names begin as a token does: the rest is asked seldom.
    return text.size() <= longest_ && first_[static_cast<unsigned char>(text.front())] && is_token(text);
  }

 private:
  bool is_padded(std::string_view text) const;
  bool is_token(std::string_view text) const;

  std::vector<std::string> tokens_;
  std::array<bool, 256> first_ = {};  // bytes that some token begins with
  std::size_t longest_ = 0;
};

}  // namespace mal
