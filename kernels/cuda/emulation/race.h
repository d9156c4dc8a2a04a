// Finds data races: two threads touch the same word, one of them writes it, and no barrier lies between. In builds
// without AddressSanitizer the compiler calls the functions of race.cpp before every load and store of a .cu file
// (-fsanitize=thread; the library of that name is not used).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

namespace mal::emulation {

// Who touches a word, and how far its block and its warp have come. Only __syncthreads and __syncwarp order memory.
struct Toucher {
  std::int64_t block = -1;  // 0 for all where the word is shared memory, which begins anew with each block
  int thread = -1;
  std::uint32_t block_barriers = 0, warp_barriers = 0;
};

class RaceDetector {
 public:
  void begin_kernel();
  // What is wrong, or nothing.
  std::string touch(std::uintptr_t address, std::size_t bytes, bool writes, bool atomic, const Toucher& who);

 private:
  static constexpr int kMany = -2;
  struct Word {
    std::uint64_t kernel = 0;
    Toucher writer, reader;  // reader.thread kMany: several; reader_warp kMany: of several warps
    int reader_warp = -1;
    bool atomic = false;
  };
  static constexpr std::uintptr_t kPageWords = 1024;
  struct Page {
    Word words[kPageWords];
  };

  Word& word_at(std::uintptr_t word);
  static void add_reader(Word& word, const Toucher& who);

  std::unordered_map<std::uintptr_t, std::unique_ptr<Page>> pages_;
  std::uintptr_t last_ = 0;
  Page* last_page_ = nullptr;
  std::uint64_t kernel_ = 0;
};

RaceDetector& race_detector();  // of this thread

}  // namespace mal::emulation
