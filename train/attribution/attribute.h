// Raw journeys → samples with credits: what `mal_data attribute` does. Formats and formulas: docs/attribution.md.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "train/attribution/channel_totals.h"
#include "train/attribution/click_log.h"
#include "train/attribution/coalitions.h"
#include "train/attribution/delay_report.h"
#include "train/attribution/markov_totals.h"
#include "train/attribution/mechanisms.h"
#include "train/attribution/neural_network.h"
#include "train/data/folder_columns.h"
#include "train/data/reading_notes.h"
#include "train/data/time_text.h"

namespace mal {

// A kind of event, or a channel, and how far before a conversion it counts.
struct OwnWindow {
  std::string name;
  std::int64_t seconds = 0;  // 0: as --window says
};

struct AttributeOptions {
  std::vector<std::string> inputs;       // clicks, or event logs
  std::vector<std::string> conversions;  // csv without an event column
  FolderColumns folders = {};            // of these files, filled by attribute()
  std::string out;
  std::string format = "csv";  // csv, criteo, journeys, paths
  std::vector<std::string> mechanisms = {"last", "first", "linear", "mta"};
  std::string mta = "shapley";
  std::int64_t window = 30 * 86400;    // seconds
  std::int64_t half_life = 7 * 86400;  // seconds
  PositionWeights position;
  bool restart = false;  // a journey does not reach back past an earlier conversion of its user and key
  std::vector<std::string> exclude_channels;  // their clicks are in no journey that has another
  std::vector<OwnWindow> lookback;            // of channels

  // Column names; empty: the format's own.
  std::string user, time, key, channel, conversion_id, journey, conversion;
  std::string path, nulls;           // paths
  std::optional<std::string> value;  // of conversions; without: `value` of --conversions if there is one; empty: none
  std::string cost;                  // of clicks; empty: none
  std::uint32_t bootstrap = 0;       // resamples of the users, for intervals of the channel report; 0: none
  bool report = false;               // writes report.html, and the table of channels into the summary
  std::string event;                 // csv: its presence makes the inputs event logs
  std::vector<OwnWindow> click_events = {{"click"}};
  std::string conversion_event = "conversion";
  std::vector<std::string> exclude_events;  // of click_events: of no journey that has another
  std::vector<std::string> keep_events;     // of click_events: written to train.csv and test.csv; empty: all
  bool drop_anonymous = false;              // leave out rows without a user
  std::vector<std::string> identity;        // files that say which user an id is
  std::string identity_columns = "anonymous,user";
  std::optional<std::string> na;        // names that say "missing", as MissingNames takes them
  char delimiter = 0;                   // of text files; 0: what their first line has
  std::vector<std::string> columns;     // of inputs without a header line
  std::vector<std::string> keep, drop;  // columns passed through; empty keep: all that do not tell the outcome
  std::vector<std::string> history;     // columns that get a <column>_seq of the user's earlier clicks
  std::string path_separator = " > ";   // paths
  int history_length = 20;
  bool derive_hour = false;  // adds hour (0–23) and weekday (0 = Monday)
  TimeFormat time_format;    // of the input and of the options below; its utc_offset is that of hour and weekday, too

