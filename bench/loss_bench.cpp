#include "bench/ceiling.h"

namespace {

using namespace mal::bench;
using mal::kernels::HeadKind;
using mal::kernels::LossHead;

// Views, with a cartesian head over all of them or none. Exponentials are not counted: of_ceiling is about bytes.
void multi_view_loss(benchmark::State& state) {
  const auto& kernels = device_kernels();
  constexpr std::int64_t kRows = 4096;
  const auto views = static_cast<std::int32_t>(state.range(0));
  std::vector<LossHead> heads;
  for (std::int32_t v = 0; v < views; ++v) heads.push_back({HeadKind::view, v, 1, {v}, 1});
  std::int64_t columns = views;
  if (state.range(1) != 0) {
    heads.push_back({HeadKind::cartesian, views, views, {}, 0.5F});
    for (std::int32_t v = 0; v < views; ++v) heads.back().views[v] = v;
    columns += std::int64_t{1} << views;
  }
  const auto count = static_cast<std::int32_t>(heads.size());
  const Buffer<float> logits = random_floats(kRows * columns), credits = random_floats(kRows * views);
  Buffer<float> dlogits(logits.size());
  Buffer<double> losses(heads.size());
  auto workspace = workspace_of<double>(kernels.multi_view_loss_workspace(kRows, count));
  const double seconds = timed(state, [&] {
    kernels.multi_view_loss(logits.data(), columns, credits.data(), views, nullptr, 1, 1.0, heads.data(), count,
                            mal::kernels::Reduction::mean, dlogits.data(), columns, columns, losses.data(), kRows,
                            workspace.data());
  });
  report(state, seconds, {0, 4 * static_cast<double>(2 * logits.size() + credits.size())});
}

BENCHMARK(multi_view_loss)->ArgNames({"V", "cartesian"})->Args({1, 0})->Args({4, 0})->Args({4, 1})->UseRealTime();

}  // namespace
