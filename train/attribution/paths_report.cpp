// What attribute says of paths, as text and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "train/attribution/attribute_paths.h"
#include "train/attribution/channel_report.h"

namespace mal {

namespace {

using nlohmann::ordered_json;

std::string counts_text(const PathsReport& r) {
  const PathTable& paths = r.paths;
  std::string text = fmt::format("{} rows: {} different paths of {} channels, longest {}\n", paths.rows,
                                 paths.paths.size(), paths.channels.size(), r.longest);
  text += fmt::format("{} conversions", paths.conversions);
  if (paths.has_value) text += fmt::format(" worth {:.2f}", paths.value);
  if (paths.has_nulls) text += fmt::format(", {} paths without conversion", paths.nulls);
  text += fmt::format(", {:.2f} touches on average\n",
                      static_cast<double>(r.touches) / static_cast<double>(paths.conversions + paths.nulls));
  for (const std::string& note : paths.notes.lines()) text += note + "\n";
  if (paths.idle_rows > 0) text += fmt::format("{} rows count no journey, so they say nothing\n", paths.idle_rows);
  if (paths.empty_places > 0)
    text += fmt::format("{} empty places between separators passed over\n", paths.empty_places);
  return text;
}

// Why shapley and logistic say nothing; empty where they do, or were not asked for.
std::string nothing_learned(const PathsReport& r) {
  const bool fitted = std::ranges::any_of(
      r.model.mechanisms, [](const FittedMechanism& fit) { return fit.mechanism != Mechanism::markov; });
  if (!fitted || r.paths.nulls > 0) return "";
  return "nothing can be learned: every path converts, so shapley and logistic equal linear; paths without conversion "
         "have to be counted (--null names their column)";
}

std::string markov_text(const PathsReport& r) {
  if (!r.markov) return "";
  return order_text(*r.markov) + fmt::format("\nmarkov: order {}, {} states, {} different steps\n", r.markov->order,
                                             r.markov->chain.states.size() - 1, r.markov->chain.steps());
}

}  // namespace

std::vector<std::string> warnings(const AttributeOptions& options, const PathsReport& report) {
  const std::string& other = report.paths.other_separator;
  if (other.empty()) return {};
  const std::string name = other == "\t" ? "a tab" : fmt::format("'{}'", other);
  const std::string remedy =
      fmt::format("if {} stands between channels, give --path-separator {}", name, other == "\t" ? "$'\\t'" : name);
  if (report.longest > 1)
    return {
        fmt::format("every '{}' of a path is a part of {}, and the rest of it ended up in the names of channels; {}",
                    options.path_separator, name, remedy)};
  return {fmt::format("no path holds '{}', so each is one channel, and paths hold {}; {}", options.path_separator, name,
                      remedy)};
}

std::string summary(const PathsReport& report) {
  std::string text = counts_text(report);
  text += channel_table_text(report.table) + "clicks: touches of all paths, of those without conversion too\n";
  text += markov_text(report);
  if (!nothing_learned(report).empty()) text += nothing_learned(report) + "\n";
  return text;
}

std::string to_json(const AttributeOptions& options, const PathsReport& report) {
  std::vector<std::string> files;  // without their folders: the same input gives the same bytes wherever it lies
  for (const std::string& path : options.inputs) files.push_back(std::filesystem::path(path).filename().string());
  const PathTable& paths = report.paths;
  ordered_json json = {{"parameters",
                        {{"format", "paths"},
                         {"in", files},
                         {"mechanisms", options.mechanisms},
                         {"mta", options.mta},
                         {"path_separator", options.path_separator},
                         {"seed", options.seed}}},
                       {"counts",
                        {{"rows", paths.rows},
                         {"paths", paths.paths.size()},
                         {"channels", paths.channels.size()},
                         {"conversions", paths.conversions},
                         {"nulls", paths.has_nulls ? ordered_json(paths.nulls) : ordered_json(nullptr)},
                         {"value", paths.has_value ? ordered_json(paths.value) : ordered_json(nullptr)},
                         {"touches", report.touches},
                         {"longest_path", report.longest},
                         {"rows_without_journey", paths.idle_rows},
                         {"empty_places", paths.empty_places}}},
                       {"channels", channel_table_json(report.table)}};
  if (options.position != PositionWeights())
    json["parameters"]["position_weights"] = {options.position.first, options.position.middle, options.position.last};
  if (!paths.notes.lines().empty()) json["notes"] = paths.notes.lines();
  if (report.markov) json["markov"] = markov_json(*report.markov);
  if (!nothing_learned(report).empty()) json["nothing_learned"] = nothing_learned(report);
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace mal
