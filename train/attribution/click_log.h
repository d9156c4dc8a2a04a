// All clicks and conversions of one run, as integers: what every layout is read into and what the journeys are built
// on. Times are microseconds since 1970. A click costs about 60 bytes here; the text of its other columns lies in a
// RowSpool on disk.
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/data/reading_notes.h"

namespace mal {

// Strings ↔ 0, 1, 2, … in the order of first appearance.
class Interner {
 public:
  Interner() : slots_(1024) {}
  std::uint32_t intern(std::string_view text);
  std::optional<std::uint32_t> find(std::string_view text) const;
  const std::string& name(std::uint32_t id) const { return names_[id]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(names_.size()); }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t id_after = 0;  // 1 + the id; 0: free
  };
  void grow();

  std::deque<std::string> names_;  // a deque, so that growing moves none
  std::vector<Slot> slots_;        // open addressing, at most half full; a power of two
};

// Pairs of ids → 0, 1, 2, … There are nearly as many pairs as clicks, so this is an open-addressing table rather than a
// std::unordered_map with its allocation a pair.
class PairInterner {
 public:
  // next: the number that a new pair gets; then it is counted up.
  std::uint32_t intern(std::uint32_t first, std::uint32_t second, std::uint32_t& next);

 private:
  struct Slot {
    std::uint64_t pair;
    std::uint32_t id;  // kEmpty: a free slot
  };
  static constexpr std::uint32_t kEmpty = std::numeric_limits<std::uint32_t>::max();
  Slot& find(std::uint64_t pair);
  void grow();

  std::vector<Slot> slots_ = std::vector<Slot>(1024, Slot{0, kEmpty});  // a power of two
  std::uint32_t size_ = 0;
};

struct RowCounts {
  std::uint64_t clicks = 0, conversions = 0;
};

struct IdentityCounts {
  std::uint64_t ids = 0, skipped_rows = 0;  // of the map
  std::uint64_t ids_in_log = 0;
  RowCounts rows;  // that got their user from it
  std::string first_id;
};

struct Conversion {
  std::int64_t time;
  double value;
  std::uint64_t place;  // place_of_row; kNoPlace: of a conversion that several rows name
  std::uint32_t group, user;
  std::uint32_t key;  // in ClickLog::keys, where the group is a (user, key) pair
  bool has_id;
};

struct JourneyTouches {
  std::vector<std::int64_t> time;
  std::vector<std::uint32_t> user, group, channel;
};

// Columns of equal length, one entry a click in input order.
struct ClickLog {
  std::vector<std::int64_t> time;
  std::vector<std::uint32_t> user;
  std::vector<std::uint32_t> group;  // clicks that a conversion of the same group may be credited to: a (user, key)
                                     // pair, or a journey that the input itself names
  std::vector<std::uint32_t> channel;
  // For the fit, where there is a test period (KnownLog); empty elsewhere.
  std::vector<std::uint32_t> open_group;   // criteo: of user and key, which the click has until its conversion is known
  JourneyTouches uncut;                    // of all touches, those that --truncate cuts off among them
  std::vector<std::uint8_t> kind;          // of the events of --click-event; empty if there is one
  std::vector<std::uint32_t> number;       // among all clicks; of a part of a log alone
  std::vector<std::uint64_t> row;          // of its other columns, in the RowSpool
  std::vector<std::uint32_t> digest;       // of their text
  std::vector<std::uint32_t> slice;        // of --by; empty without it
  std::vector<std::uint32_t> delay_group;  // of --delay-by; empty without it
  std::vector<float> truth;                // of --truth; empty without it
  std::vector<double> cost;                // of --cost; empty without it
  std::vector<std::vector<std::uint32_t>> history;  // [history column][click]: ids of the values
  std::vector<Conversion> conversions;

  Interner users, keys, channels, slices, delay_groups;
  std::vector<Interner> history_values;
  std::uint32_t groups = 0;
  bool has_values = false;  // it is known what conversions are worth
  std::uint64_t rows = 0;   // read, of all files
  RowCounts anonymous;      // rows without a user that --drop-anonymous left out
  IdentityCounts identity;  // of --identity
  ReadingNotes notes;
  std::uint64_t skipped_rows = 0;  // rows that are neither click nor conversion, or were filtered out

  std::size_t size() const { return time.size(); }
  // Leaves out the clicks of each group before its time; one a group.
  void keep_from(const std::vector<std::int64_t>& group_times);
};

}  // namespace mal
