// The studies of where the gain comes from: users and industries whose positives grow when credit is shared.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "train/experiment/studies.h"
#include "train/experiment/user_growth.h"
#include "train/report/svg.h"

namespace mal {

namespace {

// One value of a slice column.
struct SliceGain {
  std::string name;
  double growth = 0;  // of its positives
  ModelResult base, model;
  Difference difference;  // of AUC
  bool defined() const { return std::isfinite(difference.mean) && std::isfinite(growth); }
};

// The rows of all data sets by the values of a slice column. A value of several data sets has one name but may have
// several codes.
RowGroups rows_by_slice(const Evidence& evidence, const std::string& column) {
  RowGroups groups;
  for (std::size_t d = 0; d < evidence.datasets().size(); ++d) {
    const TestSet& test = evidence.test(d);
    const std::size_t slice = test.slice_of(column);
    std::vector<std::int32_t> group_of_code;
    for (const std::string& name : test.names[slice]) {
      const auto found = std::ranges::find(groups.names, name);
      group_of_code.push_back(static_cast<std::int32_t>(found - groups.names.begin()));
      if (found == groups.names.end()) groups.names.push_back(name);
    }
    std::vector<std::int32_t>& codes = groups.codes.emplace_back();
    codes.reserve(test.values[slice].size());
    for (const std::int32_t code : test.values[slice]) codes.push_back(group_of_code[static_cast<std::size_t>(code)]);
  }
  return groups;
}

// Growth of a value's positives over both splits of all data sets.
double growth_of(const Study& study, const Evidence& evidence, const AllCounts& counts, const std::string& name) {
  std::int64_t in_view = 0, in_against = 0;
  for (std::size_t d = 0; d < counts.size(); ++d) {
    const TestSet& test = evidence.test(d);
    const std::size_t slice = test.slice_of(study.slice);
    const auto value = std::ranges::find(test.names[slice], name);
    if (value == test.names[slice].end()) continue;
    const ViewCounts& of = counts[d].slices[slice].values[static_cast<std::size_t>(value - test.names[slice].begin())];
    in_view += of.positives[test.view_of(study.view)];
    in_against += of.positives[test.view_of(study.against)];
  }
  return static_cast<double>(in_view) / static_cast<double>(in_against) - 1;
}

std::vector<SliceGain> slice_gains(const Study& study, Evidence& evidence, const AllCounts& counts) {
  const RowGroups groups = rows_by_slice(evidence, study.slice);
  const std::string& primary = study.primaries.front();
  std::vector<SliceGain> gains;
  for (std::size_t value = 0; value < groups.names.size(); ++value) {
    if (groups.rows_of(value) == 0) continue;
    SliceGain gain;
    gain.name = groups.names[value];
    gain.growth = growth_of(study, evidence, counts, gain.name);
    gain.base = evidence.part(study, study.rows[0], primary, groups, value);
    gain.model = evidence.part(study, study.rows[1], primary, groups, value);
    gain.difference = auc_difference(gain.model, gain.base);
    gains.push_back(std::move(gain));
  }
  std::ranges::stable_sort(gains, std::greater(), &SliceGain::growth);
  return gains;
}

struct Correlation {
  double pearson = 0, spearman = 0;
  Interval pearson_interval, spearman_interval;
};

// Of growth and gain over the slices where both are defined; the intervals when users are resampled.
Correlation correlation_of(const std::vector<SliceGain>& gains, std::size_t resamples) {
  std::vector<double> growth, gain;
  std::vector<const SliceGain*> defined;
  for (const SliceGain& slice : gains) {
    if (!slice.defined()) continue;
    defined.push_back(&slice);
    growth.push_back(slice.growth);
    gain.push_back(slice.difference.mean);
  }
  std::vector<double> pearsons, spearmans;
  for (std::size_t r = 0; r < resamples; ++r) {
    std::vector<double> resampled;
    resampled.reserve(defined.size());
    for (const SliceGain* slice : defined) resampled.push_back(slice->difference.resampled[r]);
    if (std::ranges::any_of(resampled, [](double value) { return std::isnan(value); })) continue;
    pearsons.push_back(pearson(growth, resampled));
    spearmans.push_back(spearman(growth, resampled));
  }
  return {pearson(growth, gain), spearman(growth, gain), interval_of(pearsons), interval_of(spearmans)};
}

std::string slice_picture(const Study& study, const std::vector<SliceGain>& gains) {
  std::vector<LabelledPoint> points;
  for (const SliceGain& slice : gains)
    if (slice.defined())
      points.push_back({slice.name, 100 * slice.growth, slice.difference.mean, slice.difference.interval.low,
                        slice.difference.interval.high});
  return scatter_chart(points, study.title, fmt::format("growth of positives under {}, %", study.view),
                       "100 × AUC difference, with 95 % interval");
}

}  // namespace

namespace {

std::string growth_note(const Study& study) {
  const std::string rows = study.growth.last_days == 0
                               ? "the user's training rows"
                               : fmt::format("the user's rows of the last {} days of training", study.growth.last_days);
  if (study.growth.count)
    return fmt::format(
        "A user's growth: positives under {} minus positives under {}, over {}. Users without any have no growth.",
        study.view, study.against, rows);
  return fmt::format("A user's growth: positives under {} divided by positives under {}, minus 1, over {}.", study.view,
                     study.against, rows);
}

std::vector<std::string> user_growth_header(const Study& study) {
  std::vector<std::string> header = {"users by growth of positives",
                                     "test rows",
                                     "positives",
                                     "users with both classes",
                                     "GAUC of " + study.rows[0].label,
                                     "GAUC of " + study.rows[1].label,
                                     "GAUC difference",
                                     "seen from (80 % power)",
                                     "GAUC change"};
  if (!study.paper.empty()) header.emplace_back("paper: GAUC change");
  return header;
}

}  // namespace

ResultTable user_growth_table(const Study& study, Evidence& evidence) {
  RowGroups groups = {group_names(study.growth), {}};
  for (std::size_t d = 0; d < evidence.datasets().size(); ++d)
    groups.codes.push_back(
        group_by_growth(evidence.datasets()[d], study.view, study.against, study.growth, evidence.test(d).users));
  const std::vector<std::string>& names = groups.names;
  const std::string& primary = study.primaries.front();
  ResultTable table;
  table.id = study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, primary);
  table.header = user_growth_header(study);
  table.json = table_json(evidence, study.id, table.title);
  std::vector<IntervalRow> shown;
  Power power("GAUC");
  for (std::size_t g = 0; g < names.size(); ++g) {
    const PaperFigure paper = paper_figure(study.paper, names[g]);
    const std::int64_t rows = groups.rows_of(g);
    if (rows == 0 && !paper.gauc_change) continue;
    const ModelResult base = evidence.part(study, study.rows[0], primary, groups, g);
    const ModelResult model = evidence.part(study, study.rows[1], primary, groups, g);
    const Difference difference = gauc_difference(model, base);
    const Spread base_gauc = spread_of(base, &RunResult::gauc), model_gauc = spread_of(model, &RunResult::gauc);
    std::vector<std::string> cells = {names[g],
                                      fmt::format("{}", rows),
                                      fmt::format("{:.0f}", positives_of(base)),
                                      fmt::format("{:.0f}", users_of(base)),
                                      spread_text(base_gauc, 4),
                                      spread_text(model_gauc, 4),
                                      difference_text(difference),
                                      number_text(difference.detectable, 2),
                                      change_text(model_gauc.mean, base_gauc.mean)};
    if (!study.paper.empty()) cells.push_back(percent_text(paper.gauc_change));
    table.rows.push_back(std::move(cells));
    table.json["rows"].push_back({{"group", names[g]},
                                  {"rows", rows},
                                  {"positives", positives_of(base)},
                                  {"users", users_of(base)},
                                  {"base_gauc", spread_json(base_gauc)},
                                  {"gauc", spread_json(model_gauc)},
                                  {"gauc_difference", difference_json(difference)},
                                  {"paper", paper_json(paper)}});
    power.add(names[g], difference, base_gauc.mean, paper.gauc_change);
    shown.push_back({names[g], difference.mean, difference.interval.low, difference.interval.high});
  }
  table.notes = {growth_note(study), interval_note(evidence)};
  add_power(table, {power});
  table.pictures.push_back(interval_chart(
      shown, study.title,
      fmt::format("100 × (GAUC of {} − GAUC of {}), with 95 % interval", study.rows[1].label, study.rows[0].label)));
  return table;
}

