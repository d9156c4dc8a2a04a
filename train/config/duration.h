// Lengths of time, as options and schemas write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mal {

// "30d", "12h", "90m", "45s" or plain seconds, as whole seconds of at least 1; nothing for any other text.
std::optional<std::int64_t> duration_of(std::string_view text);

// The same with its unit: `--window 30` is 30 seconds to us and 30 days to who writes it. Throws a usage Error that
// names `option`.
std::int64_t parse_duration(std::string_view text, std::string_view option);
std::int64_t parse_duration_or_0(std::string_view text, std::string_view option);  // 0 needs no unit

}  // namespace mal
