// The clicks of a log that is larger than memory: on disk, in parts by the hash of the user, so that every journey lies
// in one part; and the lines that each part gives, on disk until they are merged.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_target.h"
#include "train/attribution/name_parts.h"
#include "train/attribution/part_file.h"

namespace mal {

// What the output needs of a click, beside the text of its row.
struct ClickLine {
  std::int64_t time = 0;
  std::uint64_t row = 0;
  std::uint32_t path_length = 0;
  const float* numbers = nullptr;  // the credits, one a mechanism, and with --delay-weights the weight
  std::string_view history;        // ",a|b,c|d": the values of the history columns as they are written
};

class ClickParts : public ClickTarget {
 public:
  // numbers: of a line, as ClickLine has them.
  ClickParts(const AttributeOptions& options, const std::string& folder, std::size_t numbers);

  void add_click(const ReadClick& click, std::string_view user, std::string_view key) override;
  void add_conversion(const ReadConversion& conversion, std::string_view user, std::string_view key) override;
  void add_named(const NamedRow& row, const ReadClick* click) override;
  void finish() override;

  // A part as a log of its own; what its channels and slices are called, the log that was read knows.
  ClickLog load(std::size_t part);
  void remove(std::size_t part) { files_[part].remove(); }

  // The lines of a part, in the order of time and number. number: of its click, among all.
  void add_line(std::size_t part, const ClickLine& line, std::uint32_t number);
  // Calls visit for the lines of all parts, in the order of time and number. What is on disk is removed.
  void merge(const std::function<void(const ClickLine& line)>& visit);

 private:
  struct Run;
  void put_click(std::uint8_t kind, const ReadClick& click, std::string_view user, std::string_view key);
  void put_time(std::uint8_t kind, std::int64_t time, double value, std::string_view user, std::string_view key);
  std::string_view key_of(std::uint32_t file, std::string_view name);

  std::string folder_;
  TimeFormat time_format_;
  bool with_kinds_, with_slices_, with_delays_, with_truth_, with_cost_;
  bool open_groups_, uncut_;  // of ClickLog, wanted
  std::size_t histories_, numbers_;
  std::optional<NameParts> names_;  // of a layout whose rows name what they belong to
  std::string key_;                 // scratch
  std::vector<PartFile> files_;     // one a part
  std::vector<PartFile> runs_;      // of lines; one a part, made when its first comes
};

}  // namespace mal
