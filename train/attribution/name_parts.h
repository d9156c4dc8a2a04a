// What the rows of a log on disk say of the conversions or journeys that they name: in parts by the hash of the name.
// A name that two users have is seen here and nowhere else: their clicks are in two parts.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/attribution/named_groups.h"
#include "train/attribution/part_file.h"

namespace mal {

// What came of a conversion or a journey.
struct NamedOutcome {
  std::string_view name, user;
  std::uint32_t file;                      // NamedLayout::file_of_name
  std::optional<std::int64_t> conversion;  // when
  double value;                            // of the conversion
  std::optional<std::int64_t> kept_from;   // with --truncate: touches before it are cut off
};

class NameParts {
 public:
  using Visit = std::function<void(const NamedOutcome& outcome)>;

  NameParts(const std::string& folder, NamedLayout layout);

  const NamedLayout& layout() const { return layout_; }
  void add(const NamedRow& row, bool touch);
  // Calls visit for every name. Throws the first contradiction of the input, as a log in memory does. What is on disk
  // is removed. touches: with --truncate, what it leaves, and what it drops.
  void resolve(const Visit& visit, LogCounts& touches);

 private:
  struct Names;  // of a part; where names count within a file, of a part and a file
  struct Contradiction {
    std::pair<std::uint32_t, std::uint64_t> place;  // file and line
    std::string message;
  };
  void resolve(PartFile& part, const Visit& visit, LogCounts& touches);
  void report(Names& names, const Visit& visit, LogCounts& touches) const;

  NamedLayout layout_;
  std::vector<PartFile> files_;
  std::optional<Contradiction> first_;
};

}  // namespace mal
