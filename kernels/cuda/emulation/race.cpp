#include "kernels/cuda/emulation/race.h"

#include <algorithm>

#include "kernels/cuda/emulation/block.h"

namespace mal::emulation {

constinit thread_local bool in_atomic = false;

namespace {

constexpr std::size_t kMostPages = 4096;  // kept from one kernel to the next

int warp_of(int thread) {
  return thread / warpSize;
}

// Whether what `before` did is over for `now`.
bool ordered(const Toucher& before, int before_warp, const Toucher& now) {
  if (before.block != now.block) return false;
  if (before.block_barriers < now.block_barriers) return true;
  return before_warp == warp_of(now.thread) && before.warp_barriers < now.warp_barriers;
}

std::string race_of(const Toucher& before, const char* did, const Toucher& now, const char* does) {
  const auto thread = before.thread < 0 ? std::string("several threads") : "thread " + std::to_string(before.thread);
  const auto block = before.block == now.block ? "" : " of block " + std::to_string(before.block);
  return "a data race: thread " + std::to_string(now.thread) + " " + does + " a word that " + thread + block + " " +
         did + ", with no barrier between";
}

}  // namespace

RaceDetector& race_detector() {
  static thread_local RaceDetector detector;
  return detector;
}

void RaceDetector::begin_kernel() {
  ++kernel_;
  if (pages_.size() < kMostPages) return;
  pages_.clear();
  last_page_ = nullptr;
}

RaceDetector::Word& RaceDetector::word_at(std::uintptr_t word) {
  const std::uintptr_t page = word / kPageWords;
  if (last_page_ == nullptr || page != last_) {
    auto& found = pages_[page];
    if (!found) found = std::make_unique<Page>();
    last_page_ = found.get();
    last_ = page;
  }
  Word& result = last_page_->words[word % kPageWords];
  if (result.kernel != kernel_) {
    result = {};
    result.kernel = kernel_;
  }
  return result;
}

void RaceDetector::add_reader(Word& word, const Toucher& who) {
  Toucher& reader = word.reader;
  if (reader.block == -1 || ordered(reader, word.reader_warp, who)) {
    reader = who;
    word.reader_warp = warp_of(who.thread);
    return;
  }
  if (reader.block != who.block) reader.block = kMany;
  if (reader.thread != who.thread) reader.thread = kMany;
  if (word.reader_warp != warp_of(who.thread)) word.reader_warp = kMany;
  reader.block_barriers = std::max(reader.block_barriers, who.block_barriers);
  reader.warp_barriers = std::max(reader.warp_barriers, who.warp_barriers);
}

std::string RaceDetector::touch(std::uintptr_t address, std::size_t bytes, bool writes, bool atomic,
                                const Toucher& who) {
  if (bytes < sizeof(std::uint32_t)) return "";  // threads may share a word by its bytes
  for (std::uintptr_t at = address / 4; at <= (address + bytes - 1) / 4; ++at) {
    Word& word = word_at(at);
    const bool mine = word.writer.block == who.block && word.writer.thread == who.thread;
    if (word.writer.block != -1 && !mine && !(word.atomic && atomic) &&
        !ordered(word.writer, warp_of(word.writer.thread), who))
      return race_of(word.writer, "wrote", who, writes ? "writes" : "reads");
    if (!writes) {
      if (!atomic) add_reader(word, who);
      continue;
    }
    const bool mine_alone = word.reader.block == who.block && word.reader.thread == who.thread;
    if (word.reader.block != -1 && !mine_alone && !ordered(word.reader, word.reader_warp, who))
      return race_of(word.reader, "read", who, "writes");
    word.writer = who;
    word.atomic = atomic;
    word.reader = {};
  }
  return "";
}

}  // namespace mal::emulation

// What the compiler calls. NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
#define MAL_TOUCH(bytes)                          \
  void __tsan_read##bytes(void* p) {              \
    mal::emulation::note_access(p, bytes, false); \
  }                                               \
  void __tsan_write##bytes(void* p) {             \
    mal::emulation::note_access(p, bytes, true);  \
  }                                               \
  void __tsan_unaligned_read##bytes(void* p) {    \
    mal::emulation::note_access(p, bytes, false); \
  }                                               \
  void __tsan_unaligned_write##bytes(void* p) {   \
    mal::emulation::note_access(p, bytes, true);  \
  }
MAL_TOUCH(1)
MAL_TOUCH(2)
MAL_TOUCH(4)
MAL_TOUCH(8)
MAL_TOUCH(16)
#undef MAL_TOUCH
void __tsan_read_range(void* p, std::size_t bytes) {
  mal::emulation::note_access(p, bytes, false);
}
void __tsan_write_range(void* p, std::size_t bytes) {
  mal::emulation::note_access(p, bytes, true);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
}
// NOLINTEND(bugprone-reserved-identifier)
