#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

// Rows, width, rank. A sigmoid is not counted.
struct FeatureGate {
  explicit FeatureGate(const benchmark::State& state)
      : rows(state.range(0)),
        width(state.range(1)),
        rank(state.range(2)),
        x(random_floats(rows * width)),
        a(random_floats(width * rank)),
        b(random_floats(width * rank)),
        u(x.size()),
        hidden(static_cast<std::size_t>(rows * rank)) {}
  void forward() {
    device_kernels().feature_gate_forward(x.data(), width, a.data(), b.data(), u.data(), width, hidden.data(), rows,
                                          width, rank);
  }
  // x A and h Bᵀ, and the product with x.
  double flops() const { return static_cast<double>(rows * width) * static_cast<double>(4 * rank + 2); }
  double floats() const { return static_cast<double>(x.size() + hidden.size()); }

  std::int64_t rows, width, rank;
  Buffer<float> x, a, b, u, hidden;
};

void feature_gate_forward(benchmark::State& state) {
  FeatureGate g(state);
  const double seconds = timed(state, [&] { g.forward(); });
  report(state, seconds, {g.flops(), 4 * (g.floats() + static_cast<double>(g.u.size()))});
}

void feature_gate_backward(benchmark::State& state) {
  const auto& kernels = device_kernels();
  FeatureGate g(state);
  g.forward();
  const Buffer<float> du = random_floats(g.rows * g.width);
  Buffer<float> dx(g.x.size()), da(g.a.size()), db(g.b.size());
  auto workspace = workspace_of<float>(kernels.feature_gate_backward_workspace(g.rows, g.width, g.rank));
  const double seconds = timed(state, [&] {
    kernels.feature_gate_backward(g.x.data(), g.width, g.a.data(), g.b.data(), g.hidden.data(), du.data(), g.width,
                                  dx.data(), g.width, false, da.data(), db.data(), g.rows, g.width, g.rank,
                                  workspace.data());
  });
  // The logits again, then dl B, dh Aᵀ, xᵀ dh and dlᵀ h; x and du are read, dx is written.
  report(state, seconds,
         {static_cast<double>(g.rows * g.width) * static_cast<double>(10 * g.rank + 6),
          4 * (g.floats() + static_cast<double>(2 * g.x.size()))});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"B", "K", "r"})->Args({4096, 352, 4})->Args({4096, 256, 4})->UseRealTime();
}
BENCHMARK(feature_gate_forward)->Apply(shapes);
BENCHMARK(feature_gate_backward)->Apply(shapes);

}  // namespace
