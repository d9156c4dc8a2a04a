// Where a layout puts what it reads: into a log in memory (MemoryLog) or, where that would be too large, into parts on
// disk (ClickParts).
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/attribution/exact_sum.h"
#include "train/data/time_text.h"

namespace mal {

// What of a click is kept, beside its user and what it belongs to.
struct ReadClick {
  std::int64_t time = 0;     // this and all times here: microseconds since 1970
  std::uint32_t number = 0;  // of all clicks, in input order
  std::uint32_t channel = 0, slice = 0, delay_group = 0;
  std::uint8_t kind = 0;     // of the events of --click-event
  std::uint64_t row = 0;     // in the RowSpool
  std::uint32_t digest = 0;  // of the row's text there
  float truth = 0;
  double cost = 0;
  std::vector<std::string_view> history;  // a value a history column
};

// Where a row was read, as a number that compares as input order does: 24 bits of the file's number, 40 of its line.
constexpr std::uint64_t place_of_row(std::uint64_t file, std::uint64_t line) {
  return file << 40 | line;
}
constexpr std::uint64_t file_of_place(std::uint64_t place) {
  return place >> 40;
}
constexpr std::uint64_t line_of_place(std::uint64_t place) {
  return place & ((std::uint64_t{1} << 40) - 1);
}

constexpr std::uint64_t kNoPlace = ~std::uint64_t{0};

struct ReadConversion {
  std::int64_t time = 0;
  double value = 0;
  std::uint64_t place = 0;  // place_of_row
  bool has_id = false;      // an id of the input tells it from others
};

// What a row says of the conversion (criteo) or the journey (journeys) that it names.
struct NamedRow {
  std::string_view name, user;
  std::string_view key;   // criteo: of the row, whose click has no other until the conversion is known
  std::int64_t time = 0;  // of the conversion, or of the touch
  bool converted = true;
  double value = 0;        // of the conversion
  std::uint32_t file = 0;  // of the inputs
  std::uint64_t line = 0;
};

struct LogCounts {
  LogCounts() = default;
  explicit LogCounts(const TimeFormat& format) : times(format) {}

  std::uint64_t clicks = 0, conversions = 0;
  ExactSum value;                     // of the conversions
  std::uint64_t dropped_touches = 0;  // cut off by --truncate
  TimeRange times;                    // of the clicks
  std::string first_user, first_key;  // of the first click that was read; empty where clicks have a name

  std::int64_t last_conversion = 0;  // its time

  void add_conversion(std::int64_t time, double its_value) {
    last_conversion = conversions == 0 ? time : std::max(last_conversion, time);
    value.add(its_value);
    ++conversions;
  }
  void add_click(std::int64_t time) {
    times.add(time);
    ++clicks;
  }
};

class ClickTarget {
 public:
  virtual ~ClickTarget() = default;
  explicit ClickTarget(const TimeFormat& format) : counts_(format) {}
  ClickTarget(const ClickTarget&) = delete;
  ClickTarget& operator=(const ClickTarget&) = delete;

  // What has the same user and key belongs together.
  virtual void add_click(const ReadClick& click, std::string_view user, std::string_view key) = 0;
  virtual void add_conversion(const ReadConversion& conversion, std::string_view user, std::string_view key) = 0;
  // What has the same name belongs together. click: null if the row is none that counts.
  virtual void add_named(const NamedRow& row, const ReadClick* click) = 0;
  // After the last row. Throws if rows contradict each other in what they say of a name, unless add_named did.
  virtual void finish() = 0;

  const LogCounts& counts() const { return counts_; }

 protected:
  // Before the first click of a user and key is counted.
  void note_first(std::string_view user, std::string_view key) {
    if (counts_.clicks > 0) return;
    counts_.first_user = user;
    counts_.first_key = key;
  }

  LogCounts counts_;
};

}  // namespace mal
