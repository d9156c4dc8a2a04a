#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

constexpr float kEps = 1e-5F;

// Rows, width. A sigmoid is not counted.
struct Norm {
  explicit Norm(const benchmark::State& state)
      : rows(state.range(0)),
        width(state.range(1)),
        x(random_floats(rows * width)),
        gamma(random_floats(width)),
        beta(random_floats(width)),
        mean(gamma.size()),
        variance(gamma.size()),
        y(x.size()),
        workspace(workspace_of<double>(device_kernels().batch_norm_statistics_workspace(rows, width))) {}
  void statistics() {
    device_kernels().batch_norm_statistics(x.data(), width, mean.data(), variance.data(), rows, width,
                                           workspace.data());
  }
  double floats() const { return static_cast<double>(x.size()); }

  std::int64_t rows, width;
  Buffer<float> x, gamma, beta, mean, variance, y;
  Buffer<double> workspace;
};

// Two looks at x, of which the second need not reach memory.
void batch_norm_statistics(benchmark::State& state) {
  Norm n(state);
  const double seconds = timed(state, [&] { n.statistics(); });
  report(state, seconds, {4 * n.floats(), 4 * n.floats()});
}

void batch_norm_swish_forward(benchmark::State& state) {
  Norm n(state);
  n.statistics();
  const double seconds = timed(state, [&] {
    device_kernels().batch_norm_swish_forward(n.x.data(), n.width, n.gamma.data(), n.beta.data(), n.mean.data(),
                                              n.variance.data(), n.y.data(), n.width, n.rows, n.width, kEps);
  });
  report(state, seconds, {5 * n.floats(), 8 * n.floats()});
}

// dx waits for sums over all rows: x and dy are read twice, dy and dx written.
void batch_norm_swish_backward(benchmark::State& state) {
  Norm n(state);
  n.statistics();
  Buffer<float> dy = random_floats(n.rows * n.width), dx(dy.size()), dgamma(n.gamma.size()), dbeta(n.gamma.size());
  auto workspace = workspace_of<double>(device_kernels().batch_norm_swish_backward_workspace(n.rows, n.width));
  const double seconds = timed(state, [&] {
    device_kernels().batch_norm_swish_backward(n.x.data(), n.width, n.gamma.data(), n.beta.data(), n.mean.data(),
                                               n.variance.data(), dy.data(), n.width, dx.data(), n.width, false,
                                               dgamma.data(), dbeta.data(), n.rows, n.width, kEps, workspace.data());
  });
  report(state, seconds, {19 * n.floats(), 24 * n.floats()});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"B", "N"})->Args({4096, 256})->Args({4096, 128})->UseRealTime();
}
BENCHMARK(batch_norm_statistics)->Apply(shapes);
BENCHMARK(batch_norm_swish_forward)->Apply(shapes);
BENCHMARK(batch_norm_swish_backward)->Apply(shapes);

}  // namespace
