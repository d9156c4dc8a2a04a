// Small text work shared by the readers and writers of this folder: times, CSV fields and numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/data/time_text.h"

namespace mal {

// A time that an option gives, in any form that a file may have, in microseconds since 1970; throws a usage Error that
// names `option`.
std::int64_t parse_time(std::string_view text, std::string_view option, const TimeFormat& format = {});

// The names of columns that an option gives: a row of CSV, so that a name with a comma stands in quotes. Throws a usage
// Error, which names `option`, for an empty name, one that comes twice, and quotes that do not end.
std::vector<std::string> column_names(const std::string& text, std::string_view option);

std::string plural(std::uint64_t count, const char* noun);    // "1 click", "2 clicks"
std::string and_list(const std::vector<std::string>& names);  // "a", "a and b", "a, b and c"; there is one at least
// A length of time as options take it, in the largest unit of which it is a whole number: "7d", "36h", "90m", "45s".
std::string option_length(std::int64_t seconds);

// Appends a CSV field, quoted where it has to be.
void append_field(std::string& row, std::string_view field);
// The shortest decimal that reads back as the same float: "0", "1", "0.33333334".
void append_number(std::string& row, float number);

}  // namespace mal
