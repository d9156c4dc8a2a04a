// Clicks and conversions in two kinds of files, or one event log of both. The match group is (user, key).
#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "train/attribution/amounts.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/key_columns.h"
#include "train/attribution/read_clicks.h"
#include "train/attribution/touch_rules.h"
#include "train/config/suggest.h"
#include "train/data/missing_names.h"

namespace mal {

namespace {

ColumnNames csv_names(const AttributeOptions& options) {
  ColumnNames names;
  names.user = name_or(options.user, "user");
  names.time = name_or(options.time, "time");
  names.key = name_or(options.key, kCsvKey);
  names.channel = options.channel;
  if (!options.event.empty()) {
    std::size_t written = 0;
    for (std::size_t kind = 0; kind < options.click_events.size(); ++kind) written += is_written(options, kind) ? 1 : 0;
    if (written == 1) names.hidden.push_back(options.event);  // it would say the same in every row
    if (options.value) names.hidden.push_back(*options.value);
  }
  // Who clicked what is true for ever, but these two are the answer.
  names.hidden.insert(names.hidden.end(), {"conversion", "conversion_id"});
  return names;
}

// The ids of conversions: none comes twice.
class ConversionIds {
 public:
  explicit ConversionIds(const AttributeOptions& options) : options_(options), missing_(options.na) {}

  void open(const TextTable& table) {
    column_ = options_.conversion_id.empty() ? table.find("conversion_id") : table.require(options_.conversion_id);
    files_.push_back(table.path());
  }

  // False: the file has no ids.
  bool check(const TextTable& table) {
    if (!column_) return false;
    if (table.field(*column_).empty())
      fail("{}: the field is empty; a conversion has an id of its own", table.where(*column_));
    if (missing_.has(table.field(*column_)))
      fail(
          "{}: '{}' says that there is no id, and a conversion has one of its own; leave such rows out (if it is an "
          "id: --na lists what is missing)",
          table.where(*column_), table.field(*column_));
    const std::string_view id = table.id(*column_);
    table.check_utf8(*column_);
    const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
    const Place here{hash.high64, files_.size() - 1, static_cast<std::uint64_t>(table.line())};
    const auto [entry, is_new] = seen_.try_emplace(hash.low64, here);
    if (is_new || entry->second.hash != here.hash) return true;
    fail(
        "{}: conversion id '{}' was already at {}:{}:{}; a conversion must come once (remove the copy, or name another "
        "column by --conversion-id)",
        table.where(*column_), id, files_[entry->second.file], entry->second.line,
        table.columns()[static_cast<std::size_t>(*column_)]);
  }

 private:
  // Of an id, where it was; the id itself would be most of the memory that a log on disk needs.
  struct Place {
    std::uint64_t hash, file, line;
  };

  const AttributeOptions& options_;
  MissingNames missing_;
  std::optional<int> column_;                      // of the open file
  std::unordered_map<std::uint64_t, Place> seen_;  // by half of the id's hash
  std::vector<std::string> files_;
};

// What the current row of a file says of a conversion, beside its user and key.
ReadConversion conversion_of(std::size_t file, const TextTable& table, std::int64_t time, ConversionIds& ids,
                             const ValueColumn& value) {
  const bool has_id = ids.check(table);
  return {time, value(table), place_of_row(file, static_cast<std::uint64_t>(table.line())), has_id};
}

// Conversion files: user, key, time and, where there is one, an id.
class ConversionReader {
 public:
  ConversionReader(const AttributeOptions& options, const ColumnNames& names, ClickLog& log, ClickTarget& target,
                   Users& users)
      : options_(options),
        names_(names),
        log_(log),
        target_(target),
        filter_(options),
        missing_(options.na),
        users_(users),
        key_(names.key),
        ids_(options),
        value_(options) {}

  void read(std::size_t file, const ReadProgress& progress) {
    const std::string& path = options_.conversions[file];
    TextTable table(
        path, {.delimiter = options_.delimiter, .time = options_.time_format, .folder = options_.folders.of(path)});
    const int user = table.require(names_.user, "--user"), time_column = table.require(names_.time, "--time");
    key_.open(table);
    log_.notes.add(table);
    ids_.open(table);
    value_.open(table);
    log_.has_values = value_.known();
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::optional<std::int64_t> time = filter_(table, time_column);
      if (!time) {
        ++log_.skipped_rows;
        continue;
      }
      if (users_.anonymous(table, user)) {
        users_.leave_out(RowKind::conversion);
        continue;
      }
      const ReadConversion conversion = conversion_of(file, table, *time, ids_, value_);
      const std::string_view name = users_(table, user, RowKind::conversion);
      target_.add_conversion(conversion, name, key_(table, missing_));
    }
  }

 private:
  const AttributeOptions& options_;
  const ColumnNames& names_;
  ClickLog& log_;
  ClickTarget& target_;
  TimeFilter filter_;
  MissingNames missing_;
  Users& users_;
  KeyColumns key_;
  ConversionIds ids_;
  ValueColumn value_;
};

// How often each event occurs, for the error that says that one of those asked for does not.
class EventCounts {
 public:
  EventCounts() = default;
  EventCounts(const EventCounts&) = delete;  // latest_ points into counts_
  EventCounts& operator=(const EventCounts&) = delete;

