#include "train/attribution/read_clicks.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "engine/error.h"
#include "train/attribution/delay_weights.h"
#include "train/attribution/text.h"
#include "train/attribution/touch_rules.h"
#include "train/config/progress.h"
#include "train/config/suggest.h"
#include "train/data/sample_files.h"

namespace mal {

namespace {

constexpr std::uint32_t kFewestResamples = 20, kMostResamples = 10000;

}  // namespace

TextTableOptions table_options(const AttributeOptions& options, const std::string& path) {
  return {.delimiter = options.delimiter,
          .columns = options.columns,
          .time = options.time_format,
          .folder = options.folders.of(path)};
}

std::string name_or(const std::string& given, const char* layout_default) {
  return given.empty() ? layout_default : given;
}

std::string matching_name(const AttributeOptions& options) {
  if (options.format == "criteo") return "conversion id";
  return options.format == "journeys"
             ? "journey"
             : fmt::format("{}", fmt::join(column_names(name_or(options.key, kCsvKey), "--key"), " and "));
}

bool time_to_report(std::uint64_t rows) {
  return (rows & 0xFFFF) == 1;
}

std::string file_list(const std::vector<std::string>& files) {
  if (files.empty()) return "no file";
  return files.size() == 1 ? files.front() : fmt::format("{} and {} more", files.front(), files.size() - 1);
}

ReadProgress reading_progress(bool shown) {
  if (!shown) return [](const TextTable&) {};
  // One line a file: a new one begins where the path changes.
  struct Line {
    std::string path;
    std::unique_ptr<Progress> progress;
  };
  return [line = std::make_shared<Line>()](const TextTable& table) {
    if (line->path != table.path()) {
      if (line->progress) line->progress->finish();
      line->path = table.path();
      line->progress = std::make_unique<Progress>("read " + line->path, table.bytes_total());
    }
    line->progress->update(table.bytes_read());
  };
}

void check_layout_options(const AttributeOptions& options) {
  const std::vector<std::string> formats = {"csv", "criteo", "journeys", "paths"};
  if (options.inputs.empty()) fail_usage("no input: give --in FILE");
  if (options.out.empty()) fail_usage("no output: give --out DIR");
  if (!options.key.empty()) column_names(options.key, "--key");
  check_given_once(options.inputs);
  check_given_once(options.conversions);
  check_given_once(options.identity);
  if (column_names(options.identity_columns, "--identity-columns").size() != 2)
    fail_usage("--identity-columns {}: two are wanted, of the anonymous id and of its user", options.identity_columns);
  const FileSet inputs(options.inputs);
  for (const std::string& file : options.conversions)
    if (const std::optional<std::string> same = inputs.find(file))
      fail_usage(
          "{} is given as --in and {}as --conversions; every click would be its own conversion (one log of both: "
          "--event "
          "COLUMN)",
          *same, *same == file ? "" : fmt::format("as {} ", file));
  for (const std::string& file : options.identity)
    if (const std::optional<std::string> same = inputs.find(file))
      fail_usage("{} is given as --in and as --identity; the one is a log, the other says which user an id is", *same);
  if (options.format == "csv") {
    if (options.event.empty() && options.conversions.empty())
      fail_usage("no conversions: give --conversions FILE, or --event COLUMN if {} holds clicks and conversions",
                 file_list(options.inputs));
    for (const OwnWindow& event : options.click_events)
      if (!options.event.empty() && options.conversions.empty() && event.name == options.conversion_event)
        fail_usage("--click-event and --conversion-event are both '{}'; a row is one of the two", event.name);
    if (!options.conversions.empty() && options.conversion_event != AttributeOptions().conversion_event)
      fail_usage("--conversion-event and --conversions exclude each other: conversions are in one place");
  } else if (options.format == "criteo" || options.format == "journeys") {
    if (!options.conversions.empty() || !options.event.empty())
      fail_usage("--conversions and --event are for --format csv; {} has its conversions in its rows", options.format);
  } else {
    const std::string near = nearest(options.format, formats);
    fail_usage("unknown format '{}'{}; there are csv, criteo, journeys, paths", options.format,
               near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near));
  }
  check_touch_options(options);
  if (options.truncate != 0 && options.format != "journeys") fail_usage("--truncate is for --format journeys");
  if (!options.test_from.empty() && options.test_days != 0)
    fail_usage("--test-from and --test-days exclude each other");
  if (options.test_days < 0) fail_usage("--test-days {}: at least 1 is wanted", options.test_days);
  if (options.train_labels != "final" && options.train_labels != "known")
    fail_usage("--train-labels {}: it must be final or known", options.train_labels);
  if (options.train_labels == "known" && options.test_from.empty() && options.test_days == 0)
    fail_usage("--train-labels known needs a test period: give --test-days or --test-from");
  check_delay_options(options);
  if (!options.test_to.empty() && options.test_from.empty()) fail_usage("--test-to needs --test-from");
  if (options.gap != 0 && options.test_from.empty() && options.test_days == 0)
    fail_usage("--gap is time before a test period: give --test-days or --test-from");
  if (options.bootstrap != 0 && (options.bootstrap < kFewestResamples || options.bootstrap > kMostResamples))
    fail_usage("--bootstrap {}: {} to {} resamples are possible; 200 are enough for most", options.bootstrap,
               kFewestResamples, kMostResamples);
  if (options.history_length < 1 || options.history_length > 1000)
    fail_usage("--history-length {}: 1 to 1000 are possible", options.history_length);
}

std::vector<std::string> read_clicks(const AttributeOptions& options, ClickLog& log, ClickTarget& target,
                                     RowSpool& spool, const ReadProgress& progress) {
  if (options.format == "criteo") return read_criteo(options, log, target, spool, progress);
  if (options.format == "journeys") return read_journeys(options, log, target, spool, progress);
  return read_csv(options, log, target, spool, progress);
}

}  // namespace mal
