// Measures the ceilings, prints them, runs the benchmarks. MAL_THREADS=n sets the number of threads, all cores without.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <string>

#include "bench/ceiling.h"
#include "kernels/cpu/parallel.h"

namespace mal::bench {

namespace {

#if defined(__AVX512F__)
using Vector = float __attribute__((vector_size(64)));
#else
using Vector = float __attribute__((vector_size(32)));
#endif
constexpr int kChains = 10;  // independent: latency × units, with registers to spare
constexpr int kSteps = 1 << 18;

template <typename Body>
double best_seconds(const Body& body) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 7; ++i) {
    const double start = now();
    body();
    best = std::min(best, now() - start);
  }
  return best;
}

// Multiply-adds of one thread that no memory feeds.
void multiply_add() {
  Vector x[kChains] = {}, factor = Vector{} + 0.999F, term = Vector{} + 0.001F;
  benchmark::DoNotOptimize(factor);
  benchmark::DoNotOptimize(term);
  for (int step = 0; step < kSteps; ++step)
    for (int c = 0; c < kChains; ++c) x[c] = x[c] * factor + term;
  for (Vector& chain : x) benchmark::DoNotOptimize(chain);
}

double measure_flops(int threads) {
  const double seconds = best_seconds([&] { kernels::parallel_blocks(threads, [](std::int64_t) { multiply_add(); }); });
  return 2.0 * kChains * kSteps * static_cast<double>(sizeof(Vector) / sizeof(float)) * threads / seconds;
}

double measure_bytes() {
  constexpr std::int64_t kSize = 16 << 20, kBlock = 1 << 16;
  // Not at the same place in a page: four kilobytes apart, a store waits for loads that it only seems to overlap.
  const std::vector<float> from = random_floats(kSize);
  std::vector<float> storage(static_cast<std::size_t>(kSize + 272));
  float* to = storage.data() + 272;
  const double seconds = best_seconds([&] {
    kernels::parallel_ranges(kSize, kBlock, [&](std::int64_t first, std::int64_t last) {
      // Times a number, or the compiler makes it a call of memcpy, whose stores pass by the caches.
      for (std::int64_t i = first; i < last; ++i) to[i] = 1.5F * from[static_cast<std::size_t>(i)];
    });
    benchmark::ClobberMemory();
  });
  return 2.0 * sizeof(float) * kSize / seconds;
}

}  // namespace

double now() {
  timespec time{};
  clock_gettime(kernels::cpu_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

const Ceiling& ceiling() {
  static const Ceiling kCeiling{measure_flops(kernels::cpu_threads()), measure_bytes()};
  return kCeiling;
}

}  // namespace mal::bench

int main(int argc, char** argv) {
  const char* threads = std::getenv("MAL_THREADS");
  mal::kernels::set_cpu_threads(threads == nullptr ? 0 : std::atoi(threads));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  std::fprintf(stderr, "threads: %d; ceiling: %.1f GFLOP/s, %.1f GB/s copied\n", mal::kernels::cpu_threads(),
               mal::bench::ceiling().flops * 1e-9, mal::bench::ceiling().bytes * 1e-9);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
