#include "engine/multi_task.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/random.h"

namespace mal {

namespace {

using Gram = std::vector<std::vector<double>>;

constexpr Purpose kPurpose{"a copy of every gradient for each head", "set train.multi_task: none"};

// 0 … count − 1 but for `without`, shuffled; the same for the same (step, without).
std::vector<std::size_t> random_order(const Random& random, std::size_t count, std::size_t without, std::int64_t step) {
  std::vector<std::size_t> order;
  for (std::size_t j = 0; j < count; ++j)
    if (j != without) order.push_back(j);
  std::uint64_t next = (static_cast<std::uint64_t>(step) * count + without) * count;
  for (std::size_t k = order.size(); k > 1; --k) std::swap(order[k - 1], order[random.below(next++, k)]);
  return order;
}

std::vector<double> pcgrad_weights(const Gram& gram, std::uint64_t seed, std::int64_t step) {
  const Random random(seed, "pcgrad");
  const std::size_t count = gram.size();
  std::vector<double> sum(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<double> weights(count);  // of g_i as it is projected
    weights[i] = 1;
    for (const std::size_t j : random_order(random, count, i, step)) {
      double product = 0;
      for (std::size_t k = 0; k < count; ++k) product += weights[k] * gram[k][j];
      if (product < 0 && gram[j][j] > 0) weights[j] -= product / gram[j][j];
    }
    for (std::size_t k = 0; k < count; ++k) sum[k] += weights[k];
  }
  return sum;
}

std::vector<double> gcs_weights(const Gram& gram) {
  std::vector<double> weights(gram.size(), 1.0);
  for (std::size_t i = 1; i < gram.size(); ++i) {
    const double norms = std::sqrt(gram[i][i] * gram[0][0]);
    weights[i] = norms == 0 ? 0 : std::max(0.0, gram[i][0] / norms);
  }
  return weights;
}

}  // namespace

std::vector<double> combination_weights(MultiTask kind, const Gram& gram, std::uint64_t seed, std::int64_t step) {
  switch (kind) {
    case MultiTask::pcgrad:
      return pcgrad_weights(gram, seed, step);
    case MultiTask::gcs:
      return gcs_weights(gram);
    case MultiTask::none:
      break;
  }
  return std::vector<double>(gram.size(), 1.0);
}

GradientSurgery::GradientSurgery(Graph& graph, Parameters& parameters, const std::vector<Value>& logits,
                                 std::int32_t& only, MultiTask kind, std::uint64_t seed)
    : graph_(graph), only_(only), kind_(kind), seed_(seed) {
  const Memory& memory = graph.device().memory;
  std::vector<Flow> reached;
  reached.reserve(logits.size());
  for (const Value head : logits) reached.push_back(graph.reached_from(head));
  const auto heads_that_reach = [&](const auto* what, const auto& list_of) {
    return std::ranges::count_if(reached, [&](const Flow& flow) {
      const auto& list = list_of(flow);
      return std::ranges::find(list, what) != list.end();
    });
  };
  for (Parameter& parameter : parameters.all_dense())
    add_piece(parameter.gradient.data(), parameter.gradient.size(), nullptr,
              heads_that_reach(
                  &parameter, [](const Flow& flow) -> const auto& { return flow.learns; }) > 1);
  for (const SparseGradient* sparse : graph.sparse_gradients())
    add_piece(sparse->values, sparse->capacity * sparse->table->width(), sparse,
              heads_that_reach(
                  sparse->table, [](const Flow& flow) -> const auto& { return flow.tables; }) > 1);
  for (std::size_t head = 0; head < logits.size(); ++head)
    copies_.emplace_back(memory, static_cast<std::size_t>(floats_) * sizeof(float), kPurpose);
  products_ = Buffer(memory, logits.size() * logits.size() * sizeof(double), kPurpose);
  const std::vector<kernels::Span> all = shared_spans(0);
  const std::int64_t workspace =
      graph.device().kernels->dot_workspace(all.data(), static_cast<std::int32_t>(all.size()));
  workspace_ = Buffer(memory, static_cast<std::size_t>(workspace) * sizeof(double), kPurpose);
}

void GradientSurgery::add_piece(float* data, std::int64_t capacity, const SparseGradient* sparse, bool shared) {
  pieces_.push_back({data, sparse, floats_, shared, capacity});
  floats_ += capacity;
}

// Which rows a step touches does not depend on the loss.
void GradientSurgery::count_rows() {
  for (Piece& piece : pieces_)
    if (piece.sparse != nullptr) piece.floats = piece.sparse->read_count() * piece.sparse->table->width();
}

std::vector<kernels::Span> GradientSurgery::shared_spans(std::size_t head) const {
  std::vector<kernels::Span> result;
  for (const Piece& piece : pieces_)
    if (piece.shared) result.push_back({copies_[head].as<const float>() + piece.offset, piece.floats, 1, nullptr});
  return result;
}

std::vector<std::vector<double>> GradientSurgery::gram() const {
  const std::size_t heads = copies_.size();
  for (std::size_t i = 0; i < heads; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      const std::vector<kernels::Span> a = shared_spans(i), b = shared_spans(j);
      graph_.device().kernels->dot(a.data(), b.data(), static_cast<std::int32_t>(a.size()),
                                   products_.as<double>() + i * heads + j, workspace_.as<double>());
    }
  std::vector<double> products(heads * heads);
  products_.download(products.data(), products.size() * sizeof(double));
  Gram result(heads, std::vector<double>(heads));
  for (std::size_t i = 0; i < heads; ++i)
    for (std::size_t j = 0; j < heads; ++j) result[i][j] = products[std::max(i, j) * heads + std::min(i, j)];
  return result;
}

void GradientSurgery::backward(std::int64_t rows, std::int64_t step) {
  const auto& scale_add = graph_.device().kernels->scale_add;
  for (std::size_t head = 0; head < copies_.size(); ++head) {
    only_ = static_cast<std::int32_t>(head);
    graph_.backward(rows);
    if (head == 0) count_rows();
    auto* copy = copies_[head].as<float>();
    for (const Piece& piece : pieces_) scale_add(piece.data, 1.0F, copy + piece.offset, piece.floats, false);
  }
  only_ = -1;
  const std::vector<double> weights = combination_weights(kind_, gram(), seed_, step);
  for (const Piece& piece : pieces_)
    for (std::size_t head = 0; head < copies_.size(); ++head)
      scale_add(copies_[head].as<const float>() + piece.offset, piece.shared ? static_cast<float>(weights[head]) : 1.0F,
                piece.data, piece.floats, head > 0);
}

}  // namespace mal
