// What separates the fields of a text table: what an option says, or what the first line shows.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace mal {

inline constexpr const char* kDelimiterHelp =
    "Of text files: comma, tab, semicolon, pipe, or the character itself [what the first line has: a tab, else a "
    "comma, "
    "else ; or |]";

// A name (comma, tab, semicolon, pipe) or the character itself; throws a usage Error that names `option`.
char parse_delimiter(std::string_view text, std::string_view option = "--delimiter");
std::string delimiter_name(char delimiter);  // for messages: "a tab", "';'"

// From the first line of a file. columns: the number that the line has to have, 0 where it is a header. A tab or a
// comma, as ever, wherever one gives that number; ';' and '|' only where neither does, for '|' stands between the items
// of a list, too. Characters in quotes do not count. Throws Error, with `place`, where both of these could be meant.
char find_delimiter(std::string_view line, std::size_t columns, const std::string& place);

// The character of Excel's first line "sep=;"; nothing for any other line.
std::optional<char> excel_separator(std::string_view line);

}  // namespace mal
