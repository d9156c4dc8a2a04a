// What a device is beside its kernels: its memory, copies, and the order of its work. One thread uses a device at a
// time; what it asks for runs later, in the order in which it was asked for in each queue. Kernels run in the compute
// queue. A call that fails throws with its name and size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace mal::kernels {

enum class Queue : std::int32_t { compute, upload };

// A moment in a queue: everything before it is done. One that was never recorded has happened.
class Event {
 public:
  virtual ~Event() = default;
};

// A list of kernels and copies with their arguments.
class Recording {
 public:
  virtual ~Recording() = default;
};

class Runtime {
 public:
  virtual ~Runtime() = default;

  // Zeros, aligned to 64 bytes at least; null if there is not enough even after unused memory was given back.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  // Host memory that copies run beside the host's work from; as above.
  virtual void* allocate_pinned(std::size_t bytes) = 0;
  virtual void release_pinned(void* memory) noexcept = 0;
  // For messages: "1.2 of 79.1 GiB are free"; empty where nothing is known.
  virtual std::string memory_left() const = 0;
  // The device's memory is the host's own: nothing needs to be copied, and every call is done when it returns.
  virtual bool reaches_host() const = 0;

  // The threads that run_blocks() takes: body(context, block) once for every block in [0, count), in any order. What a
  // body asks for of the device's kernels runs on its own thread. Only where the device's memory is the host's.
  virtual int threads() const { return 1; }
  virtual void run_blocks(std::int64_t count, void (*body)(const void* context, std::int64_t block),
                          const void* context) {
    for (std::int64_t block = 0; block < count; ++block) body(context, block);
  }

  // Between any two memories. Of host memory that is not pinned it may wait.
  virtual void copy(void* to, const void* from, std::size_t bytes, Queue queue) = 0;

  virtual std::unique_ptr<Event> make_event() = 0;
  virtual void record(Event& event, Queue queue) = 0;
  // What is asked for in `queue` from now on begins after the event.
  virtual void wait(Queue queue, const Event& event) = 0;
  // The host waits.
  virtual void wait(const Event& event) = 0;
  virtual bool happened(const Event& event) = 0;
  void wait_for(Queue queue) {
    const std::unique_ptr<Event> event = make_event();
    record(*event, queue);
    wait(*event);
  }

  // What `work` asks for in the compute queue, to be run by every replay() with the same arguments; nothing runs yet.
  // `work` must not wait, allocate or look at results.
  virtual std::unique_ptr<Recording> record(const std::function<void()>& work) = 0;
  virtual void replay(Recording& recording) = 0;
};

// The CPU: memory of the host, and everything at once.
std::shared_ptr<Runtime> cpu_runtime();

}  // namespace mal::kernels
