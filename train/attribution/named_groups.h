// Conversions and journeys that the input itself names, put together from their rows: one code for a log in memory and
// for each part of the names of a log on disk.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_target.h"

namespace mal {

struct NamedLayout {
  std::string noun;                         // "conversion" or "journey"
  std::string name_column, outcome_column;  // for messages
  std::string value_column;                 // likewise; empty: values are not known
  std::vector<std::string> files;           // likewise
  bool name_a_file = false;                 // names count within one file: two files may both have a journey 0
  bool needs_touch = false;                 // what has no touch left does not convert
  std::optional<std::int64_t> end;          // nor what converts at this time or later
  std::int64_t truncate = 0;                // microseconds kept before the last touch; 0: all

  // What tells equal names of two files apart, where that is wanted.
  std::uint32_t file_of_name(const NamedRow& row) const { return name_a_file ? row.file : 0; }
};

// Nothing for --format csv, where rows name no such thing.
std::optional<NamedLayout> named_layout(const AttributeOptions& options);

class NamedGroups {
 public:
  // users: the names of the numbers that join() is given. Both outlive this.
  NamedGroups(const NamedLayout& layout, const Interner& users) : layout_(layout), users_(users) {}

  struct Joined {
    std::uint32_t group;        // 0, 1, 2, … in the order of first appearance
    std::string contradiction;  // why the row cannot belong to it; or empty
  };
  // Rows come in input order. touch: the row is a click that counts.
  Joined join(const NamedRow& row, std::uint32_t user, bool touch);

  // Of all touches: the group and the time. In data where converting journeys reach back further than others, the
  // length tells the label. So all are cut to the same span, and those left with one touch go, whether they converted
  // or not.
  void truncate(std::span<const std::uint32_t> groups, std::span<const std::int64_t> times);
  // After truncate(): touches of the group before this time are cut off.
  std::int64_t kept_from(std::uint32_t group) const;

  std::optional<std::int64_t> conversion(std::uint32_t group) const;  // when it converted
  double value(std::uint32_t group) const { return groups_[group].value; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(groups_.size()); }
  std::uint32_t user(std::uint32_t group) const { return groups_[group].user; }
  // Where names count within a file, of groups of the last file alone.
  const std::string& name(std::uint32_t group) const { return names_.name(group - first_); }

 private:
  struct Group {
    std::uint64_t line;  // of its first row
    std::int64_t time;   // the latest of its rows, be they touches that count or not
    std::uint32_t file, user;
    std::uint32_t touches;  // left
    bool converted;
    double value;
  };
  std::string contradiction(const NamedRow& row, std::uint32_t user, const Group& known) const;

  const NamedLayout& layout_;
  const Interner& users_;
  Interner names_;
  std::uint32_t file_ = 0, first_ = 0;  // of names_
  std::vector<Group> groups_;
};

}  // namespace mal
