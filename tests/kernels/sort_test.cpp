// The radix sort of the GPU by itself, against std::stable_sort.
#include "kernels/cuda/support/sort.h"

#include <numeric>

#include "tests/kernels/kernel_test.h"

namespace mal::test::sort {

using kernels::SortShape;
using Keys = std::vector<std::uint32_t>;

using Sort = decltype(&kernels::emulated::sort_pairs);
Sort sort_of(const KernelTable& device) {
  if (&device == &kernels::emulated_kernels()) return kernels::emulated::sort_pairs;
#ifdef MAL_HAVE_CUDA
  if (&device == &kernels::cuda_kernels()) return kernels::cuda::sort_pairs;
#endif
  return nullptr;  // the CPU has another
}

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
Vector<std::uint32_t> first_counts(const Keys& keys, const SortShape& shape) {
  Vector<std::uint32_t> counts(shape.ranges * static_cast<std::size_t>(kernels::kSortDigits), 0);
  for (std::size_t i = 0; i < keys.size(); ++i)
    ++counts[i / shape.range * kernels::kSortDigits + (keys[i] & ((1U << shape.digit_bits) - 1))];
  return counts;
}

// What is wrong with the result, or nothing.
std::string sort_mismatch(Sort sort, const Keys& keys, const SortShape& shape) {
  Vector<std::uint32_t> a(keys.begin(), keys.end()), b(keys.size()), values_a(keys.size(), 77), values_b(keys.size());
  Vector<std::uint32_t> counts = first_counts(keys, shape);
  Vector<std::uint32_t> later(counts.size() * static_cast<std::size_t>(shape.passes - 1), 0);
  sort(shape, {{a.data(), b.data()}, {values_a.data(), values_b.data()}, counts.data(), later.data()});
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
    if (&device == &kernels::emulated_kernels()) return;
    for (const std::int64_t count : {1000003, 5300000})
      for (const Pattern pattern : kPatterns) check_sort(device, pattern, count, 22, kernels::kSortRanges);
  });
}

}  // namespace mal::test::sort
