// A small model of any type with random weights, exported to a file, and its rows as raw values.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "engine/file.h"
#include "model/inference/export.h"
#include "model/inference/mal_infer.h"
#include "tests/model/small_model.h"
#include "tests/support/temporary_folder.h"
#include "train/config/model_json.h"

namespace mal::test {

// Weights of the size that keeps a layer's output near its input's, and no bias, norm or slope of PReLU at a value that
// hides it.
inline void randomise(Parameters& parameters, kernels::Activation activation) {
  const float gain = activation == kernels::Activation::relu ? 1.4F : 1.0F;  // ReLU halves the squares
  for (State& state : parameters.all_states()) {
    const Random random(11, state.name);
    std::uint64_t counter = 0;
    for (float& value : state.value.span()) {
      value = 0.4F * static_cast<float>(random.normal(counter++));
      if (state.name.ends_with("/variance")) value = 0.5F + std::abs(value);
    }
  }
  for (Parameter& parameter : parameters.all_dense()) {
    const Random random(11, parameter.name);
    const bool positive = parameter.name.ends_with("/gamma");
    const std::vector<std::int64_t>& shape = parameter.value.shape();
    const float size = shape.size() == 2 ? gain / std::sqrt(static_cast<float>(shape[0])) : 0.4F;
    std::uint64_t counter = 0;
    for (float& value : parameter.value.span()) {
      value = size * static_cast<float>(random.normal(counter++));
      if (positive) value = 0.5F + std::abs(value);
    }
  }
}

// Row r of `table` has the value "<table>_<r>".
inline std::string value_of(const std::string& table, std::int32_t row) {
  return row == 0 ? "never seen" : fmt::format("{}_{}", table, row);
}

struct ExportedModel {
  explicit ExportedModel(const ModelConfig& config, const ExportOptions& options = {}, std::int64_t rows = 40)
      : trained(config, rows, false), path(folder / "model.mal") {
    randomise(trained.parameters, config.activation);
    write(config, options);
  }

  void write(const ModelConfig& config, const ExportOptions& options) {
    RunConfig run;
    run.model = config;
    const auto vocabulary = [&](const std::string& table) {
      const auto index = static_cast<std::size_t>(trained.schema.table_index(table));
      std::vector<std::string> values;
      for (std::int32_t r = 1; r < trained.schema.tables[index].rows; ++r) values.push_back(value_of(table, r));
      return values;
    };
    const auto scale = [this](int) { return ExportSource::Scale{.fill = fill_of_price}; };
    export_model({trained.schema, trained.parameters, model_json(run), vocabulary, scale, {{"run", "test"}}}, options,
                 path);
  }

  std::string bytes() const { return read_file(path); }

  // The value of a column in a row, as a sample file holds it.
  std::string text(std::size_t column, std::int64_t row) const {
    const Column& spec = trained.schema.columns[column];
    const BatchColumn& data = trained.batch.columns[column];
    const auto r = static_cast<std::size_t>(row), length = static_cast<std::size_t>(spec.length);
    if (spec.kind == ColumnKind::id) return value_of(spec.table, data.ids[r]);
    if (spec.kind == ColumnKind::number) return fmt::format("{}", data.values[r]);
    std::string list;
    for (std::size_t j = 0; j < static_cast<std::size_t>(data.lengths[r]); ++j) {
      const std::size_t at = r * length + j;
      list += j == 0 ? "" : "|";
      list += spec.kind == ColumnKind::scores ? fmt::format("{}", data.values[at]) : value_of(spec.table, data.ids[at]);
    }
    return list;
  }

  // The columns of a row that `wanted` names, or all others if `inverse`.
  void fill(infer::Features& features, std::int64_t row, const std::vector<std::string>& wanted, bool inverse) const {
    features.clear();
    for (std::size_t c = 0; c < trained.schema.columns.size(); ++c) {
      const Column& spec = trained.schema.columns[c];
      if (spec.table.empty() && spec.kind != ColumnKind::scores && spec.kind != ColumnKind::number) continue;
      const bool named = std::find(wanted.begin(), wanted.end(), spec.name) != wanted.end();
      if (named != inverse) features.set(spec.name, text(c, row));
    }
  }

  TemporaryFolder folder;
  SmallModel trained;
  std::string path;
  float fill_of_price = 0;  // for a schema whose price may be missing
};

}  // namespace mal::test
