#include "bench/device.h"

#include <algorithm>

#include "bench/cpu/ceilings.h"
#include "bench/cpu/stopwatch.h"
#include "bench/devices.h"
#include "kernels/cpu/variants.h"

#ifdef MAL_HAVE_CUDA
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/support/stream.h"
#endif

namespace mal::bench {

namespace {

Device current;

// With one thread, the time that this process had a core; what else runs on the machine does not count.
double now() {
  return seconds_now(current.name == "cpu" && kernels::cpu_threads() == 1);
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
  current = {"cpu", &kernels::cpu_kernels(), {}, "", nullptr};
  const std::vector<CpuCeiling> ceilings = measure_cpu();
  for (const CpuCeiling& line : ceilings) {
    if (line.key == "fp32") current.ceiling.flops = line.rate;
    if (line.key.starts_with("bf16")) current.ceiling.bf16_flops = std::max(current.ceiling.bf16_flops, line.rate);
    if (line.key.starts_with("copy") || line.key == "update" || line.key == "read")
      current.ceiling.bytes = std::max(current.ceiling.bytes, line.rate);
  }
  current.ceilings = in_words(ceilings);
  try {
    current.bf16_kernels = &kernels::cpu_kernels(kernels::Precision::bf16);
  } catch (const kernels::PrecisionError&) {
  }
}

void choose_gpu([[maybe_unused]] bool measure) {
#ifdef MAL_HAVE_CUDA
  current = {"cuda", &kernels::cuda_kernels(), {}, "", nullptr};
  if (!measure) return;
  current.ceiling = {gpu_flops(4096), gpu_bytes()};
  current.ceilings =
      fmt::format("  {:<52} {:>9.1f} GFLOP/s\n  {:<52} {:>9.1f} GB/s\n", "fp32, product of 4096 x 4096",
                  current.ceiling.flops * 1e-9, "copied, read and written", current.ceiling.bytes * 1e-9);
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
