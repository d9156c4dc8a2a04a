// Layers of gated experts: what MMoE, PLE, AdaTT and HoME are made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/graph.h"
#include "engine/ops.h"
#include "engine/parameters.h"

namespace mal {

// One layer, written down output by output and recorded at the end as a whole:
//   Mixtures layer(graph, parameters, "mmoe");
//   for (task : tasks) { layer.output(task); layer.softmax("mmoe/gate/" + task, z, experts); }
//   std::vector<Value> x = layer.record();
// Until record() nothing but a list exists: how the gates of one input become products is decided in one place.
class Mixtures {
 public:
  Mixtures(Graph& graph, Parameters& parameters, std::string name);

  // Begins the next output; the calls below add to it.
  void output(const std::string& name);

  // Σ_k softmax(linear NAME (x))_k · experts[k]
  void softmax(const std::string& name, Value x, const std::vector<Value>& experts);

  // The self gate of HoME: σ(linear NAME (x)) · expert where there is one, else as softmax().
  void self(const std::string& name, Value x, const std::vector<Value>& experts);

  // Σ_k w_k · experts[k] with a learned parameter NAME [experts.size()], initially 1 / experts.size().
  void native(const std::string& name, const std::vector<Value>& experts);

  // One value an output, in order.
  std::vector<Value> record();

 private:
  struct Logits {  // of a gate to come: a layer of x, or (x invalid) a constant of that name
    std::string name;
    Value x;
  };
  void gate(kernels::GateKind kind, const Logits& logits, const std::vector<Value>& experts);
  std::int32_t index_of(Value expert);

  Graph& graph_;
  Parameters& parameters_;
  std::string name_;
  std::vector<Value> experts_;
  std::vector<std::string> outputs_;
  std::vector<ops::GateSpec> gates_;
  std::vector<Logits> logits_;  // one a gate
};

// `count` experts NAME/0, NAME/1, …: mlp(x, widths), each.
std::vector<Value> mlp_experts(Graph& graph, Parameters& parameters, Value x, std::int64_t count,
                               const std::vector<std::int64_t>& widths, kernels::Activation activation,
                               const std::string& name);

// [a…, b…]
std::vector<Value> joined(std::vector<Value> a, const std::vector<Value>& b);

}  // namespace mal
