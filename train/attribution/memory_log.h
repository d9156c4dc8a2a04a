// A log that is read into memory.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_target.h"
#include "train/attribution/named_groups.h"

namespace mal {

class MemoryLog : public ClickTarget {
 public:
  MemoryLog(const AttributeOptions& options, ClickLog& log);

  void add_click(const ReadClick& click, std::string_view user, std::string_view key) override;
  void add_conversion(const ReadConversion& conversion, std::string_view user, std::string_view key) override;
  void add_named(const NamedRow& row, const ReadClick* click) override;  // throws where rows contradict each other
  void finish() override;

 private:
  void push(const ReadClick& click, std::uint32_t user, std::uint32_t group);
  void truncate();

  ClickLog& log_;
  TimeFormat time_format_;
  bool with_kinds_, with_slices_, with_delays_, with_truth_, with_cost_;
  bool open_groups_, uncut_;  // of ClickLog, wanted
  PairInterner pairs_;        // of user and key
  std::optional<NamedLayout> layout_;
  std::optional<NamedGroups> named_;
  std::vector<std::uint32_t> named_group_;  // [group of named_] in the log
};

}  // namespace mal
