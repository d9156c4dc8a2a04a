#include "train/experiment/paper_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mal {

namespace {

struct Field {
  const char* name;
  std::optional<double> PaperFigure::*value;
  double minimum, maximum;
};

constexpr std::array<Field, 6> kFields = {{{"ratio", &PaperFigure::ratio, 0, 1e6},
                                           {"growth", &PaperFigure::growth, -100, 1e6},
                                           {"gauc", &PaperFigure::gauc, 0, 1},
                                           {"auc", &PaperFigure::auc, 0, 1},
                                           {"gauc_change", &PaperFigure::gauc_change, -100, 1e4},
                                           {"auc_change", &PaperFigure::auc_change, -100, 1e4}}};

PaperFigure read_figure(const YamlNode& node, const std::vector<std::string>& allowed) {
  PaperFigure figure;
  bool any = false;
  for (const Field& field : kFields) {
    if (std::ranges::find(allowed, field.name) == allowed.end()) continue;
    node.child(field.name);  // to ask for a key is what makes it a known one
    if (!node.has(field.name)) continue;
    figure.*field.value = node.number(field.name, 0, field.minimum, field.maximum);
    any = true;
  }
  if (!any && node.is_map()) node.fail_at("", fmt::format("give figures of: {}", fmt::join(allowed, ", ")));
  return figure;
}

}  // namespace

PaperFigures read_paper(const YamlNode& parent, const std::vector<std::string>& allowed) {
  PaperFigures paper;
  const YamlNode node = parent.child("paper");
  for (const YamlNode& child : node.children()) {
    PaperFigure figure;
    if (allowed == std::vector<std::string>{"ratio"})
      figure.ratio = node.number(child.key(), 0, 0, 1e6);
    else if (child.is_map())
      figure = read_figure(child, allowed);
    else
      child.fail_at("", fmt::format("a map of numbers such as {{{}: 0.51}}; it takes {}", allowed.back(),
                                    fmt::join(allowed, ", ")));
    paper.emplace_back(child.key(), figure);
  }
  return paper;
}

PaperFigure paper_figure(const PaperFigures& paper, std::string_view name) {
  const auto found = std::ranges::find(paper, name, &std::pair<std::string, PaperFigure>::first);
  return found == paper.end() ? PaperFigure() : found->second;
}

std::vector<std::string> unknown_names(const PaperFigures& paper, const std::vector<std::string>& names) {
  std::vector<std::string> unknown;
  for (const auto& [name, figure] : paper)
    if (std::ranges::find(names, name) == names.end()) unknown.push_back(name);
  return unknown;
}

std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}", *ratio) : "—";
}

std::string percent_text(const std::optional<double>& percent) {
  return percent ? fmt::format("{:+.2f} %", *percent) : "—";
}

std::string metric_text(const std::optional<double>& metric, const std::optional<double>& change) {
  if (!metric) return percent_text(change);
  return change ? fmt::format("{:.4f} ({})", *metric, percent_text(change)) : fmt::format("{:.4f}", *metric);
}

nlohmann::ordered_json paper_json(const PaperFigure& figure) {
  nlohmann::ordered_json json;
  for (const Field& field : kFields)
    if (const std::optional<double>& value = figure.*field.value) json[field.name] = *value;
  return json;
}

}  // namespace mal
