// All that a model learns: dense tensors and embedding tables, by name.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "engine/embedding_table.h"
#include "engine/tensor.h"

namespace mal {

struct Parameter {
  std::string name;
  Tensor value;
  Tensor gradient;        // same shape; written by every backward pass
  Tensor state1, state2;  // of the optimiser; empty where its rule needs none
};

// What moves with training but is not learned by gradients, such as running means. Saved with the weights.
struct State {
  std::string name;
  Tensor value;
};

struct Initialiser {
  enum class Kind { constant, xavier_uniform } kind = Kind::constant;
  float value = 0;  // constant
  static Initialiser constant(float value) { return {Kind::constant, value}; }
  static Initialiser xavier_uniform() { return {Kind::xavier_uniform, 0}; }  // shape [K, N]: U(±√(6/(K+N)))
};

// References stay valid as more are added. A name asked for again (a second graph of the same model) gives the same
// object; asked for with another shape: Error.
class Parameters {
 public:
  // state_width: floats of optimiser state for a table row of width d; empty for a model that only predicts.
  // They lie in `memory`, and begin with the same numbers in any.
  explicit Parameters(std::uint64_t seed, std::function<std::int32_t(std::int32_t width)> state_width = {},
                      Memory memory = kernels::cpu_runtime());

  Parameter& dense(const std::string& name, const std::vector<std::int64_t>& shape, Initialiser initialiser);
  State& state(const std::string& name, const std::vector<std::int64_t>& shape, float value);
  EmbeddingTable& table(const std::string& name, std::int64_t rows, std::int32_t width, float stddev);

  std::deque<Parameter>& all_dense() { return dense_; }
  const std::deque<Parameter>& all_dense() const { return dense_; }
  std::deque<State>& all_states() { return states_; }
  const std::deque<State>& all_states() const { return states_; }
  std::deque<EmbeddingTable>& all_tables() { return tables_; }
  const std::deque<EmbeddingTable>& all_tables() const { return tables_; }
  std::int64_t dense_count() const;
  std::int64_t table_count() const;

 private:
  std::uint64_t seed_;
  std::function<std::int32_t(std::int32_t)> state_width_;
  Memory memory_;
  std::deque<Parameter> dense_;
  std::deque<State> states_;
  std::deque<EmbeddingTable> tables_;
};

}  // namespace mal
