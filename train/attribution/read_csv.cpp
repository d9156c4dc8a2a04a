// Clicks and conversions in two kinds of files, or one event log of both. The match group is (user, key).
#include <map>
#include <optional>
#include <unordered_map>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/read_clicks.h"

namespace mal {

namespace {

ColumnNames csv_names(const AttributeOptions& options, const TextTable& table) {
  ColumnNames names;
  names.user = name_or(options.user, "user");
  names.time = name_or(options.time, "time");
  names.key = name_or(options.key, "advertiser");
  names.channel = options.channel;
  if (names.channel.empty() && table.find("channel")) names.channel = "channel";
  if (!options.event.empty()) names.hidden.push_back(options.event);
  // Who clicked what is true for ever, but these two are the answer.
  names.hidden.insert(names.hidden.end(), {"conversion", "conversion_id"});
  return names;
}

// Conversion files: user, key, time and, where there is one, an id that must not come twice.
class ConversionReader {
 public:
  ConversionReader(const AttributeOptions& options, const ColumnNames& names, ClickLog& log, PairInterner& groups)
      : options_(options), names_(names), log_(log), groups_(groups), filter_(options) {}

  void read(const std::string& path, const ReadProgress& progress) {
    TextTable table(path);
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
      const std::uint32_t user = log_.users.intern(checked_name(table, user_));
      log_.conversions.push_back({*time, groups_.intern(user, log_.keys.intern(checked_name(table, key_)))});
    }
  }

 private:
  void check_id(const TextTable& table) {
    if (table.field(*id_).empty()) fail("{}: the field is empty; a conversion has an id of its own", table.where(*id_));
    const auto [entry, is_new] = seen_.try_emplace(std::string(table.field(*id_)), table.where(*id_));
    if (!is_new)
      fail(
          "{}: conversion id '{}' was already at {}; a conversion must come once (remove the copy, or name another "
          "column by --conversion-id)",
          table.where(*id_), entry->first, entry->second);
  }

  const AttributeOptions& options_;
  const ColumnNames& names_;
  ClickLog& log_;
  PairInterner& groups_;
  TimeFilter filter_;
  int user_ = -1, key_ = -1, time_ = -1;
  std::optional<int> id_;
  std::unordered_map<std::string, std::string> seen_;  // id → where it was
};

// What the event column held besides clicks and conversions, for the error that says there is no click.
std::string other_events(const std::map<std::string, std::uint64_t, std::less<>>& others) {
  std::string text;
  for (const auto& [name, count] : others) text += fmt::format("{}'{}' ({})", text.empty() ? "" : ", ", name, count);
  return text.empty() ? "none" : text;
}

class EventReader {
 public:
  EventReader(const AttributeOptions& options, ClickLog& log, PairInterner& groups)
      : options_(options), log_(log), groups_(groups) {}

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
      const std::uint32_t user = sink.user(table);
      const std::uint32_t group = groups_.intern(user, sink.key(table));
      if (click)
        sink.add(table, *time, user, group);
      else
        log_.conversions.push_back({*time, group});
    }
  }

  void check_some_clicks() const {
    if (log_.size() > 0) return;
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (options_.event.empty())
      fail("{}: no click among {} rows (--from and --to leave out {})", file_list(options_.inputs), log_.rows,
           log_.skipped_rows);
    fail(
        "{}: no row has '{}' in column {}, so there are no clicks; {} are '{}', and others: {} (choose by "
        "--click-event)",
        file_list(options_.inputs), options_.click_event, options_.event, log_.conversions.size(),
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
  PairInterner& groups_;
  std::map<std::string, std::uint64_t, std::less<>> others_;
};

}  // namespace

std::vector<std::string> read_csv(const AttributeOptions& options, ClickLog& log, RowSpool& spool,
                                  const ReadProgress& progress) {
  PairInterner groups;
  std::optional<ClickSink> sink;
  ColumnNames names;
  EventReader events(options, log, groups);
  for (const std::string& path : options.inputs) {
    TextTable table(path, {.columns = options.columns});
    if (!sink) {
      names = csv_names(options, table);
      sink.emplace(options, names, log, spool);
    }
    sink->open(table);
    events.read(table, *sink, progress);
  }
  events.check_some_clicks();
  ConversionReader conversions(options, names, log, groups);
  for (const std::string& path : options.conversions) conversions.read(path, progress);
  log.groups = groups.size();
  return sink->columns();
}

}  // namespace mal
