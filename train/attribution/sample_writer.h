// train.csv and test.csv: every click in time order, its pass-through columns, what is derived from them, and its
// credits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/credits.h"
#include "train/attribution/journeys.h"
#include "train/attribution/row_spool.h"

namespace mal {

// The header: `passed`, hour and weekday, <column>_seq, one column a mechanism, path_length. Throws a usage Error if a
// name would be there twice.
std::vector<std::string> sample_columns(const AttributeOptions& options, const std::vector<std::string>& passed);

class SampleWriter {
 public:
  SampleWriter(const AttributeOptions& options, const ClickLog& log, const ClickOrder& order, const Credits& credits,
               RowSpool& spool);

  // Clicks order.by_time[begin, end) into one file.
  void write(const std::string& path, const std::vector<std::string>& columns, std::size_t begin, std::size_t end);

 private:
  void sort_by_user();
  void append_derived(std::uint32_t click);
  void append_history(std::uint32_t click);

  const AttributeOptions& options_;
  const ClickLog& log_;
  const ClickOrder& order_;
  const Credits& credits_;
  RowSpool& spool_;
  std::vector<std::uint32_t> by_user_;   // clicks of user 0 in time order, then of user 1, …; only with --history
  std::vector<std::uint32_t> position_;  // [click] in by_user_
  std::vector<std::uint32_t> window_;    // scratch: the clicks of one history, newest first
  std::string row_;
};

}  // namespace mal
