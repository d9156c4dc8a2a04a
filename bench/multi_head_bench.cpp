#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

// Positions, width, heads; every row of 4096 is full.
struct Attention {
  explicit Attention(const benchmark::State& state)
      : shape{4096, state.range(0), state.range(1), state.range(2)},
        square(shape.width * shape.width),
        key(random_floats(square)),
        value(random_floats(square)),
        output(random_floats(square)),
        value_bias(random_floats(shape.width)),
        output_bias(random_floats(shape.width)),
        query(random_floats(shape.rows * shape.width)),
        sequence(random_floats(shape.rows * shape.length * shape.width)),
        out(query.size()),
        probabilities(static_cast<std::size_t>(shape.rows * shape.heads * shape.length)),
        lengths(full_lengths(shape.rows, shape.length)) {}
  mal::kernels::MultiHeadParameters parameters() const {
    return {key.data(), value.data(), value_bias.data(), output.data(), output_bias.data()};
  }
  void forward() {
    device_kernels().multi_head_forward(shape, parameters(), query.data(), shape.width, sequence.data(),
                                        shape.length * shape.width, lengths.data(), out.data(), shape.width,
                                        probabilities.data());
  }
  // K applied to the query and V after pooling: scores and sums over positions a head, and three products with [d, d].
  double forward_flops() const {
    const auto b = static_cast<double>(shape.rows), l = static_cast<double>(shape.length),
               d = static_cast<double>(shape.width), h = static_cast<double>(shape.heads);
    return b * (6 * d * d + 4 * l * h * d);
  }

  mal::kernels::MultiHeadShape shape;
  std::int64_t square;
  Buffer<float> key, value, output, value_bias, output_bias, query, sequence, out, probabilities;
  Buffer<std::int32_t> lengths;
};

void multi_head_forward(benchmark::State& state) {
  Attention a(state);
  const double seconds = timed(state, [&] { a.forward(); });
  const auto floats = static_cast<double>(a.sequence.size() + a.query.size() + a.out.size() + a.probabilities.size());
  report(state, seconds, {a.forward_flops(), 4 * floats});
}

void multi_head_backward(benchmark::State& state) {
  const auto& kernels = device_kernels();
  Attention a(state);
  a.forward();
  const Buffer<float> dout = random_floats(std::ssize(a.out));
  Buffer<float> dquery(a.query.size()), dsequence(a.sequence.size()), key(a.key.size()), value(a.key.size()),
      output(a.key.size()), value_bias(a.value_bias.size()), output_bias(a.value_bias.size());
  auto workspace = workspace_of<float>(kernels.multi_head_backward_workspace(a.shape));
  const std::int64_t width = a.shape.width, ldsequence = a.shape.length * width;
  const double seconds = timed(state, [&] {
    kernels.multi_head_backward(
        a.shape, a.parameters(), a.query.data(), width, a.sequence.data(), ldsequence, a.lengths.data(),
        a.probabilities.data(), dout.data(), width, dquery.data(), width, false, dsequence.data(), ldsequence, false,
        {key.data(), value.data(), value_bias.data(), output.data(), output_bias.data()}, workspace.data());
  });
  const auto floats = static_cast<double>(2 * a.sequence.size() + 3 * a.query.size() + a.probabilities.size());
  // u and the pooled vectors again, then two products where forward has one.
  report(state, seconds, {3 * a.forward_flops(), 4 * floats});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"L", "d", "H"})->Args({20, 16, 4})->Args({60, 64, 4})->UseRealTime();
}
BENCHMARK(multi_head_forward)->Apply(shapes);
BENCHMARK(multi_head_backward)->Apply(shapes);

}  // namespace
