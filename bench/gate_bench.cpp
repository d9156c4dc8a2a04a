#include "bench/ceiling.h"

namespace {

using namespace mal::bench;
using mal::kernels::Gate;
using mal::kernels::GateKind;
using mal::kernels::MixtureGradient;

constexpr std::int64_t kRows = 4096;

// Experts, outputs, width: every output mixes all experts (MMoE).
struct Mixture {
  explicit Mixture(const benchmark::State& state)
      : experts(state.range(0)),
        outputs(state.range(1)),
        width(state.range(2)),
        x(random_floats(experts * kRows * width)),
        logits(random_floats(outputs * kRows * experts)),
        y(static_cast<std::size_t>(outputs * kRows * width)),
        weights(static_cast<std::size_t>(kRows * outputs * experts)) {
    for (std::int32_t e = 0; e < experts; ++e) {
      all.push_back(e);
      inputs.push_back({x.data() + e * kRows * width, width});
    }
    for (std::int32_t o = 0; o < outputs; ++o) {
      gates.push_back({GateKind::softmax, o, static_cast<std::int32_t>(experts), all.data(),
                       logits.data() + o * kRows * experts, experts});
      results.push_back({y.data() + o * kRows * width, width});
    }
  }
  mal::kernels::Mixture shape() const {
    return {gates.data(),
            static_cast<std::int32_t>(outputs),
            static_cast<std::int32_t>(experts),
            static_cast<std::int32_t>(outputs),
            kRows,
            width};
  }
  void forward() {
    device_kernels().mixture_forward(shape(), inputs.data(), results.data(), weights.data(), outputs * experts);
  }
  double products() const { return 2 * static_cast<double>(kRows * outputs * experts * width); }
  // The experts' rows and the outputs', logits and weights.
  double floats() const { return static_cast<double>(x.size() + y.size() + logits.size() + weights.size()); }

  std::int64_t experts, outputs, width;
  Buffer<float> x, logits, y, weights;
  std::vector<std::int32_t> all;
  std::vector<Gate> gates;
  std::vector<mal::kernels::MixtureInput> inputs;
  std::vector<mal::kernels::MixtureOutput> results;
};

void mixture_forward(benchmark::State& state) {
  Mixture m(state);
  const double seconds = timed(state, [&] { m.forward(); });
  report(state, seconds, {m.products(), 4 * m.floats()});
}

void mixture_backward(benchmark::State& state) {
  Mixture m(state);
  m.forward();
  const Buffer<float> dy = random_floats(std::ssize(m.y));
  Buffer<float> dx(m.x.size()), dlogits(m.logits.size());
  std::vector<mal::kernels::MixtureInput> doutputs;
  std::vector<MixtureGradient> to_experts, to_logits;
  for (std::int64_t o = 0; o < m.outputs; ++o) {
    doutputs.push_back({dy.data() + o * kRows * m.width, m.width});
    to_logits.push_back({dlogits.data() + o * kRows * m.experts, m.experts, false});
  }
  for (std::int64_t e = 0; e < m.experts; ++e) to_experts.push_back({dx.data() + e * kRows * m.width, m.width, false});
  auto workspace = workspace_of<float>(device_kernels().mixture_backward_workspace(m.shape()));
  const double seconds = timed(state, [&] {
    device_kernels().mixture_backward(m.shape(), m.inputs.data(), m.weights.data(), m.outputs * m.experts,
                                      doutputs.data(), to_experts.data(), to_logits.data(), workspace.data());
  });
  report(state, seconds, {2 * m.products(), 4 * (m.floats() + static_cast<double>(m.x.size()))});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"E", "outputs", "N"})->Args({8, 4, 256})->Args({6, 4, 128})->UseRealTime();
}
BENCHMARK(mixture_forward)->Apply(shapes);
BENCHMARK(mixture_backward)->Apply(shapes);

}  // namespace
