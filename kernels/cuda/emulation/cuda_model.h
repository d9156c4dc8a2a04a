// The part of CUDA C++ that our kernels use, as plain C++: qualifiers, vectors, built-in variables, intrinsics, atomics
// and the few calls of the runtime. A .cu file sees it through support/launch.h. Raw __shared__ is missing on purpose:
// MAL_SHARED lets AddressSanitizer see where an array ends.
#pragma once

#include <math.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cuda/emulation/emulation.h"
#include "kernels/cuda/emulation/warp.h"

// NOLINTBEGIN(bugprone-reserved-identifier): the names are CUDA's
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __noinline__
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

namespace mal::emulation {

// ---- vectors ------------------------------------------------------------------------------------------------------

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
inline double2 make_double2(double x, double y) {
  return {x, y};
}

// ---- arithmetic ---------------------------------------------------------------------------------------------------

using std::max;
using std::min;

inline float rsqrtf(float x) {
  return 1.0F / sqrtf(x);
}
inline float __expf(float x) {
  return expf(x);
}
inline float __logf(float x) {
  return logf(x);
}
inline float __log2f(float x) {
  return log2f(x);
}
inline float __fdividef(float x, float y) {
  return x / y;
}
inline float __frcp_rn(float x) {
  return 1.0F / x;
}
inline float __fsqrt_rn(float x) {
  return sqrtf(x);
}
inline float __saturatef(float x) {
  return x > 0 ? (x < 1 ? x : 1.0F) : 0.0F;
}
inline int __float_as_int(float x) {
  return std::bit_cast<int>(x);
}
inline float __int_as_float(int x) {
  return std::bit_cast<float>(x);
}
inline unsigned __float_as_uint(float x) {
  return std::bit_cast<unsigned>(x);
}
inline float __uint_as_float(unsigned x) {
  return std::bit_cast<float>(x);
}
inline int __float2int_rd(float x) {
  return static_cast<int>(floorf(x));
}
inline int __float2int_rn(float x) {
  return static_cast<int>(rintf(x));
}
inline int __popc(unsigned x) {
  return std::popcount(x);
}
inline int __popcll(unsigned long long x) {
  return std::popcount(x);
}
inline int __clz(int x) {
  return std::countl_zero(static_cast<unsigned>(x));
}
inline int __ffs(int x) {
  return x == 0 ? 0 : std::countr_zero(static_cast<unsigned>(x)) + 1;
}

// ---- memory -------------------------------------------------------------------------------------------------------

template <typename T>
T __ldg(const T* p) {
  return *p;
}
template <typename T>
T __ldcs(const T* p) {
  return *p;
}
template <typename T>
T __ldcg(const T* p) {
  return *p;
}
template <typename T>
void __stcs(T* p, T value) {
  *p = value;
}
template <typename T>
void __stcg(T* p, T value) {
  *p = value;
}

inline void __threadfence() {}
inline void __threadfence_block() {}

// Threads change only where they wait, so plain operations are atomic. Each returns what was there. The race detector
// knows them by this.
extern constinit thread_local bool in_atomic;
inline void set_in_atomic(bool value) {
  in_atomic = value;
  asm volatile("" ::: "memory");  // the compiler sees no reader, and would leave it out
}
template <typename T, typename Change>
T atomic_change(T* p, const Change& change) {
  set_in_atomic(true);
  const T before = *p;
  *p = change(before);
  asm volatile("" ::: "memory");
  set_in_atomic(false);
  return before;
}
// Not CUDA's: what ld.relaxed.gpu is there.
template <typename T>
T atomic_load(const T* p) {
  set_in_atomic(true);
  const T value = *p;
  asm volatile("" ::: "memory");
  set_in_atomic(false);
  return value;
}
template <typename T, typename U>
T atomicAdd(T* p, U value) {
  return atomic_change(p, [=](T x) { return static_cast<T>(x + static_cast<T>(value)); });
}
template <typename T, typename U>
T atomicSub(T* p, U value) {
  return atomic_change(p, [=](T x) { return static_cast<T>(x - static_cast<T>(value)); });
}
template <typename T, typename U>
T atomicMax(T* p, U value) {
  return atomic_change(p, [=](T x) { return std::max(x, static_cast<T>(value)); });
}
template <typename T, typename U>
T atomicMin(T* p, U value) {
  return atomic_change(p, [=](T x) { return std::min(x, static_cast<T>(value)); });
}
template <typename T, typename U>
T atomicOr(T* p, U value) {
  return atomic_change(p, [=](T x) { return x | static_cast<T>(value); });
}
template <typename T, typename U>
T atomicAnd(T* p, U value) {
  return atomic_change(p, [=](T x) { return x & static_cast<T>(value); });
}
template <typename T, typename U>
T atomicExch(T* p, U value) {
  return atomic_change(p, [=](T) { return static_cast<T>(value); });
}
template <typename T, typename U, typename V>
T atomicCAS(T* p, U compare, V value) {
  return atomic_change(p, [=](T x) { return x == static_cast<T>(compare) ? static_cast<T>(value) : x; });
}

// ---- the runtime: a stream runs everything at once ------------------------------------------------------------------

using cudaStream_t = struct Stream*;
enum cudaError_t { cudaSuccess = 0 };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaMemcpyKind { cudaMemcpyDefault, cudaMemcpyDeviceToDevice, cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost };

inline const char* cudaGetErrorString(cudaError_t) {
  return "no error";
}
inline cudaError_t cudaGetLastError() {
  return cudaSuccess;
}
inline cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
  set_dynamic_shared(kernel, static_cast<std::size_t>(bytes));
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) {
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* data, int value, std::size_t bytes, cudaStream_t) {
  std::memset(data, value, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t) {
  if (bytes != 0) std::memmove(to, from, bytes);
  return cudaSuccess;
}
// NOLINTEND(bugprone-reserved-identifier)

}  // namespace mal::emulation
