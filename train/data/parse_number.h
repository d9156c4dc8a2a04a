// Numbers as sample files write them.
#pragma once

#include <optional>
#include <string_view>

namespace mal {

// The double nearest to the whole of `text`: digits with an optional '-', '.', and exponent; "inf" and "nan" too.
// Too small is 0, too large is infinite. Nothing: it is no number.
std::optional<double> parse_number(std::string_view text);

}  // namespace mal
