// The stream on which this thread's kernels run.
#pragma once

#ifdef MAL_CUDA_EMULATION
#include "kernels/cuda/emulation/cuda_model.h"
#else
#include <cuda_runtime_api.h>
#endif

#ifndef MAL_CUDA_NAMESPACE
#define MAL_CUDA_NAMESPACE cuda
#endif

#ifdef MAL_CUDA_EMULATION
namespace mal::kernels::MAL_CUDA_NAMESPACE {
using namespace mal::emulation;
}
#endif

namespace mal::kernels::MAL_CUDA_NAMESPACE {

// Of the calling thread; the default stream until a StreamScope says otherwise.
cudaStream_t current_stream();

// Kernels that this thread starts run on `stream` while this lives. Throws a KernelError where they already have
// another stream: a step that was begun in one queue and goes on in another is neither ordered nor recorded.
class StreamScope {
 public:
  explicit StreamScope(cudaStream_t stream);
  ~StreamScope();
  StreamScope(const StreamScope&) = delete;
  StreamScope& operator=(const StreamScope&) = delete;

 private:
  cudaStream_t before_;
};

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
