// Memory for the tests' vectors where a GPU is tested: a few large arenas, since each allocation of a device takes
// longer than most kernels run. A tool that watches allocations cannot see a step beyond a block within an arena, so
// everything that is no block's holds a pattern: gaps of at least 256 bytes between blocks, and what is free. Who
// writes there is found, at the latest when the block goes or its neighbourhood is given out again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace mal::test {

class GuardedPool {
 public:
  // Makes an arena of so many bytes, aligned to 256, that the host reaches; null: there is no more.
  using Make = std::function<std::byte*(std::size_t bytes)>;
  // Told of everything that is found, when there is nobody to throw to.
  using Complain = std::function<void(const std::string& what)>;

  static constexpr std::size_t kAlignment = 256, kGuard = 256;

  GuardedPool(std::size_t arena_bytes, Make make, Complain complain);

  // Aligned to 256; null: make() gave no more. Of no bytes: a block of its own, without a byte that may be used.
  void* allocate(std::size_t bytes);
  // Complains if somebody wrote into the gaps beside the block.
  void deallocate(void* memory);

  // The gaps beside all blocks: what is wrong with the first one that is not as it was, or nothing. It is mended.
  std::string broken_guard();

  struct Range {
    std::byte* begin;
    std::size_t bytes;
  };
  // Each arena's part that blocks have been given from, with their gaps.
  std::vector<Range> used() const;
  // Is [memory, memory + bytes) in a block?
  bool holds(const void* memory, std::size_t bytes = 0) const;
  std::size_t blocks() const;
  std::size_t arenas() const { return arenas_.size(); }

 private:
  struct Arena {
    std::byte* begin;
    std::size_t bytes;
    std::map<std::byte*, std::size_t> blocks, free;  // by where they begin; what is free never touches
  };
  // Bytes of an arena that a block takes: its own, then a gap up to the next place where one may begin.
  static std::size_t taken(std::size_t bytes) { return (bytes + kGuard + kAlignment - 1) / kAlignment * kAlignment; }
  Arena* arena_of(const void* memory);
  const Arena* arena_of(const void* memory) const;
  void* take(Arena& arena, std::size_t bytes);
  std::string broken_beside(const Arena& arena, std::byte* block, std::size_t bytes) const;

  std::size_t arena_bytes_;
  Make make_;
  Complain complain_;
  std::vector<Arena> arenas_;
};

}  // namespace mal::test
