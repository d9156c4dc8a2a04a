// Whether a click log fits in memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "train/attribution/attribute.h"

namespace mal {

// "64MiB", "2GiB", "500MB", "1GB" or plain bytes, at least 1; throws a usage Error that names `option`.
std::uint64_t parse_bytes(std::string_view text, std::string_view option);

// True if the log may need more than options.memory, by the size of its files and the length of their first rows.
bool kept_on_disk(const AttributeOptions& options);

}  // namespace mal
