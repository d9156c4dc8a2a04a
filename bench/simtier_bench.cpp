#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

constexpr std::int64_t kRows = 4096, kTiers = 32, kWidth = 4;

// Length of every row.
struct Scores {
  explicit Scores(const benchmark::State& state)
      : length(state.range(0)),
        scores(random_floats(kRows * length)),
        lengths(full_lengths(kRows, length)),
        table(random_floats(kTiers * kWidth)),
        out(random_floats(kRows * kTiers * kWidth)) {}
  // Add, scale, count.
  double flops() const { return 3 * static_cast<double>(scores.size()); }
  double floats() const { return static_cast<double>(scores.size() + lengths.size()); }

  std::int64_t length;
  Buffer<float> scores;
  Buffer<std::int32_t> lengths;
  Buffer<float> table, out;
};

void simtier_count_forward(benchmark::State& state) {
  Scores s(state);
  const double seconds = timed(state, [&] {
    device_kernels().simtier_count_forward(s.scores.data(), s.length, s.lengths.data(), s.out.data(), kTiers, kRows,
                                           kTiers, true);
  });
  report(state, seconds, {s.flops() + kRows * kTiers, 4 * (s.floats() + kRows * kTiers)});
}

void simtier_embedding_forward(benchmark::State& state) {
  Scores s(state);
  constexpr std::int64_t kStride = kTiers * kWidth;
  const mal::kernels::SimTierForward call{s.scores.data(), s.lengths.data(), s.table.data(), s.out.data(), kStride};
  const double seconds =
      timed(state, [&] { device_kernels().simtier_embedding_forward(&call, 1, kRows, s.length, kTiers, kWidth); });
  report(state, seconds, {s.flops() + kRows * kStride, 4 * (s.floats() + kRows * kStride)});
}

void simtier_embedding_backward(benchmark::State& state) {
  const auto& kernels = device_kernels();
  Scores s(state);
  constexpr std::int64_t kStride = kTiers * kWidth;
  auto workspace = workspace_of<float>(kernels.simtier_embedding_backward_workspace(1, kRows, kTiers, kWidth));
  const mal::kernels::SimTierBackward call{s.scores.data(), s.lengths.data(), s.out.data(), kStride, s.table.data()};
  const double seconds = timed(
      state, [&] { kernels.simtier_embedding_backward(&call, 1, kRows, s.length, kTiers, kWidth, workspace.data()); });
  report(state, seconds, {s.flops() + 2 * kRows * kStride, 4 * (s.floats() + kRows * kStride)});
}

BENCHMARK(simtier_count_forward)->ArgName("L")->Arg(20)->Arg(200)->UseRealTime();
BENCHMARK(simtier_embedding_forward)->ArgName("L")->Arg(20)->Arg(200)->UseRealTime();
BENCHMARK(simtier_embedding_backward)->ArgName("L")->Arg(20)->Arg(200)->UseRealTime();

}  // namespace
