// The studies of whole test sets: positives of each view, and systems side by side.
#include "train/experiment/studies.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/error.h"
#include "train/report/svg.h"

namespace mal {

namespace {

std::size_t view_index(const std::vector<std::string>& views, const std::string& view) {
  const auto found = std::ranges::find(views, view);
  if (found == views.end()) fail_usage("the data set has no view '{}'; it has: {}", view, fmt::join(views, ", "));
  return static_cast<std::size_t>(found - views.begin());
}

double ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);  // NaN or infinite prints as n/a
}

}  // namespace

std::vector<ResultTable> tables_of(const Study& study, Evidence& evidence, const DatasetCounts& counts) {
  switch (study.kind) {
    case StudyKind::positives:
      return {positives_table(study, evidence, counts)};
    case StudyKind::user_growth:
      return {user_growth_table(study, evidence)};
    case StudyKind::slice_growth:
      return {slice_growth_table(study, evidence, counts)};
    case StudyKind::systems:
      break;
  }
  std::vector<ResultTable> tables;
  for (const std::string& primary : study.primaries) tables.push_back(systems_table(study, primary, evidence));
  return tables;
}

ResultTable positives_table(const Study& study, const Evidence& evidence, const DatasetCounts& counts) {
  const std::vector<std::string>& views = evidence.test().views;
  const std::size_t against = view_index(views, study.against);
  ResultTable table;
  table.id = study.id;
  table.title = study.title;
  table.header = {"view", "training positives", "test positives", "positive rate", "against " + study.against, "paper"};
  table.json = table_json(evidence, study.id, study.title);
  table.json["against"] = study.against;
  for (std::size_t v = 0; v < views.size(); ++v) {
    const double against_ratio = ratio(counts.all.positives[v], counts.all.positives[against]);
    const double rate = ratio(counts.all.positives[v], counts.all.rows);
    table.rows.push_back({views[v], fmt::format("{}", counts.train.positives[v]),
                          fmt::format("{}", counts.test.positives[v]), number_text(100 * rate, 3) + " %",
                          number_text(against_ratio, 3), paper_text(study.paper, views[v])});
    table.json["rows"].push_back({{"view", views[v]},
                                  {"train_positives", counts.train.positives[v]},
                                  {"test_positives", counts.test.positives[v]},
                                  {"ratio", against_ratio},
                                  {"paper", paper_text(study.paper, views[v])}});
  }
  table.notes.push_back(
      fmt::format("{} training rows, {} test rows, {} users.", counts.train.rows, counts.test.rows, counts.users));
  return table;
}

ResultTable systems_table(const Study& study, const std::string& primary, Evidence& evidence) {
  ResultTable table;
  const bool several = study.primaries.size() > 1;
  table.id = several ? study.id + "_" + primary : study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, primary);
  table.header = {"system",          "GAUC",           "AUC",         "LogLoss",
                  "GAUC difference", "AUC difference", "GAUC change", "paper: GAUC change"};
  table.json = table_json(evidence, table.id, table.title);
  table.json["primary"] = primary;
  const ModelResult base = evidence.whole(study, study.rows.front(), primary);
  const Spread base_gauc = spread_of(base, &RunResult::gauc);
  std::vector<IntervalRow> shown;
  for (const StudyRow& row : study.rows) {
    const bool first = &row == &study.rows.front();
    const ModelResult model = evidence.whole(study, row, primary);
    const Spread gauc = spread_of(model, &RunResult::gauc), auc = spread_of(model, &RunResult::auc);
    const Spread logloss = spread_of(model, &RunResult::logloss);
    const Difference of_gauc = gauc_difference(model, base), of_auc = auc_difference(model, base);
    table.rows.push_back({row.label, spread_text(gauc, 4), spread_text(auc, 4), spread_text(logloss, 5),
                          first ? "" : difference_text(of_gauc), first ? "" : difference_text(of_auc),
                          first ? "" : change_text(gauc.mean, base_gauc.mean),
                          first ? "" : paper_text(row.paper, primary)});
    nlohmann::ordered_json json = {{"label", row.label},
                                   {"runs", evidence.keys(study, row, primary)},
                                   {"gauc", spread_json(gauc)},
                                   {"auc", spread_json(auc)},
                                   {"logloss", spread_json(logloss)},
                                   {"pcoc", spread_json(spread_of(model, &RunResult::pcoc))}};
    if (!first) {
      json["gauc_difference"] = difference_json(of_gauc);
      json["auc_difference"] = difference_json(of_auc);
      json["paper"] = paper_text(row.paper, primary);
      shown.push_back({row.label, of_gauc.spread.mean, of_gauc.interval.low, of_gauc.interval.high});
    }
    table.json["rows"].push_back(std::move(json));
  }
  table.notes = {test_note(evidence, base), interval_note(evidence)};
  if (!shown.empty())
    table.pictures.push_back(interval_chart(
        shown, table.title, fmt::format("100 × GAUC difference to {}, with 95 % interval", study.rows.front().label)));
  return table;
}

}  // namespace mal