namespace {

std::vector<std::string> slice_growth_header(const Study& study) {
  std::vector<std::string> header = {study.slice, "test positives", fmt::format("growth under {}", study.view)};
  if (!study.paper.empty()) header.emplace_back("paper: growth");
  header.insert(header.end(), {"AUC of " + study.rows[0].label, "AUC of " + study.rows[1].label, "AUC difference",
                               "seen from (80 % power)", "AUC change"});
  if (!study.paper.empty()) header.emplace_back("paper: AUC change");
  return header;
}

void add_slice(ResultTable& table, const Study& study, const SliceGain& slice, Power& power) {
  const Spread base_auc = spread_of(slice.base, &RunResult::auc), auc = spread_of(slice.model, &RunResult::auc);
  const PaperFigure paper = paper_figure(study.paper, slice.name);
  const bool published = !study.paper.empty();
  std::vector<std::string> cells = {slice.name, fmt::format("{:.0f}", positives_of(slice.base)),
                                    std::isfinite(slice.growth) ? fmt::format("{:+.1f} %", 100 * slice.growth) : "n/a"};
  if (published) cells.push_back(percent_text(paper.growth));
  cells.insert(cells.end(), {spread_text(base_auc, 4), spread_text(auc, 4), difference_text(slice.difference),
                             number_text(slice.difference.detectable, 2), change_text(auc.mean, base_auc.mean)});
  if (published) cells.push_back(percent_text(paper.auc_change));
  table.rows.push_back(std::move(cells));
  table.json["rows"].push_back({{"value", slice.name},
                                {"positives", positives_of(slice.base)},
                                {"growth", slice.growth},
                                {"base_auc", spread_json(base_auc)},
                                {"auc", spread_json(auc)},
                                {"auc_difference", difference_json(slice.difference)},
                                {"paper", paper_json(paper)}});
  power.add(slice.name, slice.difference, base_auc.mean, paper.auc_change);
}

std::string correlation_text(double value, const Interval& interval) {
  return fmt::format("{} [{}, {}]", number_text(value, 2), number_text(interval.low, 2), number_text(interval.high, 2));
}

void add_correlation(ResultTable& table, const Study& study, const std::vector<SliceGain>& gains,
                     std::size_t resamples) {
  const Correlation c = correlation_of(gains, resamples);
  table.json["pearson"] = {{"value", c.pearson}, {"low", c.pearson_interval.low}, {"high", c.pearson_interval.high}};
  table.json["spearman"] = {
      {"value", c.spearman}, {"low", c.spearman_interval.low}, {"high", c.spearman_interval.high}};
  table.notes.push_back(
      fmt::format("Correlation of growth and AUC difference over {} values of {}: Pearson {}, Spearman {} "
                  "(95 % interval when users are resampled).",
                  std::ranges::count_if(gains, &SliceGain::defined), study.slice,
                  correlation_text(c.pearson, c.pearson_interval), correlation_text(c.spearman, c.spearman_interval)));
}

// A name that the data set does not have is shown in no row.
void add_unknown_values(ResultTable& table, const Study& study, const std::vector<SliceGain>& gains) {
  std::vector<std::string> names;
  names.reserve(gains.size());
  for (const SliceGain& slice : gains) names.push_back(slice.name);
  const std::vector<std::string> unknown = unknown_names(study.paper, names);
  if (!unknown.empty())
    table.notes.push_back(fmt::format("Values of {} that the paper has figures for and no test row has: {}.",
                                      study.slice, fmt::join(unknown, ", ")));
}

}  // namespace

ResultTable slice_growth_table(const Study& study, Evidence& evidence, const AllCounts& counts) {
  const std::vector<SliceGain> gains = slice_gains(study, evidence, counts);
  ResultTable table;
  table.id = study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, study.primaries.front());
  table.header = slice_growth_header(study);
  table.json = table_json(evidence, study.id, table.title);
  Power power("AUC");
  for (const SliceGain& slice : gains) add_slice(table, study, slice, power);
  add_correlation(table, study, gains, static_cast<std::size_t>(evidence.experiment().resamples));
  table.notes.push_back(interval_note(evidence));
  add_unknown_values(table, study, gains);
  add_power(table, {power});
  table.pictures.push_back(slice_picture(study, gains));
  return table;
}

}  // namespace mal
