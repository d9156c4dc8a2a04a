// train.csv and test.csv: every click in time order, its pass-through columns, what is derived from them, and its
// credits.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/file.h"
#include "train/attribution/attribute.h"
#include "train/attribution/click_log.h"
#include "train/attribution/click_parts.h"
#include "train/attribution/credits.h"
#include "train/attribution/journeys.h"
#include "train/attribution/row_spool.h"

namespace mal {

// The header: `passed`, hour and weekday, <column>_seq, one column a mechanism, weight (with --delay-weights),
// path_length. Throws a usage Error if a
// name would be there twice.
std::vector<std::string> sample_columns(const AttributeOptions& options, const std::vector<std::string>& passed);

// The lines of a log, or of a part of one, one a click.
class LogLines {
 public:
  // weights: one a click, or none.
  LogLines(const AttributeOptions& options, const ClickLog& log, const ClickOrder& order, const Credits& credits,
           std::span<const float> weights = {});
  // False: of an event that --keep-events leaves out. place: in the order of time.
  bool is_written(std::size_t place) const { return keeps(order_.by_time[place]); }
  // Valid until the next.
  ClickLine line(std::size_t place);

 private:
  bool keeps(std::uint32_t click) const { return log_.kind.empty() || written_[log_.kind[click]]; }
  void sort_by_user();
  void find_history(std::uint32_t click);

  const AttributeOptions& options_;
  const ClickLog& log_;
  const ClickOrder& order_;
  const Credits& credits_;
  std::vector<bool> written_;            // [kind of event]
  std::vector<std::uint32_t> by_user_;   // clicks of user 0 in time order, then of user 1, …; only with --history
  std::vector<std::uint32_t> position_;  // [click] in by_user_
  std::vector<std::uint32_t> window_;    // scratch: the clicks of one history, newest first
  std::span<const float> weights_;
  std::vector<float> numbers_;  // of one line
  std::string sequence_, history_;
};

// How many numbers a ClickLine has.
inline std::size_t numbers_a_line(const AttributeOptions& options) {
  return options.mechanisms.size() + (options.delay_weights ? 1 : 0);
}

// Takes lines in the order of time and writes each to the file of its period.
class SampleWriter {
 public:
  // Clicks before `train_end` go to train.csv, those from test_begin to before test_end to test.csv, others nowhere;
  // without a split all go to train.csv.
  SampleWriter(const AttributeOptions& options, const AttributeReport& report, const std::string& folder,
               const RowSpool& spool);
  ~SampleWriter();
  void add(const ClickLine& line);
  void finish();

 private:
  struct Waiting {  // lines whose text is not yet made
    std::vector<ClickLine> lines;
    std::vector<float> numbers;  // of all lines
    std::vector<std::string> histories;
  };
  void make_text();
  std::string text_of(std::size_t begin, std::size_t end) const;

  const AttributeOptions& options_;
  const AttributeReport& report_;
  const RowSpool& spool_;
  OutputFile train_;
  std::optional<OutputFile> test_;
  std::size_t numbers_a_line_;
  bool waiting_for_test_ = false;  // the file of the waiting lines
  Waiting waiting_;
  std::future<void> writing_;
};

}  // namespace mal
