#include "train/data/time_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <tuple>

#include "engine/error.h"
#include "train/data/parse_number.h"

namespace mal {

namespace {

constexpr std::int64_t kDay = 86400;
constexpr std::int64_t kYear1990 = 631152000;   // in seconds
constexpr std::int64_t kYear2101 = 4133980800;  // in seconds
// A number beyond this many seconds (the year 5138) is of a smaller unit: in milliseconds it is 1973.
constexpr std::int64_t kMostSeconds = 100'000'000'000;
constexpr std::size_t kShownText = 40;  // of a wrong value, in messages

struct Calendar {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

// Seconds since 1970, as if it were in Greenwich; nothing for a date or an hour that does not exist.
std::optional<std::int64_t> seconds_of(const Calendar& c) {
  const std::chrono::year_month_day date{std::chrono::year{c.year}, std::chrono::month{static_cast<unsigned>(c.month)},
                                         std::chrono::day{static_cast<unsigned>(c.day)}};
  if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 59) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * kDay + c.hour * 3600 + c.minute * 60 + c.second;
}

// Takes pieces of a text from its front.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}
  bool at_end() const { return text_.empty(); }
  bool skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  // Exactly `count` digits.
  bool number(std::size_t count, int& value) {
    if (text_.size() < count) return false;
    value = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      value = value * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(count);
    return true;
  }
  // The digits of a fraction as so many of `places`; those beyond are cut off. False without any digit.
  bool fraction(int places, std::int64_t& value) {
    std::size_t digits = 0;
    value = 0;
    for (; digits < text_.size() && text_[digits] >= '0' && text_[digits] <= '9'; ++digits)
      if (places > 0) value = value * 10 + (text_[digits] - '0'), --places;
    for (; places > 0; --places) value *= 10;
    text_.remove_prefix(digits);
    return digits > 0;
  }

 private:
  std::string_view text_;
};

// What may follow a time of day: nothing, Z, " UTC", or an offset. offset: seconds east of Greenwich; left as it is
// where the text has none.
bool read_zone(Cursor& text, std::int64_t& offset) {
  if (text.at_end()) return true;
  const bool spaced = text.skip(' ');
  int sign = 0, hours = 0, minutes = 0;
  if (text.skip('+')) sign = 1;
  if (sign == 0 && text.skip('-')) sign = -1;
  if (sign == 0) {
    offset = 0;
    const bool greenwich =
        text.skip('Z') || text.skip('z') || (spaced && text.skip('U') && text.skip('T') && text.skip('C'));
    return greenwich && text.at_end();
  }
  if (!text.number(2, hours)) return false;
  if (text.skip(':') || !text.at_end())
    if (!text.number(2, minutes)) return false;
  offset = sign * (hours * 3600 + minutes * 60);
  return text.at_end() && hours <= 24 && minutes <= 59;
}

std::optional<std::int64_t> time_of_date(std::string_view field, std::int64_t utc_offset) {
  Cursor text(field);
  Calendar c;
  std::int64_t micros = 0, offset = utc_offset;
  if (!text.number(4, c.year) || !text.skip('-') || !text.number(2, c.month) || !text.skip('-') ||
      !text.number(2, c.day))
    return std::nullopt;
  if (!text.at_end()) {
    if (!text.skip('T') && !text.skip(' ') && !text.skip('t')) return std::nullopt;
    if (!text.number(2, c.hour) || !text.skip(':') || !text.number(2, c.minute)) return std::nullopt;
    if (text.skip(':')) {
      if (!text.number(2, c.second)) return std::nullopt;
      if (text.skip('.') && !text.fraction(6, micros)) return std::nullopt;
    }
    if (!read_zone(text, offset)) return std::nullopt;
  }
  const std::optional<std::int64_t> seconds = seconds_of(c);
  if (!seconds) return std::nullopt;
  return (*seconds - offset) * kSecond + micros;
}

// Whether a number lies where dates do, for all times are asked.
bool may_spell_date(std::int64_t number) {
  const auto between = [number](std::int64_t first, std::int64_t last) { return number >= first && number <= last; };
  return between(10'010'100, 39'123'123) ||                        // YYMMDDhh, and YYYYMMDD within it
         between(1'970'010'100, 2'100'123'123) ||                  // YYYYMMDDhh
         between(197'001'010'000, 210'012'312'359) ||              // YYYYMMDDhhmm
         between(19'700'101'000'000, 21'001'231'235'959) ||        // YYYYMMDDhhmmss
         between(19'700'101'000'000'000, 21'001'231'235'959'999);  // and milliseconds
}

// The date that a number spells, as "2017-12-03 17:05:00" as far as its digits go; empty: it spells none. Years of four
// digits are 1970 to 2100. Of two digits only YYMMDDhh is known, as a public log of advertisements writes it.
std::string spelled_date(std::int64_t number) {
  if (!may_spell_date(number)) return {};
  const fmt::format_int digits(number);
  const std::string_view text(digits.data(), digits.size());
  const auto date = [](std::string_view all, std::size_t year_digits) -> std::string {
    std::array<int, 6> parts = {1970, 1, 1, 0, 0, 0};
    Cursor cursor(all);
    std::size_t part = 0;
    for (; part < parts.size() && !cursor.at_end(); ++part)
      if (!cursor.number(part == 0 ? year_digits : 2, parts[part])) return {};
    if (year_digits == 2) parts[0] += 2000;
    const Calendar c{parts[0], parts[1], parts[2], parts[3], parts[4], parts[5]};
    const std::optional<std::int64_t> seconds = seconds_of(c);
    if (!seconds || *seconds < 0 || *seconds >= kYear2101) return {};
    constexpr std::array<std::size_t, 7> kShown = {0, 4, 7, 10, 13, 16, 19};  // characters, by the number of parts
    return date_of(*seconds * kSecond).substr(0, part == 4 ? 16 : kShown[part]);
  };
  if (text.size() == 17) return date(text.substr(0, 14), 4);  // and milliseconds
  if (text.size() == 8)
    if (std::string day = date(text, 4); !day.empty()) return day;
  return date(text, text.size() == 8 ? 2 : 4);
}

// Without what does not count: blanks around it, and a + before a number.
std::string_view core_of(std::string_view text) {
  text = without_blanks(text);
  if (text.size() > 1 && text[0] == '+' && text[1] >= '0' && text[1] <= '9') text.remove_prefix(1);
  return text;
}

// A number with an optional fraction, such as 1512259200.25.
struct Decimal {
  std::int64_t whole = 0;     // towards 0
  std::int64_t fraction = 0;  // in microseconds
  bool negative = false;
};

std::optional<Decimal> decimal_of(std::string_view text, std::int64_t units_a_second) {
  Decimal decimal;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), decimal.whole);
  if (error != std::errc()) return std::nullopt;
  decimal.negative = text.front() == '-';
  Cursor rest(text.substr(static_cast<std::size_t>(end - text.data())));
  if (!rest.at_end()) {
    if (!rest.skip('.')) return std::nullopt;
    rest.fraction(units_a_second == 1 ? 6 : units_a_second == 1000 ? 3 : 0, decimal.fraction);
    if (!rest.at_end()) return std::nullopt;
  }
  return decimal;
}

