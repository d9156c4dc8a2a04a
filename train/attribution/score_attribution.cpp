#include "train/attribution/score_attribution.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/aligned_table.h"
#include "train/data/sample_files.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

// 1, 2, … by value; equal values share the mean of their ranks.
std::vector<double> ranks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double rank = (static_cast<double>(begin + end) + 1) / 2;
    for (std::size_t i = begin; i < end; ++i) result[order[i]] = rank;
    begin = end;
  }
  return result;
}

struct Pairs {
  std::vector<double> credit, truth;
};

MechanismScore score(const std::string& name, const Pairs& pairs) {
  MechanismScore result{.name = name, .clicks = pairs.credit.size()};
  for (std::size_t i = 0; i < pairs.credit.size(); ++i) {
    result.mean_error += std::abs(pairs.credit[i] - pairs.truth[i]);
    result.credit += pairs.credit[i];
    result.truth += pairs.truth[i];
  }
  if (result.clicks > 0) result.mean_error /= static_cast<double>(result.clicks);
  result.rank_correlation = rank_correlation(pairs.credit, pairs.truth);
  return result;
}

// What attribute writes into the folder of the samples.
bool is_beside_samples(const std::string& path) {
  constexpr std::array kTables = {"channels.csv", "removal_effects.csv", "transitions.csv", "report.html"};
  const std::string name = std::filesystem::path(path).filename().string();
  return name.ends_with(".json") || std::ranges::find(kTables, name) != kTables.end();
}

void print(const std::vector<MechanismScore>& scores) {
  AlignedTable table({"mechanism", "clicks compared", "mean |credit - truth|", "rank correlation", "sum of credit"});
  for (const MechanismScore& s : scores)
    table.add({s.name, with_thousands(static_cast<long long>(s.clicks)), fmt::format("{:.4f}", s.mean_error),
               fmt::format("{:.4f}", s.rank_correlation), fmt::format("{:.1f}", s.credit)});
  fmt::print("{}", table.text());
}

void write_json(const std::string& path, const std::vector<MechanismScore>& scores) {
  nlohmann::ordered_json json;
  for (const MechanismScore& s : scores)
    json[s.name] = {{"clicks", s.clicks},
                    {"mean_error", s.mean_error},
                    {"rank_correlation", s.rank_correlation},
                    {"credit", s.credit},
                    {"truth", s.truth}};
  OutputFile file(path);
  file.write(json.dump(2) + "\n");
  file.commit();
}

}  // namespace

double rank_correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const std::vector<double> x = ranks(a), y = ranks(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

std::vector<MechanismScore> score_attribution(const ScoreOptions& options) {
  std::vector<Pairs> pairs(options.mechanisms.size());
  FolderColumns folders;
  for (const std::string& path : expand_files(options.samples, folders)) {
    if (is_beside_samples(path) && std::ranges::find(options.samples, path) == options.samples.end()) continue;
    TextTable table(path, {.folder = folders.of(path)});
    const int truth = table.require(options.truth);
    std::vector<int> columns;
    for (const std::string& mechanism : options.mechanisms) columns.push_back(table.require(mechanism));
    while (table.next()) {
      const double wanted = table.number(truth);
      for (std::size_t m = 0; m < columns.size(); ++m) {
        const double credit = table.number(columns[m]);
        if (credit == 0 && wanted == 0) continue;
        pairs[m].credit.push_back(credit);
        pairs[m].truth.push_back(wanted);
      }
    }
  }
  std::vector<MechanismScore> scores;
  for (std::size_t m = 0; m < pairs.size(); ++m) scores.push_back(score(options.mechanisms[m], pairs[m]));
  return scores;
}

void add_score_attribution_command(CLI::App& app) {
  const auto options = std::make_shared<ScoreOptions>();
  const auto json = std::make_shared<std::string>();
  options->mechanisms = {"last", "first", "linear", "mta"};
  CLI::App* command =
      app.add_subcommand("score-attribution", "Distance of each mechanism's credit from the true one of a simulation");
  command->add_option("samples", options->samples, "Files that attribute wrote, or their folder")->required();
  command->add_option("--truth", options->truth, "Column of the true credit")->capture_default_str();
  command->add_option("--mechanisms", options->mechanisms, "Columns to compare with it")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--json", *json, "Write the same as JSON to this file");
  command->footer("Example: mal_data score-attribution samples --mechanisms last,linear,mta");
  command->callback([options, json] {
    const std::vector<MechanismScore> scores = score_attribution(*options);
    print(scores);
    if (!json->empty()) write_json(*json, scores);
  });
}

}  // namespace mal
