// The forms in which logs write a time. Right values are Python's: datetime.fromisoformat(…).timestamp().
#include "train/data/time_text.h"

#include <catch2/catch.hpp>
#include <utility>
#include <vector>

#include "engine/error.h"

namespace mal {
namespace {

using Catch::Matchers::Contains;

constexpr TimeFormat kPlain;
constexpr TimeFormat kChina{.utc_offset = 8 * 3600};
constexpr TimeFormat kMilliseconds{.units_a_second = 1'000, .unit_given = true};
constexpr TimeFormat kMicroseconds{.units_a_second = 1'000'000, .unit_given = true};
constexpr TimeFormat kSeconds{.unit_given = true};

TEST_CASE("times: numbers of seconds, with and without a fraction", "[time]") {
  const std::vector<std::pair<const char*, std::int64_t>> cases = {{"0", 0},
                                                                   {"1512234300", 1512234300'000'000},
                                                                   {"1600000000.0", 1600000000'000'000},
                                                                   {"1600000000.", 1600000000'000'000},
                                                                   {"1600000000.25", 1600000000'250'000},
                                                                   {"1600000000.000001", 1600000000'000'001},
                                                                   {"1600000000.1234569", 1600000000'123'456},
                                                                   {"-5", -5'000'000},
                                                                   {"-0.5", -500'000},
                                                                   {"-1.25", -1'250'000}};
  for (const auto& [text, micros] : cases) {
    CAPTURE(text);
    CHECK(time_of_text(text, kPlain) == micros);
    CHECK(time_of_text(text, kChina) == micros);  // a number of seconds is one of Greenwich
  }
}

TEST_CASE("times: dates, with and without an offset of their own", "[time]") {
  const std::vector<std::pair<const char*, std::int64_t>> own = {
      {"2017-12-02T17:05:00Z", 1512234300'000'000},        {"2017-12-02 17:05:00Z", 1512234300'000'000},
      {"2017-12-02T17:05Z", 1512234300'000'000},           {"2017-12-02 17:05:00 UTC", 1512234300'000'000},
      {"2017-12-02T17:05:00+00:00", 1512234300'000'000},   {"2017-12-02T19:05:00+02:00", 1512234300'000'000},
      {"2017-12-02T19:05:00+0200", 1512234300'000'000},    {"2017-12-02 19:05:00+02", 1512234300'000'000},
      {"2017-12-02 19:05:00 +0200", 1512234300'000'000},   {"2017-12-02T11:35:00-05:30", 1512234300'000'000},
      {"2017-12-03T00:35:00+07:30", 1512234300'000'000},   {"2017-12-02T17:05:00.25Z", 1512234300'250'000},
      {"2017-12-02t17:05:00.000001z", 1512234300'000'001}, {"2017-12-02 17:05:00.123456789Z", 1512234300'123'456},
      {"2016-02-29T00:00:00Z", 1456704000'000'000},        {"1969-12-31T23:59:59.5Z", -500'000}};
  for (const auto& [text, micros] : own) {
    CAPTURE(text);
    CHECK(time_of_text(text, kPlain) == micros);
    CHECK(time_of_text(text, kChina) == micros);
    CHECK(time_of_text(text, kMilliseconds) == micros);
  }
  const std::vector<std::pair<const char*, std::int64_t>> without = {{"2017-12-03", 1512259200'000'000},
                                                                     {"2017-12-03T01:05:00", 1512263100'000'000},
                                                                     {"2017-12-03 01:05:00.5", 1512263100'500'000}};
  for (const auto& [text, micros] : without) {
    CAPTURE(text);
    CHECK(time_of_text(text, kPlain) == micros);
    CHECK(time_of_text(text, kChina) == micros - 8 * 3600 * kSecond);  // it is that hour earlier east of Greenwich
  }
}

TEST_CASE("times: milliseconds and microseconds", "[time]") {
  CHECK(time_of_text("1512234300250", kMilliseconds) == 1512234300'250'000);
  CHECK(time_of_text("1512234300250.5", kMilliseconds) == 1512234300'250'500);
  CHECK(time_of_text("1512234300250.0", kMilliseconds) == 1512234300'250'000);
  CHECK(time_of_text("1512234300250001", kMicroseconds) == 1512234300'250'001);
  CHECK(time_of_text("1512234300250001.9", kMicroseconds) == 1512234300'250'001);
  TimeFormat format;
  set_time_unit(format, "ms", "--time-unit");
  CHECK(format.units_a_second == 1000);
  CHECK_THROWS_AS(set_time_unit(format, "ns", "--time-unit"), Error);
}

TEST_CASE("times: numbers of a smaller unit name the option", "[time]") {
  const auto why = [](const char* text, const TimeFormat& format) {
    CAPTURE(text);
    CHECK_FALSE(time_of_text(text, format));
    return why_no_time(text, format);
  };
  CHECK_THAT(why("1512234300250", kPlain), Contains("2017-12-02 17:05:00") && Contains("--time-unit ms"));
  CHECK_THAT(why("1512234300250", kSeconds), Contains("--time-unit ms"));
  CHECK_THAT(why("1512234300250.0", kPlain), Contains("--time-unit ms"));
  CHECK_THAT(why("1512234300250001", kPlain), Contains("2017-12-02 17:05:00") && Contains("--time-unit us"));
  CHECK_THAT(why("1512234300250001", kMilliseconds), Contains("--time-unit us"));
  CHECK_THAT(why("1512234300250001002", kPlain), Contains("nanoseconds") && Contains("divide by 1000"));
  CHECK_THAT(why("9223372036854775807", kPlain), Contains("after the year 2100"));
}

TEST_CASE("times: numbers that spell a date are refused, unless the unit is given", "[time]") {
  const std::vector<std::pair<const char*, const char*>> dates = {{"20171203", "date 2017-12-03,"},
                                                                  {"20171203.0", "date 2017-12-03,"},
                                                                  {"19700101", "date 1970-01-01,"},
                                                                  {"21001231", "date 2100-12-31,"},
                                                                  {"20160229", "date 2016-02-29,"},
                                                                  {"14102100", "date 2014-10-21 00:00,"},
                                                                  {"2017120317", "date 2017-12-03 17:00,"},
                                                                  {"201712031705", "date 2017-12-03 17:05,"},
                                                                  {"20171203170500", "date 2017-12-03 17:05:00,"},
                                                                  {"20171203170500250", "date 2017-12-03 17:05:00,"}};
  for (const auto& [text, date] : dates) {
    CAPTURE(text);
    CHECK_FALSE(time_of_text(text, kPlain));
    CHECK_THAT(why_no_time(text, kPlain), Contains("looks like the") && Contains(date) && Contains("write it as"));
  }
  CHECK_THAT(why_no_time("20171203", kPlain), Contains("write it as 2017-12-03, or give --time-unit s"));
  CHECK_THAT(why_no_time("20171203170500", kPlain), Contains("write it as 2017-12-03T17:05:00"));
  CHECK(time_of_text("20171203", kSeconds) == 20171203 * kSecond);
  CHECK(time_of_text("20171203", kMilliseconds) == 20171203'000);
  CHECK_THAT(why_no_time("20171203170500", kSeconds), Contains("looks like the date 2017-12-03 17:05:00"));
  // No such date, or too early for one: seconds of 1970, as logs have that count from their own beginning.
  for (const char* text : {"20171303", "20170229", "20171232", "19691231", "21010130", "10", "2592000", "40000000",
                           "1512234300", "2145916800"})
    CHECK(time_of_text(text, kPlain));
}

TEST_CASE("times: what is none says so", "[time]") {
  for (const char* text : {"",
                           "soon",
                           "1.6e9",
                           "1.5122e+09",
                           "0x10",
                           "nan",
                           "-",
                           ".5",
                           "1..5",
                           "1.5.",
                           "2017-13-03",
                           "2017-02-29",
                           "2017-12-00",
                           "2017/12/03",
                           "03.12.2017",
                           "2017-12-03T",
                           "2017-12-03T25:00:00",
                           "2017-12-03T24:00:00",
                           "2017-12-03T10:60:00",
                           "2017-12-03T10:00:61",
                           "2017-12-03T10",
                           "2017-12-03T10:00:00.",
                           "2017-12-03T10:00:00+2",
                           "2017-12-03T10:00:00+02:",
                           "2017-12-03T10:00:00+02:60",
                           "2017-12-03T10:00:00 PST",
                           "2017-12-03T10:00:00UTC",
                           "2017-12-03Z",
                           "2017-12-3",
                           "9223372036854775808"}) {
    CAPTURE(text);
    CHECK_FALSE(time_of_text(text, kPlain));
    CHECK_THAT(why_no_time(text, kPlain), Contains("time"));
  }
  CHECK_THAT(why_no_time("1.6e9", kPlain), Contains("exponent"));
  CHECK_THAT(why_no_time("soon", kPlain), Contains("2017-12-03T17:05:00"));
}

TEST_CASE("times: as text, and as days and seconds", "[time]") {
  CHECK(date_of(1512234300'000'000) == "2017-12-02 17:05:00");
  CHECK(date_of(1512234300'250'000) == "2017-12-02 17:05:00.25");
  CHECK(date_of(-1) == "1969-12-31 23:59:59.999999");
  CHECK(floor_seconds(1'999'999) == 1);
  CHECK(floor_seconds(-1) == -1);
  CHECK(floor_seconds(-kSecond) == -1);
  CHECK(date_of_day(17503) == "2017-12-03");
  CHECK(date_of_day(-719528) == "0000-01-01");
  CHECK(date_of_day(2932896) == "9999-12-31");
  CHECK_FALSE(date_of_day(2932897));
  CHECK(utc_offset_of(5.5, "--utc-offset") == 19800);
  CHECK_THROWS_AS(utc_offset_of(25, "--utc-offset"), Error);
}

TEST_CASE("times: blanks around them and a plus do not count", "[time]") {
  const TimeFormat plain;
  for (const char* text : {" 1512297015", "1512297015 ", "\t1512297015", "+1512297015", " +1512297015 ",
                           "+1512297015.0", " 2017-12-03 10:30:15 ", "2017-12-03T10:30:15Z "}) {
    INFO(text);
    CHECK(time_of_text(text, plain) == 1512297015 * kSecond);
  }
  for (const char* text : {"+-5", "++5", "+", " ", "5 5", "+2017-12-03"}) {
    INFO(text);
    CHECK(time_of_text(text, plain) == std::nullopt);
  }
  CHECK(time_of_text(" +20171203", plain) == std::nullopt);  // no way around it
  CHECK_THAT(why_no_time(" +20171203 ", plain), Catch::Contains("looks like the date 2017-12-03"));
  CHECK_THAT(why_no_time(" 1512297015000", plain), Catch::Contains("--time-unit ms"));
}

TEST_CASE("times: a log in the first weeks of 1970 that is probably of another form or unit", "[time]") {
  const auto mistake = [](std::initializer_list<std::int64_t> numbers, const char* unit) {
    TimeFormat format;
    if (*unit != 0) set_time_unit(format, unit, "--time-unit");
    TimeRange range(format);
    for (const std::int64_t number : numbers) range.add(time_of_number(number, format).value());
    return range.mistake();
  };
  using Catch::Contains;
  // YYMMDD in seconds: 171203 s are a day, 23 h, 33 min and 23 s.
  CHECK_THAT(mistake({171203, 180228, 171231}, ""), Contains("1970-01-02 23:33:23") && Contains("171203 to 180228") &&
                                                        Contains("YYMMDD") && Contains("--time-unit s"));
  CHECK_THAT(mistake({171203, 171204}, "ms"), Contains("YYMMDD"));
  CHECK(mistake({171203, 171204}, "s").empty());
  CHECK(mistake({171203, 171232, 171204}, "").empty());  // no 32nd
  CHECK(mistake({180229}, "").empty());                  // no leap year
  CHECK(mistake({171203, 171204, 1512297015}, "").empty());
  CHECK(mistake({1, 2, 3}, "").empty());
  CHECK(mistake({101, 1231}, "").empty());
  CHECK(mistake({100000, 200000, 900000}, "").empty());
  // Numbers of a larger unit than the one given. 1512297015 ms are 17 days, 12 h, 4 min, 57.015 s.
  CHECK_THAT(mistake({1512297015, 1512383415}, "ms"), Contains("1970-01-18 12:04:57.015") &&
                                                          Contains("in seconds it would be 2017-12-03 10:30:15") &&
                                                          Contains("2017-12-04 10:30:15: leave --time-unit out"));
  CHECK_THAT(mistake({1512297015, 1512383415}, "us"), Contains("in seconds it would be 2017-12-03 10:30:15"));
  CHECK_THAT(mistake({1512297015000, 1512383415000}, "us"),
             Contains("in milliseconds it would be 2017-12-03 10:30:15") && Contains("give --time-unit ms"));
  CHECK_THAT(mistake({20171203, 20171204}, "ms"), Contains("look like dates, 2017-12-03 to 2017-12-04"));
  CHECK(mistake({1512297015000, 1512383415000}, "ms").empty());
  CHECK(mistake({1, 1512297015}, "ms").empty());
  CHECK(mistake({1512297015, 1512383415}, "").empty());
  CHECK(mistake({1, 2, 3}, "ms").empty());
}

}  // namespace
}  // namespace mal
