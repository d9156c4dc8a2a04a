#include "tests/kernels/guarded_pool.h"

#include <algorithm>
#include <cstring>

namespace mal::test {

namespace {

// As floats a NaN that no arithmetic makes, as ids far beyond any table: who reads a gap shows, too.
constexpr std::uint32_t kPattern = 0x7FC0BEEFU;

std::byte pattern_at(const std::byte* at) {
  return static_cast<std::byte>(kPattern >> (8 * (reinterpret_cast<std::uintptr_t>(at) % 4)));
}
void fill(std::byte* first, const std::byte* end) {
  for (; first < end && reinterpret_cast<std::uintptr_t>(first) % 4 != 0; ++first) *first = pattern_at(first);
  const auto words = static_cast<std::size_t>(end - first) / 4;
  std::fill_n(reinterpret_cast<std::uint32_t*>(first), words, kPattern);
  for (first += 4 * words; first < end; ++first) *first = pattern_at(first);
}
// The first byte that is another, or `end`.
const std::byte* first_other(const std::byte* first, const std::byte* end) {
  for (; first < end && reinterpret_cast<std::uintptr_t>(first) % 4 != 0; ++first)
    if (*first != pattern_at(first)) return first;
  for (; first + 4 <= end && *reinterpret_cast<const std::uint32_t*>(first) == kPattern;) first += 4;
  for (; first < end; ++first)
    if (*first != pattern_at(first)) return first;
  return end;
}

}  // namespace

GuardedPool::GuardedPool(std::size_t arena_bytes, Make make, Complain complain)
    : arena_bytes_(arena_bytes), make_(std::move(make)), complain_(std::move(complain)) {}

const GuardedPool::Arena* GuardedPool::arena_of(const void* memory) const {
  const auto* at = static_cast<const std::byte*>(memory);
  const auto found = std::ranges::find_if(
      arenas_, [&](const Arena& arena) { return at >= arena.begin && at < arena.begin + arena.bytes; });
  return found == arenas_.end() ? nullptr : &*found;
}
GuardedPool::Arena* GuardedPool::arena_of(const void* memory) {
  return const_cast<Arena*>(std::as_const(*this).arena_of(memory));
}

// The lowest place that has room: so what is in use stays together.
void* GuardedPool::take(Arena& arena, std::size_t bytes) {
  const std::size_t size = taken(bytes);
  const auto place = std::ranges::find_if(arena.free, [&](const auto& range) { return range.second >= size; });
  if (place == arena.free.end()) return nullptr;
  const auto [begin, room] = *place;
  if (const std::byte* other = first_other(begin, begin + size); other != begin + size) {
    complain_("somebody wrote into free memory, " + std::to_string(other - begin) + " bytes into a block of " +
              std::to_string(bytes) + " bytes that is given out now");
    fill(begin, begin + size);
  }
  arena.free.erase(place);
  if (room > size) arena.free.emplace(begin + size, room - size);
  arena.blocks.emplace(begin, bytes);
  return begin;
}

void* GuardedPool::allocate(std::size_t bytes) {
  for (Arena& arena : arenas_)
    if (void* const memory = take(arena, bytes)) return memory;
  // The first block has a gap before it.
  const std::size_t size = std::max(arena_bytes_, kAlignment + taken(bytes));
  std::byte* const begin = make_(size);
  if (begin == nullptr) return nullptr;
  fill(begin, begin + size);
  Arena& arena = arenas_.emplace_back(Arena{begin, size, {}, {}});
  arena.free.emplace(begin + kAlignment, (size - kAlignment) / kAlignment * kAlignment);
  return take(arena, bytes);
}

// The gap behind a block, and the 256 bytes before it, which are of the gap behind another, of the arena's first gap,
// or free.
std::string GuardedPool::broken_beside(const Arena& arena, std::byte* block, std::size_t bytes) const {
  const auto what = [&](const std::string& where) {
    return "somebody wrote " + where + " a block of " + std::to_string(bytes) + " bytes";
  };
  const std::byte *behind = block + bytes, *end = block + taken(bytes);
  if (const std::byte* other = first_other(behind, end); other != end)
    return what(std::to_string(other - behind) + " bytes beyond the end of");
  // A block before may end within these bytes.
  std::byte* before = block - kGuard;
  if (const auto next = arena.blocks.lower_bound(block); next != arena.blocks.begin()) {
    const auto& [begin, size] = *std::prev(next);
    before = std::max(before, begin + size);
  }
  if (const std::byte* other = first_other(before, block); other != block)
    return what(std::to_string(block - other) + " bytes before the start of");
  return "";
}

void GuardedPool::deallocate(void* memory) {
  Arena* const arena = arena_of(memory);
  auto* const block = static_cast<std::byte*>(memory);
  const auto found = arena == nullptr ? std::map<std::byte*, std::size_t>::iterator{} : arena->blocks.find(block);
  if (arena == nullptr || found == arena->blocks.end()) return complain_("what is given back is no block");
  if (const std::string what = broken_beside(*arena, block, found->second); !what.empty()) complain_(what);
  std::byte* begin = block;
  std::size_t size = taken(found->second);
  arena->blocks.erase(found);
  fill(begin, begin + size);
  auto next = arena->free.lower_bound(begin);
  if (next != arena->free.end() && next->first == begin + size) {
    size += next->second;
    next = arena->free.erase(next);
  }
  if (next != arena->free.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == begin) {
      before->second += size;
      return;
    }
  }
  arena->free.emplace(begin, size);
}

std::string GuardedPool::broken_guard() {
  std::string first;
  for (const Arena& arena : arenas_)
    for (const auto& [block, bytes] : arena.blocks) {
      const std::string what = broken_beside(arena, block, bytes);
      if (what.empty()) continue;
      if (first.empty()) first = what;
      fill(block + bytes, block + taken(bytes));
      const auto next = arena.blocks.find(block);
      std::byte* const before = next == arena.blocks.begin()
                                    ? block - kGuard
                                    : std::max(block - kGuard, std::prev(next)->first + std::prev(next)->second);
      fill(before, block);
    }
  return first;
}

std::vector<GuardedPool::Range> GuardedPool::used() const {
  std::vector<Range> ranges;
  for (const Arena& arena : arenas_) {
    if (arena.blocks.empty()) continue;
    const auto& [last, bytes] = *arena.blocks.rbegin();
    ranges.push_back({arena.begin, static_cast<std::size_t>(last - arena.begin) + taken(bytes)});
  }
  return ranges;
}

bool GuardedPool::holds(const void* memory, std::size_t bytes) const {
  const Arena* const arena = arena_of(memory);
  if (arena == nullptr) return false;
  const auto* const at = static_cast<const std::byte*>(memory);
  const auto next = arena->blocks.upper_bound(const_cast<std::byte*>(at));
  if (next == arena->blocks.begin()) return false;
  const auto& [begin, size] = *std::prev(next);
  return at + bytes <= begin + size;
}

std::size_t GuardedPool::blocks() const {
  std::size_t count = 0;
  for (const Arena& arena : arenas_) count += arena.blocks.size();
  return count;
}

}  // namespace mal::test
