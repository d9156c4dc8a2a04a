#include "train/attribution/attribute_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "engine/error.h"
#include "train/attribution/attribute.h"
#include "train/attribution/attribute_paths.h"
#include "train/attribution/log_memory.h"
#include "train/attribution/text.h"
#include "train/attribution/touch_rules.h"
#include "train/config/duration.h"
#include "train/config/program.h"
#include "train/data/text_dialect.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

struct CommandLine {
  AttributeOptions options;
  std::string window = "30d", half_life = "7d", truncate, derive, gap, memory, time_unit, delimiter;
  std::vector<std::string> click_events, lookback;
  double utc_offset_hours = 0;
};

std::vector<OwnWindow> own_windows(const std::vector<std::string>& texts, const char* option) {
  std::vector<OwnWindow> windows;
  windows.reserve(texts.size());
  for (const std::string& text : texts) windows.push_back(parse_own_window(text, option));
  return windows;
}

void add_input_options(CLI::App& command, CommandLine& line) {
  AttributeOptions& o = line.options;
  command
      .add_option(
          "--in", o.inputs,
          "Clicks, or event logs with --event: CSV, TSV (plain, gzip, zstd) or Parquet; files, folders, patterns; "
          "folders called key=value below give columns")
      ->required();
  command.add_option("--conversions", o.conversions, "Conversions, for --in files that hold clicks only");
  command
      .add_option("--format", o.format,
                  "csv; criteo: the public Criteo attribution layout; journeys: named journeys; paths: a > b > c with "
                  "counts, as ChannelAttribution reads them, for channel totals alone")
      ->capture_default_str();
  command.add_option("--user", o.user, "Column of the user [user; criteo: uid]");
  command.add_option("--time", o.time,
                     "Column of the time: Unix seconds, or 2017-12-03T17:05:00 [time; else timestamp]");
  command.add_option("--time-unit", line.time_unit, kTimeUnitHelp);
  command.add_option(
      "--key", o.key,
      "Column that a click and its conversion share, or several with commas [advertiser; else campaign]");
  command.add_option("--channel", o.channel, "Column of the channel [channel if there is one, else the key]");
  command.add_option("--conversion-id", o.conversion_id, "Column of the conversion's id [conversion_id]");
  command.add_option_function<std::string>(
      "--value", [&o](const std::string& column) { o.value = column; },
      "Column of what a conversion is worth [value, if the first file of --conversions has it; paths: "
      "total_conversion_value; '': none]");
  command.add_option("--cost", o.cost, "Column of what a click cost, for CPA and ROAS in channels.csv");
  command.add_option("--journey", o.journey, "journeys: column of the journey's name [journey]");
  command.add_option(
      "--conversion", o.conversion,
      "journeys: column with 1 if the journey converted [conversion]; paths: of the number of conversions "
      "[total_conversions]");
  command.add_option("--path", o.path, "paths: column of the path [path]");
  command.add_option("--path-separator", o.path_separator, "paths: between channels; blanks around it do not matter")
      ->capture_default_str();
  command.add_option("--null", o.nulls, "paths: column of the paths without conversion [total_null if there is one]");
  command.add_option("--event", o.event,
                     "Column that says what happened: the input is a log of clicks and conversions");
  command
      .add_option("--click-event", line.click_events,
                  "Its value for a click; several with commas, each with a window of its own: click,view=1d [click]")
      ->delimiter(',');
  command
      .add_option("--exclude-event", o.exclude_events,
                  "Of these, events without credit where the journey has another (view: a click beats it)")
      ->delimiter(',');
  command
      .add_option("--keep-events", o.keep_events,
                  "Of these, events that come out in train.csv and test.csv; the others are in journeys alone [all]")
      ->delimiter(',');
  command.add_option("--conversion-event", o.conversion_event, "Its value for a conversion")->capture_default_str();
  command.add_flag("--drop-anonymous", o.drop_anonymous, "Leave out rows without a user, and count them");
  command.add_option("--identity", o.identity,
                     "Which user an anonymous id is: files with the columns anonymous and user; users of the log that "
                     "are such an id become that user");
  command.add_option("--identity-columns", o.identity_columns, "Their columns, in this order")->capture_default_str();
  command.add_option_function<std::string>(
      "--na", [&o](const std::string& tokens) { o.na = tokens; },
      "More names that say \"missing\", beside \\N NULL null nan NaN NAN None NaT <NA> N/A #N/A undefined "
      "(with an empty one among them: only these; --na '' accepts all but empty fields)");
  command.add_option("--delimiter", line.delimiter, kDelimiterHelp);
  command.add_option("--columns", o.columns, "Names of the columns, for --in files without a header")->delimiter(',');
  command.add_option("--from", o.from, "Leave out earlier rows: 2017-12-03, or a time as the log writes them");
  command.add_option("--to", o.to, "Leave out rows at this time and later");
  command.add_option("--truncate", line.truncate, "journeys: keep this time before the last touch, drop lone touches");
}

