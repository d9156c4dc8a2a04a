// Clicks and conversions in two kinds of files, or one event log of both. The match group is (user, key).
#include <xxhash.h>

#include <map>
#include <optional>
#include <unordered_map>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/read_clicks.h"

namespace mal {

namespace {

ColumnNames csv_names(const AttributeOptions& options) {
  ColumnNames names;
  names.user = name_or(options.user, "user");
  names.time = name_or(options.time, "time");
  names.key = name_or(options.key, "advertiser");
  names.channel = options.channel;
  if (!options.event.empty()) names.hidden.push_back(options.event);
  // Who clicked what is true for ever, but these two are the answer.
  names.hidden.insert(names.hidden.end(), {"conversion", "conversion_id"});
  return names;
}

// Conversion files: user, key, time and, where there is one, an id that must not come twice.
class ConversionReader {
 public:
  ConversionReader(const AttributeOptions& options, const ColumnNames& names, ClickLog& log, ClickTarget& target)
      : options_(options), names_(names), log_(log), target_(target), filter_(options), missing_(options.na) {}

  void read(const std::string& path, const ReadProgress& progress) {
    TextTable table(path, {.time = options_.time_format});
    user_ = table.require(names_.user, "--user");
    key_ = table.require(names_.key, "--key");
    time_ = table.require(names_.time, "--time");
    id_ = options_.conversion_id.empty() ? table.find("conversion_id") : table.require(options_.conversion_id);
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::optional<std::int64_t> time = filter_(table, time_);
      if (!time) {
        ++log_.skipped_rows;
        continue;
      }
      if (id_) check_id(table);
      const std::string_view user = checked_name(table, user_, missing_);
      target_.add_conversion(*time, user, checked_name(table, key_, missing_));
    }
    places_.push_back(table.path());
  }

 private:
  void check_id(const TextTable& table) {
    if (table.field(*id_).empty()) fail("{}: the field is empty; a conversion has an id of its own", table.where(*id_));
    if (missing_.has(table.field(*id_)))
      fail(
          "{}: '{}' says that there is no id, and a conversion has one of its own; leave such rows out (if it is an "
          "id: --na lists what is missing)",
          table.where(*id_), table.field(*id_));
    const std::string_view id = table.id(*id_);
    table.check_utf8(*id_);
    const XXH128_hash_t hash = XXH3_128bits(id.data(), id.size());
    const Place here{hash.high64, places_.size(), static_cast<std::uint64_t>(table.line())};
    const auto [entry, is_new] = seen_.try_emplace(hash.low64, here);
    if (is_new || entry->second.hash != here.hash) return;
    const auto& [unused, file, line] = entry->second;
    fail(
        "{}: conversion id '{}' was already at {}:{}:{}; a conversion must come once (remove the copy, or name another "
        "column by --conversion-id)",
        table.where(*id_), id, file < places_.size() ? places_[file] : table.path(), line,
        table.columns()[static_cast<std::size_t>(*id_)]);
  }

  // Of an id, where it was; the id itself would be most of the memory that a log on disk needs.
  struct Place {
    std::uint64_t hash, file, line;
  };

  const AttributeOptions& options_;
  const ColumnNames& names_;
  ClickLog& log_;
  ClickTarget& target_;
  TimeFilter filter_;
  MissingNames missing_;
  int user_ = -1, key_ = -1, time_ = -1;
  std::optional<int> id_;
  std::unordered_map<std::uint64_t, Place> seen_;  // by half of the id's hash
  std::vector<std::string> places_;                // the files that were read
};

// What the event column held besides clicks and conversions, for the error that says there is no click.
std::string other_events(const std::map<std::string, std::uint64_t, std::less<>>& others) {
  std::string text;
  for (const auto& [name, count] : others) text += fmt::format("{}'{}' ({})", text.empty() ? "" : ", ", name, count);
  return text.empty() ? "none" : text;
}

class EventReader {
 public:
  EventReader(const AttributeOptions& options, ClickLog& log, ClickTarget& target)
      : options_(options), log_(log), target_(target) {}

  void read(TextTable& table, ClickSink& sink, const ReadProgress& progress) {
    const int event = options_.event.empty() ? -1 : table.require(options_.event);
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const bool click = event < 0 || table.field(event) == options_.click_event;
      const bool conversion = event >= 0 && table.field(event) == options_.conversion_event;
      const std::optional<std::int64_t> time = sink.time(table);
      if (!time || (!click && !conversion)) {
        ++log_.skipped_rows;
        if (!click && !conversion) note_other(table.field(event));
        continue;
      }
      const std::string_view user = sink.user(table), key = sink.key(table);
      if (click)
        target_.add_click(sink.click(table, *time), user, key);
      else
        target_.add_conversion(*time, user, key);
    }
  }

  void check_some_clicks() const {
    if (target_.counts().clicks > 0) return;
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (options_.event.empty())
      fail("{}: no click among {} rows (--from and --to leave out {})", file_list(options_.inputs), log_.rows,
           log_.skipped_rows);
    fail(
        "{}: no row has '{}' in column {}, so there are no clicks; {} are '{}', and others: {} (choose by "
        "--click-event)",
        file_list(options_.inputs), options_.click_event, options_.event, target_.counts().conversions,
        options_.conversion_event, other_events(others_));
  }

 private:
  void note_other(std::string_view name) {
    const auto found = others_.find(name);
    if (found != others_.end())
      ++found->second;
    else if (others_.size() < 8)
      others_.emplace(std::string(name), 1);
  }

  const AttributeOptions& options_;
  ClickLog& log_;
  ClickTarget& target_;
  std::map<std::string, std::uint64_t, std::less<>> others_;
};

}  // namespace

std::vector<std::string> read_csv(const AttributeOptions& options, ClickLog& log, ClickTarget& target, RowSpool& spool,
                                  const ReadProgress& progress) {
  const ColumnNames names = csv_names(options);
  ClickSink sink(options, names, log, spool);
  EventReader events(options, log, target);
  for (const std::string& path : options.inputs) {
    TextTable table(path, {.columns = options.columns, .time = options.time_format});
    sink.open(table);
    events.read(table, sink, progress);
  }
  events.check_some_clicks();
  ConversionReader conversions(options, names, log, target);
  for (const std::string& path : options.conversions) conversions.read(path, progress);
  target.finish();
  return sink.columns();
}

}  // namespace mal
