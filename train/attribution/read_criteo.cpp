// The public Criteo attribution layout: a row is an impression; those with click = 1 are touchpoints; conversion_id
// names the journey of a conversion within 30 days after the impression, −1 where there is none.
#include <limits>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/read_clicks.h"

namespace mal {

namespace {

ColumnNames criteo_names(const AttributeOptions& options) {
  ColumnNames names;
  names.user = name_or(options.user, "uid");
  names.time = name_or(options.time, "timestamp");
  names.key = name_or(options.key, "campaign");
  names.channel = options.channel;
  // click_pos and click_nb count the clicks before the conversion, cpo is set by it.
  names.hidden = {
      "conversion", "conversion_timestamp", "conversion_id", "attribution", "click", "click_pos", "click_nb", "cpo"};
  return names;
}

struct CriteoConversion {
  std::uint32_t user;
  std::uint32_t index;  // in ClickLog::conversions
  std::string where;    // it was first seen
};

class CriteoReader {
 public:
  CriteoReader(const AttributeOptions& options, ClickLog& log, RowSpool& spool)
      : options_(options), log_(log), sink_(options, criteo_names(options), log, spool) {}

  void read(const std::string& path, const ReadProgress& progress) {
    TextTable table(path, {.columns = options_.columns});
    sink_.open(table);
    const int click = table.require("click");
    const int conversion_time = table.require("conversion_timestamp");
    const int conversion_id = table.require(name_or(options_.conversion_id, "conversion_id"));
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      const std::optional<std::int64_t> time = sink_.time(table);
      if (!time) {
        ++log_.skipped_rows;
        continue;
      }
      const std::uint32_t user = sink_.user(table);
      const std::int64_t id = table.integer(conversion_id);
      const std::uint32_t group =
          id < 0 ? groups_.intern(user, sink_.key(table)) : conversion(table, id, user, conversion_id, conversion_time);
      if (is_click(table, click))
        sink_.add(table, *time, user, group);
      else
        ++log_.skipped_rows;
    }
  }

  std::vector<std::string> finish() {
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (log_.size() == 0)
      fail("{}: no row has 1 in column click, so there are no touchpoints", file_list(options_.inputs));
    log_.groups = groups_.size();
    return sink_.columns();
  }

 private:
  static bool is_click(const TextTable& table, int column) {
    const std::string_view text = table.field(column);
    if (text != "0" && text != "1") fail("{}: '{}' where 0 or 1 is wanted", table.where(column), text);
    return text == "1";
  }

  // The group of a conversion's rows: they share the id, whatever their campaign.
  std::uint32_t conversion(const TextTable& table, std::int64_t id, std::uint32_t user, int id_column,
                           int time_column) {
    const auto next = static_cast<std::uint32_t>(log_.conversions.size());
    const auto [entry, is_new] = conversions_.try_emplace(id, CriteoConversion{user, next, {}});
    CriteoConversion& known = entry->second;
    const std::int64_t time = checked_time(table, time_column);
    if (is_new) {
      known.where = table.where(id_column);
      constexpr std::uint32_t kNoUser = std::numeric_limits<std::uint32_t>::max();
      log_.conversions.push_back({time, groups_.intern(kNoUser, next)});
    }
    if (known.user != user)
      fail("{}: conversion {} belongs to user '{}', but at {} to user '{}'; a conversion has one user",
           table.where(id_column), id, log_.users.name(user), known.where, log_.users.name(known.user));
    Conversion& logged = log_.conversions[known.index];
    logged.time = std::max(logged.time, time);
    return logged.group;
  }

  const AttributeOptions& options_;
  ClickLog& log_;
  ClickSink sink_;
  PairInterner groups_;
  std::unordered_map<std::int64_t, CriteoConversion> conversions_;
};

}  // namespace

std::vector<std::string> read_criteo(const AttributeOptions& options, ClickLog& log, RowSpool& spool,
                                     const ReadProgress& progress) {
  CriteoReader reader(options, log, spool);
  for (const std::string& path : options.inputs) reader.read(path, progress);
  return reader.finish();
}

}  // namespace mal