  std::string from, to;                // keep events with from ≤ time < to; a time in any form
  std::string test_from;               // likewise
  int test_days = 0;                   // or: the last days that have clicks
  std::string train_from;              // clicks before are in journeys and in the fit, but in no file
  std::string test_to;                 // the test period ends before; later clicks are in journeys, but in no file
  std::string train_labels = "final";  // known: train.csv gets no credit of conversions in the test period
  std::int64_t gap = 0;                // seconds before the test period whose clicks are in neither file
  // With known labels: a column `weight` that makes up for conversions that are still to come. The name of the
  // mechanism whose credit makes a positive; empty: the first of `mechanisms`.
  std::optional<std::string> delay_weights;
  std::string delay_by;       // a column: a delay curve for each of its values
  std::int64_t truncate = 0;  // journeys: seconds kept before the last touch; 0: all
  std::string by;             // a column: positives by its values
  std::string truth;          // a column of true credits: each mechanism's distance from it
  std::uint64_t seed = 1;
  std::uint32_t exact_channels = 12;
  std::uint32_t markov_order = 1;  // of markov_total; paths: of markov
  bool choose_order = false;       // the best of the orders up to max_order, in place of markov_order
  std::uint32_t max_order = 5;
  std::string channel_model;  // a channel_model.json of an earlier run, in place of a fit
  std::uint64_t memory = 0;  // bytes for the clicks; a log that may need more is kept on disk. 0: half of the machine's
  bool progress = true;
};

// Of clicks that are written to train.csv: start ≤ time < end, microseconds.
struct TrainingPeriod {
  std::int64_t start = std::numeric_limits<std::int64_t>::min(), end = std::numeric_limits<std::int64_t>::max();
  bool holds(std::int64_t time) const { return time >= start && time < end; }
};

struct MechanismReport {
  std::string name;
  std::uint64_t positives = 0;       // clicks with credit > 0
  std::uint64_t test_positives = 0;  // of them in test.csv
  double credit = 0;                 // summed over all clicks
  double cut_credit = 0;             // what min(1, Σ) took from clicks in several journeys
  double truth_error = 0;            // mean |credit − truth| over clicks where one of them is > 0
};

struct SliceReport {
  std::string value;
  std::uint64_t clicks = 0, last = 0;  // last: clicks that are the last of a journey
  // One a mechanism: clicks with credit > 0, which says little of how much it is, and the credit summed over the
  // clicks.
  std::vector<std::uint64_t> positives;
  std::vector<double> credit;
};

struct ChannelReport {
  std::string name;
  std::uint64_t clicks = 0;
  CoalitionCount alone;        // journeys of the fit that touch no other channel
  bool known = true;           // false: no journey of the fit touches it, so its values are 0
  bool excluded = false;       // of --exclude-channel
  std::vector<double> values;  // one a fitted mechanism
};

// Conversions without a click in their window, by the reason. "The key" is the conversion's own (criteo: its id).
struct UnmatchedReport {
  std::uint64_t never_clicked = 0;       // their users have no click at all
  std::uint64_t other_keys = 0;          // their users have clicks, but none of the key
  std::uint64_t clicked_later = 0;       // the user clicked the key only after the conversion
  std::uint64_t before_window = 0;       // the user's last click of the key before it came before the window
  std::uint64_t used_before = 0;         // with restart: an earlier conversion took the clicks
  std::uint64_t ruled_out = 0;           // rules about single touches took all clicks in the window out
  std::uint64_t before_first_click = 0;  // of the first three: the window reaches back beyond the log's first click
  std::int64_t median_lead = 0;          // seconds, of clicked_later: how long before the first click it came
  std::int64_t median_gap = 0;           // seconds, of before_window: from that click to it
  std::string never_clicked_user, other_keys_key;  // of the first in the input, where rows are conversions
};

// What comes twice, and counts twice.
struct CopyReport {
  std::uint64_t conversions = 0;  // with the user, key and time of one before, where no ids tell them apart
  std::uint64_t clicks = 0;       // with the user, key, time and passed columns of one before
  std::string first_conversion, copied_conversion;  // file:row of the first such conversion, and of the one before
  std::string first_click_user;                     // of the first such click
  std::int64_t first_click_time = 0;
};

struct AttributeReport {
  ReadingNotes notes;
  std::uint64_t rows = 0, skipped_rows = 0, dropped_touches = 0, clicks = 0, users = 0, train_clicks = 0,
                gap_clicks = 0, later_clicks = 0, earlier_clicks = 0;
  std::uint64_t left_out_clicks = 0;  // of events that --keep-events does not name: in journeys, but in no file
  std::vector<std::pair<std::string, std::uint64_t>> events;  // clicks by event, where there are several
  // Microseconds since 1970; test_…: only with a split.
  std::int64_t first_time = 0, last_time = 0, test_start = 0, test_end = 0;
  TrainingPeriod training;
  std::string time_mistake;  // what they probably are, where they are hardly of 1970; or empty
  std::int64_t last_time_before_test = 0, first_time_after_test = 0;  // of clicks; 0: there are none
  bool split = false;
  std::uint64_t conversions = 0, conversions_without_clicks = 0;
  std::string key;                    // what clicks and conversions share
  std::string first_user, first_key;  // of the first click in the input, where clicks name no conversion
  RowCounts anonymous;                // rows without a user, left out
  std::vector<std::string> identity_files;
  IdentityCounts identity;
  bool from_given = false;    // --from left out earlier rows
  UnmatchedReport unmatched;  // why conversions have no click
  CopyReport copies;
  std::uint64_t journeys = 0, journey_clicks = 0, single_click_journeys = 0, longest_journey = 0;
  std::uint64_t clicks_in_journeys = 0, clicks_in_several_journeys = 0, last_positives = 0;
  std::uint64_t train_clicks_of_test_conversions = 0;  // clicks of train.csv in a journey that converts after it
  bool known_labels = false;                           // and these clicks got no credit of it
  std::vector<MechanismReport> mechanisms;
  std::string by;                              // the column of the slices
  std::vector<SliceReport> slices;             // of --by, by falling number of clicks
  double fit_delay_seconds = 0;                // of additive_hazard; 0: not fitted
  NeuralFitReport neural;                      // no conversions: not fitted here
  bool fitted = false, fit_exact = true;       // fitted: here or, with a given model, before
  std::vector<std::string> fitted_mechanisms;  // in the order of ChannelReport::values
  CoalitionCount fit_total;                    // journeys the fit saw, and those that converted
  std::uint64_t fit_coalitions = 0;
  bool fit_learned = true;                   // false: every journey of the fit converts, or none; credit is linear
  bool fit_single_channel = false;           // no journey touched two channels, so credit is linear
  std::string channel_model;                 // the file of a given model; then its counts stand above
  std::uint64_t unknown_channel_clicks = 0;  // clicks of channels that are not in the fit, or in the given model
  std::vector<ChannelReport> channels;       // by falling value; empty without a fit
  std::optional<MarkovTotals> markov;        // where markov is fitted here
  std::optional<DelayReport> delay;          // of --delay-weights
  ChannelTable table;                        // credit by channel, by conversion; channels.csv
  bool table_shown = false;                  // in the summary
  double value = 0, credited_value = 0;      // of all conversions, and of those with a click
  std::vector<std::string> columns;          // of the files written
};

// Writes DIR/train.csv, DIR/test.csv (with a split), DIR/channels.csv, DIR/attribution.json and (with a data-driven
// mechanism) DIR/channel_model.json; all of them or none. Throws Error.
AttributeReport attribute(const AttributeOptions& options);

std::string summary(const AttributeReport& report);                // for people, several lines
std::vector<std::string> warnings(const AttributeReport& report);  // what is probably a mistake in the log
std::string to_json(const AttributeOptions& options, const AttributeReport& report);

}  // namespace mal
