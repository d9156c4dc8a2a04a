#include "tests/kernels/guarded_pool.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>

namespace mal::test::guarded_pool {

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

// A pool of the host's memory that keeps what it complains about.
struct Pool {
  explicit Pool(std::size_t arena_bytes, std::size_t most_arenas = 10)
      : pool(
            arena_bytes,
            [this, most_arenas](std::size_t bytes) -> std::byte* {
              if (arenas.size() == most_arenas) return nullptr;
              arenas.emplace_back(static_cast<std::byte*>(std::aligned_alloc(256, (bytes + 255) / 256 * 256)));
              return arenas.back().get();
            },
            [this](const std::string& what) { complaints.push_back(what); }) {}
  std::byte* allocate(std::size_t bytes) { return static_cast<std::byte*>(pool.allocate(bytes)); }

  std::vector<std::unique_ptr<std::byte, Free>> arenas;
  std::vector<std::string> complaints;
  GuardedPool pool;
};

bool aligned(const void* memory) {
  return reinterpret_cast<std::uintptr_t>(memory) % 256 == 0;
}

TEST_CASE("a pool's blocks are aligned, apart, and given out again", "[kernels][guarded_pool]") {
  Pool p(1 << 16);
  std::vector<std::byte*> blocks;
  for (const std::size_t bytes : {0, 1, 4, 255, 256, 257, 5000}) {
    blocks.push_back(p.allocate(bytes));
    REQUIRE(blocks.back() != nullptr);
    CHECK(aligned(blocks.back()));
    std::fill_n(blocks.back(), bytes, std::byte{1});
    CHECK(p.pool.holds(blocks.back(), bytes));
    CHECK(!p.pool.holds(blocks.back(), bytes + 1));
    CHECK(!p.pool.holds(blocks.back() - 1));
    if (blocks.size() > 1) CHECK(blocks.back() - blocks[blocks.size() - 2] >= 256);
  }
  CHECK(p.pool.blocks() == blocks.size());
  CHECK(p.pool.arenas() == 1);
  REQUIRE(p.pool.used().size() == 1);
  CHECK(p.pool.used()[0].begin + p.pool.used()[0].bytes >= blocks.back() + 5000 + 256);
  CHECK(p.pool.broken_guard().empty());
  // A hole between two, then both neighbours: one place again.
  for (const std::size_t i : {3, 4, 2, 5, 6, 0, 1}) p.pool.deallocate(blocks[i]);
  CHECK(p.pool.blocks() == 0);
  CHECK(p.pool.used().empty());
  CHECK(p.allocate(60000) == blocks[0]);
  CHECK(p.complaints.empty());
}

TEST_CASE("a pool that is full takes another arena, of any size, as long as there is one", "[kernels][guarded_pool]") {
  Pool p(4096, 3);
  std::byte* const first = p.allocate(3000);
  CHECK(p.pool.arenas() == 1);
  std::byte* const second = p.allocate(3000);
  CHECK(p.pool.arenas() == 2);
  std::byte* const large = p.allocate(100000);
  REQUIRE(large != nullptr);
  CHECK(aligned(large));
  CHECK(p.pool.arenas() == 3);
  CHECK(p.allocate(3000) == nullptr);
  p.pool.deallocate(first);
  CHECK(p.allocate(3000) == first);
  CHECK(p.pool.holds(second, 3000));
  CHECK(p.pool.used().size() == 3);
  CHECK(p.complaints.empty());
}

TEST_CASE("a pool finds who writes beyond a block, before it, or into what is free", "[kernels][guarded_pool]") {
  Pool p(1 << 16);
  std::byte *a = p.allocate(100), *b = p.allocate(256), *c = p.allocate(10);
  for (std::byte* at : {a + 100, a + 300, b - 1, b + 256, c - 40, a - 1, c + 265}) {
    INFO(at - a);
    const std::byte before = *at;
    *at = std::byte{0};
    CHECK_THAT(p.pool.broken_guard(), Catch::Contains("somebody wrote"));
    CHECK(*at == before);  // mended
    CHECK(p.pool.broken_guard().empty());
  }
  a[100] = std::byte{0};
  CHECK_THAT(p.pool.broken_guard(), Catch::Contains("0 bytes beyond the end of a block of 100 bytes"));
  b[-1] = std::byte{0};
  p.pool.deallocate(b);
  REQUIRE(p.complaints.size() == 1);
  CHECK_THAT(p.complaints[0], Catch::Contains("1 bytes before the start of a block of 256 bytes"));
  b[7] = std::byte{0};  // after it has gone
  CHECK(p.allocate(256) == b);
  REQUIRE(p.complaints.size() == 2);
  CHECK_THAT(p.complaints[1], Catch::Contains("into free memory, 7 bytes"));
  p.pool.deallocate(c + 1);
  REQUIRE(p.complaints.size() == 3);
  CHECK_THAT(p.complaints[2], Catch::Contains("no block"));
  p.pool.deallocate(a);
  p.pool.deallocate(c);
  CHECK(p.complaints.size() == 4);  // b's neighbour a: its gap was written above
}

}  // namespace mal::test::guarded_pool
