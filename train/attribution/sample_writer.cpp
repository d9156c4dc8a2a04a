#include "train/attribution/sample_writer.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/text.h"

namespace mal {

std::vector<std::string> sample_columns(const AttributeOptions& options, const std::vector<std::string>& passed) {
  std::vector<std::string> columns = passed;
  if (options.derive_hour) columns.insert(columns.end(), {"hour", "weekday"});
  for (const std::string& column : options.history) columns.push_back(column + "_seq");
  columns.insert(columns.end(), options.mechanisms.begin(), options.mechanisms.end());
  columns.emplace_back("path_length");
  std::set<std::string> seen;
  for (const std::string& column : columns)
    if (!seen.insert(column).second)
      fail_usage("the output would have two columns '{}'; leave out the one of the input by --drop {}", column, column);
  return columns;
}

SampleWriter::SampleWriter(const AttributeOptions& options, const ClickLog& log, const ClickOrder& order,
                           const Credits& credits, RowSpool& spool)
    : options_(options), log_(log), order_(order), credits_(credits), spool_(spool) {
  if (!options.history.empty()) sort_by_user();
}

void SampleWriter::sort_by_user() {
  // Counting sort keeps the order of time within a user.
  std::vector<std::uint32_t> next(std::size_t{log_.users.size()} + 1, 0);
  for (const std::uint32_t user : log_.user) ++next[user + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  by_user_.resize(log_.size());
  position_.resize(log_.size());
  for (const std::uint32_t click : order_.by_time) {
    position_[click] = next[log_.user[click]]++;
    by_user_[position_[click]] = click;
  }
}

void SampleWriter::append_derived(std::uint32_t click) {
  const std::int64_t local = log_.time[click] + options_.utc_offset;
  const std::int64_t second = ((local % 86400) + 86400) % 86400;
  const std::int64_t day = (local - second) / 86400;
  // 1970-01-01 was a Thursday, weekday 3.
  row_ += fmt::format(",{},{}", second / 3600, ((day + 3) % 7 + 7) % 7);
}

void SampleWriter::append_history(std::uint32_t click) {
  // Strictly earlier: clicks of the same second are not known yet.
  window_.clear();
  for (std::uint32_t position = position_[click]; position > 0; --position) {
    const std::uint32_t earlier = by_user_[position - 1];
    if (log_.user[earlier] != log_.user[click] || window_.size() == static_cast<std::size_t>(options_.history_length))
      break;
    if (log_.time[earlier] < log_.time[click]) window_.push_back(earlier);
  }
  for (std::size_t column = 0; column < log_.history.size(); ++column) {
    row_ += ',';
    for (std::size_t i = window_.size(); i-- > 0;) {
      append_field(row_, log_.history_values[column].name(log_.history[column][window_[i]]));
      if (i > 0) row_ += '|';
    }
  }
}

void SampleWriter::write(const std::string& path, const std::vector<std::string>& columns, std::size_t begin,
                         std::size_t end) {
  OutputFile file(path);
  row_.clear();
  for (const std::string& column : columns) {
    append_field(row_, column);
    row_ += ',';
  }
  row_.back() = '\n';
  file.write(row_);
  for (std::size_t i = begin; i < end; ++i) {
    const std::uint32_t click = order_.by_time[i];
    row_.assign(spool_.row(log_.row[click]));
    if (options_.derive_hour) append_derived(click);
    if (!options_.history.empty()) append_history(click);
    for (const std::vector<float>& view : credits_.views) {
      row_ += ',';
      append_number(row_, view[click]);
    }
    row_ += ',';
    row_ += fmt::format_int(credits_.path_length[click]).c_str();
    row_ += '\n';
    file.write(row_);
  }
  file.commit();
}

}  // namespace mal
