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

std::int64_t rows_with(const std::vector<std::int32_t>& codes, std::int32_t value) {
  return std::ranges::count(codes, value);
}

// One value of a slice column.
struct SliceGain {
  std::string name;
  double growth = 0;  // of its positives
  ModelResult base, model;
  Difference difference;  // of AUC
  bool defined() const { return std::isfinite(difference.spread.mean) && std::isfinite(growth); }
};

double growth_of(const ViewCounts& counts, std::size_t view, std::size_t against) {
  return static_cast<double>(counts.positives[view]) / static_cast<double>(counts.positives[against]) - 1;
}

std::vector<SliceGain> slice_gains(const Study& study, Evidence& evidence, const DatasetCounts& counts) {
  const TestSet& test = evidence.test();
  const std::size_t slice = test.slice_of(study.slice);
  const auto view_of = [&](const std::string& name) {
    test.credits_of(name);  // an error that names the views
    return static_cast<std::size_t>(std::ranges::find(test.views, name) - test.views.begin());
  };
  const std::size_t view = view_of(study.view), against = view_of(study.against);
  const std::string& primary = study.primaries.front();
  std::vector<SliceGain> gains;
  for (std::size_t value = 0; value < test.names[slice].size(); ++value) {
    const auto code = static_cast<std::int32_t>(value);
    if (rows_with(test.values[slice], code) == 0) continue;
    SliceGain gain;
    gain.name = test.names[slice][value];
    gain.growth = growth_of(counts.slices[slice].values[value], view, against);
    gain.base = evidence.part(study, study.rows[0], primary, test.values[slice], code);
    gain.model = evidence.part(study, study.rows[1], primary, test.values[slice], code);
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
    gain.push_back(slice.difference.spread.mean);
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
      points.push_back({slice.name, 100 * slice.growth, slice.difference.spread.mean, slice.difference.interval.low,
                        slice.difference.interval.high});
  return scatter_chart(points, study.title, fmt::format("growth of positives under {}, %", study.view),
                       "100 × AUC difference, with 95 % interval");
}

}  // namespace

ResultTable user_growth_table(const Study& study, Evidence& evidence) {
  const TestSet& test = evidence.test();
  const UserGroups groups = group_by_growth(evidence.dataset(), study.view, study.against, study.edges, test.users);
  const std::string& primary = study.primaries.front();
  ResultTable table;
  table.id = study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, primary);
  table.header = {"users by growth of positives",
                  "test rows",
                  "positives",
                  "users with both classes",
                  "GAUC of " + study.rows[0].label,
                  "GAUC of " + study.rows[1].label,
                  "GAUC difference"};
  table.json = table_json(evidence, study.id, table.title);
  std::vector<IntervalRow> shown;
  for (std::size_t g = 0; g < groups.names.size(); ++g) {
    const auto code = static_cast<std::int32_t>(g);
    const std::int64_t rows = rows_with(groups.codes, code);
    if (rows == 0) continue;
    const ModelResult base = evidence.part(study, study.rows[0], primary, groups.codes, code);
    const ModelResult model = evidence.part(study, study.rows[1], primary, groups.codes, code);
    const Difference difference = gauc_difference(model, base);
    const Spread base_gauc = spread_of(base, &RunResult::gauc), model_gauc = spread_of(model, &RunResult::gauc);
    table.rows.push_back({groups.names[g], fmt::format("{}", rows), fmt::format("{:.0f}", base.front().positives),
                          fmt::format("{:.0f}", base.front().users), spread_text(base_gauc, 4),
                          spread_text(model_gauc, 4), difference_text(difference)});
    table.json["rows"].push_back({{"group", groups.names[g]},
                                  {"rows", rows},
                                  {"positives", base.front().positives},
                                  {"users", base.front().users},
                                  {"base_gauc", spread_json(base_gauc)},
                                  {"gauc", spread_json(model_gauc)},
                                  {"gauc_difference", difference_json(difference)}});
    shown.push_back({groups.names[g], difference.spread.mean, difference.interval.low, difference.interval.high});
  }
  table.notes = {fmt::format("A user's growth: positives under {} divided by positives under {}, minus 1, over the "
                             "user's training rows.",
                             study.view, study.against),
                 interval_note(evidence)};
  table.pictures.push_back(interval_chart(
      shown, study.title,
      fmt::format("100 × (GAUC of {} − GAUC of {}), with 95 % interval", study.rows[1].label, study.rows[0].label)));
  return table;
}

ResultTable slice_growth_table(const Study& study, Evidence& evidence, const DatasetCounts& counts) {
  const std::vector<SliceGain> gains = slice_gains(study, evidence, counts);
  ResultTable table;
  table.id = study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, study.primaries.front());
  table.header = {study.slice,
                  "test positives",
                  fmt::format("growth under {}", study.view),
                  "paper: growth",
                  "AUC of " + study.rows[0].label,
                  "AUC of " + study.rows[1].label,
                  "AUC difference"};
  table.json = table_json(evidence, study.id, table.title);
  for (const SliceGain& slice : gains) {
    const Spread base_auc = spread_of(slice.base, &RunResult::auc), auc = spread_of(slice.model, &RunResult::auc);
    const std::string growth = std::isfinite(slice.growth) ? fmt::format("{:+.1f} %", 100 * slice.growth) : "n/a";
    table.rows.push_back({slice.name, fmt::format("{:.0f}", slice.base.front().positives), growth,
                          paper_text(study.paper, slice.name), spread_text(base_auc, 4), spread_text(auc, 4),
                          difference_text(slice.difference)});
    table.json["rows"].push_back({{"value", slice.name},
                                  {"positives", slice.base.front().positives},
                                  {"growth", slice.growth},
                                  {"paper_growth", paper_text(study.paper, slice.name)},
                                  {"base_auc", spread_json(base_auc)},
                                  {"auc", spread_json(auc)},
                                  {"auc_difference", difference_json(slice.difference)}});
  }
  const Correlation c = correlation_of(gains, static_cast<std::size_t>(evidence.experiment().resamples));
  const auto with_interval = [](double value, const Interval& interval) {
    return fmt::format("{} [{}, {}]", number_text(value, 2), number_text(interval.low, 2),
                       number_text(interval.high, 2));
  };
  table.json["pearson"] = {{"value", c.pearson}, {"low", c.pearson_interval.low}, {"high", c.pearson_interval.high}};
  table.json["spearman"] = {
      {"value", c.spearman}, {"low", c.spearman_interval.low}, {"high", c.spearman_interval.high}};
  table.notes = {
      fmt::format("Correlation of growth and AUC difference over {} values of {}: Pearson {}, Spearman {} "
                  "(95 % interval when users are resampled).",
                  std::ranges::count_if(gains, &SliceGain::defined), study.slice,
                  with_interval(c.pearson, c.pearson_interval), with_interval(c.spearman, c.spearman_interval)),
      interval_note(evidence)};
  table.pictures.push_back(slice_picture(study, gains));
  return table;
}

}  // namespace mal
