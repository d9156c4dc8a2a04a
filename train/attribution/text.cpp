#include "train/attribution/text.h"

#include <array>
#include <charconv>
#include <chrono>

#include "engine/error.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

template <typename Number>
bool parse_whole(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

std::int64_t parse_time(std::string_view text, std::string_view option, std::int64_t utc_offset) {
  std::int64_t seconds = 0;
  if (parse_whole(text, seconds)) return seconds;
  int year = 0;
  unsigned month = 0, day = 0;
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-' && parse_whole(text.substr(0, 4), year) &&
                      parse_whole(text.substr(5, 2), month) && parse_whole(text.substr(8, 2), day);
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{month}, std::chrono::day{day}};
  if (!shaped || !date.ok())
    fail_usage("{} {}: not a time; write Unix seconds or a date such as 2017-12-03", option, text);
  return std::int64_t{std::chrono::sys_days(date).time_since_epoch().count()} * 86400 - utc_offset;
}

std::string date_of(std::int64_t unix_seconds) {
  const std::int64_t days = unix_seconds >= 0 ? unix_seconds / 86400 : -((86399 - unix_seconds) / 86400);
  const std::int64_t second = unix_seconds - days * 86400;
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), second / 3600,
                     second / 60 % 60, second % 60);
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
