// The radix sort of the GPU by itself, against std::stable_sort.
#include "kernels/cuda/support/sort.h"

#include <numeric>

#include "tests/kernels/kernel_test.h"

namespace mal::test::sort {

using kernels::SortShape;
using Keys = std::vector<std::uint32_t>;

using Sort = decltype(&kernels::emulated::sort_pairs);
Sort sort_of(const KernelTable& device) {
  if (is_cpu(device)) return nullptr;  // it has another
  if (is_emulated(device)) return kernels::emulated::sort_pairs;
#ifdef MAL_HAVE_CUDA
  return kernels::cuda::sort_pairs;
#else
  FAIL("a device without a sort");
  return nullptr;
#endif
}

// Arrays of a sort, which is no entry of the KernelTable: in the emulation each stands alone, on a GPU they lie in one
// block of its memory, to which they are copied and back.
class Arrays {
 public:
  explicit Arrays(Sort sort) : on_host_(sort == kernels::emulated::sort_pairs) {}

  std::uint32_t* add(std::vector<std::uint32_t>& array) {
    if (on_host_) return array.data();
    const std::size_t bytes = (array.size() * sizeof(std::uint32_t) + 255) / 256 * 256;
    std::byte* const at = block() + used_;
    used_ += bytes;
    REQUIRE((block() != nullptr && used_ <= kBlock));
    copies_.push_back({&array, at});
    copy(at, array.data(), array.size());
    return reinterpret_cast<std::uint32_t*>(at);
  }
  void read_back() const {
    for (const Copy& c : copies_) copy(c.array->data(), c.at, c.array->size());
  }

 private:
  struct Copy {
    std::vector<std::uint32_t>* array;
    std::byte* at;
  };
  static constexpr std::size_t kBlock = std::size_t{128} << 20;
#ifdef MAL_HAVE_CUDA
  static std::byte* block() {
    static std::byte* const memory = cuda_memory().make_device(kBlock);
    return memory;
  }
  static void copy(void* to, const void* from, std::size_t count) {
    if (count != 0) cuda_memory().copy(to, from, count * sizeof(std::uint32_t));
  }
#else
  static std::byte* block() {
    return nullptr;
  }
  static void copy(void*, const void*, std::size_t) {}
#endif

  bool on_host_;
  std::size_t used_ = 0;
  std::vector<Copy> copies_;
};

// What a pass may be given, and what is hard for it.
enum class Pattern { random, equal, rising, falling, top_digit, few };
constexpr Pattern kPatterns[] = {Pattern::random,  Pattern::equal,     Pattern::rising,
                                 Pattern::falling, Pattern::top_digit, Pattern::few};

Keys make_keys(Pattern pattern, std::int64_t count, int bits) {
  Draw draw(static_cast<std::uint64_t>(count) * 37 + static_cast<std::uint64_t>(bits));
  const std::uint64_t most = (std::uint64_t{1} << bits) - 1;
  Keys keys(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::uint64_t any =
        static_cast<std::uint64_t>(draw.below(1 << 30)) << 4 ^ static_cast<std::uint64_t>(draw.below(1 << 16));
    const std::uint64_t key = pattern == Pattern::equal       ? most
                              : pattern == Pattern::rising    ? i / 3
                              : pattern == Pattern::falling   ? most - i / 3
                              : pattern == Pattern::top_digit ? (any % 3 << (bits - std::min(bits, 2))) | (most & 5)
                              : pattern == Pattern::few       ? most / 5 * (any % 6)
                                                              : any;
    keys[i] = static_cast<std::uint32_t>(key & most);
  }
  return keys;
}

// Of the first pass, as whoever writes the keys has to count.
Keys first_counts(const Keys& keys, const SortShape& shape) {
  Keys counts(shape.ranges * static_cast<std::size_t>(kernels::kSortDigits), 0);
  for (std::size_t i = 0; i < keys.size(); ++i)
    ++counts[i / shape.range * kernels::kSortDigits + (keys[i] & ((1U << shape.digit_bits) - 1))];
  return counts;
}

// What is wrong with the result, or nothing.
std::string sort_mismatch(Sort sort, const Keys& keys, const SortShape& shape) {
  Keys a = keys, b(keys.size()), values_a(keys.size(), 77), values_b(keys.size()), counts = first_counts(keys, shape);
  Keys later(counts.size() * static_cast<std::size_t>(shape.passes - 1), 0);
  Arrays arrays(sort);
  sort(shape, {{arrays.add(a), arrays.add(b)},
               {arrays.add(values_a), arrays.add(values_b)},
               arrays.add(counts),
               arrays.add(later)});
  arrays.read_back();
  Keys order(keys.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return keys[i]; });
  const auto& sorted = shape.passes % 2 == 0 ? a : b;
  const auto& values = shape.passes % 2 == 0 ? values_a : values_b;
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (sorted[i] != keys[order[i]] || values[i] != order[i])
      return "[" + std::to_string(i) + "] is key " + std::to_string(sorted[i]) + " of " + std::to_string(values[i]) +
             ", not " + std::to_string(keys[order[i]]) + " of " + std::to_string(order[i]);
  return "";
}

