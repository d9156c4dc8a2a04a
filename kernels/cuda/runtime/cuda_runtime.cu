#include "kernels/cuda/runtime/cuda_runtime.h"

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/support/stream.h"

namespace mal::kernels {

namespace {

void check(cudaError_t status, const char* call, std::size_t bytes = 0) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the next call is not to find it again
  std::string message = std::string("CUDA: ") + call;
  if (bytes != 0) message += " of " + std::to_string(bytes) + " bytes";
  throw KernelError(message + ": " + cudaGetErrorString(status));
}

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  ~Stream() {
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class CudaEvent final : public Event {
 public:
  CudaEvent() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags"); }
  ~CudaEvent() override { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  cudaEvent_t get() const { return event_; }  // CUDA too takes one that was never recorded for happened

 private:
  cudaEvent_t event_ = nullptr;
};

cudaEvent_t event_of(const Event& event) {
  return static_cast<const CudaEvent&>(event).get();
}

class CudaGraph final : public Recording {
 public:
  explicit CudaGraph(cudaGraph_t graph) {
    const cudaError_t status = cudaGraphInstantiate(&exec_, graph, 0);
    cudaGraphDestroy(graph);
    check(status, "cudaGraphInstantiate");
  }
  ~CudaGraph() override { cudaGraphExecDestroy(exec_); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;
  cudaGraphExec_t get() const { return exec_; }

 private:
  cudaGraphExec_t exec_ = nullptr;
};

class CudaRuntime final : public Runtime {
 public:
  explicit CudaRuntime(int device) : device_(selected(device)), scope_(compute_.get()) {
    check(cudaDeviceGetDefaultMemPool(&pool_, device_), "cudaDeviceGetDefaultMemPool");
    // What is given back stays in the pool until allocate() needs it elsewhere.
    std::uint64_t keep = std::numeric_limits<std::uint64_t>::max();
    check(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
  }

  void* allocate(std::size_t bytes) override {
    void* memory = nullptr;
    cudaError_t status = cudaMallocAsync(&memory, bytes, compute_.get());
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      check(cudaStreamSynchronize(compute_.get()), "cudaStreamSynchronize");
      check(cudaMemPoolTrimTo(pool_, 0), "cudaMemPoolTrimTo");
      status = cudaMallocAsync(&memory, bytes, compute_.get());
    }
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check(status, "cudaMallocAsync", bytes);
    check(cudaMemsetAsync(memory, 0, bytes, compute_.get()), "cudaMemsetAsync", bytes);
    // Nothing allocates in a step; waiting here makes the memory good for both queues.
    check(cudaStreamSynchronize(compute_.get()), "cudaStreamSynchronize");
    return memory;
  }
  void release(void* memory) noexcept override {
    cudaStreamSynchronize(upload_.get());
    cudaFreeAsync(memory, compute_.get());
  }
  void* allocate_pinned(std::size_t bytes) override {
    void* memory = nullptr;
    const cudaError_t status = cudaHostAlloc(&memory, bytes, cudaHostAllocDefault);
    if (status == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      return nullptr;
    }
    check(status, "cudaHostAlloc", bytes);
    std::memset(memory, 0, bytes);
    return memory;
  }
  void release_pinned(void* memory) noexcept override { cudaFreeHost(memory); }
  std::string memory_left() const override {
    std::size_t left = 0, all = 0;
    if (cudaMemGetInfo(&left, &all) != cudaSuccess) return "";
    char text[64];
    constexpr double kGib = 1 << 30;
    std::snprintf(text, sizeof text, "%.1f of %.1f GiB are free", static_cast<double>(left) / kGib,
                  static_cast<double>(all) / kGib);
    return text;
  }
  bool reaches_host() const override { return false; }

  void copy(void* to, const void* from, std::size_t bytes, Queue queue) override {
    if (bytes == 0) return;
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream(queue)), "cudaMemcpyAsync", bytes);
  }

  std::unique_ptr<Event> make_event() override { return std::make_unique<CudaEvent>(); }
  void record(Event& event, Queue queue) override {
    check(cudaEventRecord(event_of(event), stream(queue)), "cudaEventRecord");
  }
  void wait(Queue queue, const Event& event) override {
    check(cudaStreamWaitEvent(stream(queue), event_of(event), 0), "cudaStreamWaitEvent");
  }
  void wait(const Event& event) override { check(cudaEventSynchronize(event_of(event)), "cudaEventSynchronize"); }
  bool happened(const Event& event) override {
    const cudaError_t status = cudaEventQuery(event_of(event));
    if (status == cudaErrorNotReady) return false;
    check(status, "cudaEventQuery");
    return true;
  }

  std::unique_ptr<Recording> record(const std::function<void()>& work) override {
    if (cuda::current_stream() != compute_.get())
      throw KernelError("CUDA: a step is recorded on a thread whose kernels run in another queue");
    check(cudaStreamBeginCapture(compute_.get(), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
    cudaGraph_t graph = nullptr;
    try {
      work();
    } catch (...) {
      cudaStreamEndCapture(compute_.get(), &graph);
      if (graph != nullptr) cudaGraphDestroy(graph);
      cudaGetLastError();
      throw;
    }
    check(cudaStreamEndCapture(compute_.get(), &graph), "cudaStreamEndCapture");
    return std::make_unique<CudaGraph>(graph);
  }
  void replay(Recording& recording) override {
    check(cudaGraphLaunch(static_cast<CudaGraph&>(recording).get(), compute_.get()), "cudaGraphLaunch");
  }

 private:
  // Before the streams are made: they belong to the device that is current.
  static int selected(int device) {
    check(cudaSetDevice(device), "cudaSetDevice");
    return device;
  }
  cudaStream_t stream(Queue queue) const { return queue == Queue::upload ? upload_.get() : compute_.get(); }

  int device_;
  Stream compute_, upload_;
  cuda::StreamScope scope_;
  cudaMemPool_t pool_ = nullptr;
};

}  // namespace

std::shared_ptr<Runtime> cuda_runtime(int device) {
  return std::make_shared<CudaRuntime>(device);
}

}  // namespace mal::kernels
