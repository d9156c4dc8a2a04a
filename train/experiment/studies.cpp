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

std::vector<ResultTable> tables_of(const Study& study, Evidence& evidence, const AllCounts& counts) {
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

ViewCounts sum_of(const AllCounts& counts, const ViewCounts DatasetCounts::*split) {
  ViewCounts sum = counts.front().*split;
  for (std::size_t d = 1; d < counts.size(); ++d) {
    const ViewCounts& more = counts[d].*split;
    sum.rows += more.rows;
    for (std::size_t v = 0; v < sum.positives.size(); ++v) {
      sum.positives[v] += more.positives[v];
      sum.credit[v] += more.credit[v];
    }
  }
  return sum;
}

ResultTable positives_table(const Study& study, const Evidence& evidence, const AllCounts& counts) {
  const std::vector<std::string>& views = evidence.test().views;
  const std::size_t against = view_index(views, study.against);
  const ViewCounts train = sum_of(counts, &DatasetCounts::train), test = sum_of(counts, &DatasetCounts::test);
  const ViewCounts all = sum_of(counts, &DatasetCounts::all);
  ResultTable table;
  table.id = study.id;
  table.title = study.title;
  table.header = {"view", "training positives", "test positives", "positive rate", "against " + study.against, "paper"};
  table.json = table_json(evidence, study.id, study.title);
  table.json["against"] = study.against;
  for (std::size_t v = 0; v < views.size(); ++v) {
    const double against_ratio = ratio(all.positives[v], all.positives[against]);
    const double rate = ratio(all.positives[v], all.rows);
    const PaperFigure paper = paper_figure(study.paper, views[v]);
    table.rows.push_back({views[v], fmt::format("{}", train.positives[v]), fmt::format("{}", test.positives[v]),
                          number_text(100 * rate, 3) + " %", number_text(against_ratio, 3), ratio_text(paper.ratio)});
    nlohmann::ordered_json json = {{"view", views[v]},
                                   {"train_positives", train.positives[v]},
                                   {"test_positives", test.positives[v]},
                                   {"ratio", against_ratio},
                                   {"paper", paper_json(paper)}};
    if (counts.size() > 1)
      for (const DatasetCounts& of : counts)
        json["datasets"].push_back({{"train_positives", of.train.positives[v]},
                                    {"test_positives", of.test.positives[v]},
                                    {"ratio", ratio(of.all.positives[v], of.all.positives[against])}});
    table.json["rows"].push_back(std::move(json));
  }
  std::int64_t users = 0;
  for (const DatasetCounts& of : counts) users += of.users;
  table.notes.push_back(fmt::format("{} training rows, {} test rows, {} users{}.", train.rows, test.rows, users,
                                    counts.size() == 1 ? "" : fmt::format("; sums over {} data sets", counts.size())));
  return table;
}

namespace {

// The paper's columns of a systems table: only those that some row has figures for.
struct PaperColumns {
  bool gauc = false, auc = false;
};

PaperColumns paper_columns(const Study& study, const std::string& primary) {
  PaperColumns columns;
  for (const StudyRow& row : study.rows) {
    const PaperFigure figure = paper_figure(row.paper, primary);
    columns.gauc = columns.gauc || figure.gauc || figure.gauc_change;
    columns.auc = columns.auc || figure.auc || figure.auc_change;
  }
  return columns;
}

std::vector<std::string> systems_header(const PaperColumns& paper) {
  std::vector<std::string> header = {"system",          "GAUC",           "AUC",         "LogLoss",
                                     "GAUC difference", "AUC difference", "GAUC change", "AUC change"};
  if (paper.gauc) header.emplace_back("paper: GAUC");
  if (paper.auc) header.emplace_back("paper: AUC");
  return header;
}

// A row of a systems table, against the first.
struct SystemRow {
  const StudyRow& row;
  bool first;
  Spread gauc, auc, logloss, pcoc;
  Difference gauc_difference, auc_difference;
  PaperFigure paper;
};

SystemRow compared(const StudyRow& row, bool first, const ModelResult& model, const ModelResult& base,
                   const std::string& primary) {
  return {row,
          first,
          spread_of(model, &RunResult::gauc),
          spread_of(model, &RunResult::auc),
          spread_of(model, &RunResult::logloss),
          spread_of(model, &RunResult::pcoc),
          gauc_difference(model, base),
          auc_difference(model, base),
          paper_figure(row.paper, primary)};
}

std::vector<std::string> system_cells(const SystemRow& system, const SystemRow& base, const PaperColumns& paper) {
  std::vector<std::string> cells = {system.row.label, spread_text(system.gauc, 4), spread_text(system.auc, 4),
                                    spread_text(system.logloss, 5)};
  if (system.first)
    cells.resize(cells.size() + 4);  // nothing is compared with itself
  else
    cells.insert(cells.end(),
                 {difference_text(system.gauc_difference), difference_text(system.auc_difference),
                  change_text(system.gauc.mean, base.gauc.mean), change_text(system.auc.mean, base.auc.mean)});
  if (paper.gauc) cells.push_back(metric_text(system.paper.gauc, system.paper.gauc_change));
  if (paper.auc) cells.push_back(metric_text(system.paper.auc, system.paper.auc_change));
  return cells;
}

nlohmann::ordered_json system_json(const SystemRow& system, const std::vector<std::string>& runs) {
  nlohmann::ordered_json json = {{"label", system.row.label},
                                 {"runs", runs},
                                 {"gauc", spread_json(system.gauc)},
                                 {"auc", spread_json(system.auc)},
                                 {"logloss", spread_json(system.logloss)},
                                 {"pcoc", spread_json(system.pcoc)}};
  if (!system.first) {
    json["gauc_difference"] = difference_json(system.gauc_difference);
    json["auc_difference"] = difference_json(system.auc_difference);
  }
  json["paper"] = paper_json(system.paper);
  return json;
}

}  // namespace

ResultTable systems_table(const Study& study, const std::string& primary, Evidence& evidence) {
  ResultTable table;
  const bool several = study.primaries.size() > 1;
  const PaperColumns paper = paper_columns(study, primary);
  table.id = several ? study.id + "_" + primary : study.id;
  table.title = fmt::format("{}; primary view: {}", study.title, primary);
  table.header = systems_header(paper);
  table.json = table_json(evidence, table.id, table.title);
  table.json["primary"] = primary;
  const ModelResult base_model = evidence.whole(study, study.rows.front(), primary);
  const SystemRow base = compared(study.rows.front(), true, base_model, base_model, primary);
  std::vector<IntervalRow> shown;
  Power of_gauc("GAUC"), of_auc("AUC");
  for (const StudyRow& row : study.rows) {
    const bool first = &row == &study.rows.front();
    const SystemRow system =
        first ? base : compared(row, false, evidence.whole(study, row, primary), base_model, primary);
    table.rows.push_back(system_cells(system, base, paper));
    table.json["rows"].push_back(system_json(system, evidence.keys(study, row, primary)));
    if (first) continue;
    const Interval& interval = system.gauc_difference.interval;
    shown.push_back({row.label, system.gauc_difference.mean, interval.low, interval.high});
    of_gauc.add(row.label, system.gauc_difference, base.gauc.mean, system.paper.gauc_change);
    of_auc.add(row.label, system.auc_difference, base.auc.mean, system.paper.auc_change);
  }
  table.notes = {test_note(evidence, base_model), interval_note(evidence)};
  add_power(table, {of_gauc, of_auc});
  if (!shown.empty())
    table.pictures.push_back(interval_chart(
        shown, table.title, fmt::format("100 × GAUC difference to {}, with 95 % interval", study.rows.front().label)));
  return table;
}

}  // namespace mal
