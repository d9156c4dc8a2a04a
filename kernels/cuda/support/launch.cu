#include "kernels/cuda/support/launch.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

// Of a thread, as CUDA's own current device is.
struct ThreadState {
  cudaStream_t stream = nullptr;
  std::int64_t launches = 0;
  std::vector<std::string>* names = nullptr;  // that launches are appended to
};
thread_local ThreadState state;
bool wait_each = false;

// Of the process, as the attributes of CUDA's functions are.
struct SharedMemoryLimits {
  std::mutex mutex;
  std::map<std::pair<int, const void*>, std::size_t> allowed;  // dynamic bytes of each device and kernel
};
SharedMemoryLimits shared_memory;

std::string extent(dim3 size) {
  return std::to_string(size.x) + " x " + std::to_string(size.y) + " x " + std::to_string(size.z);
}

void count(const char* name, std::int64_t nodes) {
  state.launches += nodes;
  for (std::int64_t n = 0; state.names != nullptr && n < nodes; ++n) state.names->emplace_back(name);
}

[[noreturn]] void fail(const std::string& call, const std::string& shape, cudaError_t status) {
  cudaGetLastError();  // the next call is not to find it again
  throw KernelError("CUDA: " + call + " (" + shape + "): " + cudaGetErrorString(status));
}

cudaError_t waited(cudaError_t status) {
  return status == cudaSuccess && wait_each ? cudaStreamSynchronize(state.stream) : status;
}

}  // namespace

cudaStream_t current_stream() {
  return state.stream;
}

StreamScope::StreamScope(cudaStream_t stream) : before_(state.stream) {
  if (before_ != nullptr && before_ != stream)
    throw KernelError(
        "this thread's kernels already run in the queue of another device; end its use before the next one begins");
  state.stream = stream;
}

StreamScope::~StreamScope() {
  state.stream = before_;
}

cudaError_t allow_shared_memory(const void* kernel, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  int device = 0;
  if (const cudaError_t status = cudaGetDevice(&device); status != cudaSuccess) return status;
  const std::scoped_lock lock(shared_memory.mutex);
  std::size_t& most = shared_memory.allowed[{device, kernel}];
  if (bytes <= most) return cudaSuccess;
  const cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes));
  if (status == cudaSuccess) most = bytes;
  return status;
}

void finish_launch(const char* name, cudaError_t status, dim3 grid, dim3 block, std::size_t shared_bytes) {
  count(name, 1);
  status = waited(status);
  if (status == cudaSuccess) return;
  fail(std::string("kernel ") + name,
       extent(grid) + " blocks of " + extent(block) + " threads, " + std::to_string(shared_bytes) +
           " bytes of dynamic shared memory",
       status);
}

void finish_call(const char* name, cudaError_t status, std::int64_t nodes, std::int64_t rows, std::int64_t columns,
                 std::int64_t depth) {
  count(name, nodes);
  status = waited(status);
  if (status == cudaSuccess) return;
  fail(name, std::to_string(rows) + " x " + std::to_string(columns) + " x " + std::to_string(depth), status);
}

void zero_bytes(void* data, std::int64_t bytes) {
  if (bytes == 0) return;
  finish_call("cudaMemsetAsync", cudaMemsetAsync(data, 0, static_cast<std::size_t>(bytes), state.stream), 1, bytes);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

namespace mal::kernels {

#ifdef MAL_CUDA_EMULATION
std::int64_t emulated_launches() {
  return emulated::state.launches;
}
void log_emulated_launches(std::vector<std::string>* names) {
  emulated::state.names = names;
}
#else
std::int64_t cuda_launches() {
  return cuda::state.launches;
}
void wait_for_each_launch(bool wait) {
  cuda::wait_each = wait;
}
#endif

}  // namespace mal::kernels