void check_sort(const KernelTable& device, Pattern pattern, std::int64_t count, int bits, std::int64_t ranges) {
  const Sort sort = sort_of(device);
  if (sort == nullptr) return;
  INFO(count << " keys of " << bits << " bits, pattern " << static_cast<int>(pattern) << ", up to " << ranges
             << " ranges");
  CHECK(sort_mismatch(sort, make_keys(pattern, count, bits), SortShape(count, bits, ranges)) == "");
}

TEST_CASE("the shape of a sort", "[kernels][sort]") {
  for (const std::int64_t count : {1, 1023, 1024, 1025, 135168, 135169, 320000, 10000000})
    for (const int bits : {0, 1, 8, 9, 16, 17, 24, 25, 32}) {
      const SortShape shape(count, bits);
      INFO(count << " keys of " << bits << " bits");
      CHECK(shape.passes == std::max(1, (bits + 7) / 8));
      CHECK(shape.passes * shape.digit_bits >= bits);
      CHECK(shape.digit_bits <= 8);
      CHECK(std::int64_t{shape.range} * shape.ranges >= count);
      CHECK(std::int64_t{shape.range} * (shape.ranges - 1) < count);
      CHECK(shape.ranges * kernels::kSortDigits <= kernels::sort_counts(count));
      CHECK(kernels::sort_counts(count) <= kernels::sort_counts(count + 1));  // room for more is room for fewer
    }
  CHECK(SortShape(0, 20).ranges == 0);
}

TEST_CASE("sort: every size about the borders of warps, blocks and tiles", "[kernels][sort]") {
  for_each_device([](const KernelTable& device) {
    for (const std::int64_t count : {0, 1, 31, 32, 33, 1023, 1024, 1025, 2049})
      check_sort(device, Pattern::random, count, 13, kernels::kSortRanges);
    for (const std::int64_t count : {8191, 8192, 8193, 16385, 20000})  // a tile is 8192
      for (const std::int64_t ranges : {1, 2}) check_sort(device, Pattern::random, count, 13, ranges);
  });
}

TEST_CASE("sort: keys of every number of digits", "[kernels][sort]") {
  for_each_device([](const KernelTable& device) {
    for (const int bits : {1, 7, 8, 9, 16, 17, 21, 24, 25, 32})
      check_sort(device, Pattern::random, 3000, bits, kernels::kSortRanges);
  });
}

TEST_CASE("sort: equal, sorted, reversed and few keys keep their order", "[kernels][sort]") {
  for_each_device([](const KernelTable& device) {
    for (const Pattern pattern : kPatterns)
      for (const int bits : {8, 17, 32})
        for (const std::int64_t ranges : {1, 4}) check_sort(device, pattern, 9500, bits, ranges);
  });
}

TEST_CASE("sort: many ranges of several tiles", "[kernels][sort]") {
  for_each_device([](const KernelTable& device) {
    check_sort(device, Pattern::random, 120000, 20, 7);
    check_sort(device, Pattern::few, 140000, 17, kernels::kSortRanges);
  });
}

// Where a device is real, as many as batches of 65,536 rows have.
TEST_CASE("sort: millions of pairs", "[kernels][sort]") {
  for_each_device([](const KernelTable& device) {
    if (is_emulated(device)) return;
    for (const std::int64_t count : {1000003, 5300000})
      for (const Pattern pattern : {Pattern::random, Pattern::few})
        check_sort(device, pattern, count, 22, kernels::kSortRanges);
  });
}

}  // namespace mal::test::sort
