// Measures the ceilings of a device, prints them all, runs the benchmarks: on the CPU, and on the GPU where there is
// one. MAL_THREADS=n sets the CPU's number of threads, all cores without; MAL_BENCH_DEVICE=cpu|cuda takes one device
// alone.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/device.h"
#include "bench/devices.h"
#include "kernels/cpu/variants.h"
#include "kernels/device_probe.h"

namespace {

void run(const std::string& what) {
  std::fprintf(stderr, "%s; ceilings:\n%s", what.c_str(), mal::bench::device().ceilings.c_str());
  benchmark::RunSpecifiedBenchmarks();
}

}  // namespace

int main(int argc, char** argv) try {
  const char *threads = std::getenv("MAL_THREADS"), *device = std::getenv("MAL_BENCH_DEVICE");
  const std::string only = device == nullptr ? "" : device;
  mal::kernels::set_cpu_threads(threads == nullptr ? 0 : std::atoi(threads));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  if (only != "cuda") {
    mal::bench::choose_cpu();
    run("cpu, threads: " + std::to_string(mal::kernels::cpu_threads()) + ", " +
        mal::kernels::cpu_variant().instructions);
  }
  if (only != "cpu") {
    const mal::kernels::CudaDevices gpus = mal::kernels::probe_cuda();
    if (gpus.names.empty()) {
      std::fprintf(stderr, "cuda: not measured, no GPU to measure on: %s\n", gpus.reason.c_str());
    } else {
      mal::bench::choose_gpu();
      run("cuda, " + gpus.names.front());
    }
  }
  benchmark::Shutdown();
} catch (const mal::kernels::CpuError& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 2;
}
