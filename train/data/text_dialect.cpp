#include "train/data/text_dialect.h"

#include <algorithm>
#include <array>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr std::array<std::pair<std::string_view, char>, 5> kNames = {
    {{"comma", ','}, {"tab", '\t'}, {"\\t", '\t'}, {"semicolon", ';'}, {"pipe", '|'}}};
constexpr std::string_view kPossible = ",\t;|:^~!#$%&*/\\@";  // no letter, digit, quote, or part of a number

std::size_t count_unquoted(std::string_view line, char wanted) {
  std::size_t count = 0;
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') quoted = !quoted;
    count += c == wanted && !quoted ? 1 : 0;
  }
  return count;
}

}  // namespace

char parse_delimiter(std::string_view text, std::string_view option) {
  const auto* const named = std::ranges::find(kNames, text, &std::pair<std::string_view, char>::first);
  if (named != kNames.end()) return named->second;
  if (text.size() == 1 && kPossible.find(text.front()) != std::string_view::npos) return text.front();
  fail_usage("{} '{}': it must be comma, tab, semicolon, pipe, or one of the characters , ; | : ^ ~ ! # $ % & * / \\ @",
             option, text);
}

std::string delimiter_name(char delimiter) {
  return delimiter == '\t' ? "a tab" : fmt::format("'{}'", delimiter);
}

char find_delimiter(std::string_view line, std::size_t columns, const std::string& place) {
  const auto fits = [&](char delimiter) {
    const std::size_t count = count_unquoted(line, delimiter);
    return count > 0 && (columns == 0 || count + 1 == columns);
  };
  if (fits('\t')) return '\t';
  if (fits(',')) return ',';
  const bool semicolon = fits(';'), pipe = fits('|');
  if (semicolon && pipe)
    fail("{}: ';' and '|' could both separate the columns; say which by --delimiter ';' or --delimiter '|'", place);
  if (semicolon) return ';';
  if (pipe) return '|';
  // None gives the number of columns: the first row says so.
  return count_unquoted(line, '\t') > 0 ? '\t' : ',';
}

std::optional<char> excel_separator(std::string_view line) {
  if (line.size() != 5 || !line.starts_with("sep=") || kPossible.find(line[4]) == std::string_view::npos)
    return std::nullopt;
  return line[4];
}

}  // namespace mal
