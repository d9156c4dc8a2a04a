// Updates against torch.optim's, recorded by tests/oracle/optimizers_golden.py.
#include <fstream>
#include <map>

#include "tests/kernels/kernel_test.h"

namespace mal::test::optimizer_golden {

using kernels::DenseRule;
using kernels::OptimizerStep;
using kernels::SparseRule;

constexpr std::int64_t kRows = 4, kColumns = 2;
constexpr kernels::GradientNorm kNorm{1, 1, 1};

using Fields = std::vector<std::string>;
std::vector<Fields> read_csv(const std::string& name) {
  std::ifstream file(std::string(MAL_TEST_DATA) + "/optimizers/" + name);
  REQUIRE(file);
  std::vector<Fields> lines;
  for (std::string line; std::getline(file, line);) {
    std::istringstream text(line);
    Fields& fields = lines.emplace_back();
    for (std::string field; std::getline(text, field, ',');) fields.push_back(field);
  }
  lines.erase(lines.begin());  // the header
  return lines;
}

struct GoldenStep {
  Matrix gradients{kRows, kColumns};  // NaN where a row has none
  std::vector<double> weights;        // after the step
};

// case → its steps; step 0 is where it starts
std::map<std::string, std::vector<GoldenStep>> read_steps() {
  std::map<std::string, std::vector<GoldenStep>> cases;
  for (const Fields& line : read_csv("steps.csv")) {
    auto& steps = cases[line.at(0)];
    if (steps.size() == std::stoul(line.at(1))) steps.emplace_back();
    steps.back().gradients.at(std::stol(line.at(2)), std::stol(line.at(3))) = std::stof(line.at(4));
    steps.back().weights.push_back(std::stod(line.at(5)));
  }
  return cases;
}

OptimizerStep settings_of(const Fields& line, std::int64_t step) {
  return {.rate = std::stof(line.at(3)),
          .beta1 = std::stof(line.at(4)),
          .beta2 = std::stof(line.at(5)),
          .eps = std::stof(line.at(6)),
          .l1 = 0,
          .l2 = std::stof(line.at(7)),
          .momentum = std::stof(line.at(8)),
          .beta = 0,
          .step = step};
}

void check_dense(const KernelTable& kernels, const Fields& line, const std::vector<GoldenStep>& steps) {
  static const std::map<std::string, DenseRule> kRules = {
      {"sgd", DenseRule::sgd}, {"adagrad", DenseRule::adagrad}, {"adam", DenseRule::adam}, {"adamw", DenseRule::adamw}};
  Matrix weights(kRows, kColumns), state1(kRows, kColumns), state2(kRows, kColumns);
  for (std::size_t i = 0; i < steps[0].weights.size(); ++i) weights.data()[i] = static_cast<float>(steps[0].weights[i]);
  state1.fill(0);
  state2.fill(0);
  for (std::size_t s = 1; s < steps.size(); ++s) {
    INFO("step " << s);
    const kernels::DenseTensor tensor{weights.data(), steps[s].gradients.data(), state1.data(), state2.data(),
                                      kRows * kColumns};
    const OptimizerStep step = settings_of(line, static_cast<std::int64_t>(s));
    kernels.dense_update(kRules.at(line.at(1)), on_device(step).data(), on_device(kNorm).data(), &tensor, 1);
    CHECK(mismatch(weights, steps[s].weights, 3e-6) == "");
  }
}

void check_sparse(const KernelTable& kernels, const Fields& line, const std::vector<GoldenStep>& steps) {
  static const std::map<std::string, SparseRule> kRules = {{"sgd", SparseRule::sgd},
                                                           {"adagrad", SparseRule::adagrad},
                                                           {"lazy_adam", SparseRule::lazy_adam},
                                                           {"adam_dense", SparseRule::adam_dense}};
  const SparseRule rule = kRules.at(line.at(1));
  Matrix table(kRows, kColumns + kernels.sparse_state_width(rule, kColumns, 0));
  table.fill(0);
  Matrix weights(kRows, kColumns);
  for (std::size_t s = 0; s < steps.size(); ++s) {
    INFO("step " << s);
    if (s == 0) {
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t c = 0; c < kColumns; ++c)
          table.at(r, c) = static_cast<float>(steps[0].weights[static_cast<std::size_t>(r * kColumns + c)]);
      continue;
    }
    Vector<std::int32_t> rows;
    Vector<float> values;
    for (std::int32_t r = 0; r < kRows; ++r) {
      if (std::isnan(steps[s].gradients.at(r, 0))) continue;
      rows.push_back(r);
      for (std::int64_t c = 0; c < kColumns; ++c) values.push_back(steps[s].gradients.at(r, c));
    }
    const auto count = on_device<std::int64_t>(std::ssize(rows));
    const kernels::SparseTensor tensor{table.data(), table.stride(), kRows,        kColumns,
                                       rows.data(),  values.data(),  count.data(), kRows};
    const OptimizerStep step = settings_of(line, static_cast<std::int64_t>(s));
    kernels.sparse_update(rule, on_device(step).data(), on_device(kNorm).data(), &tensor, 1);
    for (std::int64_t r = 0; r < kRows; ++r) std::copy_n(&table.at(r, 0), kColumns, &weights.at(r, 0));
    CHECK(mismatch(weights, steps[s].weights, 3e-6) == "");
  }
}

TEST_CASE("updates agree with torch.optim step by step", "[kernels][optimizer_golden]") {
  for_each_device([](const KernelTable& kernels) {
    const auto all = read_steps();
    const auto cases = read_csv("cases.csv");
    CHECK(cases.size() == all.size());
    for (const Fields& line : cases) {
      INFO("case " << line.at(0));
      const auto& steps = all.at(line.at(0));
      CHECK(steps.size() == 16);
      (line.at(2) == "1" ? check_sparse : check_dense)(kernels, line, steps);
    }
  });
}

}  // namespace mal::test::optimizer_golden
