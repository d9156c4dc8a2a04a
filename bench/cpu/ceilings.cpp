#include "bench/cpu/ceilings.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <new>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "bench/cpu/arithmetic.h"
#include "bench/cpu/stopwatch.h"
#include "kernels/cpu/parallel.h"
#include "kernels/kernels.h"

namespace mal::bench {

namespace {

constexpr std::int64_t kMiB = 1 << 20, kBlock = 1 << 16;  // floats of a block

// Of the first core, in bytes; 0 where the system does not say. sysconf is no help: on a virtual machine it tells of
// the whole processor.
std::int64_t cache_size(int level) {
  for (int index = 0; index < 8; ++index) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    std::ifstream level_file(folder + "level"), type_file(folder + "type"), size_file(folder + "size");
    int found = 0;
    std::string type;
    std::int64_t kilobytes = 0;
    if (level_file >> found && type_file >> type && size_file >> kilobytes && found == level && type != "Instruction")
      return kilobytes << 10;
  }
  return 0;
}

// Ones, in huge pages where the system has them.
class Floats {
 public:
  explicit Floats(std::int64_t size)
      : memory_(static_cast<float*>(std::aligned_alloc(2 * kMiB, bytes_of(size))), std::free) {
    if (!memory_) throw std::bad_alloc();
    madvise(memory_.get(), bytes_of(size), MADV_HUGEPAGE);
    std::fill_n(memory_.get(), size, 1.0F);
  }
  float* data() const { return memory_.get(); }

 private:
  static std::size_t bytes_of(std::int64_t size) {
    return static_cast<std::size_t>((size * 4 / (2 * kMiB) + 1) * 2 * kMiB);
  }
  std::unique_ptr<float, decltype(&std::free)> memory_;
};

CpuCeiling measured(std::string key, const Arithmetic& arithmetic) {
  CpuCeiling result{std::move(key), arithmetic.what + ", " + arithmetic.instructions, 0, arithmetic.missing};
  const int threads = kernels::cpu_threads();
  if (arithmetic.missing.empty())
    result.rate = arithmetic.flops * threads /
                  best_seconds([&] { kernels::parallel_blocks(threads, [&](std::int64_t) { arithmetic.run(); }); });
  return result;
}

// Times a number, or the compiler makes it a call of memcpy, whose stores pass by the caches.
void copy(float* to, const float* from, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) to[i] = 1.5F * from[i];
}

// With stores that pass by the caches: the machine does not read the lines first that they fill.
void copy_streamed(float* to, const float* from, std::int64_t size) {
#if defined(__x86_64__)
  for (std::int64_t i = 0; i < size; i += 4) _mm_stream_ps(to + i, _mm_load_ps(from + i));
  _mm_sfence();
#else
  copy(to, from, size);
#endif
}

// Reads and writes the same lines, as an optimiser does.
void update(float* values, std::int64_t size) {
  for (std::int64_t i = 0; i < size; ++i) values[i] = 0.5F * values[i] + 0.5F;
}

// Between arrays four times as large as the last cache, or of as much as is reasonable to ask for.
void add_memory(std::vector<CpuCeiling>& result) {
  const std::int64_t bytes = std::clamp(4 * cache_size(3), 64 * kMiB, 512 * kMiB), size = bytes / 4;
  // Not at the same place in a page: four kilobytes apart, a store waits for loads that it only seems to overlap.
  constexpr std::int64_t kShift = 272;
  const Floats from(size), to(size + kShift);
  const auto over = [&](const auto& body) {
    return best_seconds([&] { kernels::parallel_ranges(size, kBlock, body); });
  };
  const auto copied = [&](auto function) {
    return 2.0 * static_cast<double>(bytes) / over([&](std::int64_t first, std::int64_t last) {
             function(to.data() + kShift + first, from.data() + first, last - first);
           });
  };
  const std::string arrays = fmt::format("{} MiB", bytes / kMiB);
  result.push_back({"copy", "copied, read and written, " + arrays, copied(copy), ""});
  result.push_back({"copy_streamed", "copied past the caches, " + arrays, copied(copy_streamed), ""});
  const double updating = over([&](std::int64_t first, std::int64_t last) { update(to.data() + first, last - first); });
  result.push_back({"update", "updated in place, " + arrays, 2.0 * static_cast<double>(bytes) / updating, ""});
  const ReadLoop read = widest_read();
  std::vector<float> sums(static_cast<std::size_t>(size / kBlock + 1));
  const double seconds = over([&](std::int64_t first, std::int64_t last) {
    sums[static_cast<std::size_t>(first / kBlock)] = read(from.data() + first, static_cast<std::size_t>(last - first));
  });
  result.push_back({"read", "read, " + arrays, static_cast<double>(bytes) / seconds, ""});
}

// Each thread reads an array of its own over and over; all of them fit the cache together.
CpuCeiling read_from_cache(int level, std::int64_t bytes) {
  const std::string key = fmt::format("read_l{}", level),
                    cache = level == 2 ? "second-level cache" : "third-level cache";
  if (bytes == 0) return {key, "read from the " + cache, 0, "the system does not say how large it is"};
  const int threads = kernels::cpu_threads();
  std::vector<Floats> arrays;
  for (int i = 0; i < threads; ++i) arrays.emplace_back(bytes / 4);
  std::vector<float> sums(static_cast<std::size_t>(threads));
  const ReadLoop read = widest_read();
  const std::int64_t times = std::max<std::int64_t>(1, 128 * kMiB / bytes);
  const auto pass = [&](std::int64_t i) {
    const auto thread = static_cast<std::size_t>(i);
    for (std::int64_t t = 0; t < times; ++t)
      sums[thread] += read(arrays[thread].data(), static_cast<std::size_t>(bytes / 4));
  };
  const double seconds = best_seconds([&] { kernels::parallel_blocks(threads, pass); });
  return {key, fmt::format("read from the {}, {} KiB a thread", cache, bytes >> 10),
          static_cast<double>(bytes * times * threads) / seconds, ""};
}

}  // namespace

std::vector<CpuCeiling> measure_cpu() {
  std::vector<CpuCeiling> result;
  result.push_back(measured("fp32", widest_fp32()));
  result.push_back(measured("bf16_dot", bf16_dot_products()));
  result.push_back(measured("bf16_tiles", bf16_tiles()));
  add_memory(result);
  const std::int64_t second = cache_size(2), third = cache_size(3);
  // A virtual machine may have a share alone of the third-level cache that it sees.
  result.push_back(read_from_cache(3, std::min(third / 2 / kernels::cpu_threads(), 8 * kMiB) / 512 * 512));
  result.push_back(read_from_cache(2, second / 2));
  // Once more, some time after: what the shares of a training run are shares of.
  result.front().rate = std::max(result.front().rate, measured("fp32", widest_fp32()).rate);
  return result;
}

std::string in_words(const std::vector<CpuCeiling>& ceilings) {
  std::string text;
  auto out = std::back_inserter(text);
  for (const CpuCeiling& line : ceilings) {
    fmt::format_to(out, "  {:<52} ", line.what);
    if (line.missing.empty())
      fmt::format_to(out, "{:>9.1f} {}\n", line.rate * 1e-9, line.is_arithmetic() ? "GFLOP/s" : "GB/s");
    else
      fmt::format_to(out, "not measured: {}\n", line.missing);
  }
  return text;
}

}  // namespace mal::bench
