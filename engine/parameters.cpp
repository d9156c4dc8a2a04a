#include "engine/parameters.h"

#include <cmath>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

constexpr Purpose kPurpose{"a layer's weights", "choose smaller widths in the model section"};

std::vector<float> first_values(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t size,
                                Initialiser initialiser, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(size), initialiser.value);
  if (initialiser.kind == Initialiser::Kind::constant) return values;
  const double limit = std::sqrt(6.0 / static_cast<double>(shape.front() + shape.back()));
  const Random random(seed, name);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(limit * (2.0 * random.uniform(static_cast<std::uint64_t>(i)) - 1.0));
  return values;
}

// Before the memory is asked for: a width with a digit too many would end the process, or the machine's patience.
void check_size(const std::string& name, const std::vector<std::int64_t>& shape) {
  constexpr double kMost = 1 << 28, kBytes = 4 * sizeof(float),
                   kGiB = 1 << 30;  // value, gradient, two of the optimiser
  double count = 1;
  for (const std::int64_t n : shape) count *= static_cast<double>(n);
  if (count > kMost)
    fail_usage(
        "model: {} would have {:.0f} weights, {:.0f} GiB with gradient and optimiser state; the limit is {:.0f}: "
        "choose narrower layers",
        name, count, count * kBytes / kGiB, kMost);
}

}  // namespace

Parameters::Parameters(std::uint64_t seed, std::function<std::int32_t(std::int32_t)> state_width, Memory memory)
    : seed_(seed), state_width_(std::move(state_width)), memory_(std::move(memory)) {}

Parameter& Parameters::dense(const std::string& name, const std::vector<std::int64_t>& shape, Initialiser initialiser) {
  for (Parameter& parameter : dense_) {
    if (parameter.name != name) continue;
    if (parameter.value.shape() != shape) fail("parameter {} is asked for with two different shapes", name);
    return parameter;
  }
  check_size(name, shape);
  Parameter& parameter =
      dense_.emplace_back(Parameter{name, Tensor(memory_, shape, kPurpose), Tensor(memory_, shape, kPurpose), {}, {}});
  parameter.value.write(first_values(name, shape, parameter.value.size(), initialiser, seed_));
  return parameter;
}

State& Parameters::state(const std::string& name, const std::vector<std::int64_t>& shape, float value) {
  for (State& state : states_) {
    if (state.name != name) continue;
    if (state.value.shape() != shape) fail("state {} is asked for with two different shapes", name);
    return state;
  }
  State& state = states_.emplace_back(State{name, Tensor(memory_, shape, kPurpose)});
  state.value.write(std::vector<float>(static_cast<std::size_t>(state.value.size()), value));
  return state;
}

EmbeddingTable& Parameters::table(const std::string& name, std::int64_t rows, std::int32_t width, float stddev) {
  for (EmbeddingTable& table : tables_) {
    if (table.name() != name) continue;
    if (table.rows() != rows || table.width() != width) fail("table {} is asked for with two different shapes", name);
    return table;
  }
  EmbeddingTable& table = tables_.emplace_back(memory_, name, rows, width, state_width_ ? state_width_(width) : 0);
  table.initialise(seed_, stddev);
  return table;
}

std::int64_t Parameters::dense_count() const {
  std::int64_t count = 0;
  for (const Parameter& parameter : dense_) count += parameter.value.size();
  return count;
}

std::int64_t Parameters::table_count() const {
  std::int64_t count = 0;
  for (const EmbeddingTable& table : tables_) count += table.rows() * table.width();
  return count;
}

}  // namespace mal
