#include "bench/ceiling.h"

namespace {

using namespace mal::bench;

constexpr std::int64_t kRows = 4096;

// Fields, and the width of each.
struct Fields {
  explicit Fields(const benchmark::State& state)
      : fields(state.range(0)),
        width(fields * state.range(1)),
        x(random_floats(kRows * width)),
        logits(random_floats(kRows * fields)),
        y(x.size()),
        mean(logits.size()) {
    for (std::int64_t f = 0; f <= fields; ++f) offsets.push_back(static_cast<std::int32_t>(f * state.range(1)));
  }
  double wide() const { return static_cast<double>(x.size()); }
  double narrow() const { return static_cast<double>(mean.size()); }

  std::int64_t fields, width;
  std::vector<std::int32_t> offsets;
  Buffer<float> x, logits, y, mean;
};

void field_mean_forward(benchmark::State& state) {
  Fields f(state);
  const double seconds = timed(state, [&] {
    device_kernels().field_mean_forward(f.x.data(), f.width, f.offsets.data(), f.fields, f.mean.data(), f.fields,
                                        kRows);
  });
  report(state, seconds, {f.wide(), 4 * (f.wide() + f.narrow())});
}

void field_mean_backward(benchmark::State& state) {
  Fields f(state);
  const double seconds = timed(state, [&] {
    device_kernels().field_mean_backward(f.logits.data(), f.fields, f.offsets.data(), f.fields, f.y.data(), f.width,
                                         false, kRows);
  });
  report(state, seconds, {f.narrow(), 4 * (f.wide() + f.narrow())});
}

void field_scale_forward(benchmark::State& state) {
  Fields f(state);
  const double seconds = timed(state, [&] {
    device_kernels().field_scale_forward(f.x.data(), f.width, f.logits.data(), f.fields, f.offsets.data(), f.fields,
                                         f.y.data(), f.width, kRows);
  });
  report(state, seconds, {f.wide(), 4 * (2 * f.wide() + f.narrow())});
}

void field_scale_backward(benchmark::State& state) {
  Fields f(state);
  const Buffer<float> dy = random_floats(kRows * f.width);
  const double seconds = timed(state, [&] {
    device_kernels().field_scale_backward(f.x.data(), f.width, f.logits.data(), f.fields, f.offsets.data(), f.fields,
                                          dy.data(), f.width, f.y.data(), f.width, false, f.mean.data(), f.fields,
                                          false, kRows);
  });
  report(state, seconds, {3 * f.wide(), 4 * (3 * f.wide() + 2 * f.narrow())});
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"F", "N"})->Args({22, 16})->Args({64, 4})->UseRealTime();
}
BENCHMARK(field_mean_forward)->Apply(shapes);
BENCHMARK(field_mean_backward)->Apply(shapes);
BENCHMARK(field_scale_forward)->Apply(shapes);
BENCHMARK(field_scale_backward)->Apply(shapes);

}  // namespace
