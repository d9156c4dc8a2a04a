// Gradients of a whole small model against central differences of its loss.
#pragma once

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "tests/model/small_model.h"

namespace mal::test {

inline double slope(SmallModel& m, float& weight, float step) {
  const float at = weight;
  weight = at + step;
  const double up = m.run();
  weight = at - step;
  const double down = m.run();
  weight = at;
  return (up - down) / (2.0 * static_cast<double>(step));
}

// Every dense gradient and every touched embedding row against central differences of the whole model's loss. Where a
// kink of PReLU or ReLU lies within the step, the difference says nothing: those must be few. A shorter step meets
// fewer kinks (kReluStep) and has more rounding in its difference, which the margin allows for.
inline constexpr float kReluStep = 5e-4F;
inline void check_gradients(const ModelConfig& config, float step = 4e-3F) {
  SmallModel m(config);
  const double margin = 8e-7 / static_cast<double>(step);
  int checked = 0, off = 0;
  const auto compare = [&](float gradient, float& weight) {
    ++checked;
    if (std::abs(slope(m, weight, step) - gradient) > 2e-3 * std::abs(gradient) + margin) ++off;
  };
  for (Parameter& parameter : m.parameters.all_dense()) {
    m.run();
    const std::vector<float> gradient(parameter.gradient.span().begin(), parameter.gradient.span().end());
    for (std::size_t i = 0; i < gradient.size(); ++i) compare(gradient[i], parameter.value.span()[i]);
  }
  m.run();
  struct Row {
    EmbeddingTable* table;
    std::int32_t row;
    std::vector<float> gradient;
  };
  std::vector<Row> rows;
  for (const SparseGradient* sparse : m.graph.sparse_gradients())
    for (std::int64_t k = 0; k < *sparse->count; ++k) {
      const float* values = sparse->values + k * sparse->table->width();
      rows.push_back({sparse->table, sparse->rows[k], {values, values + sparse->table->width()}});
    }
  CHECK(rows.size() > 10);
  for (const Row& row : rows)
    for (std::size_t c = 0; c < row.gradient.size(); ++c) compare(row.gradient[c], row.table->row(row.row)[c]);
  INFO(off << " of " << checked << " gradients are off");
  CHECK(off <= checked / 100);
}

// Without ReLU, so that one unit near its kink does not spoil every layer below it.
inline ModelConfig smooth_config(const std::string& type) {
  ModelConfig config = small_config(type);
  config.activation = kernels::Activation::none;
  return config;
}

// Σ |gradient| over the parameters whose names begin so.
inline double gradient_size(SmallModel& m, const std::string& prefix) {
  double size = 0;
  for (const Parameter& parameter : m.parameters.all_dense())
    if (parameter.name.starts_with(prefix))
      for (const float g : parameter.gradient.span()) size += std::abs(g);
  return size;
}

}  // namespace mal::test
