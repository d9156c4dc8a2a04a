// A loss or gradient that is not finite reaches no parameter and no optimiser state, wherever in the model it arises.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "engine/error.h"
#include "tests/model/small_model.h"

namespace {

using namespace mal;

constexpr float kBad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()};

std::string bytes_of(const Tensor& tensor) {
  return tensor.size() == 0 ? ""
                            : std::string(reinterpret_cast<const char*>(tensor.data()),
                                          static_cast<std::size_t>(tensor.size()) * sizeof(float));
}

// Every bit that a step may change: weights, tables with their optimiser state, the state of dense layers.
std::string state_of(const Parameters& parameters) {
  std::string bytes;
  for (const Parameter& parameter : parameters.all_dense())
    bytes += bytes_of(parameter.value) + bytes_of(parameter.state1) + bytes_of(parameter.state2);
  for (const EmbeddingTable& table : parameters.all_tables())
    bytes.append(reinterpret_cast<const char*>(table.data()),
                 static_cast<std::size_t>(table.rows() * table.row_stride()) * sizeof(float));
  return bytes;
}

// A model that has made some steps, so that the optimiser's state is not all zero.
struct Trained {
  explicit Trained(const std::string& type)
      : small(test::small_config(type)), optimizer(small.device, small.parameters, {}, {}, {}) {
    for (int step = 0; step < 3; ++step) {
      REQUIRE(std::isfinite(small.run()));
      optimizer.step(small.graph);
    }
  }

  // The step must be refused, and change nothing.
  void refuses_step() {
    const std::string before = state_of(small.parameters);
    CHECK_THROWS_WITH(optimizer.step(small.graph), Catch::Contains("step 4 is not finite, nothing was updated"));
    CHECK(optimizer.steps() == 3);
    CHECK(state_of(small.parameters) == before);
  }

  test::SmallModel small;
  Optimizer optimizer;
};

}  // namespace

TEST_CASE("a gradient that is not finite, of any layer or table, changes no bit", "[not_finite]") {
  for (const char* type : {"base", "mal"}) {
    Trained trained(type);
    for (Parameter& parameter : trained.small.parameters.all_dense()) {
      CAPTURE(type, parameter.name);
      for (const float bad : kBad) {
        trained.small.run();
        parameter.gradient.data()[parameter.gradient.size() - 1] = bad;
        trained.refuses_step();
      }
    }
    for (const SparseGradient* gradient : trained.small.graph.sparse_gradients()) {
      CAPTURE(type, gradient->table->name());
      trained.small.run();
      REQUIRE(*gradient->count > 0);
      const_cast<float*>(gradient->values)[*gradient->count * gradient->table->width() - 1] = kBad[0];
      trained.refuses_step();
    }
    // And after all that the model still learns.
    REQUIRE(std::isfinite(trained.small.run()));
    const std::string before = state_of(trained.small.parameters);
    trained.optimizer.step(trained.small.graph);
    CHECK(state_of(trained.small.parameters) != before);
  }
}

TEST_CASE("a weight that is NaN, of any layer, is noticed", "[not_finite]") {
  for (const char* type : {"base", "mal", "home", "natal"}) {
    Trained trained(type);
    for (Parameter& parameter : trained.small.parameters.all_dense()) {
      CAPTURE(type, parameter.name);
      float& weight = parameter.value.data()[0];
      const float good = weight;
      weight = kBad[0];
      CHECK(!std::isfinite(trained.small.run()));
      trained.refuses_step();
      weight = good;
    }
  }
}

TEST_CASE("a weight that is infinite spoils the step, and nothing else", "[not_finite]") {
  for (const char* type : {"base", "mal"}) {
    Trained trained(type);
    int noticed = 0;
    for (Parameter& parameter : trained.small.parameters.all_dense()) {
      CAPTURE(type, parameter.name);
      float& weight = parameter.value.data()[0];
      const float good = weight;
      weight = std::numeric_limits<float>::infinity();
      const double loss = trained.small.run();
      double squares = 0;
      for (const Parameter& each : trained.small.parameters.all_dense())
        for (std::int64_t i = 0; i < each.gradient.size(); ++i)
          squares += std::pow(static_cast<double>(each.gradient.data()[i]), 2);
      // Behind a unit that is off it has no effect, and then nothing is wrong.
      if (!std::isfinite(loss) || !std::isfinite(squares)) {
        ++noticed;
        if (!std::isfinite(squares)) trained.refuses_step();
      }
      weight = good;
    }
    CHECK(noticed > 10);
  }
}
