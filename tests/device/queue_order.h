// Which copies of a device's two queues are ordered. On a GPU a missing wait shows now and then; here it is an error at
// the copy that should have waited. Kernels are not seen one by one: from the moment when the compute queue waits for
// an upload until an event that it records afterwards, they may read what was uploaded.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <vector>

#include "kernels/runtime.h"

namespace mal::test {

class QueueOrder {
 public:
  // How far both queues are known to have come: number of operations of each.
  using Clock = std::array<std::int64_t, 2>;

  // Null: memory that the queues do not share.
  void copy(const void* to, const void* from, std::size_t bytes, kernels::Queue queue) {
    const std::size_t q = index(queue);
    ++now_[q][q];
    touch(to, bytes, q, true);
    touch(from, bytes, q, false);
  }
  // Before such a copy of memory of the host, which it has just written: it must know that earlier ones are over.
  void written_by_host(const void* memory, std::size_t bytes) const {
    const auto* begin = static_cast<const std::byte*>(memory);
    for (const Access& before : accesses_)
      if (before.overlaps(begin, begin + bytes))
        throw std::runtime_error("unordered copies: the host writes what a copy may still read");
  }
  // What an event of `queue` knows from now on.
  Clock record(kernels::Queue queue) {
    const std::size_t q = index(queue);
    ++now_[q][q];
    return now_[q];
  }
  void wait(kernels::Queue queue, const Clock& event) {
    const std::size_t q = index(queue);
    std::vector<Access> uploaded;  // by now
    for (const Access& access : accesses_)
      if (queue == kernels::Queue::compute && access.writes && access.queue != q && !ordered(access, q) &&
          access.clock <= event[access.queue])
        uploaded.push_back(access);
    for (std::size_t other = 0; other < event.size(); ++other) now_[q][other] = std::max(now_[q][other], event[other]);
    ++now_[q][q];
    for (const Access& access : uploaded) keep({access.begin, access.end, q, now_[q][q], false});
  }
  // The host has waited: what is asked for from now on comes later in any queue.
  void wait_on_host(const Clock& event) {
    std::erase_if(accesses_, [&](const Access& access) { return access.clock <= event[access.queue]; });
  }
  void forget(const void* memory, std::size_t bytes) {
    const auto* begin = static_cast<const std::byte*>(memory);
    std::erase_if(accesses_, [&](const Access& access) { return access.overlaps(begin, begin + bytes); });
  }

 private:
  struct Access {
    const std::byte *begin, *end;
    std::size_t queue;
    std::int64_t clock;
    bool writes;
    bool overlaps(const std::byte* first, const std::byte* last) const {
      return std::less<>()(begin, last) && std::less<>()(first, end);
    }
  };

  static std::size_t index(kernels::Queue queue) { return static_cast<std::size_t>(queue); }
  bool ordered(const Access& before, std::size_t queue) const { return before.clock <= now_[queue][before.queue]; }
  void touch(const void* memory, std::size_t bytes, std::size_t queue, bool writes) {
    if (memory == nullptr) return;
    const auto *begin = static_cast<const std::byte*>(memory), *end = begin + bytes;
    for (const Access& before : accesses_)
      if (before.overlaps(begin, end) && (before.writes || writes) && !ordered(before, queue))
        throw std::runtime_error(std::string("unordered copies: ") + (queue == 0 ? "compute" : "upload") +
                                 (writes ? " writes" : " reads") + " what " + (queue == 0 ? "upload" : "compute") +
                                 " may still " + (before.writes ? "write" : "read"));
    keep({begin, end, queue, now_[queue][queue], writes});
  }
  void keep(const Access& access) {
    // Later than what it covers; a read says nothing of other reads, unless they are the same queue's.
    std::erase_if(accesses_, [&](const Access& before) {
      return access.begin <= before.begin && before.end <= access.end &&
             (access.writes || (before.queue == access.queue && !before.writes));
    });
    accesses_.push_back(access);
  }

  std::array<Clock, 2> now_{};  // what each queue knows of both
  std::vector<Access> accesses_;
};

}  // namespace mal::test
