// Lengths of time, as options and schemas write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace mal {

// "30d", "12h", "90m", "45s" or plain seconds, as whole seconds of at least 1; nothing for any other text.
std::optional<std::int64_t> duration_of(std::string_view text);

// The same; throws a usage Error that names `option`.
std::int64_t parse_duration(std::string_view text, std::string_view option);

}  // namespace mal
