// What the kernel tests share: the devices, matrices whose gaps are guarded, comparison with float64 references,
// central differences, the same bits for any number of threads, and which entries of the KernelTable have a test.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "kernels/cpu/variants.h"
#include "kernels/cuda/cuda_kernels.h"
#include "kernels/cuda/emulation/emulation.h"
#include "kernels/device_probe.h"
#include "kernels/kernels.h"
#include "tests/kernels/copied_device.h"
#include "tests/support/bf16_kernels.h"

namespace mal::test {

using kernels::KernelTable;

// ---- devices ------------------------------------------------------------------------------------------------------

// MAL_TEST_DEVICE says which: cpu, emulated, cuda, or all of them. Without it, cpu.
inline bool tests_on(const std::string& device) {
  const char* wanted = std::getenv("MAL_TEST_DEVICE");
  return wanted == nullptr ? device == "cpu" : device == wanted || std::string(wanted) == "all";
}
inline bool tests_on_gpu() {
#ifdef MAL_HAVE_CUDA
  static const bool found = [] {
    if (!tests_on("cuda")) return false;
    const kernels::CudaDevices devices = kernels::probe_cuda();
    if (devices.names.empty()) std::printf("no GPU to test on: %s\n", devices.reason.c_str());
    kernels::wait_for_each_launch(true);  // an error names its kernel
    return !devices.names.empty();
  }();
  return found;
#else
  return false;
#endif
}

// Whether vectors lie where a device of the tests has copies of them (copied_device.h): that of a GPU, and of the
// emulation too, which stands for it: so the way to a GPU is tested. Not with AddressSanitizer, which knows the ends of
// memory better than copies do.
inline bool tests_on_copies() {
  static const bool copies = [] {
#ifdef MAL_HAVE_CUDA
    if (tests_on_gpu()) {
      use_copied_device(kernels::cuda_kernels(), cuda_memory());
      return true;
    }
#endif
#ifndef __SANITIZE_ADDRESS__
    if (tests_on("emulated")) {
      use_copied_device(kernels::emulated_kernels(), emulated_memory());
      return true;
    }
#endif
    return false;
  }();
  return copies;
}

// What a kernel is given must be memory of its device: of a Vector or a Matrix. Without copies that is memory whose
// ends AddressSanitizer knows.
template <typename T>
struct DeviceAllocator {
  using value_type = T;
  DeviceAllocator() = default;
  template <typename U>
  explicit(false) DeviceAllocator(const DeviceAllocator<U>&) {}

