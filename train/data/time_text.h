// What a time is, and the forms in which logs write one. A time is counted in microseconds since 1970-01-01 00:00 in
// Greenwich, so that two events of one second keep their order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mal {

inline constexpr std::int64_t kSecond = 1'000'000;  // in microseconds

// How the times of a file are to be read.
struct TimeFormat {
  std::int64_t units_a_second = 1;  // of plain numbers: 1, 1'000 (milliseconds) or 1'000'000 (microseconds)
  bool unit_given = false;          // the user named that unit: then 20171203 is a number, and no date
  std::int64_t utc_offset = 0;      // seconds east of Greenwich, where a date has no offset of its own
};

inline constexpr const char* kTimeUnitHelp =
    "Of times that are plain numbers: s, ms, us [s; a number that looks like a date is refused]";
// Sets the unit by its name: s, ms or us; throws a usage Error that names `option` for any other.
void set_time_unit(TimeFormat& format, std::string_view name, std::string_view option);
// Seconds, of the hours that an option gives; throws a usage Error for what no place on Earth has.
std::int64_t utc_offset_of(double hours, std::string_view option);

// The time that a field writes:
//   1512259200             a whole number of units
//   1512259200.25          with a fraction; digits beyond the microsecond are cut off
//   2017-12-03             its midnight
//   2017-12-03T17:05:00    or with a space for the T; with or without seconds, with a fraction of them,
//                          with Z, +02:00, +0200 or +02, or " UTC"; without one, `utc_offset` east of Greenwich
// Blanks around it do not count, nor does a + before a number.
// Nothing: the text is none of these, is a number that looks like a date (20171203) where no unit was given, or is so
// large that it must be of a smaller unit.
std::optional<std::int64_t> time_of_text(std::string_view text, const TimeFormat& format);
std::optional<std::int64_t> time_of_number(std::int64_t number, const TimeFormat& format);

// Why time_of_text gives nothing, and what to do; a message without the place.
std::string why_no_time(std::string_view text, const TimeFormat& format);
// What a plain number would be if it were of a smaller unit, and the option that says so; empty where that makes no
// sense either. For messages.
std::string smaller_unit_hint(std::string_view text, const TimeFormat& format);

// The least and the greatest of the times of a log, and whether plain numbers of these times spell dates of six digits.
class TimeRange {
 public:
  explicit TimeRange(const TimeFormat& format = {})
      : microseconds_a_unit_(kSecond / format.units_a_second), unit_given_(format.unit_given) {}
  void add(std::int64_t time) {
    if (!some_ || time < first_) first_ = time;
    if (!some_ || time > last_) last_ = time;
    some_ = true;
    if (short_dates_) short_dates_ = spells_short_date(time);  // of most logs, asked once
  }
  std::int64_t first() const { return first_; }
  std::int64_t last() const { return last_; }
  // What the times probably are where nearly all of 1970 would be a mistake: dates such as 171203, or numbers of a
  // larger unit than the one that was given; and what to do. Empty: nothing speaks for it.
  std::string mistake() const;

 private:
  bool spells_short_date(std::int64_t time) const;

  std::int64_t microseconds_a_unit_;
  bool unit_given_, some_ = false, short_dates_ = true;
  std::int64_t first_ = 0, last_ = 0;
};

// The whole seconds up to a time, also before 1970.
std::int64_t floor_seconds(std::int64_t time);
// "2017-12-03 17:05:00" or, with a fraction of the second, "2017-12-03 17:05:00.25"; in Greenwich.
std::string date_of(std::int64_t time);
// "2017-12-03", so many days after 1970-01-01; nothing outside the years 0 to 9999.
std::optional<std::string> date_of_day(std::int64_t day);

}  // namespace mal
