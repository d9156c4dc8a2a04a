#include "engine/device.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "engine/error.h"
#include "kernels/cpu/variants.h"
#include "kernels/device_probe.h"

namespace mal {

namespace {

// Of the CPU. What a tile needs of a wide model and its weights stay near the second-level cache; fewer rows would read
// the weights, and write their gradients, more often.
constexpr std::int64_t kTileRows = 256;
constexpr std::string_view kCuda = "cuda";

// Throws kernels::CpuError.
Device cpu_device(kernels::Precision precision) {
  const kernels::CpuVariant& variant = kernels::cpu_variant();
  const kernels::CpuProducts products = kernels::products_of(variant, precision);
  std::string arithmetic = variant.instructions;
  if (precision == kernels::Precision::bf16) arithmetic += fmt::format(", bf16 by {}", kernels::name_of(products));
  return {.name = "cpu",
          .note = "",
          .kernels = variant.kernels(products),
          .memory = kernels::cpu_runtime(),
          .arithmetic = std::move(arithmetic),
          .tile_rows = kTileRows};
}

Device cuda_device(const kernels::CudaDevices& devices, std::size_t index, kernels::Precision precision) {
  kernels::CudaDevice opened = kernels::open_cuda(static_cast<int>(index), precision);
  return {.name = fmt::format("cuda:{} ({})", index, devices.names[index]),
          .note = "",
          .kernels = opened.kernels,
          .memory = std::move(opened.runtime),
          .arithmetic = ""};
}

std::string why_no_cuda(const kernels::CudaDevices& devices) {
  return "no usable GPU (" + devices.reason + ")";
}

// "cuda" is the first one.
Device chosen_cuda(std::string_view choice, kernels::Precision precision) {
  std::size_t index = 0;
  const std::string_view number = choice.substr(std::min(choice.size(), kCuda.size() + 1));
  const auto [end, code] = std::from_chars(number.data(), number.data() + number.size(), index);
  if (choice != kCuda && (code != std::errc() || end != number.data() + number.size()))
    fail_usage("--device {}: '{}' is not the number of a GPU; use cuda, or cuda:0, cuda:1, …", choice, number);
  const kernels::CudaDevices devices = kernels::probe_cuda();
  if (devices.names.empty()) fail_usage("--device {}: {}; use --device cpu or auto", choice, why_no_cuda(devices));
  if (index >= devices.names.size())
    fail_usage("--device {}: this machine has {} GPU{}, numbered from 0", choice, devices.names.size(),
               devices.names.size() == 1 ? "" : "s");
  return cuda_device(devices, index, precision);
}

// Of auto. The CUDA backend has yet to be proven on a GPU (scripts/gpu_check.sh), so that nobody gets it unasked.
Device best_device(kernels::Precision precision) {
  const kernels::CudaDevices devices = kernels::probe_cuda();
  Device device;
  try {
    device = cpu_device(precision);
  } catch (const kernels::PrecisionError& error) {
    if (devices.names.empty()) throw;
    throw kernels::PrecisionError(std::string(error.what()) +
                                  ", and --device auto takes no GPU yet: use --device cuda");
  }
  device.note = devices.names.empty()
                    ? why_no_cuda(devices) + "; using the CPU"
                    : fmt::format(
                          "found {}, which --device cuda takes; the CUDA backend has not been proven on a GPU "
                          "yet (docs/results/gpu.md), using the CPU",
                          devices.names.front());
  return device;
}

Device device_of(std::string_view choice, int threads, kernels::Precision precision) {
  kernels::set_cpu_threads(threads);
  if (choice == "auto") return best_device(precision);
  if (choice == "cpu") return cpu_device(precision);
  if (choice == kCuda || choice.starts_with("cuda:")) return chosen_cuda(choice, precision);
  fail_usage("--device {}: unknown; use auto, cpu or cuda[:k]", choice);
}

}  // namespace

Device select_device(std::string_view choice, int threads, kernels::Precision precision) {
  try {
    return device_of(choice, threads, precision);
  } catch (const kernels::PrecisionError& error) {
    fail_usage("train.precision: {}; set it to fp32", error.what());
  } catch (const kernels::CpuError& error) {
    fail_usage("{}", error.what());
  }
}

Device select_device_to_evaluate(std::string_view choice, int threads, kernels::Precision precision) {
  try {
    return device_of(choice, threads, precision);
  } catch (const kernels::PrecisionError& error) {
    Device device = select_device(choice, threads);
    device.note += fmt::format("{}{}; this is computed in fp32", device.note.empty() ? "" : "; ", error.what());
    return device;
  } catch (const kernels::CpuError& error) {
    fail_usage("{}", error.what());
  }
}

std::string description(const Device& device) {
  if (device.arithmetic.empty()) return device.name;
  return fmt::format("{} ({})", device.name, device.arithmetic);
}

}  // namespace mal