  T* allocate(std::size_t count) {
    if (!tests_on_copies()) return static_cast<T*>(::operator new(count * sizeof(T)));
    void* const memory = copied_pool().allocate(count * sizeof(T));
    if (memory == nullptr) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) {
    if (tests_on_copies())
      copied_pool().deallocate(memory);
    else
      ::operator delete(memory);
  }
  bool operator==(const DeviceAllocator&) const { return true; }
};
template <typename T>
using Vector = std::vector<T, DeviceAllocator<T>>;

// One number or struct that a kernel reads.
template <typename T>
Vector<T> on_device(const T& value) {
  return Vector<T>(1, value);
}

template <typename Body>
void run_on_device(const std::string& name, const KernelTable& table, const Body& body) {
  INFO("device " << name);
  body(table);
}

inline const KernelTable& emulated_device() {
  return tests_on_copies() && !tests_on_gpu() ? *copied_kernels() : kernels::emulated_kernels();
}
// Are these the CUDA kernels on the CPU, with library calls replaced by plain loops?
inline bool is_emulated(const KernelTable& kernels) {
  return &kernels == &emulated_device();
}

// body(const KernelTable&) for the CPU kernels of every instruction set that this machine has.
template <typename Body>
void for_each_cpu(const Body& body) {
  for (const kernels::CpuVariant& variant : kernels::usable_cpu_variants())
    run_on_device("cpu, " + variant.instructions, *variant.kernels(), body);
}
// The same in bf16, of the processor and emulated.
template <typename Body>
void for_each_bf16_cpu(const Body& body) {
  for (const kernels::CpuVariant& variant : kernels::usable_cpu_variants())
    for (const Bf16Kernels& each : bf16_kernels_of(variant)) run_on_device(each.name, *each.table, body);
}
inline bool is_bf16_cpu(const KernelTable& kernels) {
  return std::ranges::any_of(kernels::usable_cpu_variants(), [&](const kernels::CpuVariant& variant) {
    return std::ranges::any_of(bf16_kernels_of(variant), [&](const Bf16Kernels& e) { return e.table == &kernels; });
  });
}
inline bool is_cpu(const KernelTable& kernels) {
  return is_bf16_cpu(kernels) ||
         std::ranges::any_of(kernels::usable_cpu_variants(),
                             [&](const kernels::CpuVariant& each) { return each.kernels() == &kernels; });
}

// body(const KernelTable&) for every device of this machine; in the emulation once for each order of threads.
template <typename Body>
void for_each_device(const Body& body) {
  using emulation::ThreadOrder;
  if (tests_on("cpu")) for_each_cpu(body);
  if (tests_on("emulated")) {
    for (const auto& [name, order] : {std::pair{"forward", ThreadOrder::forward},
                                      {"backward", ThreadOrder::backward},
                                      {"in random order", ThreadOrder::random}}) {
      emulation::set_thread_order(order, 20260);
      run_on_device(std::string("emulated, threads ") + name, emulated_device(), body);
    }
  }
  if (tests_on_gpu()) run_on_device("cuda", *copied_kernels(), body);
}

// ---- coverage -----------------------------------------------------------------------------------------------------

// Positions in the KernelTable of the entries that some test covers, and of those that one covers with many rows;
// coverage_test.cpp wants all of them.
inline std::set<std::size_t>& covered_entries() {
  static std::set<std::size_t> entries;
  return entries;
}
inline std::set<std::size_t>& entries_of_many_rows() {
  static std::set<std::size_t> entries;
  return entries;
}

// One at the top of each test file: const Covers kCovers(&KernelTable::add_forward, &KernelTable::copy);
struct Covers {
  template <typename... Entries>
  explicit Covers(Entries KernelTable::*... covered) {
    const KernelTable table{};
    const auto position = [&](const auto& entry) {
      return static_cast<std::size_t>(reinterpret_cast<const char*>(&entry) - reinterpret_cast<const char*>(&table)) /
             sizeof(void*);
    };
    (entries.insert(position(table.*covered)), ...);
    covered_entries().insert(entries.begin(), entries.end());
  }
  std::set<std::size_t> entries;
};

// And one beside the file's test of many rows, which calls all of them.
struct CoversManyRows {
  explicit CoversManyRows(const Covers& covers) {
    entries_of_many_rows().insert(covers.entries.begin(), covers.entries.end());
  }
};

// ---- many rows ----------------------------------------------------------------------------------------------------

// Of so many rows every loop over rows takes further steps on a GPU. With the constants that it has there
// (kernels/cuda/sums.h) one step of all blocks takes
//   sums over rows       264 blocks of 8 rows = 2112 (DIN 396 blocks, a mixture's gates 528); of chains 264 of 32
//   other kernels        4096 blocks of 8 warps, a row each = 32 768; the feature gate two rows each = 65 536
//   element-wise ones    65 535 blocks of a row where it is wide
// In emulation, whose constants are small, other tests take such steps; here it has rows enough for those of a GPU's
// sums, since a test must be right before a GPU runs it.
inline std::int64_t many_rows(const KernelTable& kernels) {
  return is_emulated(kernels) ? 16'391 : 70'001;
}
// Of a sum over that many rows, of numbers about 1, in any order.
inline double many_rows_tolerance(std::int64_t rows) {
  return 2e-6 + 1e-6 * std::sqrt(static_cast<double>(rows));
}

// body(kernels, rows) for every device; in emulation in one order of threads. Where calls can be watched, as in
// emulation, all entries of `covers` must have been called.
template <typename Body>
void for_each_device_of_many_rows(const Covers& covers, const Body& body) {
  const auto run = [&](const std::string& name, const KernelTable& kernels) {
    INFO("device " << name << ", " << many_rows(kernels) << " rows");
    called_entries().clear();
    body(kernels, many_rows(kernels));
    if (&kernels != copied_kernels()) return;
    for (const std::size_t entry : covers.entries) {
      INFO(entry_name(entry) << " is called");
      CHECK(called_entries().count(entry) == 1);
    }
  };
  if (tests_on("cpu"))
    for (const kernels::CpuVariant& variant : kernels::usable_cpu_variants())
      run("cpu, " + variant.instructions, *variant.kernels());
  if (tests_on("emulated")) {
    emulation::set_thread_order(emulation::ThreadOrder::random, 20260);
    run("emulated", emulated_device());
  }
  if (tests_on_gpu()) run("cuda", *copied_kernels());
}

// ---- values -------------------------------------------------------------------------------------------------------

// Random numbers of one test, the same in every run.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : engine_(seed) {}
  float uniform(float low = -1, float high = 1) {
    return low + (high - low) * static_cast<float>(engine_() >> 40) * 0x1p-24F;
  }
  std::int32_t below(std::int64_t count) {
    return static_cast<std::int32_t>(engine_() % static_cast<std::uint64_t>(count));
  }

