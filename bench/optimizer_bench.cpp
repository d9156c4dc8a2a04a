#include "bench/ceiling.h"

namespace {

using namespace mal::bench;
using mal::kernels::DenseRule;
using mal::kernels::OptimizerStep;
using mal::kernels::SparseRule;

constexpr OptimizerStep kStep = {.rate = 1e-6F,
                                 .beta1 = 0.9F,
                                 .beta2 = 0.999F,
                                 .eps = 1e-8F,
                                 .l1 = 0,
                                 .l2 = 0,
                                 .momentum = 0,
                                 .beta = 1,
                                 .step = 1000};

struct Constants {
  Buffer<OptimizerStep> step{std::vector<OptimizerStep>{kStep}};
  Buffer<mal::kernels::GradientNorm> norm{std::vector<mal::kernels::GradientNorm>{{1, 1, 1}}};
};

// Weights read and written, a gradient read, `states` read and written.
void dense_update(benchmark::State& state, DenseRule rule, int states, double flops) {
  const std::int64_t size = state.range(0);
  // Each array some cache lines further in its page than the one before.
  const std::vector<float> ones(static_cast<std::size_t>(size + 1024), 1.0F);
  std::vector<Buffer<float>> arrays;
  for (int i = 0; i < 4; ++i) arrays.push_back(i < 2 ? random_floats(size + 1024) : Buffer<float>(ones));
  const Constants constants;
  const mal::kernels::DenseTensor tensor{arrays[0].data(), arrays[1].data() + 80, arrays[2].data() + 160,
                                         arrays[3].data() + 240, size};
  const double seconds = timed(
      state, [&] { device_kernels().dense_update(rule, constants.step.data(), constants.norm.data(), &tensor, 1); });
  report(state, seconds, {flops * static_cast<double>(size), 4 * (3 + 2 * states) * static_cast<double>(size)});
}

// 65536 touched rows of a table; width 16.
void sparse_update(benchmark::State& state, SparseRule rule, double flops) {
  constexpr std::int32_t kWidth = 16;
  const auto& kernels = device_kernels();
  const std::int64_t table_rows = state.range(0), touched = 65536;
  const std::int64_t stride = kWidth + kernels.sparse_state_width(rule, kWidth, 0);
  const Constants constants;
  Buffer<float> table(std::vector<float>(static_cast<std::size_t>(table_rows * stride), 1.0F));
  std::vector<std::int32_t> rising(static_cast<std::size_t>(touched));
  for (std::int64_t i = 0; i < touched; ++i)
    rising[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * table_rows / touched);
  const Buffer<std::int32_t> rows(rising);
  const Buffer<std::int64_t> count(std::vector<std::int64_t>{touched});
  const Buffer<float> values = random_floats(touched * kWidth);
  const mal::kernels::SparseTensor tensor{table.data(), stride,        table_rows,   kWidth,
                                          rows.data(),  values.data(), count.data(), touched};
  const double seconds =
      timed(state, [&] { kernels.sparse_update(rule, constants.step.data(), constants.norm.data(), &tensor, 1); });
  const auto updated = static_cast<double>(rule == SparseRule::adam_dense ? table_rows : touched);
  report(state, seconds,
         {flops * updated * kWidth,
          8 * updated * static_cast<double>(stride) + 4 * static_cast<double>(touched * (kWidth + 1))});
  state.counters["rows/s"] = static_cast<double>(state.iterations()) * updated / seconds;
}

BENCHMARK_CAPTURE(dense_update, sgd, DenseRule::sgd, 0, 5)->ArgName("size")->Arg(1 << 17)->Arg(1 << 23)->UseRealTime();
BENCHMARK_CAPTURE(dense_update, adagrad, DenseRule::adagrad, 1, 9)->ArgName("size")->Arg(1 << 23)->UseRealTime();
BENCHMARK_CAPTURE(dense_update, adam, DenseRule::adam, 2, 15)
    ->ArgName("size")
    ->Arg(1 << 17)
    ->Arg(1 << 23)
    ->UseRealTime();
BENCHMARK_CAPTURE(sparse_update, adagrad, SparseRule::adagrad, 9)->ArgName("table")->Arg(1000000)->UseRealTime();
BENCHMARK_CAPTURE(sparse_update, rowwise_adagrad, SparseRule::rowwise_adagrad, 9)
    ->ArgName("table")
    ->Arg(1000000)
    ->UseRealTime();
BENCHMARK_CAPTURE(sparse_update, lazy_adam, SparseRule::lazy_adam, 15)
    ->ArgName("table")
    ->Arg(100000)
    ->Arg(1000000)
    ->UseRealTime();
BENCHMARK_CAPTURE(sparse_update, ftrl, SparseRule::ftrl, 15)->ArgName("table")->Arg(1000000)->UseRealTime();
BENCHMARK_CAPTURE(sparse_update, adam_dense, SparseRule::adam_dense, 15)->ArgName("table")->Arg(1000000)->UseRealTime();

}  // namespace
