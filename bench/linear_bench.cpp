#include "bench/ceiling.h"

namespace {

using namespace mal::bench;
using mal::kernels::Activation;
using mal::kernels::KernelTable;

// rows, inputs, outputs
struct Layer {
  explicit Layer(const benchmark::State& state)
      : rows(state.range(0)),
        inputs(state.range(1)),
        outputs(state.range(2)),
        x(random_floats(rows * inputs)),
        w(random_floats(inputs * outputs)),
        b(random_floats(outputs)),
        y(random_floats(rows * outputs)) {}
  double products() const { return 2.0 * static_cast<double>(rows * inputs * outputs); }
  double floats() const { return static_cast<double>(rows * inputs + inputs * outputs + rows * outputs); }

  std::int64_t rows, inputs, outputs;
  Buffer<float> x, w, b, y;
};

Activation activation_of(const Layer& layer) {
  return layer.outputs == 1 ? Activation::none : Activation::relu;
}

// The kernels, or null after the benchmark was told that there are none.
const KernelTable* kernels_for(benchmark::State& state, bool bf16) {
  const KernelTable* const kernels = bf16 ? device().bf16_kernels : device().kernels;
  if (kernels == nullptr) state.SkipWithError("this device has no bf16 kernels of its own");
  return kernels;
}

void linear_forward(benchmark::State& state, bool bf16) {
  const KernelTable* const kernels = kernels_for(state, bf16);
  if (kernels == nullptr) return;
  Layer l(state);
  const double seconds = timed(state, [&] {
    kernels->linear_forward(l.x.data(), l.inputs, l.w.data(), l.b.data(), l.y.data(), l.outputs, l.rows, l.inputs,
                            l.outputs, activation_of(l));
  });
  report(state, seconds, {l.products(), 4 * l.floats()}, bf16);
}

void linear_backward(benchmark::State& state, bool bf16) {
  const KernelTable* const kernels = kernels_for(state, bf16);
  if (kernels == nullptr) return;
  Layer l(state);
  Buffer<float> dy = random_floats(l.rows * l.outputs), dx(l.x.size()), dw(l.w.size()), db(l.b.size());
  auto workspace = workspace_of<float>(kernels->linear_backward_workspace(l.rows, l.inputs, l.outputs));
  const double seconds = timed(state, [&] {
    kernels->linear_backward(l.x.data(), l.inputs, l.w.data(), l.y.data(), l.outputs, dy.data(), l.outputs, dx.data(),
                             l.inputs, false, dw.data(), db.data(), l.rows, l.inputs, l.outputs, activation_of(l),
                             workspace.data());
  });
  // x, w, y and dy are read, dy, dx and dw written.
  report(state, seconds, {2 * l.products(), 4 * (2 * l.floats() + static_cast<double>(l.rows * l.outputs))}, bf16);
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  for (const std::int64_t rows : {512, 4096})
    for (const auto& [inputs, outputs] : {std::pair{352, 256}, {256, 128}, {128, 64}, {64, 32}, {32, 1}})
      benchmark->Args({rows, inputs, outputs});
  benchmark->ArgNames({"B", "K", "N"})->UseRealTime();
}
BENCHMARK_CAPTURE(linear_forward, fp32, false)->Apply(shapes);
BENCHMARK_CAPTURE(linear_backward, fp32, false)->Apply(shapes);
BENCHMARK_CAPTURE(linear_forward, bf16, true)->Apply(shapes);
BENCHMARK_CAPTURE(linear_backward, bf16, true)->Apply(shapes);

}  // namespace