bool too_large(std::int64_t number, const TimeFormat& format) {
  const std::int64_t most = kMostSeconds * format.units_a_second;
  return number >= most || number <= -most;
}

}  // namespace

void set_time_unit(TimeFormat& format, std::string_view name, std::string_view option) {
  if (name != "s" && name != "ms" && name != "us")
    fail_usage("{} {}: s (seconds), ms (milliseconds) or us (microseconds) is wanted", option, name);
  format.units_a_second = name == "s" ? 1 : name == "ms" ? 1'000 : 1'000'000;
  format.unit_given = true;
}

std::int64_t utc_offset_of(double hours, std::string_view option) {
  if (!(std::abs(hours) <= 24)) fail_usage("{} {}: hours from -24 to 24 are possible", option, hours);
  return std::lround(hours * 3600);
}

std::optional<std::int64_t> time_of_number(std::int64_t number, const TimeFormat& format) {
  if (too_large(number, format)) return std::nullopt;
  if (!format.unit_given && may_spell_date(number) && !spelled_date(number).empty()) return std::nullopt;
  return number * (format.units_a_second == 1 ? kSecond : format.units_a_second == 1'000 ? 1'000 : 1);
}

std::optional<std::int64_t> time_of_text(std::string_view text, const TimeFormat& format) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return time_of_number(number, format);  // most are
  text = without_blanks(text);
  if (text.size() >= 10 && text[4] == '-') return time_of_date(text, format.utc_offset);
  const std::optional<Decimal> decimal = decimal_of(core_of(text), format.units_a_second);
  if (!decimal) return std::nullopt;
  const std::optional<std::int64_t> whole = time_of_number(decimal->whole, format);
  if (!whole) return std::nullopt;
  return decimal->negative ? *whole - decimal->fraction : *whole + decimal->fraction;
}

