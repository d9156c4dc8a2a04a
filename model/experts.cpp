#include "model/experts.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "model/tower.h"

namespace mal {

Mixtures::Mixtures(Graph& graph, Parameters& parameters, std::string name)
    : graph_(graph), parameters_(parameters), name_(std::move(name)) {}

void Mixtures::output(const std::string& name) {
  outputs_.push_back(name);
}

void Mixtures::softmax(const std::string& name, Value x, const std::vector<Value>& experts) {
  gate(kernels::GateKind::softmax, {name, x}, experts);
}

void Mixtures::self(const std::string& name, Value x, const std::vector<Value>& experts) {
  gate(experts.size() == 1 ? kernels::GateKind::sigmoid : kernels::GateKind::softmax, {name, x}, experts);
}

void Mixtures::native(const std::string& name, const std::vector<Value>& experts) {
  gate(kernels::GateKind::constant, {name, {}}, experts);
}

void Mixtures::gate(kernels::GateKind kind, const Logits& logits, const std::vector<Value>& experts) {
  if (outputs_.empty()) fail("{}: a gate before the first output", name_);
  ops::GateSpec& spec = gates_.emplace_back();
  spec.kind = kind;
  spec.output = outputs_.size() - 1;
  for (const Value expert : experts) spec.experts.push_back(index_of(expert));
  logits_.push_back(logits);
}

std::int32_t Mixtures::index_of(Value expert) {
  const auto found = std::ranges::find(experts_, expert.id, &Value::id);
  const auto index = static_cast<std::int32_t>(found - experts_.begin());
  if (found == experts_.end()) experts_.push_back(expert);
  return index;
}

std::vector<Value> Mixtures::record() {
  for (std::size_t g = 0; g < gates_.size(); ++g) {
    const auto count = static_cast<std::int64_t>(gates_[g].experts.size());
    const auto& [name, x] = logits_[g];
    if (x.valid())
      gates_[g].logits = ops::linear(graph_, parameters_, x, count, kernels::Activation::none, name);
    else
      gates_[g].constant = &parameters_.dense(name, {count}, Initialiser::constant(1.0F / static_cast<float>(count)));
  }
  return ops::mixture(graph_, experts_, gates_, outputs_, name_);
}

std::vector<Value> joined(std::vector<Value> a, const std::vector<Value>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<Value> mlp_experts(Graph& graph, Parameters& parameters, Value x, std::int64_t count,
                               const std::vector<std::int64_t>& widths, kernels::Activation activation,
                               const std::string& name) {
  std::vector<Value> experts;
  for (std::int64_t e = 0; e < count; ++e)
    experts.push_back(mlp(graph, parameters, x, widths, {activation}, fmt::format("{}/{}", name, e)));
  return experts;
}

}  // namespace mal
