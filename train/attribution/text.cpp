#include "train/attribution/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "train/data/text_table.h"

namespace mal {

std::int64_t parse_time(std::string_view text, std::string_view option, const TimeFormat& format) {
  const std::optional<std::int64_t> time = time_of_text(text, format);
  if (!time) fail_usage("{} {}: {}", option, text, why_no_time(text, format));
  return *time;
}

std::vector<std::string> column_names(const std::string& text, std::string_view option) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at <= text.size(); ++at) {
    std::string name;
    const bool quoted = at < text.size() && text[at] == '"';
    if (quoted) {
      for (++at; at < text.size() && (text[at] != '"' || text.substr(at, 2) == "\"\""); ++at) {
        if (text[at] == '"') ++at;
        name += text[at];
      }
      if (at++ >= text.size()) fail_usage("{} {}: a quote is open; a name with a comma is \"a,b\"", option, text);
    }
    while (at < text.size() && text[at] != ',') name += text[at++];
    if (name.empty()) fail_usage("{} '{}': the name of a column is empty", option, text);
    if (std::ranges::find(names, name) != names.end()) fail_usage("{} {}: '{}' is named twice", option, text, name);
    names.push_back(std::move(name));
  }
  return names;
}

std::string plural(std::uint64_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string and_list(const std::vector<std::string>& names) {
  std::string text = names.front();
  for (std::size_t m = 1; m < names.size(); ++m) text += (m + 1 == names.size() ? " and " : ", ") + names[m];
  return text;
}

std::string option_length(std::int64_t seconds) {
  for (const auto& [unit, letter] : {std::pair(86400, 'd'), std::pair(3600, 'h'), std::pair(60, 'm')})
    if (seconds > 0 && seconds % unit == 0) return fmt::format("{}{}", seconds / unit, letter);
  return fmt::format("{}s", seconds);
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
