#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

// Positions, width, hidden; every row of 4096 is full.
struct Din {
  explicit Din(const benchmark::State& state)
      : shape{4096, state.range(0), state.range(1), state.range(2), true},
        w1(random_floats(4 * shape.width * shape.hidden)),
        b1(random_floats(shape.hidden)),
        alpha(random_floats(shape.hidden)),
        w2(random_floats(shape.hidden)),
        b2(random_floats(1)),
        sequence(random_floats(shape.rows * shape.length * shape.width)),
        target(random_floats(shape.rows * shape.width)),
        out(target.size()),
        scores(static_cast<std::size_t>(shape.rows * shape.length)),
        kept(static_cast<std::size_t>(shape.rows * device_kernels().din_kept(shape))),
        lengths(full_lengths(shape.rows, shape.length)) {}
  mal::kernels::DinParameters parameters() const { return {w1.data(), b1.data(), alpha.data(), w2.data(), b2.data()}; }
  mal::kernels::DinInput input() const {
    return {parameters(), sequence.data(), shape.length * shape.width, target.data(), shape.width, lengths.data()};
  }
  float* kept_data() { return kept.size() == 0 ? nullptr : kept.data(); }
  void forward(bool keep) {
    const mal::kernels::DinForward call{input(), out.data(), shape.width, scores.data(), keep ? kept_data() : nullptr};
    device_kernels().din_forward(shape, &call, 1);
  }
  // Multiply-adds of the folded form: M_t and c_t a row, then a product with M_t, w2 and the weighted sum a position.
  double forward_flops() const {
    const auto b = static_cast<double>(shape.rows), l = static_cast<double>(shape.length),
               d = static_cast<double>(shape.width), h = static_cast<double>(shape.hidden);
    return b * (6 * d * h + l * (2 * d * h + 4 * h + 2 * d));
  }

  mal::kernels::DinShape shape;
  Buffer<float> w1, b1, alpha, w2, b2, sequence, target, out, scores, kept;
  Buffer<std::int32_t> lengths;
};

void din_forward(benchmark::State& state) {
  Din d(state);
  const double seconds = timed(state, [&] { d.forward(true); });
  const auto floats = static_cast<double>(d.sequence.size() + d.target.size() + d.out.size() + d.scores.size());
  report(state, seconds, {d.forward_flops(), 4 * floats});
}

void backward_of(benchmark::State& state, bool keep) {
  const auto& kernels = device_kernels();
  Din d(state);
  d.forward(keep);
  const Buffer<float> dout = random_floats(std::ssize(d.out));
  Buffer<float> dsequence(d.sequence.size()), dtarget(d.target.size()), w1(d.w1.size()), b1(d.b1.size()),
      alpha(d.b1.size()), w2(d.b1.size()), b2(1);
  auto workspace = workspace_of<float>(kernels.din_backward_workspace(d.shape, 1));
  const std::int64_t width = d.shape.width, ldsequence = d.shape.length * width;
  const mal::kernels::DinBackward call{d.input(),
                                       d.scores.data(),
                                       dout.data(),
                                       width,
                                       dsequence.data(),
                                       ldsequence,
                                       false,
                                       dtarget.data(),
                                       width,
                                       false,
                                       {w1.data(), b1.data(), alpha.data(), w2.data(), b2.data()},
                                       keep ? d.kept_data() : nullptr};
  const double seconds = timed(state, [&] { kernels.din_backward(d.shape, &call, 1, workspace.data()); });
  const auto floats = static_cast<double>(2 * d.sequence.size() + 3 * d.target.size() + d.scores.size());
  // The recomputation, and two products where forward has one.
  report(state, seconds, {3 * d.forward_flops(), 4 * floats});
}

void din_backward(benchmark::State& state) {
  backward_of(state, true);
}
// As where forward kept nothing for it.
void din_backward_alone(benchmark::State& state) {
  backward_of(state, false);
}

BENCHMARK(din_forward)
    ->ArgNames({"L", "d", "h"})
    ->Args({20, 16, 32})
    ->Args({20, 16, 36})
    ->Args({60, 16, 64})
    ->UseRealTime();
BENCHMARK(din_backward)
    ->ArgNames({"L", "d", "h"})
    ->Args({20, 16, 32})
    ->Args({20, 16, 36})
    ->Args({60, 16, 64})
    ->UseRealTime();
BENCHMARK(din_backward_alone)
    ->ArgNames({"L", "d", "h"})
    ->Args({20, 16, 32})
    ->Args({20, 16, 36})
    ->Args({60, 16, 64})
    ->UseRealTime();

}  // namespace
