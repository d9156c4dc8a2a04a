#include "train/experiment/experiment_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/error.h"
#include "train/config/strict_yaml.h"
#include "train/experiment/user_growth.h"

namespace mal {

namespace {

constexpr std::int64_t kMaxInteger = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxResamples = 100'000;
constexpr std::size_t kMaxSeeds = 1000;
constexpr double kMaxEdge = 1e6;
constexpr std::int64_t kMaxDays = 36'500;

// A value as --set takes it: 0.3, mal, [last, mta], [[last], [linear, mta]].
std::string override_value(const YamlNode& node) {
  if (!node.is_list()) return node.as<std::string>();
  std::vector<std::string> items;
  for (const YamlNode& item : node.children()) items.push_back(override_value(item));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

std::vector<std::string> read_set(const YamlNode& parent) {
  std::vector<std::string> set;
  for (const YamlNode& value : parent.child("set").children()) {
    // These differ from run to run by themselves; a row that sets them would be a run of something else.
    for (const char* own : {"seed", "output", "name", "data.path", "model.primary"})
      if (value.key() == own)
        value.fail_at("", "is set by the experiment: seeds, output, label, dataset and primary say it");
    set.push_back(fmt::format("{}={}", value.key(), override_value(value)));
  }
  return set;
}

StudyRow read_row(const YamlNode& node, StudyKind kind) {
  StudyRow row;
  row.label = node.require<std::string>("label");
  if (row.label.empty()) node.fail_at("label", "name the row");
  row.set = read_set(node);
  if (kind == StudyKind::systems) row.paper = read_paper(node, {"gauc", "auc", "gauc_change", "auc_change"});
  return row;
}

StudyKind read_kind(const YamlNode& node) {
  const std::string kind = node.choice("kind", {"positives", "systems", "user_growth", "slice_growth"}, "");
  if (kind == "positives") return StudyKind::positives;
  if (kind == "systems") return StudyKind::systems;
  return kind == "user_growth" ? StudyKind::user_growth : StudyKind::slice_growth;
}

std::vector<double> read_edges(const YamlNode& node, bool count) {
  std::vector<double> edges;
  for (const YamlNode& edge : node.child("edges").children()) {
    edges.push_back(edge.as<double>());
    const bool ascending = edges.size() == 1 || edges[edges.size() - 2] < edges.back();
    if (edges.back() < 0 || edges.back() > kMaxEdge || !ascending)
      node.fail_at("edges", "growths from 0 on, ascending, such as [0, 0.5, 1]");
    if (count && edges.back() != std::floor(edges.back()))
      node.fail_at("edges", "whole numbers of positives, such as [0, 2, 5, 9]");
  }
  if (edges.empty()) node.fail_at("edges", "required: growths that part the groups, such as [0, 0.5, 1]");
  return edges;
}

// The name of a table's files: no folder, no surprise.
std::string read_id(const YamlNode& node) {
  auto id = node.require<std::string>("id");
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
  if (id.empty() || !std::ranges::all_of(id, allowed))
    node.fail_at("id", "it names files: small letters, digits and _ only");
  return id;
}

void read_rows(const YamlNode& node, Study& study) {
  study.primaries = node.require<std::vector<std::string>>("primary");
  for (const YamlNode& row : node.require_child("rows").children()) study.rows.push_back(read_row(row, study.kind));
  for (auto row = study.rows.begin(); row != study.rows.end(); ++row)
    if (std::find_if(study.rows.begin(), row, [&](const StudyRow& r) { return r.label == row->label; }) != row)
      node.fail_at("rows", fmt::format("two rows are called '{}'", row->label));
  const bool systems = study.kind == StudyKind::systems;
  if (study.primaries.empty() || (!systems && study.primaries.size() > 1))
    node.fail_at("primary", systems ? "name a view, such as [last]" : "name one view, such as [last]");
  if (study.rows.empty() || (!systems && study.rows.size() != 2))
    node.fail_at("rows", systems ? "at least one is needed" : "two are needed: what is compared with, and the model");
}

UserGrowth read_user_growth(const YamlNode& node) {
  UserGrowth growth;
  growth.count = node.choice("growth", {"ratio", "count"}, "ratio") == "count";
  growth.last_days = node.integer("last_days", growth.last_days, 0, kMaxDays);
  growth.edges = read_edges(node, growth.count);
  return growth;
}

// The keys of `paper` are names of something; a name that nothing has would be shown nowhere.
void check_paper_names(const YamlNode& node, const PaperFigures& paper, const std::vector<std::string>& names) {
  for (const std::string& name : unknown_names(paper, names))
    node.fail_at("paper", fmt::format("'{}' is none of: {}", name, fmt::join(names, ", ")));
}

std::vector<std::string> paper_fields(StudyKind kind) {
  if (kind == StudyKind::positives) return {"ratio"};
  if (kind == StudyKind::user_growth) return {"gauc_change"};
  return {"growth", "auc_change"};
}

Study read_study(const YamlNode& node) {
  Study study;
  study.id = read_id(node);
  study.title = node.require<std::string>("title");
  study.kind = read_kind(node);
  if (study.kind != StudyKind::systems) study.paper = read_paper(node, paper_fields(study.kind));
  if (study.kind != StudyKind::positives) read_rows(node, study);
  if (study.kind == StudyKind::systems) {
    for (const StudyRow& row : study.rows) check_paper_names(node, row.paper, study.primaries);
    return study;
  }
  study.against = node.get<std::string>("against", "last");
  if (study.kind == StudyKind::positives) return study;
  study.view = node.get<std::string>("view", "linear");
  if (study.kind == StudyKind::slice_growth) study.slice = node.require<std::string>("slice");
  if (study.kind == StudyKind::user_growth) {
    study.growth = read_user_growth(node);
    check_paper_names(node, study.paper, group_names(study.growth));
  }
  return study;
}

// One folder, or a list of them.
std::vector<std::string> read_datasets(const YamlNode& root) {
  const YamlNode node = root.require_child("dataset");
  if (!node.is_list()) return {node.as<std::string>()};
  auto datasets = node.as<std::vector<std::string>>();
  if (datasets.empty()) root.fail_at("dataset", "name a folder of mal_data prepare, or a list of them");
  for (auto path = datasets.begin(); path != datasets.end(); ++path)
    if (std::find(datasets.begin(), path, *path) != path)
      root.fail_at("dataset", fmt::format("'{}' is given twice; its rows would count as two worlds", *path));
  return datasets;
}

std::vector<std::int64_t> read_seeds(const YamlNode& root) {
  auto seeds = root.require<std::vector<std::int64_t>>("seeds");
  std::vector<std::int64_t> sorted = seeds;
  std::ranges::sort(sorted);
  if (seeds.empty() || seeds.size() > kMaxSeeds || sorted.front() < 0)
    root.fail_at("seeds", fmt::format("from 1 to {} whole numbers from 0 on, such as [1, 2, 3]", kMaxSeeds));
  if (std::ranges::adjacent_find(sorted) != sorted.end()) root.fail_at("seeds", "a seed is given twice");
  return seeds;
}

}  // namespace

Experiment parse_experiment(const std::string& path, const std::vector<std::string>& overrides) {
  YamlNode root = parse_yaml_file(path);
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  Experiment experiment;
  experiment.file = path;
  experiment.datasets = read_datasets(root);
  experiment.output = root.require<std::string>("output");
  if (experiment.output.empty()) root.fail_at("output", "name a folder");
  const std::filesystem::path base = root.require<std::string>("base");
  experiment.base = base.is_absolute() ? base.string() : (std::filesystem::path(path).parent_path() / base).string();
  experiment.seeds = read_seeds(root);
  experiment.set = read_set(root);
  experiment.resamples = root.integer("resamples", experiment.resamples, 100, kMaxResamples);
  experiment.resample_seed = root.integer("resample_seed", experiment.resample_seed, 0, kMaxInteger);
  for (const YamlNode& study : root.require_child("studies").children()) {
    experiment.studies.push_back(read_study(study));
    const std::string& id = experiment.studies.back().id;
    if (std::ranges::count(experiment.studies, id, &Study::id) > 1)
      study.fail_at("id", fmt::format("two studies are called '{}'", id));
  }
  root.finish();
  if (experiment.studies.empty()) root.fail_at("studies", "at least one is needed");
  return experiment;
}

RunConfig run_config_of(const Experiment& experiment, const Study& study, const StudyRow& row,
                        const std::string& primary, std::int64_t seed, std::size_t dataset) {
  std::vector<std::string> overrides = experiment.set;
  overrides.insert(overrides.end(), row.set.begin(), row.set.end());
  overrides.push_back("model.primary=" + primary);
  overrides.push_back(fmt::format("seed={}", seed));
  try {
    RunConfig config = parse_run_config(experiment.base, overrides);
    config.name = row.label;
    config.data.path = experiment.datasets[dataset];
    config.output = experiment.output;
    return config;
  } catch (const Error& error) {
    fail_usage("{}: study '{}', row '{}': {}", experiment.file, study.id, row.label, error.what());
  }
}

}  // namespace mal
