#include "bench/device.h"

#include <ctime>
#include <limits>

#include "bench/devices.h"
#include "kernels/cpu/parallel.h"

#ifdef MAL_HAVE_CUDA
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/support/stream.h"
#endif

namespace mal::bench {

namespace {

#if defined(__AVX512F__)
using Vector = float __attribute__((vector_size(64)));
#else
using Vector = float __attribute__((vector_size(32)));
#endif
constexpr int kChains = 10;  // independent: latency × units, with registers to spare
constexpr int kSteps = 1 << 18;

Device current;

// With one thread, the time that this process had a core; what else runs on the machine does not count.
double now() {
  timespec time{};
  const bool alone = current.name == "cpu" && kernels::cpu_threads() == 1;
  clock_gettime(alone ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

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

double cpu_flops(int threads) {
  const double seconds = best_seconds([&] { kernels::parallel_blocks(threads, [](std::int64_t) { multiply_add(); }); });
  return 2.0 * kChains * kSteps * static_cast<double>(sizeof(Vector) / sizeof(float)) * threads / seconds;
}

double cpu_bytes() {
  constexpr std::int64_t kSize = 16 << 20, kBlock = 1 << 16;
  // Not at the same place in a page: four kilobytes apart, a store waits for loads that it only seems to overlap.
  const std::vector<float> from = random_values(kSize);
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

#ifdef MAL_HAVE_CUDA
void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", call, cudaGetErrorString(status));
  std::exit(1);
}

cudaStream_t gpu_stream() {
  static cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    check(cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking), "cudaStreamCreate");
    return made;
  }();
  return stream;
}

// Seconds of one body among many that the stream runs one after the other.
template <typename Body>
double gpu_seconds(const Body& body) {
  constexpr int kTimes = 20;
  body();
  return best_seconds([&] {
           for (int i = 0; i < kTimes; ++i) body();
           check(cudaStreamSynchronize(gpu_stream()), "cudaStreamSynchronize");
         }) /
         kTimes;
}

// A replayed graph of some iterations at a time: the host's waiting for it is shared by them.
double timed_on_gpu(benchmark::State& state, const std::function<void()>& body) {
  constexpr int kTimes = 20;
  const kernels::cuda::StreamScope scope(gpu_stream());
  body();  // libraries choose their kernels and allocate what they need
  check(cudaStreamSynchronize(gpu_stream()), "cudaStreamSynchronize");
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t step = nullptr;
  check(cudaStreamBeginCapture(gpu_stream(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  for (int i = 0; i < kTimes; ++i) body();
  check(cudaStreamEndCapture(gpu_stream(), &graph), "cudaStreamEndCapture");
  check(cudaGraphInstantiate(&step, graph, 0), "cudaGraphInstantiate");
  const double start = now();
  while (state.KeepRunningBatch(kTimes)) {
    check(cudaGraphLaunch(step, gpu_stream()), "cudaGraphLaunch");
    check(cudaStreamSynchronize(gpu_stream()), "cudaStreamSynchronize");
  }
  const double seconds = now() - start;
  cudaGraphExecDestroy(step);
  cudaGraphDestroy(graph);
  return seconds;
}

bool on_gpu() {
  return current.name == "cuda";
}
#endif

}  // namespace

const Device& device() {
  return current;
}

void choose_cpu() {
  current = {"cpu", &kernels::cpu_kernels(), {}};
  current.ceiling = {cpu_flops(kernels::cpu_threads()), cpu_bytes()};
}

void choose_gpu([[maybe_unused]] bool measure) {
#ifdef MAL_HAVE_CUDA
  current = {"cuda", &kernels::cuda_kernels(), {}};
  if (measure) current.ceiling = {gpu_flops(4096), gpu_bytes()};
#endif
}

#ifdef MAL_HAVE_CUDA
double gpu_flops(std::int64_t size) {
  const Buffer<float> x = random_floats(size * size), w = random_floats(size * size);
  Buffer<float> y(x.size());
  const kernels::cuda::StreamScope scope(gpu_stream());
  return 2.0 * static_cast<double>(size * size * size) / gpu_seconds([&] {
           kernels::cuda_kernels().linear_forward(x.data(), size, w.data(), nullptr, y.data(), size, size, size, size,
                                                  kernels::Activation::none);
         });
}

double gpu_bytes() {
  constexpr std::size_t kSize = std::size_t{1} << 29;
  Buffer<std::byte> from(kSize), to(kSize);
  return 2.0 * static_cast<double>(kSize) / gpu_seconds([&] {
           check(cudaMemcpyAsync(to.data(), from.data(), kSize, cudaMemcpyDeviceToDevice, gpu_stream()), "cudaMemcpy");
         });
}
#endif

void* allocate(std::size_t bytes) {
#ifdef MAL_HAVE_CUDA
  if (on_gpu()) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, bytes), "cudaMalloc");
    return memory;
  }
#endif
  return ::operator new(bytes);
}

void release(void* memory) {
#ifdef MAL_HAVE_CUDA
  if (on_gpu()) {
    cudaFree(memory);
    return;
  }
#endif
  ::operator delete(memory);
}

void upload(void* to, const void* from, std::size_t bytes) {
#ifdef MAL_HAVE_CUDA
  if (on_gpu()) {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
    return;
  }
#endif
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void download(void* to, const void* from, std::size_t bytes) {
#ifdef MAL_HAVE_CUDA
  if (on_gpu()) {
    check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
    return;
  }
#endif
  std::memcpy(to, from, bytes);
}

std::vector<float> random_values(std::int64_t size) {
  std::vector<float> values(static_cast<std::size_t>(size));
  std::minstd_rand engine;
  for (float& value : values) value = static_cast<float>(engine()) * 0x1p-30F - 1;
  return values;
}

double timed(benchmark::State& state, const std::function<void()>& body) {
#ifdef MAL_HAVE_CUDA
  if (on_gpu()) return timed_on_gpu(state, body);
#endif
  const double start = now();
  for ([[maybe_unused]] auto _ : state) body();
  return now() - start;
}

}  // namespace mal::bench
