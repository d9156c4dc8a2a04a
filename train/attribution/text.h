// Small text work shared by the readers and writers of this folder: times, CSV fields and numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mal {

// Unix seconds, or a date 2017-12-03 (its midnight, `utc_offset` seconds east of Greenwich), as Unix seconds; throws a
// usage Error that names `option`.
std::int64_t parse_time(std::string_view text, std::string_view option, std::int64_t utc_offset = 0);

std::string date_of(std::int64_t unix_seconds);  // "2017-12-03 17:05:00" in UTC

// Appends a CSV field, quoted where it has to be.
void append_field(std::string& row, std::string_view field);
// The shortest decimal that reads back as the same float: "0", "1", "0.33333334".
void append_number(std::string& row, float number);

}  // namespace mal