 private:
  std::mt19937_64 engine_;
};

inline constexpr std::uint32_t kUnsetBits = 0x7FC0DEADU;  // a NaN that no arithmetic makes

// A row-major fp32 matrix; with a gap, the left columns of a wider one. What nobody has set is NaN: a kernel that reads
// what it must not read, or adds to what it must overwrite, shows in its result. It ends with the last row's last
// column, so that AddressSanitizer sees a step beyond.
class Matrix {
 public:
  Matrix(std::int64_t rows, std::int64_t width, std::int64_t gap = 0)
      : rows_(rows), width_(width), stride_(width + gap) {
    float unset;
    std::memcpy(&unset, &kUnsetBits, sizeof unset);
    values_.assign(static_cast<std::size_t>(rows == 0 ? 0 : (rows - 1) * stride_ + width), unset);
  }
  // Uniform in [low, high).
  Matrix(Draw& draw, std::int64_t rows, std::int64_t width, std::int64_t gap = 0, float low = -1, float high = 1)
      : Matrix(rows, width, gap) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < width; ++c) at(r, c) = draw.uniform(low, high);
  }

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  std::int64_t stride() const { return stride_; }
  float* data() { return values_.data(); }
  const float* data() const { return values_.data(); }
  const Vector<float>& storage() const { return values_; }
  float& at(std::int64_t r, std::int64_t c) { return values_[static_cast<std::size_t>(r * stride_ + c)]; }
  float at(std::int64_t r, std::int64_t c) const { return values_[static_cast<std::size_t>(r * stride_ + c)]; }
  void fill(float value) {
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t c = 0; c < width_; ++c) at(r, c) = value;
  }

  // The same numbers as float64, without gaps.
  std::vector<double> wide() const {
    std::vector<double> values;
    values.reserve(static_cast<std::size_t>(rows_ * width_));
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t c = 0; c < width_; ++c) values.push_back(static_cast<double>(at(r, c)));
    return values;
  }

 private:
  std::int64_t rows_, width_, stride_;
  Vector<float> values_;
};

// ---- comparison ---------------------------------------------------------------------------------------------------

