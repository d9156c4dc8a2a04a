#include "train/attribution/text.h"

#include <array>
#include <charconv>
#include <optional>

#include "engine/error.h"
#include "train/data/text_table.h"

namespace mal {

std::int64_t parse_time(std::string_view text, std::string_view option, const TimeFormat& format) {
  const std::optional<std::int64_t> time = time_of_text(text, format);
  if (!time) fail_usage("{} {}: {}", option, text, why_no_time(text, format));
  return *time;
}

void append_field(std::string& row, std::string_view field) {
  const auto special = [](char c) { return c == ',' || c == '"' || c == '\n' || c == '\r'; };
  bool quoted = false;
  for (const char c : field) quoted |= special(c);  // fields are short: a loop beats a search
  if (!quoted) {
    row += field;
    return;
  }
  append_quoted(row, field);
}

void append_number(std::string& row, float number) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  row.append(text.data(), end);
}

}  // namespace mal
