#include "engine/device.h"

#include "engine/error.h"
#include "kernels/device_probe.h"

namespace mal {

namespace {

std::string why_no_cuda() {
  const kernels::CudaDevices devices = kernels::probe_cuda();
  if (!devices.names.empty())
    return fmt::format("found {}, but this version trains on the CPU only: its CUDA kernels are not written yet",
                       devices.names.front());
  return "no usable GPU (" + devices.reason + ")";
}

}  // namespace

Device select_device(std::string_view choice, int threads) {
  Device device{"cpu", "", &kernels::cpu_kernels()};
  if (choice == "auto")
    device.note = why_no_cuda() + "; using the CPU";
  else if (choice == "cuda" || choice.starts_with("cuda:"))
    fail_usage("--device {}: {}; use --device cpu or auto", choice, why_no_cuda());
  else if (choice != "cpu")
    fail_usage("--device {}: unknown; use auto, cpu or cuda[:k]", choice);
  kernels::set_cpu_threads(threads);
  return device;
}

}  // namespace mal
