#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

// Rows, width. Operations an element: 3 for mean and variance, 4 for the result; 18 backward.
struct Norm {
  explicit Norm(const benchmark::State& state)
      : rows(state.range(0)),
        width(state.range(1)),
        x(random_floats(rows * width)),
        gamma(random_floats(width)),
        beta(random_floats(width)),
        y(x.size()),
        mean(static_cast<std::size_t>(rows)),
        rstd(mean.size()) {}
  void forward() {
    device_kernels().layer_norm_forward(x.data(), width, gamma.data(), beta.data(), y.data(), width, mean.data(),
                                        rstd.data(), rows, width, 1e-5F);
  }
  double floats() const { return static_cast<double>(rows * width); }

  std::int64_t rows, width;
  Buffer<float> x, gamma, beta, y, mean, rstd;
};

void layer_norm_forward(benchmark::State& state) {
  Norm n(state);
  const double seconds = timed(state, [&] { n.forward(); });
  report(state, seconds, {7 * n.floats(), 8 * n.floats()});
}

void layer_norm_backward(benchmark::State& state) {
  const auto& kernels = device_kernels();
  Norm n(state);
  n.forward();
  const Buffer<float> dy = random_floats(n.rows * n.width);
  Buffer<float> dx(dy.size()), dgamma(n.gamma.size()), dbeta(n.gamma.size());
  auto workspace = workspace_of<float>(kernels.layer_norm_backward_workspace(n.rows, n.width));
  const double seconds = timed(state, [&] {
    kernels.layer_norm_backward(n.x.data(), n.width, n.gamma.data(), n.mean.data(), n.rstd.data(), dy.data(), n.width,
                                dx.data(), n.width, false, dgamma.data(), dbeta.data(), n.rows, n.width,
                                workspace.data());
  });
  report(state, seconds, {18 * n.floats(), 12 * n.floats()});
}

BENCHMARK(layer_norm_forward)->ArgNames({"B", "N"})->Args({4096, 64})->Args({4096, 352})->UseRealTime();
BENCHMARK(layer_norm_backward)->ArgNames({"B", "N"})->Args({4096, 64})->Args({4096, 352})->UseRealTime();

}  // namespace
