#include "train/attribution/sample_writer.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/error.h"
#include "train/attribution/text.h"
#include "train/attribution/touch_rules.h"
#include "train/config/parallel.h"

namespace mal {

namespace {

constexpr std::size_t kLinesAtOnce = 1 << 14;  // made into text by all cores, then written while the next are

}  // namespace

std::vector<std::string> sample_columns(const AttributeOptions& options, const std::vector<std::string>& passed) {
  std::vector<std::string> columns = passed;
  if (options.derive_hour) columns.insert(columns.end(), {"hour", "weekday"});
  for (const std::string& column : options.history) columns.push_back(column + "_seq");
  columns.insert(columns.end(), options.mechanisms.begin(), options.mechanisms.end());
  if (options.delay_weights) columns.emplace_back("weight");
  columns.emplace_back("path_length");
  std::set<std::string> seen;
  for (const std::string& column : columns)
    if (!seen.insert(column).second)
      fail_usage("the output would have two columns '{}'; leave out the one of the input by --drop {}", column, column);
  return columns;
}

LogLines::LogLines(const AttributeOptions& options, const ClickLog& log, const ClickOrder& order,
                   const Credits& credits, std::span<const float> weights)
    : options_(options), log_(log), order_(order), credits_(credits), weights_(weights) {
  for (std::size_t kind = 0; kind < options.click_events.size(); ++kind)
    written_.push_back(mal::is_written(options, kind));
  if (!options.history.empty()) sort_by_user();
}

void LogLines::sort_by_user() {
  // Counting sort keeps the order of time within a user.
  std::vector<std::uint32_t> next(std::size_t{log_.users.size()} + 1, 0);
  for (std::uint32_t click = 0; click < log_.size(); ++click)
    if (keeps(click)) ++next[log_.user[click] + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  by_user_.resize(log_.size());
  position_.resize(log_.size());
  for (const std::uint32_t click : order_.by_time) {
    if (!keeps(click)) continue;
    position_[click] = next[log_.user[click]]++;
    by_user_[position_[click]] = click;
  }
}

void LogLines::find_history(std::uint32_t click) {
  // Strictly earlier: clicks of the same moment are not known yet.
  window_.clear();
  for (std::uint32_t position = position_[click]; position > 0; --position) {
    const std::uint32_t earlier = by_user_[position - 1];
    if (log_.user[earlier] != log_.user[click] || window_.size() == static_cast<std::size_t>(options_.history_length))
      break;
    if (log_.time[earlier] < log_.time[click]) window_.push_back(earlier);
  }
  history_.clear();
  for (std::size_t column = 0; column < log_.history.size(); ++column) {
    sequence_.clear();
    for (std::size_t i = window_.size(); i-- > 0;) {
      sequence_ += log_.history_values[column].name(log_.history[column][window_[i]]);
      if (i > 0) sequence_ += '|';
    }
    history_ += ',';
    append_field(history_, sequence_);
  }
}

ClickLine LogLines::line(std::size_t place) {
  const std::uint32_t click = order_.by_time[place];
  if (!options_.history.empty()) find_history(click);
  numbers_.clear();
  for (const std::vector<float>& view : credits_.views) numbers_.push_back(view[click]);
  if (!weights_.empty()) numbers_.push_back(weights_[click]);
  return {log_.time[click], log_.row[click], credits_.path_length[click], numbers_.data(), history_};
}

SampleWriter::SampleWriter(const AttributeOptions& options, const AttributeReport& report, const std::string& folder,
                           const RowSpool& spool)
    : options_(options),
      report_(report),
      spool_(spool),
      train_(folder + "/train.csv"),
      numbers_a_line_(numbers_a_line(options)) {
  std::string header;
  for (const std::string& column : report.columns) {
    append_field(header, column);
    header += ',';
  }
  header.back() = '\n';
  train_.write(header);
  if (!report.split) return;
  test_.emplace(folder + "/test.csv");
  test_->write(header);
}

SampleWriter::~SampleWriter() {
  if (writing_.valid()) writing_.wait();
}

void SampleWriter::add(const ClickLine& line) {
  const bool test = report_.split && line.time >= report_.test_start;
  if (test ? line.time >= report_.test_end : !report_.training.holds(line.time)) return;
  if (test != waiting_for_test_ || waiting_.lines.size() == kLinesAtOnce) make_text();
  waiting_for_test_ = test;
  waiting_.lines.push_back(line);
  waiting_.numbers.insert(waiting_.numbers.end(), line.numbers, line.numbers + numbers_a_line_);
  if (!options_.history.empty()) waiting_.histories.emplace_back(line.history);
}

std::string SampleWriter::text_of(std::size_t begin, std::size_t end) const {
  RowSpool::Reader rows(spool_);
  std::string text;
  for (std::size_t i = begin; i < end; ++i) {
    const ClickLine& line = waiting_.lines[i];
    text += rows.row(line.row);
    if (options_.derive_hour) {
      const std::int64_t local = floor_seconds(line.time) + options_.time_format.utc_offset;
      const std::int64_t second = ((local % 86400) + 86400) % 86400;
      const std::int64_t day = (local - second) / 86400;
      // 1970-01-01 was a Thursday, weekday 3.
      text += fmt::format(",{},{}", second / 3600, ((day + 3) % 7 + 7) % 7);
    }
    if (!options_.history.empty()) text += waiting_.histories[i];
    for (std::size_t n = 0; n < numbers_a_line_; ++n) {
      text += ',';
      append_number(text, waiting_.numbers[i * numbers_a_line_ + n]);
    }
    text += ',';
    const fmt::format_int length(line.path_length);
    text.append(length.data(), length.size());
    text += '\n';
  }
  return text;
}

void SampleWriter::make_text() {
  const std::size_t count = waiting_.lines.size();
  const auto threads = static_cast<std::size_t>(thread_count(0));
  std::vector<std::string> texts(threads);
  parallel_for(threads, static_cast<int>(threads),
               [&](std::size_t t) { texts[t] = text_of(count * t / threads, count * (t + 1) / threads); });
  if (writing_.valid()) writing_.get();
  OutputFile& file = waiting_for_test_ ? *test_ : train_;
  writing_ = std::async(std::launch::async, [&file, texts = std::move(texts)] {
    for (const std::string& text : texts) file.write(text);
  });
  waiting_.lines.clear();
  waiting_.numbers.clear();
  waiting_.histories.clear();
}

void SampleWriter::finish() {
  make_text();
  if (writing_.valid()) writing_.get();
  train_.commit();
  if (test_) test_->commit();
}

}  // namespace mal