void add_output_options(CLI::App& command, CommandLine& line) {
  AttributeOptions& o = line.options;
  command.add_option("--out", o.out, "Folder to write train.csv, test.csv and attribution.json to")->required();
  command
      .add_option("--mechanisms", o.mechanisms,
                  "last, first, linear, time_decay, position, j_shaped, inverse_j, shapley, markov, logistic, "
                  "additive_hazard, neural, mta")
      ->delimiter(',')
      ->capture_default_str();
  command
      .add_option("--mta", o.mta,
                  "The data-driven mechanism that mta stands for: shapley, markov, logistic, additive_hazard, "
                  "neural")
      ->capture_default_str();
  command.add_option("--markov-order", o.markov_order, "Channels that markov's totals look back on")
      ->capture_default_str();
  command.add_flag("--choose-order", o.choose_order, "The order that tells most about journeys held out, by a table");
  command.add_option("--max-order", o.max_order, "The largest order that --choose-order looks at")
      ->check(CLI::Range(1, 10))
      ->capture_default_str();
  command.add_option("--channel-model", o.channel_model,
                     "A channel_model.json of an earlier run: its values are used, nothing is fitted");
  command.add_option("--window", line.window, "How far a journey reaches back from its conversion")
      ->capture_default_str();
  command.add_flag("--restart", o.restart,
                   "A journey does not reach back past an earlier conversion of its user and key");
  command
      .add_option("--exclude-channel", o.exclude_channels,
                  "Channels whose clicks get no credit where the journey has another click (direct, say)")
      ->delimiter(',');
  command.add_option_function<std::string>(
      "--position-weights", [&o](const std::string& weights) { o.position = parse_position_weights(weights); },
      "Of position: first,middle,last [0.4,0.2,0.4]");
  command.add_option("--lookback", line.lookback, "Windows of channels in place of --window: display=1d,email=7d")
      ->delimiter(',');
  command.add_option("--half-life", line.half_life, "Of time_decay")->capture_default_str();
  command.add_option("--keep", o.keep, "Columns to pass through [all that do not tell the outcome]")->delimiter(',');
  command.add_option("--drop", o.drop, "Columns not to pass through")->delimiter(',');
  command.add_option("--history", o.history, "Columns that get a <column>_seq of the user's earlier clicks")
      ->delimiter(',');
  command.add_option("--history-length", o.history_length, "Clicks in such a sequence")->capture_default_str();
  command.add_option("--derive", line.derive, "hour: add columns hour and weekday (0 = Monday)")
      ->check(CLI::IsMember({"hour"}));
  command
      .add_option("--utc-offset", line.utc_offset_hours,
                  "Hours east of Greenwich (China 8, New York -5): of dates without an offset, of hours and days")
      ->capture_default_str();
  command.add_option("--train-from", o.train_from,
                     "Clicks before are in journeys and in the fit, but in neither file: a date or a time");
  command.add_option("--test-from", o.test_from, "Clicks from here on go to test.csv: a date or a time");
  command.add_option("--test-days", o.test_days, "Or: the last days that have clicks go to test.csv");
  command.add_option("--test-to", o.test_to, "Clicks from here on are in journeys, but in neither file");
  command
      .add_option("--train-labels", o.train_labels,
                  "final; known: train.csv gets no credit of conversions in the test period, as on the day before it")
      ->capture_default_str();
  command.add_option("--gap", line.gap,
                     "Clicks in this time before the test period go to neither file: their labels are not ripe");
  // An option with or without a value: it must not take the next one for its own.
  command
      .add_option_function<std::vector<std::string>>(
          "--delay-weights",
          [&o](const std::vector<std::string>& names) { o.delay_weights = names.empty() ? "" : names.front(); },
          "With --train-labels known: a column weight that makes up for conversions still to come; the mechanism "
          "whose credit makes a positive [the first]")
      ->expected(0, 1)
      ->type_name("[MECHANISM]");
  command.add_option("--delay-by", o.delay_by,
                     "Column, such as industry: each of its values has a delay curve of its own, where it has "
                     "conversions enough");
  command.add_option("--by", o.by, "Sum credit, and count clicks that got any, by the values of this column, too");
  command.add_option("--bootstrap", o.bootstrap,
                     "Resamples of the users, such as 200, for 95 % intervals of credit by channel (--seed)");
  command.add_flag("--report", o.report,
                   "Write report.html: channels and journeys as pictures; print credited conversions by channel");
  command.add_option("--truth", o.truth, "Column of true credits: print each mechanism's distance from them");
  command.add_option("--exact-channels", o.exact_channels, "Shapley values are sampled for more channels than this")
      ->check(CLI::Range(1, 24))
      ->capture_default_str();
  command.add_option("--memory", line.memory,
                     "For the clicks, such as 2GiB: a log that may need more is kept on disk, in parts [half]");
  command.add_option("--seed", o.seed, "Of that sampling, the bags of logistic and the networks of neural")
      ->check(check_whole_number)
      ->capture_default_str();
}

