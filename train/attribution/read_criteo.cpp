// The public Criteo attribution layout: a row is an impression; those with click = 1 are touchpoints; conversion_id
// names the journey of a conversion within 30 days after the impression, −1 where there is none.
#include <fmt/format.h>

#include <optional>
#include <string>

#include "engine/error.h"
#include "train/attribution/amounts.h"
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
  if (options.value) names.hidden.push_back(*options.value);
  return names;
}

class CriteoReader {
 public:
  CriteoReader(const AttributeOptions& options, ClickLog& log, ClickTarget& target, RowSpool& spool)
      : options_(options),
        log_(log),
        target_(target),
        sink_(options, criteo_names(options), log, spool),
        value_(options) {}

  void read(std::uint32_t file, const ReadProgress& progress) {
    TextTable table(options_.inputs[file], table_options(options_, options_.inputs[file]));
    sink_.open(table);
    value_.open(table);
    log_.has_values = value_.known();
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
      const RowKind kind = table.flag(click) ? RowKind::click : RowKind::other;
      if (sink_.anonymous(table)) {
        sink_.users().leave_out(kind);
        continue;
      }
      const ReadClick* touch = kind == RowKind::click ? &sink_.click(table, *time) : nullptr;
      if (touch == nullptr) ++log_.skipped_rows;
      const std::string_view user = sink_.user(table, kind);
      const std::string_view key = sink_.key(table);
      const std::int64_t id = table.integer(conversion_id);
      if (id < 0) {
        if (touch != nullptr) target_.add_click(*touch, user, key);
        continue;
      }
      // The rows of a conversion share its id, whatever their campaign.
      const fmt::format_int name(id);
      NamedRow row;
      row.name = {name.data(), name.size()};
      row.user = user;
      row.key = key;
      row.time = checked_time(table, conversion_time);
      row.value = value_(table);
      row.file = file;
      row.line = static_cast<std::uint64_t>(table.line());
      target_.add_named(row, touch);
    }
  }

  std::vector<std::string> finish() {
    target_.finish();
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (target_.counts().clicks == 0)
      fail("{}: no row has 1 in column click, so there are no touchpoints", file_list(options_.inputs));
    return sink_.columns();
  }

 private:
  const AttributeOptions& options_;
  ClickLog& log_;
  ClickTarget& target_;
  ClickSink sink_;
  ValueColumn value_;
};

}  // namespace

std::vector<std::string> read_criteo(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                     RowSpool& spool, const ReadProgress& progress) {
  CriteoReader reader(options, log, target, spool);
  for (std::uint32_t file = 0; file < options.inputs.size(); ++file) reader.read(file, progress);
  return reader.finish();
}

}  // namespace mal
