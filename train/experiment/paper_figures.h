// What the paper reports, to stand beside ours: read from `paper:` of an experiment file, printed, and compared with
// what a study could have seen (power.h).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/config/strict_yaml.h"

namespace mal {

// Of one row, group or value; what the paper does not report has no value.
struct PaperFigure {
  std::optional<double> ratio;                    // of positives to those of another view: 1.42
  std::optional<double> growth;                   // of positives, in percent
  std::optional<double> gauc, auc;                // 0.7859
  std::optional<double> gauc_change, auc_change;  // relative to the paper's Base, in percent
};

// By primary view, view, group or value of a slice column.
using PaperFigures = std::vector<std::pair<std::string, PaperFigure>>;

// parent.paper, a map from names to maps of the figures that `allowed` lists; every other key is an error. The figures
// "ratio" alone are a map from names to numbers.
PaperFigures read_paper(const YamlNode& parent, const std::vector<std::string>& allowed);

// Without a figure where the paper has none of that name.
PaperFigure paper_figure(const PaperFigures& paper, std::string_view name);

// Names of `paper` that are not among `names`.
std::vector<std::string> unknown_names(const PaperFigures& paper, const std::vector<std::string>& names);

// "—" where there is no figure.
std::string ratio_text(const std::optional<double>& ratio);      // "1.42"
std::string percent_text(const std::optional<double>& percent);  // "+0.51 %"
std::string metric_text(const std::optional<double>& metric,     // "0.7859 (+0.51 %)", "0.7819", "+0.18 %"
                        const std::optional<double>& change);
nlohmann::ordered_json paper_json(const PaperFigure& figure);  // of the figures that are there; null: none is

}  // namespace mal