// Options that mean something for --format paths; the others speak of users, times and clicks.
bool is_for_paths(const std::string& option) {
  constexpr std::array kForPaths = {"--help",
                                    "--in",
                                    "--format",
                                    "--conversion",
                                    "--path",
                                    "--null",
                                    "--value",
                                    "--path-separator",
                                    "--na",
                                    "--columns",
                                    "--delimiter",
                                    "--out",
                                    "--mechanisms",
                                    "--mta",
                                    "--position-weights",
                                    "--markov-order",
                                    "--max-order",
                                    "--choose-order",
                                    "--exact-channels",
                                    "--seed"};
  return std::ranges::find(kForPaths, option) != kForPaths.end();
}

void check_options_of_paths(const CLI::App& command, bool paths) {
  for (const CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name();
    if (option->count() == 0) continue;
    if (paths && !is_for_paths(name))
      fail_usage("{} is not for --format paths, whose rows have channels and counts, but no users, times or clicks",
                 name);
    if (!paths && (name == "--path" || name == "--path-separator" || name == "--null"))
      fail_usage("{} is for --format paths", name);
  }
}

void run_on_paths(const CLI::App& command, AttributeOptions& options) {
  if (command.get_option("--mechanisms")->count() == 0)
    options.mechanisms = {"last", "first", "linear", "position", "shapley", "markov", "logistic"};
  const PathsReport report = attribute_paths(options);
  fmt::print("{}\nwritten to {}\n", summary(report), options.out);
  std::fflush(stdout);
  for (const std::string& warning : warnings(options, report)) fmt::print(stderr, "mal_data: warning: {}\n", warning);
}

}  // namespace

void add_attribute_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("attribute", "Give the credit of every conversion to its clicks");
  const auto line = std::make_shared<CommandLine>();
  add_input_options(*command, *line);
  add_output_options(*command, *line);
  command->callback([line, command] {
    AttributeOptions& options = line->options;
    check_options_of_paths(*command, options.format == "paths");
    if (command->get_option("--max-order")->count() > 0 && !options.choose_order)
      fail_usage("--max-order says how far --choose-order looks; give that too");
    if (!line->delimiter.empty()) options.delimiter = parse_delimiter(line->delimiter);
    if (options.format == "paths") return run_on_paths(*command, options);
    options.window = parse_duration(line->window, "--window");
    if (!line->click_events.empty()) options.click_events = own_windows(line->click_events, "--click-event");
    options.lookback = own_windows(line->lookback, "--lookback");
    options.half_life = parse_duration(line->half_life, "--half-life");
    if (!line->truncate.empty()) options.truncate = parse_duration_or_0(line->truncate, "--truncate");
    if (!line->gap.empty()) options.gap = parse_duration_or_0(line->gap, "--gap");
    if (!line->memory.empty()) options.memory = parse_bytes(line->memory, "--memory");
    options.derive_hour = line->derive == "hour";
    if (!line->time_unit.empty()) set_time_unit(options.time_format, line->time_unit, "--time-unit");
    options.time_format.utc_offset = utc_offset_of(line->utc_offset_hours, "--utc-offset");
    const AttributeReport report = attribute(options);
    for (const std::string& warning : warnings(report)) fmt::print(stderr, "mal_data: warning: {}\n", warning);
    fmt::print("{}\nwritten to {}\n", summary(report), options.out);
    std::fflush(stdout);
  });
}

}  // namespace mal