  void add(std::string_view name) {
    if (latest_ != counts_.end() && latest_->first == name) {  // most rows are clicks
      ++latest_->second;
      return;
    }
    latest_ = counts_.find(name);
    if (latest_ != counts_.end())
      ++latest_->second;
    else if (counts_.size() < kMostKept)
      latest_ = counts_.emplace(std::string(name), 1).first;
    else
      more_ = true;
  }

  bool has(const std::string& name) const { return counts_.contains(name); }

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, count] : counts_) names.push_back(name);
    return names;
  }

  // "'pv' (71), 'buy' (3)": the most frequent first, then by name.
  std::string text() const {
    std::vector<std::pair<std::string, std::uint64_t>> events(counts_.begin(), counts_.end());
    std::ranges::stable_sort(events, [](const auto& a, const auto& b) { return a.second > b.second; });
    std::string text;
    for (std::size_t e = 0; e < std::min(events.size(), kMostShown); ++e)
      text += fmt::format("{}'{}' ({})", text.empty() ? "" : ", ", events[e].first.substr(0, 40), events[e].second);
    return events.size() > kMostShown || more_ ? text + " and others" : text;
  }

 private:
  static constexpr std::size_t kMostKept = 1000, kMostShown = 20;
  using Counts = std::map<std::string, std::uint64_t, std::less<>>;
  Counts counts_;
  Counts::iterator latest_ = counts_.end();
  bool more_ = false;
};

class EventReader {
 public:
  EventReader(const AttributeOptions& options, ClickLog& log, ClickTarget& target)
      : options_(options), log_(log), target_(target), ids_(options), value_(options) {}

  void read(std::size_t file, ClickSink& sink, const ReadProgress& progress) {
    TextTable table(options_.inputs[file], table_options(options_, options_.inputs[file]));
    sink.open(table);
    if (!options_.event.empty()) return read_events(file, table, sink, progress);
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::optional<std::int64_t> time = sink.time(table);
      if (!time) {
        ++log_.skipped_rows;
        continue;
      }
      if (sink.anonymous(table)) {
        sink.users().leave_out(RowKind::click);
        continue;
      }
      const std::string_view user = sink.user(table), key = sink.key(table);
      target_.add_click(sink.click(table, *time), user, key);
    }
  }

  // Throws if there are no clicks, or if nothing is ever called as a click or a conversion is.
  void check() const {
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (!options_.event.empty()) {
      for (const OwnWindow& event : options_.click_events) check_occurs(event.name, "clicks", "--click-event");
      if (options_.conversions.empty()) check_occurs(options_.conversion_event, "conversions", "--conversion-event");
    }
    if (target_.counts().clicks == 0)
      fail("{}: no click among {} rows ({} leave out {})", file_list(options_.inputs), log_.rows,
           options_.drop_anonymous ? "--from, --to and --drop-anonymous" : "--from and --to", log_.skipped_rows);
  }

 private:
  void read_events(std::size_t file, TextTable& table, ClickSink& sink, const ReadProgress& progress) {
    const int event = table.require(options_.event, "--event");
    log_.notes.add(table);
    const bool with_conversions = options_.conversions.empty();
    if (with_conversions) {
      ids_.open(table);
      value_.open(table);
      log_.has_values = value_.known();
    }
    const std::size_t kinds = options_.click_events.size();
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::string_view name = table.field(event);
      events_.add(name);
      std::size_t touch = 0;
      while (touch < kinds && options_.click_events[touch].name != name) ++touch;
      const bool click = touch < kinds, conversion = with_conversions && name == options_.conversion_event;
      const std::optional<std::int64_t> time = sink.time(table);
      if (!time || (!click && !conversion)) {
        ++log_.skipped_rows;
        continue;
      }
      const RowKind kind = click ? RowKind::click : RowKind::conversion;
      if (sink.anonymous(table)) {
        sink.users().leave_out(kind);
        continue;
      }
      const std::string_view user = sink.user(table, kind), key = sink.key(table);
      if (click) {
        target_.add_click(sink.click(table, *time, static_cast<std::uint8_t>(touch)), user, key);
      } else {
        target_.add_conversion(conversion_of(file, table, *time, ids_, value_), user, key);
      }
    }
  }

  void check_occurs(const std::string& event, std::string_view what, std::string_view option) const {
    if (events_.has(event)) return;
    const std::string near = nearest(event, events_.names());
    fail("{}: no row has '{}' in column {}, so there are no {}{}; the column has {} (choose by {})",
         file_list(options_.inputs), event, options_.event, what,
         near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near), events_.text(), option);
  }

  const AttributeOptions& options_;
  ClickLog& log_;
  ClickTarget& target_;
  EventCounts events_;
  ConversionIds ids_;
  ValueColumn value_;
};

}  // namespace

std::vector<std::string> read_csv(const AttributeOptions& options, ClickLog& log, ClickTarget& target, RowSpool& spool,
                                  const ReadProgress& progress) {
  const ColumnNames names = csv_names(options);
  ClickSink sink(options, names, log, spool);
  EventReader events(options, log, target);
  for (std::size_t file = 0; file < options.inputs.size(); ++file) events.read(file, sink, progress);
  events.check();
  ConversionReader conversions(options, names, log, target, sink.users());
  for (std::size_t file = 0; file < options.conversions.size(); ++file) conversions.read(file, progress);
  target.finish();
  return sink.columns();
}

}  // namespace mal
