#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

constexpr std::int64_t kWidth = 256;

double floats_of(const benchmark::State& state) {
  return static_cast<double>(state.range(0) * kWidth);
}

void add_forward(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  const Buffer<float> a = random_floats(rows * kWidth), b = random_floats(rows * kWidth);
  Buffer<float> y(a.size());
  const double seconds = timed(
      state, [&] { device_kernels().add_forward(a.data(), kWidth, b.data(), kWidth, y.data(), kWidth, rows, kWidth); });
  report(state, seconds, {floats_of(state), 12 * floats_of(state)});
}

void activation_backward(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  const bool accumulate = state.range(1) != 0;
  const Buffer<float> y = random_floats(rows * kWidth), dy = random_floats(rows * kWidth);
  Buffer<float> dx(y.size());
  const double seconds = timed(state, [&] {
    device_kernels().activation_backward(y.data(), kWidth, dy.data(), kWidth, dx.data(), kWidth, accumulate, rows,
                                         kWidth, mal::kernels::Activation::relu);
  });
  report(state, seconds, {accumulate ? floats_of(state) : 0, (accumulate ? 16 : 12) * floats_of(state)});
}

void copy(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  const bool accumulate = state.range(1) != 0;
  const Buffer<float> x = random_floats(rows * kWidth);
  Buffer<float> y(x.size());
  const double seconds =
      timed(state, [&] { device_kernels().copy(x.data(), kWidth, y.data(), kWidth, rows, kWidth, accumulate); });
  report(state, seconds, {accumulate ? floats_of(state) : 0, (accumulate ? 12 : 8) * floats_of(state)});
}

void fill(benchmark::State& state) {
  const std::int64_t rows = state.range(0);
  Buffer<float> x(static_cast<std::size_t>(rows * kWidth));
  const double seconds = timed(state, [&] { device_kernels().fill(x.data(), kWidth, rows, kWidth, 0); });
  report(state, seconds, {0, 4 * floats_of(state)});
}

void gradient_norm(benchmark::State& state) {
  const auto& kernels = device_kernels();
  const Buffer<float> x = random_floats(state.range(0) * kWidth);
  const mal::kernels::Span span{x.data(), std::ssize(x)};
  auto workspace = workspace_of<double>(kernels.gradient_norm_workspace(&span, 1));
  Buffer<mal::kernels::GradientNorm> norm(1);
  const double seconds =
      timed(state, [&] { kernels.gradient_norm(&span, 1, nullptr, 0, 0, norm.data(), workspace.data()); });
  report(state, seconds, {2 * floats_of(state), 4 * floats_of(state)});
}

// In the caches, and far beyond them.
BENCHMARK(add_forward)->ArgName("B")->Arg(512)->Arg(65536)->UseRealTime();
BENCHMARK(activation_backward)->ArgNames({"B", "add"})->Args({512, 0})->Args({512, 1})->UseRealTime();
BENCHMARK(copy)
    ->ArgNames({"B", "add"})
    ->Args({512, 0})
    ->Args({65536, 0})
    ->Args({512, 1})
    ->Args({65536, 1})
    ->UseRealTime();
BENCHMARK(fill)->ArgName("B")->Arg(512)->Arg(65536)->UseRealTime();
BENCHMARK(gradient_norm)->ArgName("B")->Arg(512)->Arg(65536)->UseRealTime();

}  // namespace
