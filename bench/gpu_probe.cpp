// Whether this build can use the GPU at hand, and what that can do at most: one JSON object on stdout.
//   gpu_probe      "device", "memory_gib", "multiprocessors", "driver", "runtime", "copy_bytes_per_second", and
//                  "flops_per_second" of a product of 4096 × 4096 matrices in each precision
// Exit code 3 and the reason where there is no GPU, 1 where one kernel of ours does not give the right sums.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <string>
#include <vector>

#include "bench/device.h"
#include "bench/devices.h"
#include "kernels/device_probe.h"

namespace {

using namespace mal;

// The first kernel that runs on a GPU that nothing is known of.
bool adds() {
  const std::int64_t size = 1 << 20;
  const std::vector<float> x = bench::random_values(size);
  bench::Buffer<float> first(x), second(x);
  const bench::Buffer<float> other(x);
  bench::device_kernels().add_forward(first.data(), size, other.data(), size, second.data(), size, 1, size);
  std::vector<float> sums(x.size());
  if (cudaDeviceSynchronize() != cudaSuccess) return false;
  bench::download(sums.data(), second.data(), sums.size() * sizeof(float));
  for (std::size_t i = 0; i < sums.size(); ++i)
    if (sums[i] != x[i] + x[i]) return false;
  return true;
}

std::string version(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

int probe() {
  const kernels::CudaDevices gpus = kernels::probe_cuda();
  if (gpus.names.empty()) {
    std::fprintf(stderr, "gpu_probe: no GPU: %s\n", gpus.reason.c_str());
    return 3;
  }
  cudaDeviceProp properties{};
  int driver = 0, runtime = 0;
  cudaGetDeviceProperties(&properties, 0);
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  bench::choose_gpu(false);
  if (!adds()) {
    std::fprintf(stderr, "gpu_probe: %s: x + x is wrong: %s\n", gpus.names.front().c_str(),
                 cudaGetErrorString(cudaGetLastError()));
    return 1;
  }
  std::printf(R"({"device": "%s", "memory_gib": %.1f, "multiprocessors": %d, "driver": "%s", "runtime": "%s", )"
              R"("copy_bytes_per_second": %.4g, "flops_per_second": {)",
              gpus.names.front().c_str(), static_cast<double>(properties.totalGlobalMem) / (1 << 30),
              properties.multiProcessorCount, version(driver).c_str(), version(runtime).c_str(), bench::gpu_bytes());
  const char* separator = "";
  for (const auto& [name, precision] : {std::pair{"fp32", kernels::Precision::fp32},
                                        {"tf32", kernels::Precision::tf32},
                                        {"bf16", kernels::Precision::bf16}}) {
    kernels::set_cuda_precision(precision);
    std::printf(R"(%s"%s": %.4g)", separator, name, bench::gpu_flops(4096));
    separator = ", ";
  }
  std::printf("}}\n");
  return 0;
}

}  // namespace

int main() {
  try {
    return probe();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_probe: %s\n", error.what());
    return 1;
  }
}
