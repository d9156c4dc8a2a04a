// Numbers as sample files write them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace mal {

// The double nearest to the whole of `text`: digits with an optional sign, '.', and exponent; "inf" and "nan" too; True
// and False, as Python, SQL and R write them, are 1 and 0. Blanks around it do not count. Too small is 0, too large is
// infinite. Nothing: it is no number.
std::optional<double> parse_number(std::string_view text);

// A label: a number that is 0 or 1, or True or False.
std::optional<bool> parse_flag(std::string_view text);

constexpr bool is_blank(char c) {
  return c == ' ' || c == '\t';
}
std::string_view without_blanks(std::string_view text);  // without spaces and tabs around it

// For a text that is none: "'1,5' is not a number; …", and what to do where it has a decimal comma.
std::string why_no_number(std::string_view text);

}  // namespace mal
