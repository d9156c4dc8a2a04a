// Journeys that the input already names: a row a touch, with its journey and whether that journey converted. The time
// of the conversion is not known; it is taken to be the last touch's.
#include <optional>
#include <vector>

#include "engine/error.h"
#include "train/attribution/amounts.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/read_clicks.h"

namespace mal {

namespace {

ColumnNames journey_names(const AttributeOptions& options) {
  ColumnNames names;
  names.user = name_or(options.user, "user");
  names.time = name_or(options.time, "timestamp");
  names.key = name_or(options.key, "campaign");
  names.channel = options.channel;
  // The position in the journey and its length are known only when the journey is over.
  names.hidden = {name_or(options.journey, "journey"), name_or(options.conversion, "conversion"), "pos", "n_touch",
                  "cpo"};
  if (options.value) names.hidden.push_back(*options.value);
  return names;
}

class JourneyReader {
 public:
  JourneyReader(const AttributeOptions& options, ClickLog& log, ClickTarget& target, RowSpool& spool)
      : options_(options),
        log_(log),
        target_(target),
        sink_(options, journey_names(options), log, spool),
        value_(options) {}

  void read(std::uint32_t file, const ReadProgress& progress) {
    TextTable table(options_.inputs[file], table_options(options_, options_.inputs[file]));
    sink_.open(table);
    value_.open(table);
    log_.has_values = value_.known();
    const int journey = table.require(name_or(options_.journey, "journey"));
    const int conversion = table.require(name_or(options_.conversion, "conversion"));
    NamedRow row;
    row.file = file;
    while (table.next()) {
      if (time_to_report(++log_.rows)) progress(table);
      if (sink_.anonymous(table)) {
        sink_.users().leave_out(sink_.time(table) ? RowKind::click : RowKind::other);
        continue;
      }
      row.time = sink_.any_time(table);  // touches outside --from … --to count here: they tell when the journey ended
      row.converted = table.flag(conversion);
      row.value = row.converted ? value_(table) : 0;
      row.name = sink_.name(table, journey);
      row.line = static_cast<std::uint64_t>(table.line());
      const std::optional<std::int64_t> time = sink_.time(table);
      row.user = sink_.user(table, time ? RowKind::click : RowKind::other);
      if (!time) ++log_.skipped_rows;
      target_.add_named(row, time ? &sink_.click(table, *time) : nullptr);
    }
  }

  std::vector<std::string> finish() {
    target_.finish();
    const LogCounts& counts = target_.counts();
    if (log_.rows == 0) fail("{}: there are no rows, only a header", file_list(options_.inputs));
    if (counts.clicks == 0 && counts.dropped_touches > 0)
      fail("{}: --truncate leaves no journey of two touches; give a longer time", file_list(options_.inputs));
    if (counts.clicks == 0) fail("{}: no touch among {} rows", file_list(options_.inputs), log_.rows);
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

std::vector<std::string> read_journeys(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                       RowSpool& spool, const ReadProgress& progress) {
  JourneyReader reader(options, log, target, spool);
  for (std::uint32_t file = 0; file < options.inputs.size(); ++file) reader.read(file, progress);
  return reader.finish();
}

}  // namespace mal