std::string smaller_unit_hint(std::string_view text, const TimeFormat& format) {
  const std::optional<Decimal> decimal = decimal_of(core_of(text), format.units_a_second);
  if (!decimal || decimal->negative) return {};
  struct Unit {
    std::int64_t a_second;
    const char* name;
    const char* remedy;
  };
  constexpr std::array<Unit, 3> kUnits = {{{1'000, "milliseconds", "give --time-unit ms"},
                                           {1'000'000, "microseconds", "give --time-unit us"},
                                           {1'000'000'000, "nanoseconds", "divide by 1000 and give --time-unit us"}}};
  for (const Unit& unit : kUnits) {
    const std::int64_t seconds = decimal->whole / unit.a_second;
    if (unit.a_second <= format.units_a_second || seconds >= kYear2101) continue;
    return fmt::format("in {} it is {}: {}", unit.name, date_of(seconds * kSecond), unit.remedy);
  }
  return {};
}

std::string why_no_time(std::string_view text, const TimeFormat& format) {
  const std::string_view shown = without_blanks(text).substr(0, kShownText);
  if (text.empty()) return "the field is empty, a time belongs there";
  if (const std::optional<Decimal> decimal = decimal_of(core_of(text), format.units_a_second)) {
    const std::string date = spelled_date(decimal->whole);
    const bool large = too_large(decimal->whole, format);
    if (!date.empty() && (large || !format.unit_given))
      return fmt::format("{} looks like the date {}, not like a number of seconds; write it as {}{}", shown, date,
                         date.size() == 10 ? date : date.substr(0, 10) + "T" + date.substr(11),
                         large ? "" : ", or give --time-unit s if it is seconds all the same");
    const std::string hint = smaller_unit_hint(text, format);
    return fmt::format("time {} is after the year 2100{}{}", shown, hint.empty() ? "" : "; ", hint);
  }
  const bool number = text.find_first_not_of("+-.0123456789eE") == std::string_view::npos;
  if (number && text.find_first_of("eE") != std::string_view::npos)
    return fmt::format("time '{}' has an exponent, which may have cost it digits; write the number in full", shown);
  return fmt::format(
      "'{}' is not a time; write Unix seconds (or --time-unit ms, us) or 2017-12-03T17:05:00, with Z or +02:00 where "
      "it "
      "is not of --utc-offset",
      shown);
}

// YYMMDD, with its first zeros or without.
bool TimeRange::spells_short_date(std::int64_t time) const {
  const std::int64_t number = time / microseconds_a_unit_;
  if (time % microseconds_a_unit_ != 0 || number < 101 || number > 991'231) return false;
  const auto part = [number](std::int64_t a) { return static_cast<int>(number / a % 100); };
  return seconds_of({2000 + part(10'000), part(100), part(1)}).has_value();
}

std::string TimeRange::mistake() const {
  if (!some_ || first_ < 0) return {};
  const std::int64_t first = first_ / microseconds_a_unit_, last = last_ / microseconds_a_unit_;
  const std::string lies = fmt::format("the times lie between {} and {}", date_of(first_), date_of(last_));
  // Numbers of fewer digits are seen in small logs that somebody made up.
  if (short_dates_ && first >= 100'101 && !(unit_given_ && microseconds_a_unit_ == kSecond))
    return fmt::format(
        "{}, and their numbers, {} to {}, all spell dates of the form YYMMDD; write those as 2017-12-03 (if they are "
        "seconds, --time-unit s says so)",
        lies, first, last);
  if (!unit_given_) return {};
  const std::string early = spelled_date(first), late = spelled_date(last);
  if (!early.empty() && !late.empty() && microseconds_a_unit_ < kSecond)
    return fmt::format("{}, and their numbers look like dates, {} to {}; write them as 2017-12-03", lies, early, late);
  for (const auto& [unit, name, remedy] : {std::tuple{kSecond, "seconds", "leave --time-unit out"},
                                           {std::int64_t{1000}, "milliseconds", "give --time-unit ms"}})
    if (unit > microseconds_a_unit_ && first >= kYear1990 * (kSecond / unit) && last < kYear2101 * (kSecond / unit))
      return fmt::format("{}; in {} it would be {} to {}: {}", lies, name, date_of(first * unit), date_of(last * unit),
                         remedy);
  return {};
}

std::int64_t floor_seconds(std::int64_t time) {
  return time / kSecond - (time % kSecond < 0 ? 1 : 0);
}

std::optional<std::string> date_of_day(std::int64_t day) {
  if (day < -719'528 || day > 2'932'896) return std::nullopt;  // 0000-01-01 and 9999-12-31
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()));
}

std::string date_of(std::int64_t time) {
  const std::int64_t seconds = floor_seconds(time), micros = time - seconds * kSecond;
  const std::int64_t days = seconds >= 0 ? seconds / kDay : -((kDay - 1 - seconds) / kDay);
  const std::int64_t second = seconds - days * kDay;
  std::string text = fmt::format("{} {:02}:{:02}:{:02}", date_of_day(days).value_or(fmt::format("day {}", days)),
                                 second / 3600, second / 60 % 60, second % 60);
  if (micros == 0) return text;
  text += fmt::format(".{:06}", micros);
  return text.substr(0, text.find_last_not_of('0') + 1);
}

}  // namespace mal
