#include "train/attribution/click_sink.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "train/attribution/amounts.h"
#include "train/attribution/text.h"
#include "train/data/sample_values.h"

namespace mal {

namespace {

constexpr std::int64_t kYear2100 = 4102444800 * kSecond;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<int> require_all(const TextTable& table, const std::vector<std::string>& names) {
  std::vector<int> columns;
  columns.reserve(names.size());
  for (const std::string& name : names) columns.push_back(table.require(name));
  return columns;
}

// A value that is missing is an empty item, however the file says so.
std::string_view history_value(const TextTable& table, int column, const MissingNames& missing) {
  const std::string_view value = table.field(column);
  if (missing.has(value)) return {};
  if (value.find('|') != std::string_view::npos)
    fail("{}: '{}' holds a '|', which separates the values of a sequence; leave the column out of --history",
         table.where(column), value);
  return value;
}

std::int64_t check_range(const TextTable& table, int column, std::int64_t time) {
  if (time < 0)
    fail("{}: time {} is negative, so before 1970 (--from leaves out what is earlier)", table.where(column),
         table.field(column));
  if (time >= kYear2100) {
    const std::string hint = smaller_unit_hint(table.field(column), table.time_format());
    fail("{}: time {} is after the year 2100 (--to leaves out what is later{}{})", table.where(column),
         table.field(column), hint.empty() ? "" : "; ", hint);
  }
  return time;
}

}  // namespace

std::int64_t checked_time(const TextTable& table, int column) {
  return check_range(table, column, table.time(column));
}

std::string_view checked_name(const TextTable& table, int column, const MissingNames& missing, std::string_view how) {
  const std::string_view name = table.field(column);
  if (!missing.has(name)) {
    table.check_utf8(column);
    return table.id(column);
  }
  if (name.empty())
    fail("{}: the field is empty; rows of unknown users, keys or journeys would count as one, leave them out{}",
         table.where(column), how);
  fail(
      "{}: '{}' says that there is no value; rows of unknown users, keys or journeys would count as one, leave them "
      "out{} (if it is a name: --na lists what is missing, and --na '' says that only empty fields are)",
      table.where(column), name, how);
}

TimeFilter::TimeFilter(const AttributeOptions& options) {
  if (!options.from.empty()) from_ = parse_time(options.from, "--from", options.time_format);
  if (!options.to.empty()) to_ = parse_time(options.to, "--to", options.time_format);
}

std::optional<std::int64_t> TimeFilter::operator()(const TextTable& table, int column) const {
  const std::int64_t time = table.time(column);
  if ((from_ && time < *from_) || (to_ && time >= *to_)) return std::nullopt;
  return check_range(table, column, time);
}

ClickSink::ClickSink(const AttributeOptions& options, ColumnNames names, ClickLog& log, RowSpool& spool)
    : options_(options),
      names_(std::move(names)),
      log_(log),
      spool_(spool),
      filter_(options),
      missing_(options.na),
      users_(options, log),
      key_(names_.key) {}

void ClickSink::choose_columns(const TextTable& table) {
  if (!options_.keep.empty()) {
    passed_names_ = options_.keep;
    return;
  }
  for (const std::string& name : options_.drop) table.require(name);
  for (const std::string& name : table.columns())
    if (!contains(options_.drop, name) && !contains(names_.hidden, name)) passed_names_.push_back(name);
  if (passed_names_.empty()) fail_usage("--drop leaves no column of {}; keep at least one", table.path());
}

void ClickSink::open(const TextTable& table) {
  log_.notes.add(table);
  user_ = table.require(names_.user, "--user");
  time_ = table.require(names_.time, "--time");
  key_.open(table);
  choose_channel(table);
  if (!options_.by.empty()) slice_ = table.require(options_.by);
  if (!options_.delay_by.empty()) delay_group_ = table.require(options_.delay_by, "--delay-by");
  if (!options_.truth.empty()) truth_ = table.require(options_.truth);
  if (!options_.cost.empty()) cost_ = table.require(options_.cost, "--cost");
  history_ = require_all(table, options_.history);
  if (passed_names_.empty()) choose_columns(table);
  passed_.clear();
  for (const int column : require_all(table, passed_names_)) {
    check_utf8(table.columns()[static_cast<std::size_t>(column)], [&] { return table.path() + ":1"; });
    if (!passed_.empty() && passed_.back().second + 1 == column && !table.of_folder(column))
      passed_.back().second = column;
    else
      passed_.emplace_back(column, column);
  }
}

// The first file says what the channel is, for all of them.
void ClickSink::choose_channel(const TextTable& table) {
  if (names_.channel.empty() && !key_is_channel_) {
    if (table.find("channel"))
      names_.channel = "channel";
    else
      key_is_channel_ = true;
  }
  if (!key_is_channel_) {
    channel_ = table.require(names_.channel, "--channel");
  } else if (key_.columns().size() == 1) {
    channel_ = key_.columns().front();
  } else {
    if (!key_channel_) key_channel_.emplace(names_.key);
    key_channel_->open(table);
  }
}

std::uint64_t ClickSink::spool_row(const TextTable& table) {
  row_.clear();
  for (const auto& [first, last] : passed_) {
    const std::string_view as_it_is = table.unquoted(first, last);
    if (!as_it_is.empty()) {
      row_ += as_it_is;
      row_ += ',';
      continue;
    }
    for (int column = first; column <= last; ++column) {
      append_field(row_, table.field(column));
      row_ += ',';
    }
  }
  if (!row_.empty()) row_.pop_back();
  return spool_.append(row_);
}

// That the text which is kept of a click is UTF-8: it comes out in CSV, JSON and, from there, vocabularies.
void ClickSink::check_text(const TextTable& table) const {
  for (const auto& [first, last] : passed_)
    for (int column = first; column <= last; ++column) table.check_utf8(column);
  for (const int column : history_) table.check_utf8(column);
  if (key_channel_)
    for (const int column : key_channel_->columns()) table.check_utf8(column);
  else
    table.check_utf8(channel_);
  if (slice_ >= 0) table.check_utf8(slice_);
  if (delay_group_ >= 0) table.check_utf8(delay_group_);
}

const ReadClick& ClickSink::click(const TextTable& table, std::int64_t time, std::uint8_t kind) {
  // 2^32 − 2 clicks are what 32-bit positions can name.
  if (clicks_ >= std::numeric_limits<std::uint32_t>::max() - 1)
    fail("{}: more than {} clicks; cut the input by --from and --to", table.where(time_), clicks_);
  if (!table.row_is_utf8()) check_text(table);
  click_.time = time;
  click_.kind = kind;
  click_.number = clicks_++;
  click_.channel = log_.channels.intern(key_channel_ ? key_channel_->text(table) : table.field(channel_));
  if (slice_ >= 0) click_.slice = log_.slices.intern(table.field(slice_));
  if (delay_group_ >= 0) click_.delay_group = log_.delay_groups.intern(table.field(delay_group_));
  if (truth_ >= 0) click_.truth = static_cast<float>(table.number(truth_));
  if (cost_ >= 0) click_.cost = checked_amount(table, cost_, "cost");
  click_.history.clear();
  for (const int column : history_) click_.history.push_back(history_value(table, column, missing_));
  click_.row = spool_row(table);
  click_.digest = static_cast<std::uint32_t>(XXH3_64bits(row_.data(), row_.size())) + kind;
  return click_;
}

}  // namespace mal
