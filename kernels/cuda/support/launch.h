// What every .cu file starts with: CUDA (or the emulation's stand-in), shared memory, and the one way to start a
// kernel.
#pragma once

#ifndef MAL_CUDA_EMULATION
#include <cuda_runtime.h>
#endif

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/support/stream.h"

// MAL_SHARED(float, tile, [32][33]); declares a static shared array that is aligned as its element type is: for 16-byte
// access declare it of float4. dynamic_shared<float>() is the launch's dynamic shared memory, aligned to 16 bytes.
#ifdef MAL_CUDA_EMULATION
#define MAL_SHARED(type, name, extents)                           \
  static constexpr char name##_key = 0;                           \
  using name##_type = type extents;                               \
  /* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration */ \
  auto& name = *static_cast<name##_type*>(                        \
      ::mal::emulation::static_shared(&name##_key, sizeof(name##_type), alignof(name##_type)))
#else
#define MAL_SHARED(type, name, extents) __shared__ type name extents
#endif

namespace mal::kernels::MAL_CUDA_NAMESPACE {

template <typename T>
__device__ T* dynamic_shared() {
#ifdef MAL_CUDA_EMULATION
  return static_cast<T*>(::mal::emulation::dynamic_shared_memory());
#else
  extern __shared__ __align__(16) unsigned char mal_dynamic_shared[];
  return reinterpret_cast<T*>(mal_dynamic_shared);
#endif
}

inline constexpr std::size_t kParameterBytes = 4096;  // of one kernel

// Lets the kernel have `bytes` of dynamic shared memory, and never less than before: a recorded launch needs what it
// had until its graph is instantiated. A block may have 48 KiB, static and dynamic together, without this.
cudaError_t allow_shared_memory(const void* kernel, std::size_t bytes);

// Counts a node and throws a KernelError with the kernel and its shape if it did not start.
void finish_launch(const char* name, cudaError_t status, dim3 grid, dim3 block, std::size_t shared_bytes);
// The same for a call of a library or of the runtime that is `nodes` of a graph: name it, and say of what shape.
void finish_call(const char* name, cudaError_t status, std::int64_t nodes, std::int64_t rows, std::int64_t columns = 1,
                 std::int64_t depth = 1);

// Sets `bytes` to zero on the current stream.
void zero_bytes(void* data, std::int64_t bytes);

// Starts kernel(arguments...) on the current stream. A grid of no blocks starts nothing.
template <typename... Parameters, typename... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Arguments... arguments) {
  static_assert((sizeof(Parameters) + ... + 0) <= kParameterBytes, "kernel parameters end at 4 KiB: start in chunks");
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  const void* const function = reinterpret_cast<const void*>(kernel);
  cudaError_t status = allow_shared_memory(function, shared_bytes);
#ifdef MAL_CUDA_EMULATION
  const std::tuple<Parameters...> parameters(static_cast<Parameters>(arguments)...);
  const auto thread = [&] { std::apply(kernel, parameters); };
  ::mal::emulation::run_grid(
      {name, grid, block, shared_bytes, function},
      [](const void* body) { (*static_cast<const decltype(thread)*>(body))(); }, &thread);
#else
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = block;
  config.dynamicSmemBytes = shared_bytes;
  config.stream = current_stream();
  if (status == cudaSuccess) status = cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
#endif
  finish_launch(name, status, grid, block, shared_bytes);
}

// ⌈a / b⌉ as a grid's extent, at most `most`: kernels stride over what is left.
inline unsigned grid_of(std::int64_t a, std::int64_t b, std::int64_t most = 65535) {
  const std::int64_t blocks = (a + b - 1) / b;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