// What is wrong with a result, or nothing: CHECK(mismatch(y, want, 1e-6) == "").
// An element may be off by tolerance · (scale + |want|); what is in the gaps must be as it was.
inline std::string mismatch(const Matrix& got, const std::vector<double>& want, double tolerance, double scale = 1) {
  std::ostringstream text;
  text.precision(9);
  if (static_cast<std::size_t>(got.rows() * got.width()) != want.size()) {
    text << got.rows() << " x " << got.width() << " values, not " << want.size();
    return text.str();
  }
  for (std::int64_t r = 0; r < got.rows(); ++r) {
    for (std::int64_t c = 0; c < got.width(); ++c) {
      const double value = static_cast<double>(got.at(r, c));
      const double expected = want[static_cast<std::size_t>(r * got.width() + c)];
      if (std::abs(value - expected) <= tolerance * (scale + std::abs(expected))) continue;
      text << "[" << r << ", " << c << "] of " << got.rows() << " x " << got.width() << " is " << value << ", not "
           << expected;
      return text.str();
    }
    for (std::int64_t c = got.width(); r + 1 < got.rows() && c < got.stride(); ++c) {
      const float value = got.at(r, c);
      if (std::memcmp(&value, &kUnsetBits, sizeof value) == 0) continue;
      text << "the gap beyond row " << r << " of " << got.rows() << " x " << got.width() << " was written";
      return text.str();
    }
  }
  return "";
}

// A batch of many rows that is a small one again and again: its results are the small one's, and its sums over rows
// are the small one's with each row as often as it comes. So a slow reference need not be run on many rows.
inline void repeat_rows(Matrix& to, const Matrix& from) {
  for (std::int64_t r = 0; r < to.rows(); ++r)
    for (std::int64_t c = 0; c < to.width(); ++c) to.at(r, c) = from.at(r % from.rows(), c);
}
inline std::vector<double> repeated(const std::vector<double>& values, std::int64_t small_rows, std::int64_t rows) {
  const std::size_t width = values.size() / static_cast<std::size_t>(small_rows);
  std::vector<double> result(static_cast<std::size_t>(rows) * width);
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = values[i % values.size()];
  return result;
}
// values[small_rows, N], each row times how often it comes.
inline std::vector<double> times_counts(std::vector<double> values, std::int64_t small_rows, std::int64_t rows) {
  const std::size_t width = values.size() / static_cast<std::size_t>(small_rows);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] *=
        static_cast<double>(rows / small_rows) + (static_cast<std::int64_t>(i / width) < rows % small_rows ? 1.0 : 0.0);
  return values;
}

// a + b, for results that a kernel adds to what was there.
inline std::vector<double> plus(std::vector<double> a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The gradient by x of a float64 function that reads x: central differences, good to about 1e-9 of its values.
template <typename Function>
std::vector<double> central_differences(std::vector<double>& x, const Function& function) {
  constexpr double kStep = 1e-5;
  std::vector<double> gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    x[i] = value + kStep;
    const double above = function();
    x[i] = value - kStep;
    gradient[i] = (above - function()) / (2 * kStep);
    x[i] = value;
  }
  return gradient;
}

// Everything that a kernel wrote, to compare to the bit.
class Bits {
 public:
  Bits& add(const Matrix& matrix) { return add(matrix.storage()); }
  template <typename T, typename Allocator>
  Bits& add(const std::vector<T, Allocator>& values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return *this;
  }
  bool operator==(const Bits& other) const {
    return bytes_.size() == other.bytes_.size() && std::memcmp(bytes_.data(), other.bytes_.data(), bytes_.size()) == 0;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::string bytes_;
};

// run(kernels) → Bits, from fresh buffers; on each CPU, and where it matters in bf16, the same for 1, 2 and 4 threads.
template <typename Run>
void check_same_bits(const Run& run, bool in_bf16 = false) {
  const int before = kernels::cpu_threads();
  const auto check = [&](const KernelTable& kernels) {
    kernels::set_cpu_threads(1);
    const Bits one = run(kernels);
    CHECK_FALSE(one.empty());
    for (const int threads : {2, 4}) {
      kernels::set_cpu_threads(threads);
      INFO(threads << " threads");
      CHECK(bool(run(kernels) == one));
    }
  };
  for_each_cpu(check);
  if (in_bf16) for_each_bf16_cpu(check);
  kernels::set_cpu_threads(before);
}

}  // namespace mal::test
