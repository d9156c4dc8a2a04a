// mal_infer.h: serves models of `mal_gpu_train export`. One header, C++17, nothing but the standard library.
//
//   auto model = mal::infer::Model::load("model.mal");      // checks every byte before it trusts it
//   auto user = model.features(), ad = model.features();    // raw values, as in the training data
//   user.set("user_id", "u17");
//   ad.set("ad_id", 4711);
//   auto scorer = model.scorer();                           // one a thread; no allocation after warm-up
//   scorer.set_user(user);                                  // computed once a request
//   float p = scorer.predict(ad);                           // probability of the primary view
//
// Made of model/inference/source/*.h by scripts/amalgamate.sh; change those, not this file.
//
// Copyright (c) 2026 the MAL authors
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to
// permit persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
#ifndef MAL_INFER_H
#define MAL_INFER_H

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define MAL_INFER_EXCEPTIONS 1
#include <stdexcept>
#else
#define MAL_INFER_EXCEPTIONS 0
#endif

#if defined(__unix__) || defined(__APPLE__)
#define MAL_INFER_MMAP 1
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#else
#define MAL_INFER_MMAP 0
#endif

// x86 functions with a target attribute: a build without -march still has them, and the processor is asked at run time.
#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define MAL_INFER_X86 1
#include <immintrin.h>
#else
#define MAL_INFER_X86 0
#endif
#if defined(__ARM_NEON) && defined(__aarch64__)
#define MAL_INFER_NEON 1
#include <arm_neon.h>
#else
#define MAL_INFER_NEON 0
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "mal_infer.h reads little-endian model files in place; this processor is big-endian"
#endif

#if defined(__GNUC__) || defined(__clang__)
#define MAL_INFER_NOINLINE __attribute__((noinline))
#else
#define MAL_INFER_NOINLINE
#endif

// What a call that can fail gives back. Every such call has two forms: try_name() returns a Status or Result and never
// throws; name() throws Error (and is not there in a build without exceptions).

namespace mal::infer {

enum class Code {
  ok = 0,
  cannot_read = 1,   // no such file, no permission, read error
  damaged = 2,       // not a model file, cut short, or a changed byte
  unsupported = 3,   // written by a newer version, or a model type this header does not know
  bad_model = 4,     // whole, but no possible model: absurd sizes, missing tensors, weights that are not finite
  bad_argument = 5,  // of a call: unknown column, wrong kind of value, NaN, missing feature
  out_of_memory = 6,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}
  bool ok() const noexcept { return code_ == Code::ok; }
  Code code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }

 private:
  Code code_ = Code::ok;
  std::string message_;
};

#if MAL_INFER_EXCEPTIONS
class Error : public std::runtime_error {
 public:
  explicit Error(const Status& status) : std::runtime_error(status.message()), code_(status.code()) {}
  Code code() const noexcept { return code_; }

 private:
  Code code_;
};
#endif

// A value or the Status that says why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Status& status() const noexcept { return status_; }
  T& operator*() noexcept { return *value_; }
  T* operator->() noexcept { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

namespace detail {

#if MAL_INFER_EXCEPTIONS
inline void raise(const Status& status) {
  if (!status.ok()) throw Error(status);
}
#endif

// Runs `body`, which returns a Status; an allocation that fails becomes a Status too. (Without exceptions the standard
// library ends the program there.)
template <typename Body>
Status guarded(Body&& body) {
#if MAL_INFER_EXCEPTIONS
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return {Code::out_of_memory, "out of memory"};  // fits the string's own room: no allocation here
  } catch (const std::length_error&) {
    return {Code::out_of_memory, "too large"};
  }
#else
  return body();
#endif
}

// The first problem of a long check. fail() returns false, so that a check reads `return problem.fail(...)`.
class Problem {
 public:
  bool fail(Code code, std::string message) {
    if (status_.ok()) status_ = Status(code, std::move(message));
    return false;
  }
  bool fail(std::string message) { return fail(Code::bad_model, std::move(message)); }
  bool ok() const noexcept { return status_.ok(); }
  const Status& status() const noexcept { return status_; }

 private:
  Status status_;
};

inline std::string shown(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string out = "'";
  for (const char c : text.substr(0, kShown)) out += c >= ' ' && c <= '~' ? c : '?';
  if (text.size() > kShown) out += "...";
  return out + "'";
}

// Code::bad_argument with `before`, the name in quotes and `after`; out_of_memory where even that does not fit.
inline Status refuse(std::string_view before, std::string_view name = {}, std::string_view after = {}) {
  Status status;  // returned by name, so that it is not copied: a copy could fail again
  Status failed = guarded([&]() -> Status {
    std::string message(before);
    if (!name.empty()) message += shown(name);
    message += after;
    status = Status(Code::bad_argument, std::move(message));
    return {};
  });
  if (!failed.ok()) return failed;
  return status;
}

// false where a · b does not fit.
inline bool multiply(std::uint64_t a, std::uint64_t b, std::uint64_t& product) {
  if (b != 0 && a > std::numeric_limits<std::uint64_t>::max() / b) return false;
  product = a * b;
  return true;
}

inline void prefetch(const void* address) noexcept {
#if defined(__GNUC__) || defined(__clang__)
  __builtin_prefetch(address);
#else
  (void)address;
#endif
}

// Memory that begins with a cache line: a vector register is then loaded from one line, never from two.
inline constexpr std::size_t kCacheLine = 64;

template <typename T>
struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <typename U>
  LineAllocator(const LineAllocator<U>&) noexcept {}  // NOLINT(google-explicit-constructor)

  T* allocate(std::size_t n) {  // the container has checked that n elements are no absurd number
    char* whole = static_cast<char*>(::operator new(n * sizeof(T) + kCacheLine));
    char* aligned =
        whole + kCacheLine - reinterpret_cast<std::uintptr_t>(whole) % kCacheLine;  // 8 bytes further or more
    reinterpret_cast<void**>(aligned)[-1] = whole;
    return reinterpret_cast<T*>(aligned);
  }
  void deallocate(T* memory, std::size_t) noexcept { ::operator delete(reinterpret_cast<void**>(memory)[-1]); }
  template <typename U>
  bool operator==(const LineAllocator<U>&) const noexcept {
    return true;
  }
  template <typename U>
  bool operator!=(const LineAllocator<U>&) const noexcept {
    return false;
  }
};

template <typename T>
using Lines = std::vector<T, LineAllocator<T>>;

template <typename T>
T load_as(const void* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

}  // namespace detail
}  // namespace mal::infer

// XXH3 (64 bits, seed 0; Yann Collet's published algorithm), which numbers vocabulary values and hash buckets as the
// training data was, and CRC-32C, which notices changed bytes.

namespace mal::infer::detail {

namespace xxh3 {

inline constexpr std::uint64_t kPrime32[3] = {0x9E3779B1U, 0x85EBCA77U, 0xC2B2AE3DU};
inline constexpr std::uint64_t kPrime64[5] = {0x9E3779B185EBCA87U, 0xC2B2AE3D27D4EB4FU, 0x165667B19E3779F9U,
                                              0x85EBCA77C2B2AE63U, 0x27D4EB2F165667C5U};
inline constexpr std::uint64_t kMixFirst = 0x165667919E3779F9U, kMixSecond = 0x9FB21C651E98DF25U;
inline constexpr std::size_t kSecretSize = 192;

inline constexpr unsigned char kSecret[kSecretSize] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c, 0xde, 0xd4,
    0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f, 0xcb, 0x79, 0xe6, 0x4e,
    0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21, 0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43,
    0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c, 0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb,
    0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3, 0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19,
    0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8, 0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7,
    0xc7, 0x0b, 0x4f, 0x1d, 0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78,
    0x73, 0x64, 0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e, 0x2b, 0x16,
    0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce, 0x45, 0xcb, 0x3a, 0x8f,
    0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e};

inline std::uint64_t read64(const unsigned char* at) {
  return load_as<std::uint64_t>(at);
}
inline std::uint64_t read32(const unsigned char* at) {
  return load_as<std::uint32_t>(at);
}
inline std::uint64_t rotated(std::uint64_t x, int by) {
  return x << by | x >> (64 - by);
}
inline std::uint64_t swapped32(std::uint64_t x) {
  return (x & 0xFF) << 24 | (x & 0xFF00) << 8 | (x >> 8 & 0xFF00) | (x >> 24 & 0xFF);
}
inline std::uint64_t swapped64(std::uint64_t x) {
  return swapped32(x & 0xFFFFFFFFU) << 32 | swapped32(x >> 32);
}

// The two halves of the 128-bit product, combined.
inline std::uint64_t folded_product(std::uint64_t a, std::uint64_t b) {
#if defined(__SIZEOF_INT128__)
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  const std::uint64_t low = (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU), high = (a >> 32) * (b >> 32);
  const std::uint64_t cross = (low >> 32) + (a >> 32) * (b & 0xFFFFFFFFU);
  const std::uint64_t other = (cross & 0xFFFFFFFFU) + (a & 0xFFFFFFFFU) * (b >> 32);
  return (other << 32 | (low & 0xFFFFFFFFU)) ^ (high + (cross >> 32) + (other >> 32));
#endif
}

inline std::uint64_t avalanche(std::uint64_t h) {
  h ^= h >> 37;
  h *= kMixFirst;
  return h ^ h >> 32;
}
inline std::uint64_t short_avalanche(std::uint64_t h) {
  h ^= h >> 33;
  h *= kPrime64[1];
  h ^= h >> 29;
  h *= kPrime64[2];
  return h ^ h >> 32;
}
inline std::uint64_t mix16(const unsigned char* in, const unsigned char* secret) {
  return folded_product(read64(in) ^ read64(secret), read64(in + 8) ^ read64(secret + 8));
}

MAL_INFER_NOINLINE inline std::uint64_t up_to_16(const unsigned char* in, std::size_t n) {
  if (n > 8) {
    const std::uint64_t low = read64(in) ^ read64(kSecret + 24) ^ read64(kSecret + 32);
    const std::uint64_t high = read64(in + n - 8) ^ read64(kSecret + 40) ^ read64(kSecret + 48);
    return avalanche(n + swapped64(low) + high + folded_product(low, high));
  }
  if (n >= 4) {
    std::uint64_t h = (read32(in + n - 4) + (read32(in) << 32)) ^ read64(kSecret + 8) ^ read64(kSecret + 16);
    h ^= rotated(h, 49) ^ rotated(h, 24);
    h *= kMixSecond;
    h ^= (h >> 35) + n;
    h *= kMixSecond;
    return h ^ h >> 28;
  }
  if (n == 0) return short_avalanche(read64(kSecret + 56) ^ read64(kSecret + 64));
  const std::uint64_t bytes = std::uint64_t{in[0]} << 16 | std::uint64_t{in[n / 2]} << 24 | in[n - 1] | n << 8;
  return short_avalanche(bytes ^ read32(kSecret) ^ read32(kSecret + 4));
}

MAL_INFER_NOINLINE inline std::uint64_t up_to_240(const unsigned char* in, std::size_t n) {
  std::uint64_t sum = n * kPrime64[0];
  if (n <= 128) {
    for (std::size_t i = (n - 1) / 32 + 1; i-- > 0;)
      sum += mix16(in + 16 * i, kSecret + 32 * i) + mix16(in + n - 16 * (i + 1), kSecret + 32 * i + 16);
    return avalanche(sum);
  }
  for (std::size_t i = 0; i < 8; ++i) sum += mix16(in + 16 * i, kSecret + 16 * i);
  sum = avalanche(sum);
  for (std::size_t i = 8; i < n / 16; ++i) sum += mix16(in + 16 * i, kSecret + 16 * (i - 8) + 3);
  return avalanche(sum + mix16(in + n - 16, kSecret + 136 - 17));
}

inline void add_stripe(std::uint64_t* sums, const unsigned char* in, const unsigned char* secret) {
  for (std::size_t i = 0; i < 8; ++i) {
    const std::uint64_t value = read64(in + 8 * i), key = value ^ read64(secret + 8 * i);
    sums[i ^ 1] += value;
    sums[i] += (key & 0xFFFFFFFFU) * (key >> 32);
  }
}

MAL_INFER_NOINLINE inline std::uint64_t long_text(const unsigned char* in, std::size_t n) {
  constexpr std::size_t kStripe = 64, kStripes = (kSecretSize - kStripe) / 8, kBlock = kStripe * kStripes;
  std::uint64_t sums[8] = {kPrime32[2], kPrime64[0], kPrime64[1], kPrime64[2],
                           kPrime64[3], kPrime32[1], kPrime64[4], kPrime32[0]};
  const std::size_t blocks = (n - 1) / kBlock;
  for (std::size_t b = 0; b < blocks; ++b) {
    for (std::size_t s = 0; s < kStripes; ++s) add_stripe(sums, in + b * kBlock + s * kStripe, kSecret + 8 * s);
    for (std::size_t i = 0; i < 8; ++i) {
      sums[i] ^= sums[i] >> 47;
      sums[i] = (sums[i] ^ read64(kSecret + kSecretSize - kStripe + 8 * i)) * kPrime32[0];
    }
  }
  const std::size_t rest = (n - 1 - blocks * kBlock) / kStripe;
  for (std::size_t s = 0; s < rest; ++s) add_stripe(sums, in + blocks * kBlock + s * kStripe, kSecret + 8 * s);
  add_stripe(sums, in + n - kStripe, kSecret + kSecretSize - kStripe - 7);
  std::uint64_t h = n * kPrime64[0];
  for (std::size_t i = 0; i < 4; ++i)
    h += folded_product(sums[2 * i] ^ read64(kSecret + 11 + 16 * i), sums[2 * i + 1] ^ read64(kSecret + 19 + 16 * i));
  return avalanche(h);
}

}  // namespace xxh3

inline std::uint64_t xxh3_64(std::string_view text) {
  const auto* in = reinterpret_cast<const unsigned char*>(text.data());
  if (text.size() <= 16) return xxh3::up_to_16(in, text.size());
  if (text.size() <= 240) return xxh3::up_to_240(in, text.size());
  return xxh3::long_text(in, text.size());
}

struct CrcTable {
  std::uint32_t of[256];
  constexpr CrcTable() : of{} {
    constexpr std::uint32_t kPolynomial = 0x82F63B78U;  // Castagnoli, reflected
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? kPolynomial : 0U);
      of[i] = crc;
    }
  }
};
inline constexpr CrcTable kCrcTable;

#if MAL_INFER_X86 && defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint32_t crc32c_sse42(std::uint32_t crc, const unsigned char* at,
                                                                    std::size_t n) {
  std::uint64_t wide = crc;
  for (; n >= 8; n -= 8, at += 8) wide = _mm_crc32_u64(wide, load_as<std::uint64_t>(at));
  crc = static_cast<std::uint32_t>(wide);
  for (; n > 0; --n, ++at) crc = _mm_crc32_u8(crc, *at);
  return crc;
}
#endif

// Continues `before`, the CRC of what came earlier (0 at the start).
inline std::uint32_t crc32c(const void* data, std::size_t n, std::uint32_t before = 0) {
  const auto* at = static_cast<const unsigned char*>(data);
  std::uint32_t crc = ~before;
#if MAL_INFER_X86 && defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return ~crc32c_sse42(crc, at, n);
#endif
  for (; n > 0; --n, ++at) crc = crc >> 8 ^ kCrcTable.of[(crc ^ *at) & 0xFFU];
  return ~crc;
}

}  // namespace mal::infer::detail

// As much JSON as a model file's header has, strictly: no duplicate keys, no depth, no numbers beyond 64 bits.

namespace mal::infer::detail {

struct Json {
  enum class Kind { null, boolean, integer, real, text, list, object };
  Kind kind = Kind::null;
  bool flag = false;
  std::uint64_t integer = 0;  // integers are not negative: nothing in a model file is
  double real = 0;            // of integers too
  std::string text;
  std::vector<Json> items;        // of a list; of an object: the values
  std::vector<std::string> keys;  // of an object

  const Json* find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) return &items[i];
    return nullptr;
  }
};

class JsonParser {
 public:
  JsonParser(std::string_view text, Problem& problem, std::string_view where)
      : text_(text), problem_(problem), where_(where) {}

  bool parse(Json& out) {
    if (!value(out, 0)) return false;
    skip_space();
    return at_ == text_.size() || fail("something follows the end");
  }

 private:
  static constexpr int kMaxDepth = 12;
  static constexpr std::size_t kMaxValues = 100'000;

  bool fail(const char* what) {
    return problem_.fail(Code::damaged, std::string(where_) + ": not valid JSON at byte " + std::to_string(at_) + ": " +
                                            what + "; export the model again");
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return fail("an unknown word");
    at_ += expected.size();
    return true;
  }

  bool value(Json& out, int depth) {
    if (depth > kMaxDepth) return fail("nested too deep");
    if (++values_ > kMaxValues) return fail("too many values");
    skip_space();
    switch (peek()) {
      case '{':
        return object(out, depth);
      case '[':
        return list(out, depth);
      case '"':
        out.kind = Json::Kind::text;
        return string(out.text);
      case 't':
      case 'f':
        out.kind = Json::Kind::boolean;
        out.flag = peek() == 't';
        return word(out.flag ? "true" : "false");
      case 'n':
        return word("null");
      default:
        return number(out);
    }
  }

  bool object(Json& out, int depth) {
    out.kind = Json::Kind::object;
    ++at_;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      std::string key;
      if (peek() != '"') return fail("a key is missing");
      if (!string(key)) return false;
      skip_space();
      if (!take(':')) return fail("a ':' is missing");
      out.keys.push_back(std::move(key));
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    if (!take('}')) return fail("a '}' is missing");
    std::vector<std::string_view> sorted(out.keys.begin(), out.keys.end());
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() || fail("a key is there twice");
  }

  bool list(Json& out, int depth) {
    out.kind = Json::Kind::list;
    ++at_;
    skip_space();
    if (take(']')) return true;
    do {
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take(']') || fail("a ']' is missing");
  }

  bool number(Json& out) {
    const std::size_t begin = at_;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    bool whole = peek() != '-';
    while (is_digit(peek()) || peek() == '-' || peek() == '+' || peek() == '.' || peek() == 'e' || peek() == 'E') {
      whole = whole && is_digit(peek());
      ++at_;
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    if (first == last) return fail("a value is missing");
    if (whole) {
      const auto [end, code] = std::from_chars(first, last, out.integer);
      if (code != std::errc() || end != last || (*first == '0' && last - first > 1)) return fail("not a number");
      out.kind = Json::Kind::integer;
      out.real = static_cast<double>(out.integer);
      return true;
    }
    out.kind = Json::Kind::real;
    return parse_real(first, last, out.real) || fail("not a number");
  }

 public:
  // Text to the nearest double. std::from_chars of doubles is not in every standard library yet.
  static bool parse_real(const char* first, const char* last, double& out) {
#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
    const auto [end, code] = std::from_chars(first, last, out);
    return end == last && code == std::errc() && std::isfinite(out);
#else
    char copy[64];
    const auto n = static_cast<std::size_t>(last - first);
    if (n == 0 || n >= sizeof(copy)) return false;
    if (*first != '-' && *first != '.' && !(*first >= '0' && *first <= '9')) return false;
    std::memcpy(copy, first, n);
    copy[n] = '\0';
    char* end = nullptr;
    out = std::strtod(copy, &end);
    return end == copy + n && std::isfinite(out);
#endif
  }

 private:
  bool hex4(unsigned& out) {
    if (text_.size() - at_ < 4) return fail("a cut escape");
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
    if (code != std::errc() || end != text_.data() + at_ + 4) return fail("a wrong escape");
    at_ += 4;
    return true;
  }

  static void append_utf8(std::string& out, unsigned code) {
    const auto byte = [&](unsigned b) { out += static_cast<char>(static_cast<unsigned char>(b)); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) return byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F));
    if (code < 0x10000) return byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F));
    byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }

  bool unicode(std::string& out) {
    unsigned code = 0;
    if (!hex4(code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      unsigned second = 0;
      if (!take('\\') || !take('u') || !hex4(second) || second < 0xDC00 || second > 0xDFFF) return fail("half a pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return fail("half a pair");
    }
    append_utf8(out, code);
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character");
      if (c != '\\') {
        out += c;
        continue;
      }
      constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
      const char escape = peek();
      ++at_;
      if (escape == 'u') {
        if (!unicode(out)) return false;
        continue;
      }
      const std::size_t which = kEscapes.find(escape);
      if (escape == '\0' || which == std::string_view::npos) return fail("a wrong escape");
      out += kMeanings[which];
    }
    return fail("a string does not end");
  }

  std::string_view text_;
  Problem& problem_;
  std::string_view where_;
  std::size_t at_ = 0, values_ = 0;
};

}  // namespace mal::infer::detail

// The bytes of a model file: mapped, or copied into memory.

namespace mal::infer::detail {

class Bytes {
 public:
  Bytes() = default;
  ~Bytes() {
#if MAL_INFER_MMAP
    if (mapped_ != nullptr) munmap(mapped_, size_);
#endif
    std::free(owned_);
  }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  const unsigned char* data() const noexcept {
    return data_;
  }
  std::size_t size() const noexcept {
    return size_;
  }

  // Allocated by size before anything of the content is believed: a file cannot ask for more than it brings.
  bool copy(const void* from, std::size_t n, Problem& problem) {
    if (!allocate(n, problem)) return false;
    if (n > 0) std::memcpy(bytes_, from, n);
    return true;
  }

  bool read(const std::string& path, Problem& problem) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (file == nullptr) return cannot(path, "open", problem);
    const bool done = read_all(file, path, problem);
    std::fclose(file);
    return done;
  }

  // Read-only and shared: several processes that serve one file keep one copy of its tables in memory. Replace such a
  // file by rename; cutting it while it is mapped would end the process.
  bool map(const std::string& path, Problem& problem) {
#if MAL_INFER_MMAP
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) return cannot(path, "open", problem);
    struct stat about = {};
    const bool known = fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode) && about.st_size >= 0;
    size_ = known ? static_cast<std::size_t>(about.st_size) : 0;
    if (size_ > 0) mapped_ = mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    ::close(descriptor);
    if (mapped_ == MAP_FAILED) mapped_ = nullptr;
    if (size_ > 0 && mapped_ == nullptr) size_ = 0;
    if (mapped_ == nullptr && !(known && about.st_size == 0)) return cannot(path, "map", problem);
    data_ = static_cast<const unsigned char*>(mapped_);
    return true;
#else
    return read(path, problem);
#endif
  }

 private:
  static bool cannot(const std::string& path, const char* what, Problem& problem) {
    return problem.fail(Code::cannot_read, path + ": cannot " + what + " it; check the path and its permissions");
  }

  bool allocate(std::size_t n, Problem& problem) {
    // From a cache line on, so that rows of tables lie within lines, as in the file.
    owned_ = n > std::numeric_limits<std::size_t>::max() - kCacheLine ? nullptr : std::malloc(n + kCacheLine);
    if (owned_ == nullptr) return problem.fail(Code::out_of_memory, "out of memory");
    const auto address = reinterpret_cast<std::uintptr_t>(owned_);
    bytes_ = static_cast<unsigned char*>(owned_) + (kCacheLine - address % kCacheLine) % kCacheLine;
    data_ = bytes_;
    size_ = n;
    ask_for_huge_pages();
    return true;
  }

  // Look-ups go all over tables and vocabularies: with pages of 4 KiB each would wait for its address too.
  void ask_for_huge_pages() {
#if defined(MADV_HUGEPAGE)
    constexpr std::size_t kPage = 4096, kWorthIt = std::size_t{4} << 20;
    const std::size_t before = (kPage - reinterpret_cast<std::uintptr_t>(bytes_) % kPage) % kPage;
    if (size_ >= kWorthIt) static_cast<void>(madvise(bytes_ + before, (size_ - before) / kPage * kPage, MADV_HUGEPAGE));
#endif
  }

  bool read_all(std::FILE* file, const std::string& path, Problem& problem) {
    if (std::fseek(file, 0, SEEK_END) != 0) return cannot(path, "read", problem);
    const long end = std::ftell(file);
    if (end < 0 || end == std::numeric_limits<long>::max() || std::fseek(file, 0, SEEK_SET) != 0)
      return cannot(path, "read", problem);
    if (!allocate(static_cast<std::size_t>(end), problem)) return false;
    return std::fread(bytes_, 1, size_, file) == size_ || cannot(path, "read", problem);
  }

  const unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
  void* owned_ = nullptr;
  unsigned char* bytes_ = nullptr;  // the first line of owned_
  void* mapped_ = nullptr;
};

}  // namespace mal::infer::detail

// The layout of a model file: safetensors (8 bytes of header length, a JSON header, the tensors), with checksums.
//   metadata "mal_format"      the version, "1"
//   metadata "crc32c_header"   CRC-32C of the length and the header, these eight digits taken as zeros
//   metadata "crc32c_blocks"   CRC-32C of the tensor "checksums"
//   tensor   "checksums"       U32, the last one: the CRC-32C of each 64 KiB of what lies before it
// So every byte of a file is under a checksum, and the tensors cover the data without a gap.

namespace mal::infer::detail {

inline constexpr const char* kFormatKey = "mal_format";
inline constexpr const char* kFormatVersion = "1";
inline constexpr const char* kHeaderCrcKey = "crc32c_header";
inline constexpr const char* kBlocksCrcKey = "crc32c_blocks";
inline constexpr const char* kChecksums = "checksums";
inline constexpr std::size_t kCrcBlock = 64 * 1024, kCrcDigits = 8;
inline constexpr std::size_t kMaxHeader = 1 << 20, kMaxTensors = 4096 * 4, kMaxRank = 8, kMaxName = 255;

enum class Type { f32, bf16, i8, u8, i32, u32, u64 };

struct TypeName {
  Type type;
  const char* name;
  std::size_t bytes;
};
inline constexpr TypeName kTypes[] = {{Type::f32, "F32", 4}, {Type::bf16, "BF16", 2}, {Type::i8, "I8", 1},
                                      {Type::u8, "U8", 1},   {Type::i32, "I32", 4},   {Type::u32, "U32", 4},
                                      {Type::u64, "U64", 8}};

inline std::size_t bytes_of(Type type) {
  for (const TypeName& known : kTypes)
    if (known.type == type) return known.bytes;
  return 1;
}

struct TensorView {
  std::string name;
  Type type = Type::u8;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes in the data
  std::uint64_t count = 0;           // elements
  const unsigned char* data = nullptr;
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

inline std::string hex8(std::uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kCrcDigits, '0');
  for (std::size_t i = 0; i < kCrcDigits; ++i) text[i] = kDigits[value >> (28 - 4 * i) & 15U];
  return text;
}

// CRC of the length field and the header with the digits of its own CRC taken as zeros. `digits`: where those begin.
inline std::uint32_t header_crc(const unsigned char* file, std::size_t size, std::size_t digits) {
  std::uint32_t crc = crc32c(file, digits);
  crc = crc32c("00000000", kCrcDigits, crc);
  return crc32c(file + digits + kCrcDigits, size - digits - kCrcDigits, crc);
}

inline std::string header_crc_mark() {
  return std::string("\"") + kHeaderCrcKey + "\":\"";
}

class Container {
 public:
  bool parse(const unsigned char* file, std::size_t size, Problem& problem) {
    file_ = file;
    size_ = size;
    return parse_header(problem) && check_version(problem) && check_header_crc(problem) && parse_tensors(problem) &&
           check_cover(problem) && check_blocks(problem);
  }

  const std::vector<TensorView>& tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const {
    const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                        [&](std::size_t i, std::string_view n) { return tensors_[i].name < n; });
    return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
  }
  const Json& metadata() const { return *header_.find("__metadata__"); }
  const std::string* text(std::string_view key) const {
    const Json* found = metadata().find(key);
    return found == nullptr ? nullptr : &found->text;
  }

 private:
  static bool damaged(Problem& problem, const std::string& what) {
    return problem.fail(Code::damaged, what + "; the file is damaged or no model file: copy or export it again");
  }

  bool parse_header(Problem& problem) {
    if (size_ < 8) return damaged(problem, "the file has " + std::to_string(size_) + " bytes");
    const auto length = load_as<std::uint64_t>(file_);
    if (length > kMaxHeader || length > size_ - 8)
      return damaged(problem, "the header claims " + std::to_string(length) + " bytes");
    header_size_ = 8 + static_cast<std::size_t>(length);
    const std::string_view text(reinterpret_cast<const char*>(file_) + 8, static_cast<std::size_t>(length));
    if (text.empty() || text[0] != '{') return damaged(problem, "the header is no JSON object");
    if (!JsonParser(text, problem, "header").parse(header_)) return false;
    const Json* metadata = header_.find("__metadata__");
    if (metadata == nullptr || metadata->kind != Json::Kind::object) return damaged(problem, "there is no metadata");
    for (const Json& value : metadata->items)
      if (value.kind != Json::Kind::text) return damaged(problem, "metadata is not text");
    return true;
  }

  bool check_version(Problem& problem) const {
    const std::string* version = text(kFormatKey);
    if (version == nullptr) return damaged(problem, "the metadata has no mal_format");
    if (*version == kFormatVersion) return true;
    return problem.fail(Code::unsupported, "the file has format " + shown(*version) + ", this header reads format " +
                                               shown(kFormatVersion) + "; use a newer mal_infer.h, or copy the file " +
                                               "again if it should be of this version");
  }

  bool check_header_crc(Problem& problem) const {
    const std::string mark = header_crc_mark();
    const std::string_view text(reinterpret_cast<const char*>(file_), header_size_);
    const std::size_t found = text.find(mark);
    if (found == std::string_view::npos || found + mark.size() + kCrcDigits > header_size_)
      return damaged(problem, "the header has no checksum");
    const std::size_t digits = found + mark.size();
    if (text.substr(digits, kCrcDigits) != hex8(header_crc(file_, header_size_, digits)))
      return damaged(problem, "the checksum of the header is wrong");
    return true;
  }

  bool parse_tensors(Problem& problem) {
    if (header_.keys.size() - 1 > kMaxTensors) return damaged(problem, "there are too many tensors");
    for (std::size_t i = 0; i < header_.keys.size(); ++i) {
      if (header_.keys[i] == "__metadata__") continue;
      TensorView tensor;
      tensor.name = header_.keys[i];
      if (!parse_tensor(header_.items[i], tensor, problem)) return false;
      tensors_.push_back(std::move(tensor));
    }
    std::sort(tensors_.begin(), tensors_.end(), [](const TensorView& a, const TensorView& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.push_back(i);
    std::sort(by_name_.begin(), by_name_.end(),
              [&](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    return true;
  }

  bool parse_tensor(const Json& item, TensorView& tensor, Problem& problem) const {
    const std::string who = "tensor " + shown(tensor.name);
    if (tensor.name.empty() || tensor.name.size() > kMaxName) return damaged(problem, who + " has no possible name");
    const Json *type = item.find("dtype"), *shape = item.find("shape"), *offsets = item.find("data_offsets");
    if (item.kind != Json::Kind::object || item.keys.size() != 3 || type == nullptr || shape == nullptr ||
        offsets == nullptr || type->kind != Json::Kind::text || shape->kind != Json::Kind::list ||
        offsets->kind != Json::Kind::list || offsets->items.size() != 2)
      return damaged(problem, who + " is not described");
    const TypeName* known = nullptr;
    for (const TypeName& candidate : kTypes)
      if (type->text == candidate.name) known = &candidate;
    if (known == nullptr) return damaged(problem, who + " has the unknown type " + shown(type->text));
    tensor.type = known->type;
    if (shape->items.size() > kMaxRank) return damaged(problem, who + " has too many dimensions");
    std::uint64_t count = 1, bytes = 0;
    for (const Json& dimension : shape->items) {
      if (dimension.kind != Json::Kind::integer || !multiply(count, dimension.integer, count))
        return damaged(problem, who + " has no possible shape");
      tensor.shape.push_back(dimension.integer);
    }
    if (!multiply(count, known->bytes, bytes)) return damaged(problem, who + " has no possible shape");
    for (const Json& offset : offsets->items)
      if (offset.kind != Json::Kind::integer) return damaged(problem, who + " has no offsets");
    tensor.begin = offsets->items[0].integer;
    tensor.end = offsets->items[1].integer;
    if (tensor.begin > tensor.end || tensor.end > size_ - header_size_ || tensor.end - tensor.begin != bytes)
      return damaged(problem, who + " lies outside the file");
    tensor.count = count;
    tensor.data = file_ + header_size_ + tensor.begin;
    if ((header_size_ + tensor.begin) % known->bytes != 0) return damaged(problem, who + " is not aligned");
    return true;
  }

  bool check_cover(Problem& problem) const {
    std::uint64_t end = 0;
    for (const TensorView& tensor : tensors_) {
      if (tensor.begin != end) return damaged(problem, "tensor " + shown(tensor.name) + " overlaps or leaves a gap");
      end = tensor.end;
    }
    return end == size_ - header_size_ || damaged(problem, "the tensors do not cover the file");
  }

  bool check_blocks(Problem& problem) const {
    const TensorView* sums = find(kChecksums);
    const std::string* crc = text(kBlocksCrcKey);
    if (sums == nullptr || crc == nullptr || sums->type != Type::u32 || sums->end != size_ - header_size_)
      return damaged(problem, "there are no checksums");
    const std::uint64_t covered = sums->begin;
    if (sums->count != (covered + kCrcBlock - 1) / kCrcBlock || sums->shape.size() != 1)
      return damaged(problem, "the checksums do not fit the data");
    if (*crc != hex8(crc32c(sums->data, static_cast<std::size_t>(sums->end - sums->begin))))
      return damaged(problem, "the checksum of the checksums is wrong");
    const unsigned char* data = file_ + header_size_;
    for (std::uint64_t i = 0, at = 0; i < sums->count; ++i, at += kCrcBlock) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(kCrcBlock, covered - at));
      if (crc32c(data + at, n) != load_as<std::uint32_t>(sums->data + 4 * i))
        return damaged(problem, "the checksum of block " + std::to_string(i) + " of the data is wrong");
    }
    return true;
  }

  const unsigned char* file_ = nullptr;
  std::size_t size_ = 0, header_size_ = 0;
  Json header_;
  std::vector<TensorView> tensors_;  // by offset
  std::vector<std::size_t> by_name_;
};

}  // namespace mal::infer::detail

// The two configurations in a model file's metadata: "schema" (what the columns are) and "model" (which network).
// Nothing is believed: every value has a range, every key must be known, because a key that is ignored here would mean
// another prediction.

namespace mal::infer {

enum class Kind { id, ids, sequence, scores, number };
enum class Side { user, ad, context };

namespace detail {

enum class Pooling { sum, mean, sqrtn };

inline constexpr std::uint64_t kMaxColumns = 2048, kMaxLength = 4096, kMaxRows = 0x7FFFFFFF, kMaxDim = 1024;
inline constexpr std::uint64_t kMaxWidth = 65536, kMaxLayers = 64, kMaxViews = 64;
// Of one request and of one row: what a workspace is made of. A file cannot make it larger.
inline constexpr std::uint64_t kMaxFloats = 1 << 22;

// Reads an object key by key; finish() refuses the keys that nobody asked for.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string where, Problem& problem)
      : json_(&json), where_(std::move(where)), problem_(&problem), used_(json.keys.size()) {
    if (json.kind != Json::Kind::object) problem_->fail(where_ + " is no object");
  }

  bool has(std::string_view key) const { return json_->find(key) != nullptr; }

  std::uint64_t integer(std::string_view key, std::uint64_t low, std::uint64_t high) {
    const Json* value = take(key, Json::Kind::integer);
    if (value == nullptr) return low;
    if (value->integer < low || value->integer > high) return fail(key, "is out of range"), low;
    return value->integer;
  }
  double number(std::string_view key, double low, double high) {
    const Json* value = take(key, Json::Kind::real);
    if (value == nullptr) return low;
    if (!(value->real >= low && value->real <= high)) return fail(key, "is out of range"), low;
    return value->real;
  }
  bool flag(std::string_view key) {
    const Json* value = take(key, Json::Kind::boolean);
    return value != nullptr && value->flag;
  }
  std::string text(std::string_view key) {
    const Json* value = take(key, Json::Kind::text);
    if (value == nullptr) return {};
    if (value->text.size() > kMaxName) fail(key, "is too long");
    return value->text;
  }
  // The index of the value in `choices`.
  template <std::size_t N>
  std::size_t choice(std::string_view key, const char* const (&choices)[N]) {
    const std::string value = text(key);
    for (std::size_t i = 0; i < N; ++i)
      if (value == choices[i]) return i;
    if (problem_->ok())
      problem_->fail(Code::unsupported, where_ + "." + std::string(key) + ": " + shown(value) +
                                            " is not known to this header; use a newer mal_infer.h");
    return 0;
  }
  std::vector<std::size_t> widths(std::string_view key) {
    std::vector<std::size_t> out;
    const Json* value = take(key, Json::Kind::list);
    if (value == nullptr) return out;
    if (value->items.size() > kMaxLayers) fail(key, "has too many layers");
    for (const Json& item : value->items) {
      const bool possible = item.kind == Json::Kind::integer && item.integer >= 1 && item.integer <= kMaxWidth;
      if (!possible) fail(key, "holds an impossible width");
      out.push_back(possible ? static_cast<std::size_t>(item.integer) : 1);
    }
    return out;
  }
  std::vector<std::string> names(std::string_view key) {
    const Json* value = take(key, Json::Kind::list);
    return value == nullptr ? std::vector<std::string>{} : texts(*value, key);
  }
  // A list of lists of names.
  std::vector<std::vector<std::string>> groups(std::string_view key) {
    std::vector<std::vector<std::string>> out;
    const Json* value = take(key, Json::Kind::list);
    if (value == nullptr) return out;
    for (const Json& item : value->items) out.push_back(texts(item, key));
    return out;
  }
  ConfigReader section(std::string_view key) {
    static const Json kNone;
    const Json* value = take(key, Json::Kind::object);
    return {value == nullptr ? kNone : *value, where_ + "." + std::string(key), *problem_};
  }
  const std::vector<Json>& list(std::string_view key) {
    static const std::vector<Json> kNone;
    const Json* value = take(key, Json::Kind::list);
    return value == nullptr ? kNone : value->items;
  }

  bool finish() {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        return problem_->fail(Code::unsupported, where_ + ": the key " + shown(json_->keys[i]) +
                                                     " is not known to this header; use a newer mal_infer.h");
    return problem_->ok();
  }
  bool fail(std::string_view key, const std::string& what) {
    return problem_->fail(where_ + "." + std::string(key) + " " + what + "; export the model again");
  }
  Problem& problem() { return *problem_; }

 private:
  const Json* take(std::string_view key, Json::Kind kind) {
    for (std::size_t i = 0; i < json_->keys.size(); ++i) {
      if (json_->keys[i] != key) continue;
      used_[i] = true;
      const Json& value = json_->items[i];
      const bool fits = value.kind == kind || (kind == Json::Kind::real && value.kind == Json::Kind::integer);
      return fits ? &value : (fail(key, "is of the wrong kind"), nullptr);
    }
    fail(key, "is missing");
    return nullptr;
  }
  std::vector<std::string> texts(const Json& list, std::string_view key) {
    std::vector<std::string> out;
    if (list.kind != Json::Kind::list || list.items.size() > kMaxColumns) fail(key, "is no list of names");
    for (const Json& item : list.items) {
      if (item.kind != Json::Kind::text || item.text.size() > kMaxName) fail(key, "is no list of names");
      out.push_back(item.text);
    }
    return out;
  }

  const Json* json_;
  std::string where_;
  Problem* problem_;
  std::vector<bool> used_;
};

struct ColumnSpec {
  std::string name;
  Kind kind = Kind::id;
  Side side = Side::context;
  int table = -1;          // id, ids, sequence
  std::size_t length = 1;  // ids, sequence, scores
  Pooling pooling = Pooling::sum;
  bool log1p = false;              // number
  double mean = 0, deviation = 1;  // number: (x − mean) / deviation
  bool fillable = false;           // number: it may be missing, and is then
  float fill = 0;                  // this, as the network gets it
  bool indicator = false;          // number: beside it a cell that is 1 where it is missing
  std::size_t cells = 0;           // where its ids, or values, begin in a row of features
  std::size_t width() const { return length + (indicator ? 1 : 0); }
  bool embedded() const { return kind == Kind::id || kind == Kind::ids || kind == Kind::sequence; }
  bool listed() const { return kind == Kind::ids || kind == Kind::sequence || kind == Kind::scores; }
};

struct TableInfo {
  std::string name;
  std::uint64_t rows = 0, hash = 0;  // hash: buckets, a power of two; 0: a vocabulary
};

struct Schema {
  std::vector<ColumnSpec> columns;
  std::vector<TableInfo> tables;
  std::vector<std::string> views;
  std::size_t id_cells = 0, value_cells = 0;  // of a row of features

  bool parse(const Json& json, Problem& problem);

 private:
  bool parse_column(ConfigReader reader);
  bool check(Problem& problem);
};

inline bool Schema::parse(const Json& json, Problem& problem) {
  ConfigReader reader(json, "schema", problem);
  reader.text("name");
  views = reader.names("views");
  if (views.empty() || views.size() > kMaxViews) reader.fail("views", "has an impossible length");
  for (const Json& item : reader.list("tables")) {
    ConfigReader table(item, "schema.tables", problem);
    TableInfo info;
    info.name = table.text("name");
    info.rows = table.integer("rows", 1, kMaxRows);
    info.hash = table.integer("hash", 0, kMaxRows);
    if (info.hash != 0 && (info.hash != info.rows || (info.hash & (info.hash - 1)) != 0))
      table.fail("hash", "is no power of two that is the number of rows");
    if (!table.finish()) return false;
    tables.push_back(std::move(info));
  }
  const std::vector<Json>& list = reader.list("columns");
  if (list.size() > kMaxColumns || tables.size() > kMaxColumns) reader.fail("columns", "is too long");
  for (const Json& item : list)
    if (!problem.ok() || !parse_column(ConfigReader(item, "schema.columns", problem))) return false;
  return reader.finish() && check(problem);
}

inline bool Schema::parse_column(ConfigReader reader) {
  static constexpr const char* kKinds[] = {"id", "ids", "sequence", "scores", "number"};
  static constexpr const char* kSides[] = {"user", "ad", "context"};
  static constexpr const char* kPoolings[] = {"sum", "mean", "sqrtn"};
  ColumnSpec column;
  column.name = reader.text("name");
  column.kind = static_cast<Kind>(reader.choice("kind", kKinds));
  column.side = static_cast<Side>(reader.choice("side", kSides));
  if (column.embedded()) {
    const std::string table = reader.text("table");
    for (std::size_t t = 0; t < tables.size(); ++t)
      if (tables[t].name == table) column.table = static_cast<int>(t);
    if (column.table < 0) return reader.fail("table", "names no table");
  }
  if (column.listed()) column.length = static_cast<std::size_t>(reader.integer("length", 1, kMaxLength));
  if (column.kind == Kind::ids) column.pooling = static_cast<Pooling>(reader.choice("pooling", kPoolings));
  if (column.kind == Kind::number) {
    constexpr double kHuge = 1e300, kLargest = static_cast<double>(std::numeric_limits<float>::max());
    column.log1p = reader.flag("log1p");
    column.mean = reader.number("mean", -kHuge, kHuge);
    column.deviation = reader.number("deviation", 1e-300, kHuge);
    if (reader.has("fill")) {  // only files with numbers that may be missing have these two
      column.fillable = true;
      column.fill = static_cast<float>(reader.number("fill", -kLargest, kLargest));
      column.indicator = reader.flag("indicator");
    }
  }
  std::size_t& cells = column.embedded() ? id_cells : value_cells;
  column.cells = cells;
  cells += column.width();
  columns.push_back(column);
  return reader.finish();
}

inline bool Schema::check(Problem& problem) {
  if (columns.empty()) return problem.fail("schema: there are no columns");
  if (id_cells + value_cells > kMaxFloats) return problem.fail("schema: the columns are absurdly long");
  std::vector<std::string_view> names, table_names;
  for (const ColumnSpec& column : columns) names.push_back(column.name);
  for (const TableInfo& table : tables) table_names.push_back(table.name);
  for (auto* list : {&names, &table_names}) {
    std::sort(list->begin(), list->end());
    if (std::adjacent_find(list->begin(), list->end()) != list->end() || (!list->empty() && list->front().empty()))
      return problem.fail("schema: a name is empty or there twice");
  }
  return true;
}

}  // namespace detail
}  // namespace mal::infer

// The arithmetic. Weights lie in panels of 16 outputs, [outputs / 16][inputs][16], padded with zeros: a panel is read
// from front to back, and stays in the nearest caches while all rows of a tile pass through it. Weights that a file
// holds as bf16 stay so in memory and are widened in registers: one ad is bound by how fast weights come in. For a
// single row they lie in strips of 64 outputs too, [outputs / 64][inputs][64], the last strip as narrow as its outputs:
// the weights of an input that is zero, as half of what ReLU gives is, are whole lines then, and are not read.
// Each kernel exists in plain C++ and with vectors; kernels() picks once, by asking the processor.

namespace mal::infer::detail {

inline constexpr std::size_t kLanes = 16, kStrip = 64, kExtras = 3;

inline std::size_t padded(std::size_t n, std::size_t unit = kLanes) {
  return (n + unit - 1) / unit * unit;
}

enum class Activation { none, relu, swish };

// A range of columns of x, that is of rows of the weights.
struct Segment {
  std::size_t first, count;
};

// y = act(bias + Σ over segments of x W + Σ c e + add). e: kExtras rows of a request, c: as many numbers a row of x.
// Rows of W, bias and e are padded; bias, e and add may be null.
struct Product {
  const float* x = nullptr;
  std::size_t ldx = 0, inputs = 0;
  const float* panels = nullptr;
  const float* strips = nullptr;          // with panels
  const std::uint16_t* halves = nullptr;  // bf16 in place of panels
  const std::uint16_t* half_strips = nullptr;
  const float* bias = nullptr;
  const Segment* segments = nullptr;
  std::size_t segment_count = 0;
  const float* extra = nullptr;  // [kExtras, ldextra]
  std::size_t ldextra = 0;
  const float* coefficients = nullptr;  // [rows, kExtras]
  const float* add = nullptr;
  std::size_t ldadd = 0;
  float* y = nullptr;
  std::size_t ldy = 0, rows = 0, outputs = 0;
  Activation activation = Activation::none;
};

// Weights of a linear layer, in panels and in strips; either as floats or as bf16.
struct Weights {
  Lines<float> panels, strips;
  Lines<std::uint16_t> halves, half_strips;
  Lines<float> bias;
};

// Where the 16 weights of input k and the outputs from `column` on begin; column: a multiple of 16.
inline std::size_t panel_place(std::size_t inputs, std::size_t k, std::size_t column) {
  return column * inputs + k * kLanes;
}
inline std::size_t strip_place(std::size_t inputs, std::size_t outputs, std::size_t k, std::size_t column) {
  const std::size_t first = column / kStrip * kStrip, width = std::min(kStrip, padded(outputs) - first);
  return first * inputs + k * width + (column - first);
}

// Where in the 16 halves of a row of a panel output n lies: 32 bits hold outputs i and i + 8, so that a shift gives the
// first eight outputs as floats and a mask the others.
inline std::size_t half_place(std::size_t n) {
  return n < kLanes / 2 ? 2 * n : 2 * n - kLanes + 1;
}
inline float widened(std::uint16_t bits) {
  const std::uint32_t wide = std::uint32_t{bits} << 16;
  return load_as<float>(&wide);
}

// Multi-head attention with one query an ad. Keys (with the scale) and values of a sequence are one product.
struct MultiHeadWeights {
  Weights query, key_value, output;  // [query width, d], [d, 2 d], [d, d]
};

// DIN with its first layer folded for one target t:  h_j = e_j (A + diag(t) D) + b1 + t C,  A = Wa + Wc, C = Wb − Wc.
struct DinWeights {
  std::size_t width = 0, hidden = 0, padded_hidden = 0;  // hidden is padded to 8 lanes
  bool softmax = false;
  Lines<float> a, c, d;        // [width, padded_hidden]
  Lines<float> b1, alpha, w2;  // [padded_hidden]
  float b2 = 0;
};

inline void softmax(float* values, std::size_t n) {
  if (n == 0) return;
  const float top = *std::max_element(values, values + n);
  float sum = 0;
  for (std::size_t j = 0; j < n; ++j) sum += values[j] = std::exp(values[j] - top);
  for (std::size_t j = 0; j < n; ++j) values[j] /= sum;
}

inline float activated(float value, Activation activation) {
  if (activation == Activation::relu) return value < 0 ? 0.0F : value;  // NaN stays NaN
  if (activation == Activation::swish) return value / (1.0F + std::exp(-value));
  return value;
}

namespace portable {

inline void finish(const Product& p, std::size_t row, std::size_t column, float* sums) {
  const std::size_t n = std::min(kLanes, p.outputs - column);
  float* y = p.y + row * p.ldy + column;
  if (p.add != nullptr)
    for (std::size_t i = 0; i < n; ++i) sums[i] += p.add[row * p.ldadd + column + i];
  for (std::size_t i = 0; i < n; ++i) y[i] = activated(sums[i], p.activation);
}

inline float weight(const float* row, std::size_t n) {
  return row[n];
}
inline float weight(const std::uint16_t* row, std::size_t n) {
  return widened(row[half_place(n)]);
}

template <typename W>
void product_of(const Product& p, const W* panels) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
    const W* panel = panels + column * p.inputs;
    for (std::size_t r = 0; r < p.rows; ++r) {
      float sums[kLanes] = {};
      if (p.bias != nullptr) std::copy_n(p.bias + column, kLanes, sums);
      for (std::size_t e = 0; p.extra != nullptr && e < kExtras; ++e)
        for (std::size_t i = 0; i < kLanes; ++i)
          sums[i] += p.coefficients[kExtras * r + e] * p.extra[e * p.ldextra + column + i];
      for (std::size_t s = 0; s < p.segment_count; ++s) {
        const float* x = p.x + r * p.ldx + p.segments[s].first;
        const W* w = panel + p.segments[s].first * kLanes;
        for (std::size_t k = 0; k < p.segments[s].count; ++k, w += kLanes)
          for (std::size_t i = 0; i < kLanes; ++i) sums[i] += x[k] * weight(w, i);
      }
      finish(p, r, column, sums);
    }
  }
}

inline void product(const Product& p) {
  if (p.halves != nullptr)
    product_of(p, p.halves);
  else
    product_of(p, p.panels);
}

inline float sum(const float* x, std::size_t n) {
  float total = 0;
  for (std::size_t i = 0; i < n; ++i) total += x[i];
  return total;
}

inline float squares(const float* x, std::size_t n, float mean) {
  float total = 0;
  for (std::size_t i = 0; i < n; ++i) total += (x[i] - mean) * (x[i] - mean);
  return total;
}

inline void normalise(float* x, std::size_t n, float mean, float scale, const float* gamma) {
  for (std::size_t i = 0; i < n; ++i) x[i] = (x[i] - mean) * scale * gamma[i];
}

inline void fold(const DinWeights& w, const float* target, float* m, float* c) {
  const std::size_t h = w.padded_hidden;
  std::copy(w.b1.begin(), w.b1.end(), c);
  for (std::size_t i = 0; i < w.width; ++i)
    for (std::size_t k = 0; k < h; ++k) {
      m[i * h + k] = w.a[i * h + k] + target[i] * w.d[i * h + k];
      c[k] += target[i] * w.c[i * h + k];
    }
}

inline void pool(const float* sequence, const float* scores, std::size_t valid, std::size_t width, float* out) {
  std::fill_n(out, width, 0.0F);
  for (std::size_t j = 0; j < valid; ++j)
    for (std::size_t i = 0; i < width; ++i) out[i] += scores[j] * sequence[j * width + i];
}

// scratch: (width + 2) · padded_hidden + valid floats.
inline void din(const DinWeights& w, const float* sequence, std::size_t valid, const float* target, float* out,
                float* scratch) {
  const std::size_t h = w.padded_hidden;
  float *m = scratch, *c = m + w.width * h, *hidden = c + h, *scores = hidden + h;
  fold(w, target, m, c);
  for (std::size_t j = 0; j < valid; ++j) {
    std::copy_n(c, h, hidden);
    for (std::size_t i = 0; i < w.width; ++i)
      for (std::size_t k = 0; k < h; ++k) hidden[k] += sequence[j * w.width + i] * m[i * h + k];
    float score = 0;
    for (std::size_t k = 0; k < h; ++k) score += w.w2[k] * (hidden[k] > 0 ? hidden[k] : w.alpha[k] * hidden[k]);
    scores[j] = score + w.b2;
  }
  if (w.softmax) softmax(scores, valid);
  pool(sequence, scores, valid, w.width, out);
}

}  // namespace portable

}  // namespace mal::infer::detail

// Eight floats in registers, chosen when the header is compiled: AVX2 with FMA on x86, two NEON registers on 64-bit
// ARM. kernels_vector.h is written in these functions alone.

#if MAL_INFER_X86 && !defined(MAL_INFER_PORTABLE)
#define MAL_INFER_VECTOR 1
// A target attribute: they are there whatever the compiler was told, and the processor is asked at run time.
#define MAL_INFER_VECTORED __attribute__((target("avx2,fma"))) inline
#elif MAL_INFER_NEON && !defined(MAL_INFER_PORTABLE)
#define MAL_INFER_VECTOR 1
#define MAL_INFER_VECTORED inline
#else
#define MAL_INFER_VECTOR 0
#endif

#if MAL_INFER_VECTOR
namespace mal::infer::detail::vectored {

#if MAL_INFER_X86

inline constexpr const char* kName = "avx2";
using Eight = __m256;

MAL_INFER_VECTORED Eight zeros() {
  return _mm256_setzero_ps();
}
MAL_INFER_VECTORED Eight spread(float value) {
  return _mm256_set1_ps(value);
}
MAL_INFER_VECTORED Eight spread(const float* value) {
  return _mm256_broadcast_ss(value);
}
MAL_INFER_VECTORED Eight load(const float* from) {
  return _mm256_loadu_ps(from);
}
MAL_INFER_VECTORED void store(float* to, Eight x) {
  _mm256_storeu_ps(to, x);
}
MAL_INFER_VECTORED Eight add(Eight a, Eight b) {
  return _mm256_add_ps(a, b);
}
MAL_INFER_VECTORED Eight subtract(Eight a, Eight b) {
  return _mm256_sub_ps(a, b);
}
MAL_INFER_VECTORED Eight multiply(Eight a, Eight b) {
  return _mm256_mul_ps(a, b);
}
MAL_INFER_VECTORED Eight fused(Eight a, Eight b, Eight sum) {  // a b + sum
  return _mm256_fmadd_ps(a, b, sum);
}
MAL_INFER_VECTORED Eight relu(Eight x) {
  return _mm256_max_ps(_mm256_setzero_ps(), x);  // the second of the two, where one is NaN
}
MAL_INFER_VECTORED Eight where_positive(Eight x, Eight yes, Eight no) {
  return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GT_OQ));
}
MAL_INFER_VECTORED unsigned not_zero(Eight x) {  // a bit each; NaN is not zero
  return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_NEQ_UQ)));
}
MAL_INFER_VECTORED float total(Eight x) {
  const __m128 half = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}

// 16 weights of one input, as floats.
MAL_INFER_VECTORED void load_weights(const float* w, Eight& low, Eight& high) {
  low = _mm256_loadu_ps(w);
  high = _mm256_loadu_ps(w + 8);
}
MAL_INFER_VECTORED void load_weights(const std::uint16_t* w, Eight& low, Eight& high) {
  __m256i pairs = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w));
  __asm__("" : "+x"(pairs));  // else compilers read memory twice, and reading is what one ad waits for
  low = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
  high = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(-0x10000)));
}

#else

inline constexpr const char* kName = "neon";
struct Eight {
  float32x4_t a, b;
};

inline Eight zeros() {
  return {vdupq_n_f32(0), vdupq_n_f32(0)};
}
inline Eight spread(float value) {
  const float32x4_t four = vdupq_n_f32(value);
  return {four, four};
}
inline Eight spread(const float* value) {
  return spread(*value);
}
inline Eight load(const float* from) {
  return {vld1q_f32(from), vld1q_f32(from + 4)};
}
inline void store(float* to, Eight x) {
  vst1q_f32(to, x.a);
  vst1q_f32(to + 4, x.b);
}
inline Eight add(Eight x, Eight y) {
  return {vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b)};
}
inline Eight subtract(Eight x, Eight y) {
  return {vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b)};
}
inline Eight multiply(Eight x, Eight y) {
  return {vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b)};
}
inline Eight fused(Eight x, Eight y, Eight sum) {  // x y + sum
  return {vfmaq_f32(sum.a, x.a, y.a), vfmaq_f32(sum.b, x.b, y.b)};
}
inline Eight relu(Eight x) {  // NaN where x is
  return {vmaxq_f32(vdupq_n_f32(0), x.a), vmaxq_f32(vdupq_n_f32(0), x.b)};
}
inline Eight where_positive(Eight x, Eight yes, Eight no) {
  return {vbslq_f32(vcgtzq_f32(x.a), yes.a, no.a), vbslq_f32(vcgtzq_f32(x.b), yes.b, no.b)};
}
inline unsigned not_zero(Eight x) {  // a bit each; NaN is not zero
  static constexpr std::uint32_t kLow[4] = {1, 2, 4, 8}, kHigh[4] = {16, 32, 64, 128};
  return vaddvq_u32(vbicq_u32(vld1q_u32(kLow), vceqzq_f32(x.a))) +
         vaddvq_u32(vbicq_u32(vld1q_u32(kHigh), vceqzq_f32(x.b)));
}
inline float total(Eight x) {
  return vaddvq_f32(vaddq_f32(x.a, x.b));
}

// 16 weights of one input, as floats.
inline void load_weights(const float* w, Eight& low, Eight& high) {
  low = load(w);
  high = load(w + 8);
}
inline void load_weights(const std::uint16_t* w, Eight& low, Eight& high) {
  const uint32x4_t a = vreinterpretq_u32_u16(vld1q_u16(w)), b = vreinterpretq_u32_u16(vld1q_u16(w + 8));
  const uint32x4_t mask = vdupq_n_u32(0xFFFF0000U);
  low = {vreinterpretq_f32_u32(vshlq_n_u32(a, 16)), vreinterpretq_f32_u32(vshlq_n_u32(b, 16))};
  high = {vreinterpretq_f32_u32(vandq_u32(a, mask)), vreinterpretq_f32_u32(vandq_u32(b, mask))};
}

#endif

}  // namespace mal::infer::detail::vectored
#endif

// The kernels with vectors: AVX2 and FMA, or NEON.

#if MAL_INFER_VECTOR
#if defined(__clang__)
#define MAL_INFER_UNROLL _Pragma("unroll")
#else
#define MAL_INFER_UNROLL _Pragma("GCC unroll 8")
#endif

namespace mal::infer::detail::vectored {

// In place: around a call all sums of a strip would go to memory and back.
__attribute__((always_inline)) MAL_INFER_VECTORED void finish(const Product& p, std::size_t row, std::size_t column,
                                                              Eight low, Eight high) {
  if (p.outputs - column >= kLanes && p.activation != Activation::swish) {
    if (p.add != nullptr) {
      const float* other = p.add + row * p.ldadd + column;
      low = add(low, load(other));
      high = add(high, load(other + 8));
    }
    if (p.activation == Activation::relu) {
      low = relu(low);
      high = relu(high);
    }
    store(p.y + row * p.ldy + column, low);
    store(p.y + row * p.ldy + column + 8, high);
    return;
  }
  alignas(32) float sums[kLanes];
  store(sums, low);
  store(sums + 8, high);
  portable::finish(p, row, column, sums);
}

// One step of K: R rows by 16 outputs.
template <int R, typename W>
MAL_INFER_VECTORED void step(const float* x, std::size_t ldx, const W* w, Eight* low, Eight* high) {
  Eight first, second;
  load_weights(w, first, second);
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    const Eight value = spread(x + static_cast<std::size_t>(r) * ldx);
    low[r] = fused(value, first, low[r]);
    high[r] = fused(value, second, high[r]);
  }
}

// R rows by 16 outputs, U steps of K at once, each with accumulators of its own: with few rows, that hides the latency
// of the additions. 2 R U accumulators, at most 12 of the 16 registers.
template <int R, int U, typename W>
MAL_INFER_VECTORED void block(const Product& p, const W* panels, std::size_t row, std::size_t column) {
  const W* panel = panels + column * p.inputs;
  Eight low[U][R], high[U][R];
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    MAL_INFER_UNROLL
    for (int u = 0; u < U; ++u) low[u][r] = high[u][r] = zeros();
    if (p.bias != nullptr) load_weights(p.bias + column, low[0][r], high[0][r]);
  }
  if (p.extra != nullptr)
    for (std::size_t e = 0; e < kExtras; ++e)
      step<R>(p.coefficients + kExtras * row + e, kExtras, p.extra + e * p.ldextra + column, low[0], high[0]);
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const float* x = p.x + row * p.ldx + p.segments[s].first;
    const W* w = panel + p.segments[s].first * kLanes;
    std::size_t left = p.segments[s].count;
    for (; left >= U; left -= U, x += U, w += U * kLanes) {
      MAL_INFER_UNROLL
      for (int u = 0; u < U; ++u) step<R>(x + u, p.ldx, w + static_cast<std::size_t>(u) * kLanes, low[u], high[u]);
    }
    for (; left > 0; --left, ++x, w += kLanes) step<R>(x, p.ldx, w, low[0], high[0]);
  }
  MAL_INFER_UNROLL
  for (int r = 0; r < R; ++r) {
    MAL_INFER_UNROLL
    for (int u = 1; u < U; ++u) {
      low[0][r] = add(low[0][r], low[u][r]);
      high[0][r] = add(high[0][r], high[u][r]);
    }
    finish(p, row + static_cast<std::size_t>(r), column, low[0][r], high[0][r]);
  }
}

// Which of at most 64 values are not zero, a bit each. NaN is not.
MAL_INFER_VECTORED std::uint64_t not_zeros(const float* x, std::size_t n) {
  std::uint64_t bits = 0;
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) bits |= std::uint64_t{not_zero(load(x + i))} << i;
  for (; i < n; ++i) bits |= std::uint64_t{x[i] != 0 ? 1U : 0U} << i;
  return bits;
}

// One row by 16 V outputs: passes over the inputs that are zero. The processor does not foresee which are not, so their
// weights are asked for kAhead inputs early.
template <int V, typename W>
MAL_INFER_VECTORED void strip(const Product& p, const W* strips, std::size_t column) {
  constexpr std::size_t kWidth = V * kLanes, kLine = 64;
  constexpr int kAhead = 4;
  const W* first = strips + column * p.inputs;
  Eight low[V], high[V];
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) {
    const std::size_t at = column + static_cast<std::size_t>(v) * kLanes;
    low[v] = high[v] = zeros();
    if (p.bias != nullptr) load_weights(p.bias + at, low[v], high[v]);
    for (std::size_t e = 0; p.extra != nullptr && e < kExtras; ++e)
      step<1>(p.coefficients + e, 0, p.extra + e * p.ldextra + at, &low[v], &high[v]);
  }
  for (std::size_t s = 0; s < p.segment_count; ++s) {
    const Segment& segment = p.segments[s];
    for (std::size_t k = 0; k < segment.count; k += 64) {
      const float* x = p.x + segment.first + k;
      const W* w = first + (segment.first + k) * kWidth;
      std::uint64_t bits = not_zeros(x, std::min<std::size_t>(64, segment.count - k)), ahead = bits;
      for (int a = 0; a < kAhead; ++a) ahead &= ahead - 1;
      for (; bits != 0; bits &= bits - 1) {
        const auto i = static_cast<std::size_t>(__builtin_ctzll(bits));
        if (ahead != 0) {
          const W* soon = w + static_cast<std::size_t>(__builtin_ctzll(ahead)) * kWidth;
          for (std::size_t at = 0; at < kWidth; at += kLine / sizeof(W)) prefetch(soon + at);
          ahead &= ahead - 1;
        }
        MAL_INFER_UNROLL
        for (int v = 0; v < V; ++v)
          step<1>(x + i, 0, w + i * kWidth + static_cast<std::size_t>(v) * kLanes, &low[v], &high[v]);
      }
    }
  }
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) finish(p, 0, column + static_cast<std::size_t>(v) * kLanes, low[v], high[v]);
}

template <typename W>
MAL_INFER_VECTORED void one_row(const Product& p, const W* strips) {
  std::size_t column = 0;
  for (; column + 3 * kLanes < p.outputs; column += kStrip) strip<4>(p, strips, column);
  switch (column < p.outputs ? padded(p.outputs - column) / kLanes : 0) {
    case 3:
      return strip<3>(p, strips, column);
    case 2:
      return strip<2>(p, strips, column);
    case 1:
      return strip<1>(p, strips, column);
    default:
      return;
  }
}

template <typename W>
MAL_INFER_VECTORED void product_of(const Product& p, const W* panels) {
  for (std::size_t column = 0; column < p.outputs; column += kLanes) {
    std::size_t row = 0;
    for (; row + 6 <= p.rows; row += 6) block<6, 1>(p, panels, row, column);
    switch (p.rows - row) {
      case 5:
        block<5, 1>(p, panels, row, column);
        break;
      case 4:
        block<4, 1>(p, panels, row, column);
        break;
      case 3:
        block<3, 2>(p, panels, row, column);
        break;
      case 2:
        block<2, 3>(p, panels, row, column);
        break;
      case 1:
        block<1, 6>(p, panels, row, column);
        break;
      default:
        break;
    }
  }
}

MAL_INFER_VECTORED void product(const Product& p) {
  if (p.halves != nullptr)
    p.rows == 1 ? one_row(p, p.half_strips) : product_of(p, p.halves);
  else
    p.rows == 1 ? one_row(p, p.strips) : product_of(p, p.panels);
}

MAL_INFER_VECTORED float sum(const float* x, std::size_t n) {
  Eight sums[2] = {zeros(), zeros()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    sums[0] = add(sums[0], load(x + i));
    sums[1] = add(sums[1], load(x + i + 8));
  }
  return total(add(sums[0], sums[1])) + portable::sum(x + i, n - i);
}

MAL_INFER_VECTORED float squares(const float* x, std::size_t n, float mean) {
  const Eight center = spread(mean);
  Eight sums[2] = {zeros(), zeros()};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Eight a = subtract(load(x + i), center);
    const Eight b = subtract(load(x + i + 8), center);
    sums[0] = fused(a, a, sums[0]);
    sums[1] = fused(b, b, sums[1]);
  }
  return total(add(sums[0], sums[1])) + portable::squares(x + i, n - i, mean);
}

MAL_INFER_VECTORED void normalise(float* x, std::size_t n, float mean, float scale, const float* gamma) {
  const Eight center = spread(mean), factor = spread(scale);
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) store(x + i, multiply(multiply(subtract(load(x + i), center), factor), load(gamma + i)));
  portable::normalise(x + i, n - i, mean, scale, gamma + i);
}

MAL_INFER_VECTORED void fold(const DinWeights& w, const float* target, float* m, float* c) {
  const std::size_t h = w.padded_hidden;
  std::copy(w.b1.begin(), w.b1.end(), c);
  for (std::size_t i = 0; i < w.width; ++i) {
    const Eight t = spread(target + i);
    for (std::size_t k = 0; k < h; k += 8) {
      const std::size_t at = i * h + k;
      const Eight d = load(w.d.data() + at), a = load(w.a.data() + at);
      store(m + at, fused(t, d, a));
      store(c + k, fused(t, load(w.c.data() + at), load(c + k)));
    }
  }
}

// Adds to the scores of P positions what V vectors of hidden units, from `first` on, give.
template <int P, int V>
MAL_INFER_VECTORED void score(const DinWeights& w, const float* m, const float* c, const float* e, std::size_t first,
                              float* scores) {
  Eight h[P][V];
  MAL_INFER_UNROLL
  for (int v = 0; v < V; ++v) {
    const Eight start = load(c + first + static_cast<std::size_t>(8 * v));
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) h[p][v] = start;
  }
  const float* at = m + first;
  for (std::size_t i = 0; i < w.width; ++i, at += w.padded_hidden) {
    Eight x[P];
    MAL_INFER_UNROLL
    for (int p = 0; p < P; ++p) x[p] = spread(e + static_cast<std::size_t>(p) * w.width + i);
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const Eight weight = load(at + 8 * v);
      MAL_INFER_UNROLL
      for (int p = 0; p < P; ++p) h[p][v] = fused(x[p], weight, h[p][v]);
    }
  }
  MAL_INFER_UNROLL
  for (int p = 0; p < P; ++p) {
    Eight sum = zeros();
    MAL_INFER_UNROLL
    for (int v = 0; v < V; ++v) {
      const std::size_t k = first + static_cast<std::size_t>(8 * v);
      const Eight negative = multiply(h[p][v], load(w.alpha.data() + k));
      sum = fused(where_positive(h[p][v], h[p][v], negative), load(w.w2.data() + k), sum);
    }
    scores[p] += total(sum);
  }
}

template <int V>
MAL_INFER_VECTORED void score_all(const DinWeights& w, const float* m, const float* c, const float* e,
                                  std::size_t valid, std::size_t first, float* scores) {
  std::size_t j = 0;
  for (; j + 2 <= valid; j += 2) score<2, V>(w, m, c, e + j * w.width, first, scores + j);
  if (j < valid) score<1, V>(w, m, c, e + j * w.width, first, scores + j);
}

MAL_INFER_VECTORED void pool(const float* sequence, const float* scores, std::size_t valid, std::size_t width,
                             float* out) {
  std::size_t i = 0;
  for (; i + 8 <= width; i += 8) {
    Eight sum = zeros();
    for (std::size_t j = 0; j < valid; ++j) sum = fused(spread(scores + j), load(sequence + j * width + i), sum);
    store(out + i, sum);
  }
  for (; i < width; ++i) {
    out[i] = 0;
    for (std::size_t j = 0; j < valid; ++j) out[i] += scores[j] * sequence[j * width + i];
  }
}

MAL_INFER_VECTORED void din(const DinWeights& w, const float* sequence, std::size_t valid, const float* target,
                            float* out, float* scratch) {
  const std::size_t h = w.padded_hidden;
  float *m = scratch, *c = m + w.width * h, *scores = c + 2 * h;
  fold(w, target, m, c);
  std::fill_n(scores, valid, w.b2);
  std::size_t first = 0;
  for (; first + 40 <= h; first += 40) score_all<5>(w, m, c, sequence, valid, first, scores);
  for (; first + 16 <= h; first += 16) score_all<2>(w, m, c, sequence, valid, first, scores);
  for (; first < h; first += 8) score_all<1>(w, m, c, sequence, valid, first, scores);
  if (w.softmax) softmax(scores, valid);
  pool(sequence, scores, valid, w.width, out);
}

}  // namespace mal::infer::detail::vectored
#endif

// Which kernels this processor runs: asked once, when a model is loaded.

namespace mal::infer::detail {

struct Kernels {
  const char* name;
  void (*product)(const Product&);
  float (*sum)(const float*, std::size_t);
  float (*squares)(const float*, std::size_t, float);
  void (*normalise)(float*, std::size_t, float, float, const float*);
  void (*din)(const DinWeights&, const float*, std::size_t, const float*, float*, float*);
};

inline constexpr Kernels kPortable = {"portable",        portable::product,   portable::sum,
                                      portable::squares, portable::normalise, portable::din};
#if MAL_INFER_VECTOR
inline constexpr Kernels kVectored = {vectored::kName,   vectored::product,   vectored::sum,
                                      vectored::squares, vectored::normalise, vectored::din};
#endif

inline const Kernels& kernels() {
#if MAL_INFER_VECTOR && MAL_INFER_X86
  if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) return kVectored;
#elif MAL_INFER_VECTOR
  return kVectored;
#endif
  return kPortable;
}

}  // namespace mal::infer::detail

// A network as a list of steps over the rows of a tile. Made from the configuration alone (plan), then cut to the steps
// that the outputs need, given room (each buffer lives from its first to its last step, and shares memory with others),
// and last bound to weights. The exporter uses the same plan to know which tensors a file must hold.

namespace mal::infer::detail {

// Columns of a buffer [rows, width].
struct Value {
  int buffer = -1;
  std::size_t column = 0, width = 0;
  bool valid() const { return buffer >= 0; }
};

enum class Op {
  linear,       // out = act(in W + b + add)
  mix,          // out = Σ softmax(gates)_e parts_e + Σ self_j parts_(first + j)
  gate,         // out = in ⊙ 2σ(add)
  copy,         // out = in
  field_means,  // out_f = mean of field f of in
  field_scale,  // out = in with field f times 2σ(add_f)
  layer_norm,   // out = the trunk's LayerNorm of in
};
enum class SelfGate { none, sigmoid, softmax, native };

struct ParameterSpec {
  std::string name;
  std::vector<std::uint64_t> shape;
};

struct Step {
  Op op = Op::copy;
  Value in, out, add;
  // linear
  std::string weight, bias, norm;  // names of tensors; no bias, no norm: empty
  bool transposed = false;         // the tensor is [outputs, inputs]
  Activation activation = Activation::none;
  std::vector<Segment> all;  // the one segment that is the whole input
  Weights weights;
  // mix
  Value gates, self;
  std::vector<Value> parts;
  std::size_t self_first = 0, self_count = 0;  // of the parts
  SelfGate self_kind = SelfGate::none;
  std::string native;
  std::vector<float> native_weights;
};

struct Buffer {
  std::size_t width = 0, stride = 0, offset = 0;  // offset in floats a row of the tile
  int first = -1, last = -1;                      // steps
};

struct Field {
  std::size_t first, width;
};

class Plan {
 public:
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::vector<Field> fields;  // of the trunk: what SENet gates
  std::size_t row_floats = 0;

  Value buffer(std::size_t width) {
    Buffer made;
    made.width = width;
    made.stride = padded(width) + kLanes;  // never a power of two: rows would fall into the same cache sets
    buffers.push_back(made);
    return {static_cast<int>(buffers.size()) - 1, 0, width};
  }
  static Value slice(Value of, std::size_t column, std::size_t width) { return {of.buffer, of.column + column, width}; }

  // into: where the result goes; a new buffer unless given. add: added before the activation.
  Value linear(Value x, std::size_t width, Activation activation, const std::string& name, Value into = {},
               Value add = {}) {
    Step step;
    step.op = Op::linear;
    step.weight = name + "/weight";
    step.bias = name + "/bias";
    return record_linear(std::move(step), x, width, activation, into, add);
  }
  Value matrix(Value x, std::size_t width, const std::string& tensor, bool transposed) {
    Step step;
    step.op = Op::linear;
    step.weight = tensor;
    step.transposed = transposed;
    return record_linear(std::move(step), x, width, Activation::none, {}, {});
  }
  Value record_linear(Step step, Value x, std::size_t width, Activation activation, Value into, Value add) {
    step.in = x;
    step.add = add;
    step.activation = activation;
    step.all = {{0, x.width}};
    return record(std::move(step), width, into);
  }
  Value record(Step step, std::size_t width, Value into = {}) {
    step.out = into.valid() ? into : buffer(width);
    steps.push_back(std::move(step));
    return steps.back().out;
  }
  Value unary(Op op, Value in, Value add, std::size_t width, Value into = {}) {
    Step step;
    step.op = op;
    step.in = in;
    step.add = add;
    return record(std::move(step), width, into);
  }
  Value concat(const std::vector<Value>& parts) {
    std::size_t width = 0;
    for (const Value& part : parts) width += part.width;
    const Value out = buffer(width);
    std::size_t column = 0;
    for (const Value& part : parts) {
      unary(Op::copy, part, {}, part.width, slice(out, column, part.width));
      column += part.width;
    }
    return out;
  }

  // Layers NAME/0, NAME/1, …; the last one without activation if linear_last, into `into` plus `add`.
  Value mlp(Value x, const std::vector<std::size_t>& widths, Activation activation, const std::string& name,
            bool linear_last = false, Value into = {}, Value add = {}) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const bool last = i + 1 == widths.size();
      x = linear(x, widths[i], last && linear_last ? Activation::none : activation, name + "/" + std::to_string(i),
                 last ? into : Value{}, last ? add : Value{});
    }
    return x;
  }

  // Every field of x times its gate, made of the means of all fields.
  Value senet(Value x, std::size_t reduction, const std::string& name) {
    const Value means = unary(Op::field_means, x, {}, fields.size());
    const std::size_t width = std::max<std::size_t>(1, fields.size() / reduction);
    const Value hidden = linear(means, width, Activation::relu, name + "/0");
    return unary(Op::field_scale, x, linear(hidden, fields.size(), Activation::none, name + "/1"), x.width);
  }

  static std::vector<const Value*> reads(const Step& step) {
    std::vector<const Value*> values = {&step.in, &step.add, &step.gates, &step.self};
    for (const Value& part : step.parts) values.push_back(&part);
    return values;
  }

  static std::vector<ParameterSpec> parameters(const Step& step) {
    std::vector<ParameterSpec> list;
    const std::uint64_t in = step.in.width, out = step.out.width;
    if (!step.weight.empty())
      list.push_back(
          {step.weight, step.transposed ? std::vector<std::uint64_t>{out, in} : std::vector<std::uint64_t>{in, out}});
    if (!step.bias.empty()) list.push_back({step.bias, {out}});
    if (!step.norm.empty())
      for (const char* part : {"/gamma", "/beta", "/mean", "/variance"}) list.push_back({step.norm + part, {out}});
    if (!step.native.empty()) list.push_back({step.native, {step.self_count}});
    return list;
  }

  // Drops the steps that `outputs` do not need and gives buffers their places. Outputs keep theirs to the end.
  bool finish(const std::vector<Value>& outputs, Problem& problem) {
    std::vector<bool> needed(buffers.size());
    for (const Value& output : outputs) needed[static_cast<std::size_t>(output.buffer)] = true;
    std::vector<Step> kept;
    for (std::size_t i = steps.size(); i-- > 0;) {
      if (!needed[static_cast<std::size_t>(steps[i].out.buffer)]) continue;
      for (const Value* value : reads(steps[i]))
        if (value->valid()) needed[static_cast<std::size_t>(value->buffer)] = true;
      kept.push_back(std::move(steps[i]));
    }
    std::reverse(kept.begin(), kept.end());
    steps = std::move(kept);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      touch(steps[i].out, static_cast<int>(i));
      for (const Value* value : reads(steps[i])) touch(*value, static_cast<int>(i));
    }
    for (const Value& output : outputs) touch(output, static_cast<int>(steps.size()));
    touch({0, 0, 0}, 0);  // the trunk
    buffers[0].first = 0;
    return place(problem);
  }

  // Which steps `output` needs.
  std::vector<bool> needed_by(const Value& output) const {
    std::vector<bool> buffer_needed(buffers.size()), step_needed(steps.size());
    buffer_needed[static_cast<std::size_t>(output.buffer)] = true;
    for (std::size_t i = steps.size(); i-- > 0;) {
      if (!buffer_needed[static_cast<std::size_t>(steps[i].out.buffer)]) continue;
      step_needed[i] = true;
      for (const Value* value : reads(steps[i]))
        if (value->valid()) buffer_needed[static_cast<std::size_t>(value->buffer)] = true;
    }
    return step_needed;
  }

 private:
  void touch(const Value& value, int step) {
    if (!value.valid()) return;
    Buffer& buffer = buffers[static_cast<std::size_t>(value.buffer)];
    if (buffer.first < 0) buffer.first = step;
    buffer.last = std::max(buffer.last, step);
  }

  // First fit: below each buffer placed before that lives at the same time.
  bool place(Problem& problem) {
    std::vector<std::size_t> placed;
    for (std::size_t b = 0; b < buffers.size(); ++b) {
      Buffer& buffer = buffers[b];
      if (buffer.first < 0) continue;
      std::vector<std::pair<std::size_t, std::size_t>> taken;  // begin, end
      for (const std::size_t other : placed)
        if (buffers[other].first <= buffer.last && buffer.first <= buffers[other].last)
          taken.emplace_back(buffers[other].offset, buffers[other].offset + buffers[other].stride);
      std::sort(taken.begin(), taken.end());
      buffer.offset = 0;
      for (const auto& [begin, end] : taken) {
        if (buffer.offset + buffer.stride <= begin) break;
        buffer.offset = std::max(buffer.offset, end);
      }
      row_floats = std::max(row_floats, buffer.offset + buffer.stride);
      placed.push_back(b);
    }
    return row_floats <= kMaxFloats || problem.fail("the network is absurdly wide");
  }
};

}  // namespace mal::infer::detail

// What becomes of each column before the first layer: embeddings, attention over sequences, SimTier blocks and numbers,
// side by side in one row z, then SENet and LayerNorm. Same order as the trainer's.

namespace mal::infer::detail {

enum class Attention { none, din, mha };
enum class SimTier { none, count, embedding };
enum class PartKind { id, pooled, attention, simtier, number };

// A range of z and the column that it comes from.
struct Part {
  PartKind kind = PartKind::id;
  std::size_t column = 0, target = 0;  // indices of columns; target: of din
  std::size_t first = 0, width = 0;    // in z
  Pooling pooling = Pooling::sum;      // of pooled
  bool asks = false;                   // mha: one of the embeddings that the queries are made of, there from
  std::size_t query = 0;               // this column on

  bool sparse() const { return kind == PartKind::simtier; }  // most tiers of a block are empty
};

struct Trunk {
  std::size_t dim = 1;
  Attention attention = Attention::none;
  std::size_t din_hidden = 1;
  bool softmax = false;
  std::size_t heads = 1;        // mha
  std::size_t query_width = 0;  // mha: all ids and sets of the ad's side
  SimTier simtier = SimTier::none;
  std::size_t tiers = 1, tier_width = 1;
  bool log1p = false;
  bool senet = false;
  std::size_t senet_reduction = 0;  // 0: the file does not say
  bool layer_norm = false;
  float epsilon = 0;
  std::vector<Part> parts;  // in the order of z
  std::size_t width = 0;    // of z
  std::vector<Field> fields;

  bool parse(ConfigReader& model);
  bool lay_out(const Schema& schema, Problem& problem);
  std::vector<ParameterSpec> parameters(const Schema& schema) const;  // without the tables

 private:
  bool attends(const Schema& schema, const ColumnSpec& column, std::size_t& target) const;
  bool lay_out_queries(const Schema& schema, Problem& problem);
  static bool target_of(const Schema& schema, const ColumnSpec& sequence, std::size_t& target);
  void add(PartKind kind, std::size_t column, std::size_t part_width) {
    Part part;
    part.kind = kind;
    part.column = column;
    part.first = width;
    part.width = part_width;
    parts.push_back(part);
    width += part_width;
  }
};

inline bool Trunk::parse(ConfigReader& model) {
  static constexpr const char* kAttentions[] = {"none", "din", "mha"};
  static constexpr const char* kModes[] = {"none", "count", "embedding"};
  dim = static_cast<std::size_t>(model.integer("embedding_dim", 1, kMaxDim));
  ConfigReader interaction = model.section("interaction");
  attention = static_cast<Attention>(interaction.choice("attention", kAttentions));
  din_hidden = static_cast<std::size_t>(interaction.integer("din_hidden", 1, 4096));
  softmax = interaction.flag("softmax");
  if (attention == Attention::mha) {
    heads = static_cast<std::size_t>(interaction.integer("heads", 1, kMaxDim));
    if (dim % heads != 0) return interaction.fail("heads", "does not divide embedding_dim");
  }
  if (!interaction.finish()) return false;
  ConfigReader tier = model.section("simtier");
  simtier = static_cast<SimTier>(tier.choice("mode", kModes));
  tiers = static_cast<std::size_t>(tier.integer("tiers", 1, 4096));
  tier_width = simtier == SimTier::embedding ? static_cast<std::size_t>(tier.integer("dim", 1, 256)) : 1;
  if (simtier != SimTier::embedding && tier.has("dim")) tier.integer("dim", 1, 256);
  log1p = tier.flag("log1p");
  if (!tier.finish()) return false;
  if (model.has("senet")) {
    ConfigReader own = model.section("senet");
    senet = own.flag("enabled");
    senet_reduction = static_cast<std::size_t>(own.integer("reduction", 1, kMaxWidth));
    if (!own.finish()) return false;
  }
  layer_norm = model.flag("layer_norm");
  epsilon = static_cast<float>(model.number("layer_norm_eps", 1e-12, 1));
  return model.problem().ok();
}

// The ad's id column of the sequence's table, else any id column of it; of several the one named as the table, else the
// first.
inline bool Trunk::target_of(const Schema& schema, const ColumnSpec& sequence, std::size_t& target) {
  int best = -1;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const ColumnSpec& column = schema.columns[c];
    if (column.kind != Kind::id || column.table != sequence.table) continue;
    const bool named = column.name == schema.tables[static_cast<std::size_t>(sequence.table)].name;
    const int rank = (column.side == Side::ad ? 2 : 0) + (named ? 1 : 0);
    if (rank <= best) continue;
    best = rank;
    target = c;
  }
  return best >= 0;
}

inline bool Trunk::attends(const Schema& schema, const ColumnSpec& column, std::size_t& target) const {
  if (column.kind != Kind::sequence || attention == Attention::none) return false;
  return attention == Attention::mha || target_of(schema, column, target);
}

// Which parts multi-head attention asks with.
inline bool Trunk::lay_out_queries(const Schema& schema, Problem& problem) {
  for (Part& part : parts) {
    const ColumnSpec& column = schema.columns[part.column];
    if (column.side != Side::ad || (column.kind != Kind::id && column.kind != Kind::ids)) continue;
    part.asks = true;
    part.query = query_width;
    query_width += part.width;
  }
  return query_width > 0 || problem.fail("schema: no id column of the ad's side is there for attention to ask with");
}

inline bool Trunk::lay_out(const Schema& schema, Problem& problem) {
  if (schema.id_cells * dim > kMaxFloats) return problem.fail("schema: the sequences are absurdly long");
  std::size_t target = 0;
  const std::vector<ColumnSpec>& columns = schema.columns;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].embedded() || attends(schema, columns[c], target)) continue;
    add(columns[c].kind == Kind::id ? PartKind::id : PartKind::pooled, c, dim);
    parts.back().pooling = columns[c].kind == Kind::sequence ? Pooling::mean : columns[c].pooling;
  }
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (attends(schema, columns[c], target)) {
      add(PartKind::attention, c, dim);
      parts.back().target = target;
    }
  const bool asks = attention == Attention::mha && !parts.empty() && parts.back().kind == PartKind::attention;
  if (asks && !lay_out_queries(schema, problem)) return false;
  if (simtier != SimTier::none)
    for (std::size_t c = 0; c < columns.size(); ++c)
      if (columns[c].kind == Kind::scores) add(PartKind::simtier, c, tiers * tier_width);
  for (const Part& part : parts) fields.push_back({part.first, part.width});
  const std::size_t numbers = width;
  for (std::size_t c = 0; c < columns.size(); ++c)
    if (columns[c].kind == Kind::number) add(PartKind::number, c, columns[c].width());
  if (width > numbers) fields.push_back({numbers, width - numbers});
  if (width == 0 || width > kMaxFloats / 4) return problem.fail("schema: the input is empty or absurdly wide");
  return true;
}

inline std::vector<ParameterSpec> Trunk::parameters(const Schema& schema) const {
  std::vector<ParameterSpec> list;
  const std::uint64_t d = dim, h = din_hidden;
  for (const Part& part : parts) {
    const std::string& column = schema.columns[part.column].name;
    const std::string name = "attention/" + column;
    if (part.kind == PartKind::attention && attention == Attention::mha) {
      list.push_back({name + "/query/weight", {query_width, d}});
      list.push_back({name + "/query/bias", {d}});
      for (const char* matrix : {"/key/weight", "/value/weight", "/output/weight"})
        list.push_back({name + matrix, {d, d}});
      for (const char* bias : {"/value/bias", "/output/bias"}) list.push_back({name + bias, {d}});
    } else if (part.kind == PartKind::attention) {
      list.push_back({name + "/w1", {4 * d, h}});
      list.push_back({name + "/b1", {h}});
      list.push_back({name + "/alpha", {h}});
      list.push_back({name + "/w2", {h, 1}});
      list.push_back({name + "/b2", {1}});
    }
    if (part.kind == PartKind::simtier && simtier == SimTier::embedding)
      list.push_back({"simtier/" + column + "/tiers", {tiers, tier_width}});
  }
  if (layer_norm)
    for (const char* name : {"input_norm/gamma", "input_norm/beta"}) list.push_back({name, {width}});
  return list;
}

}  // namespace mal::infer::detail

// The models, as formulas over a Plan. Names of tensors and keys are those of the trainer.

namespace mal::infer::detail {

struct Head {
  std::string view;  // "cat" for the Cartesian head of mal
  Value logits;
};

struct Outputs {
  Value primary;            // one logit
  std::vector<Head> heads;  // other views
  Value knowledge;          // mal: [K^a; …; K^CAT]; else the primary tower's penultimate
};

struct Tower {
  Value penultimate, logits;
};

// What the files of the trainer's zoo get too, with the sharing components that several models have in common.
class Zoo {
 public:
  Zoo(Plan& plan, ConfigReader& config, const std::vector<std::string>& views, Value z, std::size_t senet_reduction)
      : plan_(plan), config_(config), views_(views), z_(z), senet_reduction_(senet_reduction) {
    static constexpr const char* kActivations[] = {"none", "relu"};
    activation_ = static_cast<Activation>(config.choice("activation", kActivations));
    tower_ = config.widths("tower");
    if (tower_.empty()) config.fail("tower", "has no layer");
    primary_ = config.text("primary");
    if (std::find(views.begin(), views.end(), primary_) == views.end()) config.fail("primary", "is no view");
  }

  bool build(const std::string& type, Outputs& out) {
    if (type == "base") return base(out);
    if (type == "mal") return mal(out);
    if (type == "shared_bottom") return shared_bottom(out);
    if (type == "natal" || type == "moae") return natal(type, out);
    std::vector<Value> vectors;
    if (!share(type, views_, "", vectors))
      return config_.problem().fail(
          Code::unsupported, "model.type " + shown(type) + " is not known to this header; use a newer mal_infer.h");
    return view_towers(vectors, tower_, out);
  }

  const std::string& primary() const { return primary_; }

 private:
  using Names = std::vector<std::string>;
  using Widths = std::vector<std::size_t>;
  using Values = std::vector<Value>;

  Tower tower(Value x, const Widths& widths, std::size_t outputs, const std::string& name, Value into = {}) {
    const Value penultimate = plan_.mlp(x, widths, activation_, name, false, into);
    return {penultimate, plan_.linear(penultimate, outputs, Activation::none, name + "/logit")};
  }
  Value linear(Value x, std::size_t width, const std::string& name) {
    return plan_.linear(x, width, Activation::none, name);
  }
  static std::string path(std::initializer_list<std::string_view> parts) {
    std::string name;
    for (const std::string_view part : parts) name += part;
    return name;
  }
  static Values joined(Values a, const Values& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
  }
  // Counts of experts and levels. Every expert has tensors in the file, so that a file pays for what it asks.
  static std::size_t count(ConfigReader& reader, const char* key) {
    constexpr std::uint64_t kMost = 64;
    return static_cast<std::size_t>(reader.integer(key, 1, kMost));
  }
  Widths expert_widths(ConfigReader& reader) {
    Widths widths = reader.widths("expert");
    if (widths.empty()) reader.fail("expert", "has no layer"), widths = {1};
    return widths;
  }

  // A head a view; the primary's is the one that is served.
  bool view_towers(const Values& vectors, const Widths& widths, Outputs& out) {
    for (std::size_t v = 0; v < views_.size() && v < vectors.size(); ++v) {
      const Tower made = tower(vectors[v], widths, 1, "tower/" + views_[v]);
      add_head(views_[v], made, out);
    }
    return config_.problem().ok();
  }
  void add_head(const std::string& view, const Tower& made, Outputs& out) {
    if (view != primary_) return out.heads.push_back({view, made.logits});
    out.primary = made.logits;
    out.knowledge = made.penultimate;
  }

  bool base(Outputs& out) {
    const Value bottom = plan_.mlp(z_, config_.widths("bottom"), activation_, "bottom");
    add_head(primary_, tower(bottom, tower_, 1, "tower"), out);
    return config_.problem().ok();
  }

  bool shared_bottom(Outputs& out) {
    Widths chain = config_.widths("bottom");
    chain.insert(chain.end(), tower_.begin(), tower_.end());
    ConfigReader own = config_.section("shared_bottom");
    const std::size_t layers = count(own, "layers");
    if (layers >= chain.size()) return own.fail("layers", "leaves nothing to the towers");
    const auto cut = chain.begin() + static_cast<std::ptrdiff_t>(layers);
    const Value v = plan_.mlp(z_, {chain.begin(), cut}, activation_, "bottom");
    return own.finish() && view_towers(Values(views_.size(), v), {cut, chain.end()}, out);
  }

  // One vector a task, by the sharing component of that name; false if there is none.
  bool share(const std::string& type, const Names& tasks, const std::string& prefix, Values& vectors) {
    if (type == "mmoe")
      vectors = mmoe(tasks, prefix + "mmoe");
    else if (type == "ple")
      vectors = ple(tasks, prefix + "ple");
    else if (type == "home")
      vectors = home(tasks, prefix + "home");
    else if (type == "adatt")
      vectors = adatt(tasks, prefix + "adatt");
    else
      return false;
    return true;
  }

  Values experts(Value x, std::size_t n, const Widths& widths, const std::string& name) {
    Values list;
    for (std::size_t e = 0; e < n; ++e)
      list.push_back(plan_.mlp(x, widths, activation_, name + "/" + std::to_string(e)));
    return list;
  }
  // Σ softmax(linear NAME (x))_e parts_e
  Step mixture(Value x, const Values& parts, const std::string& name) {
    Step step;
    step.op = Op::mix;
    step.gates = linear(x, parts.size(), name);
    step.parts = parts;
    return step;
  }
  Value mix(Value x, const Values& parts, const std::string& name) {
    return plan_.record(mixture(x, parts, name), parts[0].width);
  }

  Values mmoe(const Names& tasks, const std::string& name) {
    ConfigReader own = config_.section("mmoe");
    const std::size_t n = count(own, "experts");
    const Values shared = experts(z_, n, expert_widths(own), name + "/expert");
    Values x;
    for (const std::string& task : tasks) x.push_back(mix(z_, shared, path({name, "/gate/", task})));
    own.finish();
    return x;
  }

  Values ple(const Names& tasks, const std::string& prefix) {
    ConfigReader own = config_.section("ple");
    const std::size_t levels = count(own, "layers"), view_experts = count(own, "view_experts"),
                      shared_experts = count(own, "shared_experts");
    const Widths widths = expert_widths(own);
    Values x(tasks.size(), z_);
    Value x_shared = z_;
    for (std::size_t level = 0; level < levels; ++level) {
      const std::string name = prefix + "/" + std::to_string(level);
      std::vector<Values> private_experts;
      Values all;
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        private_experts.push_back(experts(x[t], view_experts, widths, path({name, "/", tasks[t]})));
        all = joined(all, private_experts.back());
      }
      const Values shared = experts(x_shared, shared_experts, widths, name + "/shared");
      for (std::size_t t = 0; t < tasks.size(); ++t)
        x[t] = mix(x[t], joined(private_experts[t], shared), path({name, "/gate/", tasks[t]}));
      if (level + 1 < levels) x_shared = mix(x_shared, joined(all, shared), name + "/gate/shared");
    }
    own.finish();
    return x;
  }

  Values adatt(const Names& tasks, const std::string& prefix) {
    ConfigReader own = config_.section("adatt");
    const std::size_t levels = count(own, "layers"), n = count(own, "experts");
    const Widths widths = expert_widths(own);
    Values x(tasks.size(), z_);
    for (std::size_t level = 0; level < levels; ++level) {
      const std::string name = prefix + "/" + std::to_string(level);
      Values all;
      for (std::size_t t = 0; t < tasks.size(); ++t)
        all = joined(all, experts(x[t], n, widths, path({name, "/", tasks[t]})));
      for (std::size_t t = 0; t < tasks.size(); ++t) {
        Step step = mixture(x[t], all, path({name, "/gate/", tasks[t]}));
        step.self_kind = SelfGate::native;
        step.self_first = t * n;
        step.self_count = n;
        step.native = path({name, "/native/", tasks[t]});
        x[t] = plan_.record(std::move(step), all[0].width);
      }
    }
    own.finish();
    return x;
  }

  struct HomeSizes {
    std::size_t experts, width, rank;
  };
  // swish(BN((x ⊙ 2σ((x A) Bᵀ)) · NAME/weight))
  Values home_experts(Value x, const HomeSizes& sizes, const std::string& prefix) {
    Values list;
    for (std::size_t e = 0; e < sizes.experts; ++e) {
      const std::string name = prefix + "/" + std::to_string(e);
      const Value low = plan_.matrix(x, sizes.rank, name + "/feature_gate_a", false);
      const Value gate = plan_.matrix(low, x.width, name + "/feature_gate_b", true);
      Step step;
      step.op = Op::linear;
      step.weight = name + "/weight";  // no bias: the norm would take it away
      step.norm = name + "/norm";
      const Value gated = plan_.unary(Op::gate, x, gate, x.width);
      list.push_back(plan_.record_linear(std::move(step), gated, sizes.width, Activation::swish, {}, {}));
    }
    return list;
  }
  // A mixture of `parts` with a self gate for the first `own` of them (or those from `first` on).
  Value home_mix(Value x, const Values& parts, std::size_t first, std::size_t own, const std::string& gate,
                 const std::string& self) {
    Step step = mixture(x, parts, gate);
    step.self = linear(x, own, self);
    step.self_kind = own == 1 ? SelfGate::sigmoid : SelfGate::softmax;
    step.self_first = first;
    step.self_count = own;
    return plan_.record(std::move(step), parts[0].width);
  }

  // Which group each task is in: the configured ones, or single-touch views, then all others; "cat" has its own.
  std::vector<Names> home_groups(const Names& tasks, ConfigReader& own) {
    std::vector<Names> groups = own.groups("groups");
    const auto is_task = [&](const std::string& name) {
      return std::find(tasks.begin(), tasks.end(), name) != tasks.end();
    };
    if (groups.empty()) {
      groups.resize(2);
      for (const std::string& view : views_)
        if (is_task(view)) groups[view == "last" || view == "first" ? 0 : 1].push_back(view);
    }
    for (Names& group : groups)
      group.erase(std::remove_if(group.begin(), group.end(), [&](const std::string& name) { return !is_task(name); }),
                  group.end());
    groups.erase(std::remove_if(groups.begin(), groups.end(), [](const Names& group) { return group.empty(); }),
                 groups.end());
    if (std::find(views_.begin(), views_.end(), "cat") == views_.end() && is_task("cat")) groups.push_back({"cat"});
    return groups;
  }

  Values home(const Names& tasks, const std::string& name) {
    ConfigReader own = config_.section("home");
    HomeSizes sizes = {};
    sizes.experts = count(own, "experts");
    sizes.width = static_cast<std::size_t>(own.integer("expert", 1, kMaxWidth));
    sizes.rank = static_cast<std::size_t>(own.integer("rank", 1, kMaxWidth));
    const std::vector<Names> groups = home_groups(tasks, own);
    std::vector<std::size_t> group_of(tasks.size(), groups.size());
    for (std::size_t t = 0; t < tasks.size(); ++t)
      for (std::size_t g = 0; g < groups.size(); ++g)
        if (std::find(groups[g].begin(), groups[g].end(), tasks[t]) != groups[g].end()) group_of[t] = g;
    if (std::find(group_of.begin(), group_of.end(), groups.size()) != group_of.end())
      return own.fail("groups", "leaves a view out"), Values(tasks.size(), z_);
    const std::size_t n = sizes.experts;
    const Values meta = home_experts(z_, sizes, name + "/meta/global");
    Values every, m;
    std::vector<Values> meta_groups;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      meta_groups.push_back(home_experts(z_, sizes, name + "/meta/group" + std::to_string(g)));
      every = joined(every, meta_groups.back());
    }
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::string group = "/group" + std::to_string(g);
      m.push_back(home_mix(z_, joined(meta_groups[g], meta), 0, n, path({name, "/meta/gate", group}),
                           path({name, "/meta/self", group})));
    }
    const Value m_shared =
        home_mix(z_, joined(every, meta), every.size(), n, name + "/meta/gate/global", name + "/meta/self/global");
    const Values global = home_experts(m_shared, sizes, name + "/view/global");
    std::vector<Values> view_groups;
    for (std::size_t g = 0; g < groups.size(); ++g)
      view_groups.push_back(home_experts(m[g], sizes, name + "/view/group" + std::to_string(g)));
    Values x;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const std::size_t g = group_of[t];
      const Values private_experts = home_experts(m[g], sizes, path({name, "/view/", tasks[t]}));
      x.push_back(home_mix(plan_.concat({m[g], m_shared}), joined(joined(private_experts, view_groups[g]), global), 0,
                           n, path({name, "/view/gate/", tasks[t]}), path({name, "/view/self/", tasks[t]})));
    }
    own.finish();
    return x;
  }

  // AKA: a vector a task, a tower a task. PTP: v_p = MLP(z), v_a = MLP([K…]), logit = head(v_p + v_a).
  bool mal(Outputs& out) {
    ConfigReader own = config_.section("mal");
    Names tasks = own.names("views");
    if (tasks.empty()) tasks = views_;
    for (const std::string& task : tasks)
      if (std::find(views_.begin(), views_.end(), task) == views_.end()) return own.fail("views", "names no view");
    const bool cat = own.flag("cat");
    constexpr std::size_t kMaxCartesianViews = 12;
    if (cat && tasks.size() > kMaxCartesianViews) return own.fail("cat", "has too many views");
    const std::size_t classes = std::size_t{1} << (cat ? tasks.size() : 0);
    if (cat) tasks.emplace_back("cat");
    static constexpr const char* kSharings[] = {"shared_bottom", "mmoe", "ple", "home"};
    const std::string aka = kSharings[own.choice("aka", kSharings)];
    Values vectors;
    if (!share(aka, tasks, "aka/", vectors))
      vectors = Values(tasks.size(), plan_.mlp(z_, own.widths("aka_bottom"), activation_, "aka/bottom"));
    const std::size_t width = tower_.back();
    out.knowledge = plan_.buffer(tasks.size() * width);
    for (std::size_t t = 0; t < tasks.size(); ++t) {
      const bool is_cat = cat && t + 1 == tasks.size();
      const Tower made = tower(vectors[t], tower_, is_cat ? classes : 1, "aka/" + tasks[t],
                               Plan::slice(out.knowledge, t * width, width));
      out.heads.push_back({tasks[t], made.logits});
    }
    const Value v_p = plan_.mlp(z_, own.widths("ptp"), activation_, "ptp/bottom");
    const Widths knowledge = own.widths("knowledge");
    if (knowledge.empty() || knowledge.back() != v_p.width) return own.fail("knowledge", "does not fit mal.ptp");
    const Value fusion = plan_.mlp(out.knowledge, knowledge, activation_, "ptp/knowledge", true, {}, v_p);
    out.primary = tower(fusion, own.widths("head"), 1, "ptp/head").logits;
    return own.finish();
  }

  // Where natal's towers begin: one bottom for all; moae: a public and a private SENet-gated expert each.
  Values natal_inputs(const std::string& type, const Names& towers, ConfigReader& own) {
    if (type == "natal") return Values(towers.size(), plan_.mlp(z_, config_.widths("bottom"), activation_, "bottom"));
    if (senet_reduction_ == 0) return own.fail("expert", "has no model.senet.reduction"), Values(towers.size(), z_);
    const Widths widths = expert_widths(own);
    const auto expert = [&](const std::string& name) {
      return plan_.mlp(plan_.senet(z_, senet_reduction_, name + "/senet"), widths, activation_, name);
    };
    const Value shared = expert("moae/public");
    Values x;
    for (const std::string& name : towers) x.push_back(plan_.concat({shared, expert("moae/private/" + name)}));
    return x;
  }

  // The auxiliary towers' hidden layers are injected into the primary's, depth by depth:
  //   h = act(W_k h), then h = act(V_k [h; a_1,k; …; a_n,k] + h)
  bool natal(const std::string& type, Outputs& out) {
    ConfigReader own = config_.section(type);
    Names others;
    for (const std::string& view : views_)
      if (view != primary_) others.push_back(view);
    Names towers = {"primary"};
    towers.insert(towers.end(), others.begin(), others.end());
    Values x = natal_inputs(type, towers, own);
    for (std::size_t k = 0; k < tower_.size(); ++k) {
      const std::string depth = "/" + std::to_string(k);
      const std::size_t width = tower_[k];
      const Value all = plan_.buffer(towers.size() * width);
      for (std::size_t t = 0; t < towers.size(); ++t)
        x[t] = plan_.linear(x[t], width, activation_, path({type, "/", towers[t], depth}),
                            Plan::slice(all, t * width, width));
      x[0] = plan_.linear(all, width, activation_, path({type, "/inject", depth}), {}, x[0]);
    }
    for (std::size_t t = 0; t < towers.size(); ++t) {
      const Tower made = {x[t], linear(x[t], 1, path({type, "/", towers[t], "/logit"}))};
      add_head(t == 0 ? primary_ : towers[t], made, out);
    }
    return own.finish();
  }

  Plan& plan_;
  ConfigReader& config_;
  const std::vector<std::string>& views_;
  Value z_;
  Activation activation_ = Activation::relu;
  std::vector<std::size_t> tower_;
  std::string primary_;
  std::size_t senet_reduction_;
};

}  // namespace mal::infer::detail

// A loaded model: everything a scorer reads, checked and never changed after. Shared by all threads.

namespace mal::infer::detail {

// Vocabulary of a table, in place: hashes in rising order, and for each its row and its text.
struct Vocabulary {
  const unsigned char *keys = nullptr, *rows = nullptr, *offsets = nullptr, *text = nullptr;
  std::uint64_t count = 0;

  std::uint64_t key(std::uint64_t i) const { return load_as<std::uint64_t>(keys + 8 * i); }
  std::uint64_t offset(std::uint64_t i) const { return load_as<std::uint64_t>(offsets + 8 * i); }

  // Hashes are spread evenly, so their place can be guessed: within √count at first; each further guess, which knows
  // the key at the last one, is off by about the root of the distance between them.
  // The upper halves of the hashes are enough for fewer than 2^31 entries (kMaxRows), whose products fit in 64 bits.
  std::uint64_t first_guess(std::uint64_t hash) const { return (hash >> 32) * count >> 32; }
  std::uint64_t better_guess(std::uint64_t hash, std::uint64_t first) const {
    const std::int64_t away = static_cast<std::int64_t>(hash - key(first)) >> 32;
    const std::int64_t place = static_cast<std::int64_t>(first) + (away * static_cast<std::int64_t>(count) >> 32);
    return static_cast<std::uint64_t>(std::min(static_cast<std::int64_t>(count) - 1, std::max<std::int64_t>(0, place)));
  }
  // The first entry whose key is not below the hash, from a guess outward: logarithmic, whatever a file holds.
  std::uint64_t lower_bound(std::uint64_t hash, std::uint64_t guess) const {
    std::uint64_t low = guess, high = guess, step = 1;
    for (; low > 0 && key(low - 1) >= hash; step *= 2) high = low, low -= std::min(low, step);
    if (low == guess)
      for (; high < count && key(high) < hash; step *= 2) low = high + 1, high += std::min(count - high, step);
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (key(middle) < hash)
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  }
  // 0: unseen. Equal hashes are told apart by their texts.
  std::int32_t row_at(std::uint64_t hash, std::uint64_t entry, std::string_view value) const {
    for (; entry < count && key(entry) == hash; ++entry) {
      const std::uint64_t begin = offset(entry), size = offset(entry + 1) - begin;
      if (size == value.size() && std::memcmp(text + begin, value.data(), value.size()) == 0)
        return load_as<std::int32_t>(rows + 4 * entry);
    }
    return 0;
  }
  // The same within four of a guess, without a branch that nobody can foresee.
  std::uint64_t locate(std::uint64_t hash, std::uint64_t guess) const {
    constexpr std::uint64_t kWindow = 8;
    if (count < kWindow) return lower_bound(hash, guess);
    const std::uint64_t first = std::min(guess < kWindow / 2 ? 0 : guess - kWindow / 2, count - kWindow);
    std::uint64_t below = 0;
    for (std::uint64_t i = 0; i < kWindow; ++i) below += key(first + i) < hash ? 1 : 0;
    const bool inside = (below > 0 || first == 0) && (below < kWindow || first + kWindow == count);
    return inside ? first + below : lower_bound(hash, guess);
  }
};

// A value on its way to its row. Many are looked up together: every step of all before the next one, so that their
// cache misses overlap.
struct Lookup {
  const Vocabulary* vocabulary = nullptr;
  std::string_view value;
  std::uint64_t hash = 0, place = 0;
  std::int32_t row = 0;  // the result; 0: unseen

  static constexpr std::size_t kTogether = 32;

  void start(const Vocabulary& where, std::string_view what) {
    vocabulary = &where;
    value = what;
    if (where.count == 0) return;
    hash = xxh3_64(value);
    place = where.first_guess(hash);
    prefetch(where.keys + 8 * place);
  }
  static void finish(Lookup* all, std::size_t n) {
    for (int round = 0; round < 2; ++round)
      for (std::size_t i = 0; i < n; ++i) all[i].approach();
    for (std::size_t i = 0; i < n; ++i) all[i].locate();
    for (std::size_t i = 0; i < n; ++i)
      if (all[i].vocabulary->count > 0) prefetch(all[i].vocabulary->text + all[i].vocabulary->offset(all[i].place));
    for (std::size_t i = 0; i < n; ++i) {
      const Vocabulary& v = *all[i].vocabulary;
      all[i].row = v.count == 0 ? 0 : v.row_at(all[i].hash, all[i].place, all[i].value);
    }
  }

 private:
  void approach() {
    const Vocabulary& v = *vocabulary;
    if (v.count == 0) return;
    place = v.better_guess(hash, place);
    prefetch(v.keys + 8 * (place < 4 ? 0 : place - 4));
    prefetch(v.keys + 8 * std::min(v.count - 1, place + 3));
  }
  void locate() {
    const Vocabulary& v = *vocabulary;
    if (v.count == 0) return;
    place = std::min(v.count - 1, v.locate(hash, place));
    prefetch(v.offsets + 8 * place);
    prefetch(v.rows + 4 * place);
  }
};

struct Table {
  Type type = Type::f32;
  const unsigned char* data = nullptr;
  const float* scale = nullptr;  // of I8: one a row
  std::uint64_t rows = 0, hash = 0;
  std::size_t row_bytes = 0;
  Vocabulary vocabulary;

  const unsigned char* row(std::int32_t index) const { return data + static_cast<std::size_t>(index) * row_bytes; }
  void read(std::int32_t index, std::size_t dim, float* out) const {
    const unsigned char* from = row(index);
    if (type == Type::f32) {
      std::memcpy(out, from, dim * sizeof(float));
    } else if (type == Type::bf16) {
      for (std::size_t i = 0; i < dim; ++i) out[i] = widened(load_as<std::uint16_t>(from + 2 * i));
    } else {
      const float factor = scale[index];
      for (std::size_t i = 0; i < dim; ++i) out[i] = factor * static_cast<float>(static_cast<signed char>(from[i]));
    }
  }
};

// From the primary's logit to its probability: σ, or what `mal_gpu_train calibrate` fitted.
struct Calibration {
  enum class Kind { none, isotonic, platt };
  Kind kind = Kind::none;
  std::vector<float> x, y;  // isotonic: rising logits, and their probabilities; linear between them
  float slope = 1, shift = 0;

  static float sigmoid(double x) {
    const double e = std::exp(-std::abs(x));
    return static_cast<float>(x >= 0 ? 1 / (1 + e) : e / (1 + e));
  }
  float probability(float logit) const {
    if (kind == Kind::none) return sigmoid(static_cast<double>(logit));
    if (kind == Kind::platt)
      return sigmoid(static_cast<double>(slope) * static_cast<double>(logit) + static_cast<double>(shift));
    const auto above = static_cast<std::size_t>(std::upper_bound(x.begin(), x.end(), logit) - x.begin());
    if (above == 0) return y.front();
    if (above == x.size()) return y.back();
    const float share = (logit - x[above - 1]) / (x[above] - x[above - 1]);
    return y[above - 1] + share * (y[above] - y[above - 1]);
  }
};

struct State {
  Bytes bytes;
  Container container;
  Schema schema;
  Trunk trunk;
  Plan plan;
  Outputs outputs;
  std::string type, primary;
  std::vector<Table> tables;    // as schema.tables
  std::vector<DinWeights> din;  // one a part of the trunk; empty but for attention
  std::vector<MultiHeadWeights> multi_head;
  std::vector<std::vector<float>> tiers;  // one a part of the trunk: [tiers, width] of SimTier embeddings
  std::vector<float> tier_weights;        // of n scores in a tier: n, log(1 + n) or log2(1 + n)
  std::vector<float> gamma, beta;         // of LayerNorm; without one, ones and zeros
  // Only linear layers read z: LayerNorm's β is in their bias, and the user's share of them is computed once a request.
  bool split = false;
  std::vector<bool> for_primary;   // steps that the primary's logit needs
  std::vector<std::string> views;  // heads beside the primary, with one logit
  std::vector<Value> view_logits;
  Calibration calibration;
  std::size_t tile = 1;  // rows that go through the steps at once
  const Kernels* kernels = nullptr;
  std::vector<std::uint64_t> required;  // columns that the network reads, a bit each
  std::vector<std::size_t> by_name;     // columns, by name

  int find_column(std::string_view name) const {
    const auto found = std::lower_bound(by_name.begin(), by_name.end(), name,
                                        [&](std::size_t c, std::string_view n) { return schema.columns[c].name < n; });
    return found != by_name.end() && schema.columns[*found].name == name ? static_cast<int>(*found) : -1;
  }
};

}  // namespace mal::infer::detail

// From a checked container to a State: configurations, then the plan, then every tensor by name and shape. Every tensor
// must be asked for once, every weight must be finite.

namespace mal::infer::detail {

// The symbolic part: what can be known without weights. The exporter calls it too.
inline bool plan_model(const Json& model, const Schema& schema, bool primary_only, State& state, Problem& problem) {
  ConfigReader reader(model, "model", problem);
  state.type = reader.text("type");
  if (!problem.ok() || !state.trunk.parse(reader) || !state.trunk.lay_out(schema, problem)) return false;
  const Trunk& trunk = state.trunk;
  Value z = state.plan.buffer(trunk.width);
  const int input = z.buffer;
  state.plan.fields = trunk.fields;
  if (trunk.senet) z = state.plan.senet(z, trunk.senet_reduction, "senet");
  if (trunk.senet && trunk.layer_norm) z = state.plan.unary(Op::layer_norm, z, {}, z.width);
  Zoo zoo(state.plan, reader, schema.views, z, trunk.senet_reduction);
  if (!problem.ok() || !zoo.build(state.type, state.outputs) || !reader.finish()) return false;
  state.primary = zoo.primary();
  std::vector<Value> outputs = {state.outputs.primary};
  if (primary_only) state.outputs.heads.clear();
  if (state.outputs.knowledge.valid()) outputs.push_back(state.outputs.knowledge);
  for (const Head& head : state.outputs.heads) outputs.push_back(head.logits);
  if (!state.plan.finish(outputs, problem)) return false;
  state.for_primary = state.plan.needed_by(state.outputs.primary);
  for (const Head& head : state.outputs.heads) {
    if (head.logits.width != 1) continue;
    state.views.push_back(head.view);
    state.view_logits.push_back(head.logits);
  }
  state.split = true;
  for (const Step& step : state.plan.steps)
    for (const Value* value : Plan::reads(step))
      if (value->buffer == input && (step.op != Op::linear || value != &step.in || value->width != trunk.width))
        state.split = false;
  return true;
}

class Loader {
 public:
  Loader(State& state, Problem& problem) : state_(state), problem_(problem) {}

  // state.bytes is filled.
  bool load() {
    Json schema, model;
    if (!state_.container.parse(state_.bytes.data(), state_.bytes.size(), problem_)) return false;
    used_.resize(state_.container.tensors().size());
    for (const char* name : {kChecksums, "padding"}) use(state_.container.find(name));
    bool primary_only = false;
    return parse_text("schema", schema) && parse_text("model", model) && state_.schema.parse(schema, problem_) &&
           parse_outputs(primary_only) && plan_model(model, state_.schema, primary_only, state_, problem_) &&
           bind_tables() && bind_trunk() && bind_steps() && bind_calibration() && all_used() && prepare();
  }

 private:
  bool parse_text(const char* key, Json& out) {
    const std::string* text = state_.container.text(key);
    if (text == nullptr) return problem_.fail(Code::damaged, std::string("the metadata has no ") + key);
    return JsonParser(*text, problem_, key).parse(out);
  }

  bool parse_outputs(bool& primary_only) {
    const std::string* outputs = state_.container.text("outputs");
    if (outputs == nullptr || (*outputs != "all" && *outputs != "primary"))
      return problem_.fail("metadata: outputs is neither all nor primary");
    primary_only = *outputs == "primary";
    return true;
  }

  void use(const TensorView* tensor) {
    if (tensor != nullptr) used_[static_cast<std::size_t>(tensor - state_.container.tensors().data())] = true;
  }

  // A tensor of the given shape and one of the given types; null with a problem otherwise.
  const TensorView* find(const std::string& name, const std::vector<std::uint64_t>& shape,
                         std::initializer_list<Type> types) {
    const TensorView* tensor = state_.container.find(name);
    const auto misfit = [&](const char* what) {
      problem_.fail("tensor " + shown(name) + what + "; export the model again");
      return nullptr;
    };
    if (tensor == nullptr) return misfit(" is missing");
    if (tensor->shape != shape) return misfit(" has another shape than the model");
    if (std::find(types.begin(), types.end(), tensor->type) == types.end()) return misfit(" has another type");
    use(tensor);
    return tensor;
  }

  bool finite(const TensorView& tensor) {
    bool good = true;
    if (tensor.type == Type::f32) {
      for (std::uint64_t i = 0; i < tensor.count; ++i)
        good &= (load_as<std::uint32_t>(tensor.data + 4 * i) & 0x7F800000U) != 0x7F800000U;
    } else if (tensor.type == Type::bf16) {
      for (std::uint64_t i = 0; i < tensor.count; ++i)
        good &= (load_as<std::uint16_t>(tensor.data + 2 * i) & 0x7F80U) != 0x7F80U;
    }
    return good || problem_.fail("tensor " + shown(tensor.name) + " holds NaN or infinity; train again");
  }

  // Weights as floats. I8 has one scale for each of the last dimension.
  bool dense(const std::string& name, const std::vector<std::uint64_t>& shape, std::vector<float>& out) {
    const TensorView* tensor = find(name, shape, {Type::f32, Type::bf16, Type::i8});
    if (tensor == nullptr || !finite(*tensor)) return false;
    out.resize(static_cast<std::size_t>(tensor->count));
    if (tensor->type == Type::f32) {
      if (!out.empty()) std::memcpy(out.data(), tensor->data, out.size() * sizeof(float));
    } else if (tensor->type == Type::bf16) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = widened(load_as<std::uint16_t>(tensor->data + 2 * i));
    } else {
      const std::size_t channels = static_cast<std::size_t>(shape.back());
      const TensorView* scale = find(name + "/scale", {channels}, {Type::f32});
      if (scale == nullptr || !finite(*scale)) return false;
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = load_as<float>(scale->data + 4 * (i % channels)) *
                 static_cast<float>(static_cast<signed char>(tensor->data[i]));
    }
    return true;
  }

  bool bind_tables() {
    for (const TableInfo& info : state_.schema.tables) {
      Table table;
      const std::string name = "embedding/" + info.name;
      const TensorView* tensor = find(name, {info.rows, state_.trunk.dim}, {Type::f32, Type::bf16, Type::i8});
      if (tensor == nullptr || !finite(*tensor)) return false;
      table.type = tensor->type;
      table.data = tensor->data;
      table.rows = info.rows;
      table.hash = info.hash;
      table.row_bytes = state_.trunk.dim * bytes_of(tensor->type);
      if (tensor->type == Type::i8) {
        const TensorView* scale = find(name + "/scale", {info.rows}, {Type::f32});
        if (scale == nullptr || !finite(*scale)) return false;
        table.scale = scale->as<float>();
      }
      if (info.hash == 0 && !bind_vocabulary(info, table.vocabulary)) return false;
      state_.tables.push_back(table);
    }
    return true;
  }

  bool bind_vocabulary(const TableInfo& info, Vocabulary& vocabulary) {
    const std::string name = "vocabulary/" + info.name;
    const std::uint64_t count = info.rows - 1;
    const TensorView* keys = find(name + "/keys", {count}, {Type::u64});
    const TensorView* rows = find(name + "/rows", {count}, {Type::i32});
    const TensorView* offsets = find(name + "/offsets", {count + 1}, {Type::u64});
    const TensorView* text = state_.container.find(name + "/text");
    if (keys == nullptr || rows == nullptr || offsets == nullptr) return false;
    if (text == nullptr || text->type != Type::u8 || text->shape.size() != 1)
      return problem_.fail("tensor " + shown(name + "/text") + " is missing or has another shape");
    use(text);
    vocabulary.keys = keys->data;
    vocabulary.rows = rows->data;
    vocabulary.offsets = offsets->data;
    vocabulary.text = text->data;
    vocabulary.count = count;
    bool good = vocabulary.offset(0) == 0 && vocabulary.offset(count) == text->count;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto row = load_as<std::uint32_t>(rows->data + 4 * i);
      good &= row >= 1 && row < info.rows && vocabulary.offset(i) <= vocabulary.offset(i + 1);
      good &= i == 0 || vocabulary.key(i - 1) <= vocabulary.key(i);
    }
    return good || problem_.fail("vocabulary " + shown(info.name) + " is not in order; export the model again");
  }

  bool bind_trunk();
  bool bind_din(const std::string& column, DinWeights& din);
  bool bind_multi_head(const std::string& column, MultiHeadWeights& attention);
  bool bind_steps();
  bool bind_linear(Step& step);
  bool fold_batch_norm(const std::string& name, std::size_t out, std::vector<float>& weight, std::vector<float>& bias);
  void fold_shift(std::size_t out, const std::vector<float>& weight, std::vector<float>& bias) const;
  static void pack(const std::vector<float>& weight, const std::vector<float>& bias, std::size_t in, std::size_t out,
                   bool halves, Weights& packed);
  bool is_bf16(const std::string& name) const {
    const TensorView* tensor = state_.container.find(name);
    return tensor != nullptr && tensor->type == Type::bf16;
  }

  bool bind_calibration() {
    Calibration& calibration = state_.calibration;
    const std::string* kind = state_.container.text("calibration");
    if (kind == nullptr) return true;
    const auto wrong = [&] { return problem_.fail("the calibration is no rising curve; calibrate again"); };
    if (*kind == "platt") {
      std::vector<float> line;
      if (!dense("calibration/platt", {2}, line)) return false;
      if (!(line[0] >= 0)) return wrong();
      calibration.kind = Calibration::Kind::platt;
      calibration.slope = line[0];
      calibration.shift = line[1];
      return true;
    }
    if (*kind != "isotonic")
      return problem_.fail(Code::unsupported, "calibration " + shown(*kind) + " is not known to this header");
    const TensorView* x = state_.container.find("calibration/x");
    if (x == nullptr || x->shape.size() != 1 || x->count == 0 || x->count > kMaxWidth) return wrong();
    if (!dense("calibration/x", {x->count}, calibration.x) || !dense("calibration/y", {x->count}, calibration.y))
      return false;
    for (std::size_t i = 0; i < calibration.x.size(); ++i) {
      if (!(calibration.y[i] >= 0 && calibration.y[i] <= 1)) return wrong();
      if (i > 0 && !(calibration.x[i - 1] < calibration.x[i] && calibration.y[i - 1] <= calibration.y[i]))
        return wrong();
    }
    calibration.kind = Calibration::Kind::isotonic;
    return true;
  }

  bool all_used() {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        return problem_.fail("tensor " + shown(state_.container.tensors()[i].name) +
                             " belongs to no part of the model; export the model again");
    return true;
  }

  bool prepare() {
    // The activations of a tile stay in the second-level cache, with room for the panels that pass by.
    constexpr std::size_t kTileFloats = 96 * 1024, kLargest = 96, kUnit = 6;
    const std::size_t fits = kTileFloats / state_.plan.row_floats;
    state_.tile = fits >= kUnit ? std::min(kLargest, fits / kUnit * kUnit) : 1;
    state_.kernels = &kernels();
    const std::vector<ColumnSpec>& columns = state_.schema.columns;
    state_.required.resize((columns.size() + 63) / 64);
    const auto require = [&](std::size_t c) { state_.required[c / 64] |= std::uint64_t{1} << c % 64; };
    for (const Part& part : state_.trunk.parts) {
      require(part.column);
      if (part.kind == PartKind::attention && state_.trunk.attention == Attention::din) require(part.target);
    }
    for (std::size_t c = 0; c < columns.size(); ++c) state_.by_name.push_back(c);
    std::sort(state_.by_name.begin(), state_.by_name.end(),
              [&](std::size_t a, std::size_t b) { return columns[a].name < columns[b].name; });
    return true;
  }

  State& state_;
  Problem& problem_;
  std::vector<bool> used_;
};

}  // namespace mal::infer::detail

// The trunk's and the steps' weights: read by name, folded, and laid out as the kernels want them.

namespace mal::infer::detail {

inline bool Loader::bind_trunk() {
  const Trunk& trunk = state_.trunk;
  state_.din.resize(trunk.parts.size());
  state_.multi_head.resize(trunk.parts.size());
  state_.tiers.resize(trunk.parts.size());
  std::size_t longest = 0;
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    const ColumnSpec& column = state_.schema.columns[trunk.parts[p].column];
    if (trunk.parts[p].kind == PartKind::attention) {
      const bool bound = trunk.attention == Attention::mha ? bind_multi_head(column.name, state_.multi_head[p])
                                                           : bind_din(column.name, state_.din[p]);
      if (!bound) return false;
    }
    if (trunk.parts[p].kind != PartKind::simtier) continue;
    longest = std::max(longest, column.length);
    if (trunk.simtier == SimTier::embedding &&
        !dense("simtier/" + column.name + "/tiers", {trunk.tiers, trunk.tier_width}, state_.tiers[p]))
      return false;
  }
  for (std::size_t n = 0; n <= longest; ++n) {
    const auto count = static_cast<float>(n);
    state_.tier_weights.push_back(trunk.simtier == SimTier::embedding ? std::log2(1.0F + count)
                                  : trunk.log1p                       ? std::log1p(count)
                                                                      : count);
  }
  state_.gamma.assign(trunk.width, 1.0F);
  state_.beta.assign(trunk.width, 0.0F);
  return !trunk.layer_norm || (dense("input_norm/gamma", {trunk.width}, state_.gamma) &&
                               dense("input_norm/beta", {trunk.width}, state_.beta));
}

inline bool Loader::bind_din(const std::string& column, DinWeights& din) {
  const std::string name = "attention/" + column;
  const std::size_t d = state_.trunk.dim, h = state_.trunk.din_hidden, wide = padded(h, 8);
  std::vector<float> w1, b1, alpha, w2, b2;
  if (!dense(name + "/w1", {4 * d, h}, w1) || !dense(name + "/b1", {h}, b1) || !dense(name + "/alpha", {h}, alpha) ||
      !dense(name + "/w2", {h, 1}, w2) || !dense(name + "/b2", {1}, b2))
    return false;
  din.width = d;
  din.hidden = h;
  din.padded_hidden = wide;
  din.softmax = state_.trunk.softmax;
  for (auto* matrix : {&din.a, &din.c, &din.d}) matrix->resize(d * wide);
  for (auto* vector : {&din.b1, &din.alpha, &din.w2}) vector->resize(wide);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t k = 0; k < h; ++k) {
      const std::size_t at = i * wide + k, from = i * h + k;
      din.a[at] = w1[from] + w1[2 * d * h + from];
      din.c[at] = w1[d * h + from] - w1[2 * d * h + from];
      din.d[at] = w1[3 * d * h + from];
    }
  std::copy(b1.begin(), b1.end(), din.b1.begin());
  std::copy(alpha.begin(), alpha.end(), din.alpha.begin());
  std::copy(w2.begin(), w2.end(), din.w2.begin());
  din.b2 = b2[0];
  return true;
}

// 1/√(d/H) goes into the keys. They and the values lie side by side: one product makes both.
inline bool Loader::bind_multi_head(const std::string& column, MultiHeadWeights& attention) {
  const std::string name = "attention/" + column;
  const std::size_t d = state_.trunk.dim, asked = state_.trunk.query_width;
  std::vector<float> query, query_bias, key, value, value_bias, output, output_bias;
  if (!dense(name + "/query/weight", {asked, d}, query) || !dense(name + "/query/bias", {d}, query_bias) ||
      !dense(name + "/key/weight", {d, d}, key) || !dense(name + "/value/weight", {d, d}, value) ||
      !dense(name + "/value/bias", {d}, value_bias) || !dense(name + "/output/weight", {d, d}, output) ||
      !dense(name + "/output/bias", {d}, output_bias))
    return false;
  const std::size_t of_head = d / state_.trunk.heads;
  const float scale = 1.0F / std::sqrt(static_cast<float>(of_head));
  std::vector<float> both(2 * d * d), both_bias(2 * d);
  for (std::size_t i = 0; i < d; ++i)
    for (std::size_t k = 0; k < d; ++k) {
      both[i * 2 * d + k] = scale * key[i * d + k];
      both[i * 2 * d + d + k] = value[i * d + k];
    }
  std::copy(value_bias.begin(), value_bias.end(), both_bias.begin() + static_cast<std::ptrdiff_t>(d));
  pack(query, query_bias, asked, d, false, attention.query);
  pack(both, both_bias, d, 2 * d, false, attention.key_value);
  pack(output, output_bias, d, d, false, attention.output);
  return true;
}

inline bool Loader::bind_steps() {
  for (Step& step : state_.plan.steps) {
    if (step.op == Op::linear && !bind_linear(step)) return false;
    if (!step.native.empty() && !dense(step.native, {step.self_count}, step.native_weights)) return false;
  }
  return true;
}

inline bool Loader::bind_linear(Step& step) {
  const std::size_t in = step.in.width, out = step.out.width;
  std::vector<float> weight, bias(out);
  if (!dense(step.weight, step.transposed ? std::vector<std::uint64_t>{out, in} : std::vector<std::uint64_t>{in, out},
             weight))
    return false;
  if (step.transposed) {
    std::vector<float> turned(weight.size());
    for (std::size_t k = 0; k < in; ++k)
      for (std::size_t n = 0; n < out; ++n) turned[k * out + n] = weight[n * in + k];
    weight = std::move(turned);
  }
  if (!step.bias.empty() && !dense(step.bias, {out}, bias)) return false;
  if (!step.norm.empty() && !fold_batch_norm(step.norm, out, weight, bias)) return false;
  if (state_.split && step.in.buffer == 0 && state_.trunk.layer_norm) fold_shift(out, weight, bias);
  // Rounded weights that a norm was folded into are no bf16 any more.
  pack(weight, bias, in, out, is_bf16(step.weight) && step.norm.empty(), step.weights);
  return true;
}

inline void Loader::pack(const std::vector<float>& weight, const std::vector<float>& bias, std::size_t in,
                         std::size_t out, bool halves, Weights& packed) {
  const std::size_t size = padded(out) * in;
  if (halves)
    packed.halves.resize(size), packed.half_strips.resize(size);
  else
    packed.panels.resize(size), packed.strips.resize(size);
  packed.bias.assign(padded(out), 0.0F);
  std::copy(bias.begin(), bias.end(), packed.bias.begin());
  for (std::size_t k = 0; k < in; ++k)
    for (std::size_t n = 0; n < out; ++n) {
      const float value = weight[k * out + n];
      const std::size_t lane = n % kLanes, panel = panel_place(in, k, n - lane);
      const std::size_t strip = strip_place(in, out, k, n - lane);
      if (halves)
        packed.halves[panel + half_place(lane)] = packed.half_strips[strip + half_place(lane)] =
            static_cast<std::uint16_t>(load_as<std::uint32_t>(&value) >> 16);
      else
        packed.panels[panel + lane] = packed.strips[strip + lane] = value;
    }
}

// y = γ (x W + b − mean) / √(variance + ε) + β is a linear layer again.
inline bool Loader::fold_batch_norm(const std::string& name, std::size_t out, std::vector<float>& weight,
                                    std::vector<float>& bias) {
  constexpr double kEpsilon = 1e-5;
  std::vector<float> gamma, beta, mean, variance;
  if (!dense(name + "/gamma", {out}, gamma) || !dense(name + "/beta", {out}, beta) ||
      !dense(name + "/mean", {out}, mean) || !dense(name + "/variance", {out}, variance))
    return false;
  for (std::size_t n = 0; n < out; ++n) {
    if (variance[n] < 0) return problem_.fail(name + ": a variance is negative");
    const double scale = static_cast<double>(gamma[n]) / std::sqrt(static_cast<double>(variance[n]) + kEpsilon);
    for (std::size_t at = n; at < weight.size(); at += out)
      weight[at] = static_cast<float>(static_cast<double>(weight[at]) * scale);
    bias[n] = static_cast<float>((static_cast<double>(bias[n]) - static_cast<double>(mean[n])) * scale +
                                 static_cast<double>(beta[n]));
  }
  return true;
}

// (x̂ γ + β) W + b = (x̂ γ) W + (β W + b). γ stays with x̂, so that W stays what the file says.
inline void Loader::fold_shift(std::size_t out, const std::vector<float>& weight, std::vector<float>& bias) const {
  for (std::size_t n = 0; n < out; ++n) {
    double shift = static_cast<double>(bias[n]);
    for (std::size_t k = 0; k < state_.beta.size(); ++k)
      shift += static_cast<double>(state_.beta[k]) * static_cast<double>(weight[k * out + n]);
    bias[n] = static_cast<float>(shift);
  }
}

}  // namespace mal::infer::detail

// The values of one user or one ad, turned into table rows and numbers as the training data was. Encoding happens in
// set(): an ad's Features can be kept and scored for many users.

namespace mal::infer {

// A column found once by name, for hot loops.
struct Column {
  int index = -1;
  bool valid() const noexcept { return index >= 0; }
};

// What set() met that the training data did not have; never an error, never silent.
struct FeatureCounts {
  std::uint64_t unseen = 0;     // ids without a row of their own: they get row 0
  std::uint64_t empty = 0;      // ids given as empty text: row 0 too
  std::uint64_t truncated = 0;  // lists longer than the column; the oldest, first items were dropped
  std::uint64_t clamped = 0;    // scores outside [−1, 1]
  std::uint64_t missing = 0;    // numbers given as NaN, or as text that says so
};

class Features {
 public:
  // One value as text, as in a sample file: an id, a number, or a list with '|' between its items. Empty text is an
  // unknown id or an empty list, and a missing number where the schema says what stands for it (as NA, NULL, nan …
  // are).
  Status try_set(std::string_view column, std::string_view text) { return try_set_named(column, text); }
  Status try_set(Column column, std::string_view text);
  // A whole number: the id with that text, or the value of a number column.
  Status try_set(std::string_view column, std::int64_t value) { return try_set_named(column, value); }
  Status try_set(Column column, std::int64_t value);
  // A number; NaN is a missing one.
  Status try_set(std::string_view column, double value) { return try_set_named(column, value); }
  Status try_set(Column column, double value);
  // Lists: ids as texts or whole numbers, scores as floats; the oldest first.
  Status try_set(Column column, const std::string_view* values, std::size_t count);
  Status try_set(Column column, const std::int64_t* values, std::size_t count);
  Status try_set(Column column, const float* values, std::size_t count);
  // Rows of the column's embedding table, for callers that keep them (row_of).
  Status try_set_rows(Column column, const std::int32_t* rows, std::size_t count);
  // A number that is transformed and standardised already, as a data set stores it; NaN is a missing one.
  Status try_set_scaled(Column column, float value);

  Column find(std::string_view column) const noexcept { return {state_->find_column(column)}; }
  void clear() noexcept {  // as new; keeps its memory
    std::fill(given_.begin(), given_.end(), 0);
    counts_ = {};
    waiting_count_ = 0;
  }
  const FeatureCounts& counts() const noexcept {
    settle();
    return counts_;
  }

#if MAL_INFER_EXCEPTIONS
  template <typename Where, typename Value>
  void set(Where column, const Value& value) {
    set_any(as_column(column), value);
  }
  template <typename Where, typename Value>
  void set(Where column, const Value* values, std::size_t count) {
    detail::raise(try_set(as_column(column), values, count));
  }
#endif

 private:
  friend class Model;
  friend class Scorer;
  using Spec = detail::ColumnSpec;

  explicit Features(std::shared_ptr<const detail::State> state)
      : state_(std::move(state)),
        ids_(state_->schema.id_cells),
        values_(state_->schema.value_cells),
        lengths_(state_->schema.columns.size()),
        given_(state_->required.size()) {}

#if MAL_INFER_EXCEPTIONS
  Column as_column(Column column) const {
    return column;
  }
  Column as_column(std::string_view name) const {
    const Column column = find(name);
    if (!column.valid()) detail::raise(unknown(name));
    return column;
  }
  void set_any(Column column, std::string_view text) {
    detail::raise(try_set(column, text));
  }
  void set_any(Column column, const char* text) {
    detail::raise(try_set(column, std::string_view(text)));
  }
  void set_any(Column column, const std::string& text) {
    detail::raise(try_set(column, std::string_view(text)));
  }
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic<Number>::value>>
  void set_any(Column column, Number value) {
    using Wide = std::conditional_t<std::is_integral<Number>::value, std::int64_t, double>;
    detail::raise(try_set(column, static_cast<Wide>(value)));
  }
  template <typename Item>
  void set_any(Column column, const std::vector<Item>& list) {
    detail::raise(try_set(column, list.data(), list.size()));
  }
#endif

  template <typename Value>
  Status try_set_named(std::string_view name, Value value) {
    const Column column = find(name);
    return column.valid() ? try_set(column, value) : unknown(name);
  }
  static Status unknown(std::string_view name) {
    return detail::refuse("the model reads no column ", name, "; Model::columns() lists them");
  }
  Status wrong(Column column, const char* what) const {
    if (!in_range(column)) return detail::refuse("the model does not read such a column; Model::columns() lists them");
    return detail::refuse("column ", spec(column).name, what);
  }
  bool in_range(Column column) const {
    return column.index >= 0 && static_cast<std::size_t>(column.index) < lengths_.size();
  }
  const Spec& spec(Column column) const {
    return state_->schema.columns[static_cast<std::size_t>(column.index)];
  }
  bool is(Column column, Kind kind) const {
    return in_range(column) && spec(column).kind == kind;
  }
  bool is_id_list(Column column) const {
    return in_range(column) && (spec(column).kind == Kind::ids || spec(column).kind == Kind::sequence);
  }

  struct Digits {
    char text[24];
  };
  static std::string_view as_text(std::string_view value, Digits&) {
    return value;
  }
  static std::string_view as_text(std::int64_t value, Digits& digits) {
    const auto end = std::to_chars(digits.text, digits.text + sizeof(digits.text), value).ptr;
    return {digits.text, static_cast<std::size_t>(end - digits.text)};
  }
  const detail::Table& table_of(const Spec& column) const {
    return state_->tables[static_cast<std::size_t>(column.table)];
  }
  static std::int32_t hashed(const detail::Table& table, std::string_view value) {
    return static_cast<std::int32_t>(detail::xxh3_64(value) & (table.hash - 1));
  }
  static bool is_missing(std::string_view text);
  Status set_number(Column column, float stored);
  void set_id(Column column, std::string_view value);
  void settle_waiting() const;
  void settle() const {
    if (waiting_count_ > 0) settle_waiting();
  }
  // At most Lookup::kTogether values.
  void find_rows(const Spec& column, const std::string_view* values, std::size_t n, std::int32_t* out) const {
    const detail::Table& table = table_of(column);
    detail::Lookup lookups[detail::Lookup::kTogether];
    if (table.hash == 0) {
      for (std::size_t i = 0; i < n; ++i) lookups[i].start(table.vocabulary, values[i]);
      detail::Lookup::finish(lookups, n);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const bool empty = values[i].empty();
      out[i] = empty ? 0 : table.hash != 0 ? hashed(table, values[i]) : lookups[i].row;
      detail::prefetch(table.row(out[i]));  // the scorer reads it soon
      counts_.empty += empty ? 1 : 0;
      counts_.unseen += !empty && table.hash == 0 && out[i] == 0 ? 1 : 0;
    }
  }
  void done(Column column, std::size_t length) {
    const auto c = static_cast<std::size_t>(column.index);
    lengths_[c] = static_cast<std::int32_t>(length);
    given_[c / 64] |= std::uint64_t{1} << c % 64;
  }
  void forget(Column column) {  // until done(): a value that fails halfway is no value
    const auto c = static_cast<std::size_t>(column.index);
    given_[c / 64] &= ~(std::uint64_t{1} << c % 64);
  }
  // The first item that is kept: a list that is too long loses its oldest.
  std::size_t newest(const Spec& column, std::size_t count) {
    if (count <= column.length) return 0;
    ++counts_.truncated;
    return count - column.length;
  }
  bool add_score(const Spec& column, std::size_t at, double score) {
    if (!std::isfinite(score)) return false;
    counts_.clamped += score < -1 || score > 1 ? 1 : 0;
    values_[column.cells + at] = static_cast<float>(std::min(1.0, std::max(-1.0, score)));
    return true;
  }
  template <typename T>
  Status set_ids(Column column, const T* values, std::size_t count);
  Status set_list_text(Column column, std::string_view text);

  std::shared_ptr<const detail::State> state_;
  // Single ids wait with a copy of their text until several can be looked up together, at the latest when somebody
  // asks: what is mutable is what that settles.
  struct Waiting {
    detail::Lookup lookup;
    Digits digits;
    std::size_t size = 0, cell = 0;
    const detail::Table* table = nullptr;
  };
  mutable std::vector<std::int32_t> ids_;
  std::vector<float> values_;
  std::vector<std::int32_t> lengths_;
  std::vector<std::uint64_t> given_;
  mutable FeatureCounts counts_;
  mutable std::array<Waiting, 12> waiting_;
  mutable std::size_t waiting_count_ = 0;
};

inline void Features::set_id(Column column, std::string_view value) {
  const Spec& s = spec(column);
  const detail::Table& table = table_of(s);
  Digits digits;
  if (value.empty() || table.hash != 0 || value.size() > sizeof(digits.text)) {
    settle();  // an older value of this column must not come later
    find_rows(s, &value, 1, ids_.data() + s.cells);
  } else {
    if (waiting_count_ == waiting_.size()) settle();
    Waiting& waiting = waiting_[waiting_count_++];
    std::copy(value.begin(), value.end(), waiting.digits.text);
    waiting.size = value.size();
    waiting.cell = s.cells;
    waiting.table = &table;
    waiting.lookup.start(table.vocabulary, value);
  }
  done(column, 1);
}

inline void Features::settle_waiting() const {
  detail::Lookup lookups[std::tuple_size<decltype(waiting_)>::value];
  for (std::size_t i = 0; i < waiting_count_; ++i) {
    lookups[i] = waiting_[i].lookup;
    lookups[i].value = {waiting_[i].digits.text, waiting_[i].size};
  }
  detail::Lookup::finish(lookups, waiting_count_);
  for (std::size_t i = 0; i < waiting_count_; ++i) {
    ids_[waiting_[i].cell] = lookups[i].row;
    detail::prefetch(waiting_[i].table->row(lookups[i].row));
    counts_.unseen += lookups[i].row == 0 ? 1 : 0;
  }
  waiting_count_ = 0;
}

inline Status Features::try_set(Column column, std::string_view text) {
  if (!in_range(column)) return wrong(column, "");
  forget(column);
  const Spec& s = spec(column);
  if (s.kind == Kind::id) {
    set_id(column, text);
    return {};
  }
  if (s.kind != Kind::number) return set_list_text(column, text);
  double value = 0;
  if (detail::JsonParser::parse_real(text.data(), text.data() + text.size(), value)) return try_set(column, value);
  if (!is_missing(text)) return wrong(column, ": this text is no number");
  return set_number(column, std::numeric_limits<float>::quiet_NaN());
}

// What mal_data prepare takes for a missing number.
inline bool Features::is_missing(std::string_view text) {
  constexpr std::string_view kTexts[] = {"",     "\\N", "NULL", "null", "nan",  "NaN",       "NAN",
                                         "None", "NaT", "<NA>", "N/A",  "#N/A", "undefined", "NA"};
  return std::find(std::begin(kTexts), std::end(kTexts), text) != std::end(kTexts);
}

// As the network gets it; NaN: missing.
inline Status Features::set_number(Column column, float stored) {
  const Spec& s = spec(column);
  const bool missing = std::isnan(stored);
  if (missing && !s.fillable)
    return wrong(column, ": the number is missing, and the schema has no `default` or `missing: indicator` for it");
  values_[s.cells] = missing ? s.fill : stored;
  if (s.indicator) values_[s.cells + 1] = missing ? 1.0F : 0.0F;
  counts_.missing += missing ? 1 : 0;
  done(column, 1);
  return {};
}

inline Status Features::try_set(Column column, std::int64_t value) {
  if (is(column, Kind::number)) return try_set(column, static_cast<double>(value));
  if (!is(column, Kind::id)) return wrong(column, ": one whole number is no value of this kind of column");
  Digits digits;
  set_id(column, as_text(value, digits));
  return {};
}

inline Status Features::try_set(Column column, double value) {
  if (!is(column, Kind::number)) return wrong(column, ": a real number is a value of number columns alone");
  forget(column);
  const Spec& s = spec(column);
  if (std::isnan(value)) return set_number(column, std::numeric_limits<float>::quiet_NaN());
  if (std::isinf(value)) return wrong(column, ": infinity is no value");
  if (s.log1p && value <= -1) return wrong(column, ": log(1 + x) is not defined at or below -1");
  const auto stored = static_cast<float>(((s.log1p ? std::log1p(value) : value) - s.mean) / s.deviation);
  if (!std::isfinite(stored)) return wrong(column, ": the value is too large");
  return set_number(column, stored);
}

template <typename T>
Status Features::set_ids(Column column, const T* values, std::size_t count) {
  if (!is_id_list(column)) return wrong(column, ": a list of ids is a value of ids and sequence columns alone");
  if (values == nullptr && count > 0) return wrong(column, ": the list is null");
  forget(column);
  const Spec& s = spec(column);
  const std::size_t first = newest(s, count);
  constexpr std::size_t kTogether = detail::Lookup::kTogether;
  Digits digits[kTogether];
  std::string_view texts[kTogether];
  for (std::size_t i = first; i < count; i += kTogether) {
    const std::size_t n = std::min(kTogether, count - i);
    for (std::size_t k = 0; k < n; ++k) texts[k] = as_text(values[i + k], digits[k]);
    find_rows(s, texts, n, ids_.data() + s.cells + i - first);
  }
  done(column, count - first);
  return {};
}
inline Status Features::try_set(Column column, const std::string_view* values, std::size_t count) {
  return set_ids(column, values, count);
}
inline Status Features::try_set(Column column, const std::int64_t* values, std::size_t count) {
  return set_ids(column, values, count);
}

inline Status Features::try_set(Column column, const float* values, std::size_t count) {
  if (!is(column, Kind::scores)) return wrong(column, ": a list of floats is a value of scores columns alone");
  if (values == nullptr && count > 0) return wrong(column, ": the list is null");
  forget(column);
  const Spec& s = spec(column);
  const std::size_t first = newest(s, count);
  for (std::size_t i = first; i < count; ++i)
    if (!add_score(s, i - first, static_cast<double>(values[i]))) return wrong(column, ": a score is NaN or infinite");
  done(column, count - first);
  return {};
}

inline Status Features::try_set_rows(Column column, const std::int32_t* rows, std::size_t count) {
  if (!is_id_list(column) && !is(column, Kind::id)) return wrong(column, ": it has no embedding table");
  const Spec& s = spec(column);
  const std::uint64_t limit = state_->tables[static_cast<std::size_t>(s.table)].rows;
  if ((rows == nullptr && count > 0) || count > s.length || (s.kind == Kind::id && count != 1))
    return wrong(column, ": so many rows do not fit");
  for (std::size_t i = 0; i < count; ++i)
    if (rows[i] < 0 || static_cast<std::uint64_t>(rows[i]) >= limit)
      return wrong(column, ": a row is not in its table");
  settle();  // an older value of this column must not come later
  if (count > 0) std::copy_n(rows, count, ids_.begin() + static_cast<std::ptrdiff_t>(s.cells));
  done(column, count);
  return {};
}

inline Status Features::try_set_scaled(Column column, float value) {
  if (!is(column, Kind::number) || std::isinf(value)) return wrong(column, ": it takes one finite number");
  forget(column);
  return set_number(column, value);
}

// '|' between items; an empty field is an empty list, an empty item an unknown id.
inline Status Features::set_list_text(Column column, std::string_view text) {
  const Spec& s = spec(column);
  const auto items = static_cast<std::size_t>(std::count(text.begin(), text.end(), '|')) + (text.empty() ? 0 : 1);
  const std::size_t first = newest(s, items);
  constexpr std::size_t kTogether = detail::Lookup::kTogether;
  std::string_view texts[kTogether];
  for (std::size_t i = 0; i < items; ++i) {
    const std::size_t end = std::min(text.size(), text.find('|'));
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (i < first) continue;
    const std::size_t at = i - first;
    if (s.kind != Kind::scores) {
      texts[at % kTogether] = item;
      if (at % kTogether == kTogether - 1 || i + 1 == items)
        find_rows(s, texts, at % kTogether + 1, ids_.data() + s.cells + at / kTogether * kTogether);
      continue;
    }
    double score = 0;
    if (!detail::JsonParser::parse_real(item.data(), item.data() + item.size(), score) || !add_score(s, at, score))
      return wrong(column, ": an item is no number");
  }
  done(column, items - first);
  return {};
}

}  // namespace mal::infer

// The forward pass. A scorer belongs to one thread; all memory is taken when it is made.

namespace mal::infer {

// Where predict() puts what is asked for; null: not asked for. n = the number of ads.
struct Predictions {
  float* probability = nullptr;  // [n] of the primary view, calibrated
  float* logit = nullptr;        // [n] of the primary view
  float* views = nullptr;        // [n, Model::views().size()] probabilities of the other heads
  float* knowledge = nullptr;    // [n, Model::knowledge_width()]
};

class Scorer {
 public:
  // The columns given here hold for every ad until the next set_user; their share of the network is computed now. Which
  // columns those are is the caller's choice, each request anew (an ad's columns may be among them).
  Status try_set_user(const Features& user);
  void clear_user() noexcept;  // every column comes with the ads again

  Status try_predict(const Features& ad, float& probability) {
    const Features* one = &ad;
    Predictions out;
    out.probability = &probability;
    return predict_all(&one, nullptr, 1, out);
  }
  Status try_predict(const Features* ads, std::size_t count, const Predictions& out) {
    return predict_all(nullptr, ads, count, out);
  }
  Status try_predict(const Features* const* ads, std::size_t count, const Predictions& out) {
    return predict_all(ads, nullptr, count, out);
  }

#if MAL_INFER_EXCEPTIONS
  void set_user(const Features& user) {
    detail::raise(try_set_user(user));
  }
  float predict(const Features& ad) {
    float probability = 0;
    detail::raise(try_predict(ad, probability));
    return probability;
  }
  void predict(const std::vector<Features>& ads, std::vector<float>& probabilities) {
    probabilities.resize(ads.size());
    Predictions out;
    out.probability = probabilities.data();
    detail::raise(try_predict(ads.data(), ads.size(), out));
  }
  void predict(const Features* ads, std::size_t count, const Predictions& out) {
    detail::raise(try_predict(ads, count, out));
  }
#endif

 private:
  friend class Model;
  using Segment = detail::Segment;
  using Part = detail::Part;

  explicit Scorer(std::shared_ptr<const detail::State> state);

  static bool has(const std::vector<std::uint64_t>& bits, std::size_t column) {
    return (bits[column / 64] >> column % 64 & 1U) != 0;
  }
  bool of_user(const Part& part) const {
    return has(user_given_, part.column) && (part.kind != detail::PartKind::attention || has_target(part));
  }
  // What a sequence is compared with came with the user.
  bool has_target(const Part& part) const {
    if (state_->trunk.attention != detail::Attention::mha) return has(user_given_, part.target);
    return user_asks_;
  }
  Status check(const Features& ad) const;
  Status missing(const Features& ad) const;
  Status predict_all(const Features* const* pointers, const Features* ads, std::size_t count, const Predictions& out);
  void read_part(std::size_t part, const Features& from, const Features& target, float* z);
  const float* sequence_of(std::size_t part, const Features& from, std::size_t& valid);
  static detail::Product product(const detail::Weights& weights) {
    detail::Product product;
    product.panels = weights.panels.data();
    product.strips = weights.strips.data();
    product.halves = weights.halves.empty() ? nullptr : weights.halves.data();
    product.half_strips = weights.half_strips.data();
    product.bias = weights.bias.data();
    return product;
  }
  void multiply(const detail::Weights& weights, const float* x, std::size_t inputs, std::size_t rows,
                std::size_t outputs, float* y) const;
  void attend(std::size_t part, const float* sequence, std::size_t valid, float* out);
  void layer_norm(float* z) const;
  void read_simtier(std::size_t part, const Features& from, float* out);
  void split_columns();
  void compute_user();
  void fill_row(const Features& ad, float* z, float* coefficients);
  void run(std::size_t rows, bool all);
  void run_linear(const detail::Step& step, std::size_t index, std::size_t rows);
  void run_mix(const detail::Step& step, std::size_t rows);
  void run_fields(const detail::Step& step, std::size_t rows);
  void prefetch(const Features& ad) const;
  void write(std::size_t rows, std::size_t at, const Predictions& out);

  float* at(const detail::Value& value) {
    return arena_.data() + plan().buffers[static_cast<std::size_t>(value.buffer)].offset * state_->tile + value.column;
  }
  std::size_t stride(const detail::Value& value) const {
    return plan().buffers[static_cast<std::size_t>(value.buffer)].stride;
  }
  const detail::Plan& plan() const {
    return state_->plan;
  }

  std::shared_ptr<const detail::State> state_;
  Features user_;
  std::vector<std::uint64_t> user_given_;
  detail::Lines<float> arena_;         // [row_floats · tile]
  detail::Lines<float> coefficients_;  // [tile, kExtras]
  detail::Lines<float> user_rows_;     // [2, width of z]: the user's part of z less its mean, times γ; γ
  // One a step that reads z: these two rows times its weights, and γ of the ad's sparse segments; [kExtras, padded].
  std::vector<detail::Lines<float>> extra_;
  std::vector<detail::Lines<float>> sequences_;  // one a part of the trunk: the user's embeddings
  detail::Lines<float> sequence_;                // of an ad
  detail::Lines<float> embeddings_, query_;      // mha: of one sequence, and of what asks
  detail::Lines<float> scratch_, counts_, pooled_;
  std::vector<Segment> user_segments_, ad_segments_;
  std::size_t dense_count_ = 0;           // the ad's segments after so many are sparse
  std::vector<Segment> summed_segments_;  // the user's, when all rows of extra_ but the first were made
  std::vector<std::size_t> ad_parts_;
  std::vector<const Features*> batch_;
  std::size_t user_width_ = 0;
  float user_mean_ = 0, user_squares_ = 0;  // of the user's part of z: mean and Σ (z − mean)²
  bool has_user_ = false;
  bool user_asks_ = false;  // mha: all that queries are made of came with the user
};

inline Scorer::Scorer(std::shared_ptr<const detail::State> state)
    : state_(std::move(state)), user_(state_), user_given_(state_->required.size()) {
  const detail::Trunk& trunk = state_->trunk;
  arena_.resize(plan().row_floats * state_->tile);
  coefficients_.resize(detail::kExtras * state_->tile);
  user_rows_.resize(2 * trunk.width);
  sequences_.resize(trunk.parts.size());
  std::size_t longest = 1, scratch = 1, mixed = 1;
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[p].column];
    if (trunk.parts[p].kind != detail::PartKind::attention) continue;
    const bool mha = trunk.attention == detail::Attention::mha;
    sequences_[p].resize(column.length * trunk.dim * (mha ? 2 : 1));
    longest = std::max(longest, sequences_[p].size());
    scratch = std::max(scratch, column.length + (mha ? 2 * trunk.dim : (trunk.dim + 2) * state_->din[p].padded_hidden));
  }
  extra_.resize(plan().steps.size());
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    const detail::Step& step = plan().steps[i];
    mixed = std::max(mixed, step.parts.size());
    if (!state_->split || step.op != detail::Op::linear || step.in.buffer != 0) continue;
    extra_[i].resize(detail::kExtras * detail::padded(step.out.width));
  }
  std::copy(state_->gamma.begin(), state_->gamma.end(), user_rows_.begin() + static_cast<std::ptrdiff_t>(trunk.width));
  sequence_.resize(longest);
  embeddings_.resize(trunk.attention == detail::Attention::mha ? longest / 2 : 0);
  query_.resize(trunk.query_width);
  scratch_.resize(std::max(scratch, mixed));
  counts_.resize(trunk.tiers);
  pooled_.resize(trunk.dim);
  user_segments_.reserve(trunk.parts.size());
  ad_segments_.reserve(trunk.parts.size());
  summed_segments_.reserve(trunk.parts.size());
  ad_parts_.reserve(trunk.parts.size());
  batch_.resize(state_->tile);
  split_columns();
}

inline void Scorer::clear_user() noexcept {
  std::fill(user_given_.begin(), user_given_.end(), 0);
  has_user_ = false;
  split_columns();
}

inline Status Scorer::try_set_user(const Features& user) {
  if (user.state_ != state_)
    return detail::refuse("these features were made by another model; make them with this scorer's model");
  user.settle();
  user_.ids_ = user.ids_;
  user_.values_ = user.values_;
  user_.lengths_ = user.lengths_;
  user_.given_ = user.given_;
  user_given_ = user.given_;
  has_user_ = true;
  split_columns();
  compute_user();
  return {};
}

// Which ranges of z are known with the user, and which come with each ad, the sparse ones last; neighbours are joined.
inline void Scorer::split_columns() {
  const auto append = [](std::vector<Segment>& list, std::size_t from, const Part& part) {
    if (list.size() > from && list.back().first + list.back().count == part.first)
      list.back().count += part.width;
    else
      list.push_back({part.first, part.width});
  };
  user_segments_.clear();
  ad_segments_.clear();
  ad_parts_.clear();
  user_width_ = 0;
  const std::vector<Part>& parts = state_->trunk.parts;
  user_asks_ = std::all_of(parts.begin(), parts.end(),
                           [&](const Part& part) { return !part.asks || has(user_given_, part.column); });
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!of_user(parts[p])) {
      ad_parts_.push_back(p);
      if (!parts[p].sparse()) append(ad_segments_, 0, parts[p]);
      continue;
    }
    append(user_segments_, 0, parts[p]);
    user_width_ += parts[p].width;
  }
  dense_count_ = ad_segments_.size();
  for (const std::size_t p : ad_parts_)
    if (parts[p].sparse()) append(ad_segments_, dense_count_, parts[p]);
}

inline Status Scorer::check(const Features& ad) const {
  if (ad.state_ != state_)
    return detail::refuse("these features were made by another model; make them with this scorer's model");
  std::uint64_t wrong = 0;
  for (std::size_t w = 0; w < user_given_.size(); ++w)
    wrong |= (state_->required[w] & ~(user_given_[w] | ad.given_[w])) | (user_given_[w] & ad.given_[w]);
  return wrong == 0 ? Status() : missing(ad);
}

inline Status Scorer::missing(const Features& ad) const {
  for (std::size_t c = 0; c < state_->schema.columns.size(); ++c) {
    const std::string& name = state_->schema.columns[c].name;
    if (has(user_given_, c) && has(ad.given_, c))
      return detail::refuse("column ", name, " is given with the user and with the ad; give it once");
    if (has(state_->required, c) && !has(user_given_, c) && !has(ad.given_, c))
      return detail::refuse("column ", name,
                            " is given neither with the user nor with the ad; set it (an unknown id is empty text)");
  }
  return {};
}

inline void Scorer::prefetch(const Features& ad) const {
  ad.settle();
  for (const std::size_t p : ad_parts_) {
    const Part& part = state_->trunk.parts[p];
    if (part.kind != detail::PartKind::id) continue;
    const detail::ColumnSpec& column = state_->schema.columns[part.column];
    detail::prefetch(state_->tables[static_cast<std::size_t>(column.table)].row(ad.ids_[column.cells]));
  }
}

inline void Scorer::write(std::size_t rows, std::size_t first, const Predictions& out) {
  const detail::Outputs& outputs = state_->outputs;
  for (std::size_t r = 0; r < rows; ++r) {
    const float logit = at(outputs.primary)[r * stride(outputs.primary)];
    if (out.logit != nullptr) out.logit[first + r] = logit;
    if (out.probability != nullptr) out.probability[first + r] = state_->calibration.probability(logit);
    for (std::size_t v = 0; out.views != nullptr && v < state_->view_logits.size(); ++v) {
      const detail::Value& value = state_->view_logits[v];
      out.views[(first + r) * state_->view_logits.size() + v] =
          detail::Calibration::sigmoid(static_cast<double>(at(value)[r * stride(value)]));
    }
    if (out.knowledge != nullptr)
      std::copy_n(at(outputs.knowledge) + r * stride(outputs.knowledge), outputs.knowledge.width,
                  out.knowledge + (first + r) * outputs.knowledge.width);
  }
}

inline Status Scorer::predict_all(const Features* const* pointers, const Features* ads, std::size_t count,
                                  const Predictions& out) {
  for (std::size_t first = 0; first < count; first += state_->tile) {
    const std::size_t rows = std::min(state_->tile, count - first);
    for (std::size_t r = 0; r < rows; ++r) {
      batch_[r] = pointers != nullptr ? pointers[first + r] : ads + first + r;
      if (batch_[r] == nullptr) return detail::refuse("an ad is null");
      Status status = check(*batch_[r]);
      if (!status.ok()) return status;
    }
    constexpr std::size_t kAhead = 4;
    for (std::size_t r = 0; r < std::min(kAhead, rows); ++r) prefetch(*batch_[r]);
    const detail::Value z{0, 0, state_->trunk.width};
    for (std::size_t r = 0; r < rows; ++r) {
      if (r + kAhead < rows) prefetch(*batch_[r + kAhead]);
      fill_row(*batch_[r], at(z) + r * stride(z), coefficients_.data() + detail::kExtras * r);
    }
    run(rows, out.views != nullptr);
    write(rows, first, out);
  }
  return {};
}

}  // namespace mal::infer

// What a row of z is made of: the columns of the user and of the ad, embedded, attended, counted and normalised.

namespace mal::infer {

// With x̂ = (z − μ) r and W' = γ W:  x̂ W' = r Σ_ad (z − μ) W' + r Σ_user (z − m) W' + r (m − μ) Σ_user W', m the mean of
// the user's part. The two sums over the user's part do not depend on the ad: they go into the products as two more
// inputs. The second does not depend on the user either, as long as the same columns are given. The variance follows
// from Σ (z − μ)² = Σ (z − m)² + n (m − μ)² (Chan et al.), which loses no digits.
// What is sparse of the ad's part is taken apart too, r Σ z W' − r μ Σ W', so that its zeros stay zeros: their weights
// are not read. Its second sum is a third input, without the user's values as well. But not where |μ| r is large: then
// the sums would cancel, and there is little to gain, since where a part f of z is zero, |μ| r ≤ 1 / √f.
inline void Scorer::compute_user() {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  float* z = user_rows_.data();
  for (std::size_t p = 0; p < trunk.parts.size(); ++p) {
    std::size_t valid = 0;
    if (of_user(trunk.parts[p]))
      read_part(p, user_, user_, z);
    else if (trunk.parts[p].kind == detail::PartKind::attention && has(user_given_, trunk.parts[p].column))
      sequence_of(p, user_, valid);
  }
  if (!state_->split || user_width_ == 0) return;
  float sum = 0;
  for (const Segment& s : user_segments_) sum += k.sum(z + s.first, s.count);
  user_mean_ = sum / static_cast<float>(user_width_);
  user_squares_ = 0;
  for (const Segment& s : user_segments_) {
    user_squares_ += k.squares(z + s.first, s.count, user_mean_);
    k.normalise(z + s.first, s.count, user_mean_, 1.0F, state_->gamma.data() + s.first);
  }
  const bool summed =
      std::equal(user_segments_.begin(), user_segments_.end(), summed_segments_.begin(), summed_segments_.end(),
                 [](const Segment& a, const Segment& b) { return a.first == b.first && a.count == b.count; });
  summed_segments_ = user_segments_;
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (extra_[i].empty()) continue;
    detail::Product product = Scorer::product(plan().steps[i].weights);
    product.bias = nullptr;
    product.x = z;
    product.ldx = product.inputs = trunk.width;
    product.segments = user_segments_.data();
    product.segment_count = user_segments_.size();
    product.y = extra_[i].data();
    product.ldy = product.outputs = extra_[i].size() / detail::kExtras;
    product.rows = summed ? 1 : 2;
    k.product(product);
    if (summed) continue;
    product.x += trunk.width;
    product.segments = ad_segments_.data() + dense_count_;
    product.segment_count = ad_segments_.size() - dense_count_;
    product.y += 2 * product.ldy;
    product.rows = 1;
    k.product(product);
  }
}

// The embeddings of a sequence; with mha, its keys and values: [valid, 2 dim].
inline const float* Scorer::sequence_of(std::size_t part, const Features& from, std::size_t& valid) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[part].column];
  valid = static_cast<std::size_t>(from.lengths_[trunk.parts[part].column]);
  const bool project = trunk.attention == detail::Attention::mha;
  float* out = &from == &user_ ? sequences_[part].data() : sequence_.data();
  float* embeddings = project ? embeddings_.data() : out;
  const detail::Table& table = state_->tables[static_cast<std::size_t>(column.table)];
  for (std::size_t j = 0; j < valid; ++j)
    table.read(from.ids_[column.cells + j], trunk.dim, embeddings + j * trunk.dim);
  if (project) multiply(state_->multi_head[part].key_value, embeddings, trunk.dim, valid, 2 * trunk.dim, out);
  return out;
}

// y [rows, outputs] = x [rows, inputs] W + b
inline void Scorer::multiply(const detail::Weights& weights, const float* x, std::size_t inputs, std::size_t rows,
                             std::size_t outputs, float* y) const {
  const Segment all = {0, inputs};
  detail::Product product = Scorer::product(weights);
  product.x = x;
  product.ldx = product.inputs = inputs;
  product.segments = &all;
  product.segment_count = 1;
  product.y = y;
  product.ldy = product.outputs = outputs;
  product.rows = rows;
  state_->kernels->product(product);
}

// Head h: softmax over the positions of k_j,h · q_h, then Σ p_j v_j,h; all heads together through the output layer.
// query_ is filled: parts that ask come before those that attend.
inline void Scorer::attend(std::size_t part, const float* sequence, std::size_t valid, float* out) {
  const detail::MultiHeadWeights& weights = state_->multi_head[part];
  const std::size_t d = state_->trunk.dim, of_head = d / state_->trunk.heads;
  float *query = scratch_.data(), *pooled = query + d, *scores = pooled + d;
  multiply(weights.query, query_.data(), query_.size(), 1, d, query);
  std::fill_n(pooled, d, 0.0F);
  for (std::size_t first = 0; first < d; first += of_head) {
    for (std::size_t j = 0; j < valid; ++j) {
      scores[j] = 0;
      for (std::size_t i = first; i < first + of_head; ++i) scores[j] += sequence[2 * d * j + i] * query[i];
    }
    detail::softmax(scores, valid);
    for (std::size_t j = 0; j < valid; ++j)
      for (std::size_t i = first; i < first + of_head; ++i) pooled[i] += scores[j] * sequence[2 * d * j + d + i];
  }
  multiply(weights.output, pooled, d, 1, d, out);
}

inline void Scorer::read_simtier(std::size_t part, const Features& from, float* out) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::ColumnSpec& column = state_->schema.columns[trunk.parts[part].column];
  const auto valid = static_cast<std::size_t>(from.lengths_[trunk.parts[part].column]);
  const float* scores = from.values_.data() + column.cells;
  std::fill(counts_.begin(), counts_.end(), 0.0F);
  const auto tiers = static_cast<float>(trunk.tiers);
  for (std::size_t j = 0; j < valid; ++j) {  // scores are in [−1, 1] since set()
    const auto tier = static_cast<std::size_t>((scores[j] + 1.0F) * tiers / 2.0F);
    counts_[std::min(trunk.tiers - 1, tier)] += 1.0F;
  }
  for (std::size_t t = 0; t < trunk.tiers; ++t) {
    const float weight = state_->tier_weights[static_cast<std::size_t>(counts_[t])];
    if (trunk.simtier == detail::SimTier::count) {
      out[t] = weight;
      continue;
    }
    const float* vector = state_->tiers[part].data() + t * trunk.tier_width;
    for (std::size_t q = 0; q < trunk.tier_width; ++q) out[t * trunk.tier_width + q] = weight * vector[q];
  }
}

// One part of z. target: who holds the target of an attention.
inline void Scorer::read_part(std::size_t index, const Features& from, const Features& target, float* z) {
  const Part& part = state_->trunk.parts[index];
  const detail::ColumnSpec& column = state_->schema.columns[part.column];
  const std::size_t dim = state_->trunk.dim;
  float* out = z + part.first;
  switch (part.kind) {
    case detail::PartKind::id:
      state_->tables[static_cast<std::size_t>(column.table)].read(from.ids_[column.cells], dim, out);
      break;
    case detail::PartKind::pooled: {
      const auto valid = static_cast<std::size_t>(from.lengths_[part.column]);
      std::fill_n(out, dim, 0.0F);
      for (std::size_t j = 0; j < valid; ++j) {
        state_->tables[static_cast<std::size_t>(column.table)].read(from.ids_[column.cells + j], dim, pooled_.data());
        for (std::size_t i = 0; i < dim; ++i) out[i] += pooled_[i];
      }
      if (valid == 0 || part.pooling == detail::Pooling::sum) break;
      const auto n = static_cast<float>(valid);
      const float weight = 1.0F / (part.pooling == detail::Pooling::mean ? n : std::sqrt(n));
      for (std::size_t i = 0; i < dim; ++i) out[i] *= weight;
      break;
    }
    case detail::PartKind::attention: {
      auto valid = static_cast<std::size_t>(from.lengths_[part.column]);
      const float* sequence =
          &from == &user_ && &target != &user_ ? sequences_[index].data() : sequence_of(index, from, valid);
      if (valid == 0) {
        std::fill_n(out, dim, 0.0F);
        break;
      }
      if (state_->trunk.attention == detail::Attention::mha) {
        attend(index, sequence, valid, out);
        break;
      }
      const detail::ColumnSpec& of = state_->schema.columns[part.target];
      state_->tables[static_cast<std::size_t>(of.table)].read(target.ids_[of.cells], dim, pooled_.data());
      state_->kernels->din(state_->din[index], sequence, valid, pooled_.data(), out, scratch_.data());
      break;
    }
    case detail::PartKind::simtier:
      read_simtier(index, from, out);
      break;
    case detail::PartKind::number:
      std::copy_n(from.values_.data() + column.cells, part.width, out);
      break;
  }
  if (part.asks) std::copy_n(out, part.width, query_.data() + part.query);
}

inline void Scorer::layer_norm(float* z) const {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  const auto n = static_cast<float>(trunk.width);
  const float mean = k.sum(z, trunk.width) / n;
  const float scale = 1.0F / std::sqrt(k.squares(z, trunk.width, mean) / n + trunk.epsilon);
  for (std::size_t c = 0; c < trunk.width; ++c) z[c] = (z[c] - mean) * scale * state_->gamma[c] + state_->beta[c];
}

// The ad's parts of a row of z, normalised; and what the products need to know of the row.
inline void Scorer::fill_row(const Features& ad, float* z, float* coefficients) {
  const detail::Trunk& trunk = state_->trunk;
  const detail::Kernels& k = *state_->kernels;
  for (const std::size_t p : ad_parts_) {
    const Part& part = trunk.parts[p];
    const bool user_column = has(user_given_, part.column);
    read_part(p, user_column ? user_ : ad, has_target(part) ? user_ : ad, z);
  }
  if (!state_->split) {
    for (const Segment& s : user_segments_) std::copy_n(user_rows_.data() + s.first, s.count, z + s.first);
    if (trunk.layer_norm && !trunk.senet) layer_norm(z);
    return;
  }
  coefficients[0] = 1;
  coefficients[1] = user_width_ == 0 ? 0 : user_mean_;
  coefficients[2] = 0;
  if (!trunk.layer_norm) return;
  const auto n = static_cast<float>(trunk.width), user = static_cast<float>(user_width_);
  float sum = user_width_ == 0 ? 0 : user * user_mean_;
  for (const Segment& s : ad_segments_) sum += k.sum(z + s.first, s.count);
  const float mean = sum / n, away = user_width_ == 0 ? 0 : user_mean_ - mean;
  float squares = user_width_ == 0 ? 0 : user_squares_ + user * away * away;
  for (const Segment& s : ad_segments_) squares += k.squares(z + s.first, s.count, mean);
  const float scale = 1.0F / std::sqrt(squares / n + trunk.epsilon);
  constexpr float kFar = 4;
  const bool apart = user_width_ != 0 && std::abs(mean) * scale <= kFar;
  for (std::size_t i = 0; i < ad_segments_.size(); ++i) {
    const Segment& s = ad_segments_[i];
    const float center = i < dense_count_ || !apart ? mean : 0.0F;
    k.normalise(z + s.first, s.count, center, scale, state_->gamma.data() + s.first);
  }
  coefficients[0] = scale;
  coefficients[1] = scale * away;
  coefficients[2] = apart ? -scale * mean : 0.0F;
}

}  // namespace mal::infer

// The steps of the plan over the rows of a tile.

namespace mal::infer {

inline void Scorer::run_linear(const detail::Step& step, std::size_t index, std::size_t rows) {
  detail::Product product = Scorer::product(step.weights);
  product.x = at(step.in);
  product.ldx = stride(step.in);
  product.inputs = step.in.width;
  product.segments = step.all.data();
  product.segment_count = step.all.size();
  if (!extra_[index].empty() && user_width_ > 0) {
    product.segments = ad_segments_.data();
    product.segment_count = ad_segments_.size();
    product.extra = extra_[index].data();
    product.ldextra = extra_[index].size() / detail::kExtras;
    product.coefficients = coefficients_.data();
  }
  if (step.add.valid()) {
    product.add = at(step.add);
    product.ldadd = stride(step.add);
  }
  product.y = at(step.out);
  product.ldy = stride(step.out);
  product.rows = rows;
  product.outputs = step.out.width;
  product.activation = step.activation;
  state_->kernels->product(product);
}

inline void Scorer::run_mix(const detail::Step& step, std::size_t rows) {
  const std::size_t count = step.parts.size();
  for (std::size_t r = 0; r < rows; ++r) {
    float* weights = scratch_.data();
    std::copy_n(at(step.gates) + r * stride(step.gates), count, weights);
    detail::softmax(weights, count);
    if (step.self_kind == detail::SelfGate::native)
      for (std::size_t j = 0; j < step.self_count; ++j) weights[step.self_first + j] += step.native_weights[j];
    if (step.self_kind == detail::SelfGate::sigmoid || step.self_kind == detail::SelfGate::softmax) {
      float* self = at(step.self) + r * stride(step.self);
      if (step.self_kind == detail::SelfGate::softmax) detail::softmax(self, step.self_count);
      for (std::size_t j = 0; j < step.self_count; ++j)
        weights[step.self_first + j] +=
            step.self_kind == detail::SelfGate::softmax ? self[j] : 1.0F / (1.0F + std::exp(-self[j]));
    }
    float* out = at(step.out) + r * stride(step.out);
    std::fill_n(out, step.out.width, 0.0F);
    for (std::size_t e = 0; e < count; ++e) {
      const float* part = at(step.parts[e]) + r * stride(step.parts[e]);
      for (std::size_t i = 0; i < step.out.width; ++i) out[i] += weights[e] * part[i];
    }
  }
}

inline void Scorer::run_fields(const detail::Step& step, std::size_t rows) {
  const std::vector<detail::Field>& fields = plan().fields;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* in = at(step.in) + r * stride(step.in);
    float* out = at(step.out) + r * stride(step.out);
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (step.op == detail::Op::field_means) {
        out[f] = state_->kernels->sum(in + fields[f].first, fields[f].width) / static_cast<float>(fields[f].width);
        continue;
      }
      const float logit = at(step.add)[r * stride(step.add) + f], factor = 2.0F / (1.0F + std::exp(-logit));
      for (std::size_t i = 0; i < fields[f].width; ++i) out[fields[f].first + i] = in[fields[f].first + i] * factor;
    }
  }
}

inline void Scorer::run(std::size_t rows, bool all) {
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (!all && !state_->for_primary[i]) continue;
    const detail::Step& step = plan().steps[i];
    switch (step.op) {
      case detail::Op::linear:
        run_linear(step, i, rows);
        break;
      case detail::Op::mix:
        run_mix(step, rows);
        break;
      case detail::Op::field_means:
      case detail::Op::field_scale:
        run_fields(step, rows);
        break;
      case detail::Op::layer_norm:
        for (std::size_t r = 0; r < rows; ++r) {
          float* out = at(step.out) + r * stride(step.out);
          std::copy_n(at(step.in) + r * stride(step.in), step.out.width, out);
          layer_norm(out);
        }
        break;
      case detail::Op::gate:
      case detail::Op::copy:
        for (std::size_t r = 0; r < rows; ++r) {
          const float* in = at(step.in) + r * stride(step.in);
          float* out = at(step.out) + r * stride(step.out);
          if (step.op == detail::Op::copy) {
            std::copy_n(in, step.out.width, out);
            continue;
          }
          const float* gate = at(step.add) + r * stride(step.add);
          for (std::size_t c = 0; c < step.out.width; ++c) out[c] = in[c] * 2.0F / (1.0F + std::exp(-gate[c]));
        }
        break;
    }
  }
}

}  // namespace mal::infer

// The loaded model as a user holds it: a handle that can be copied, shared between threads and dropped while others
// still score with it.

namespace mal::infer {

struct ColumnInfo {
  std::string name;
  Kind kind;
  Side side;           // as the schema says; scoring does not depend on it
  std::size_t length;  // of lists: the positions that are kept
};

class Model {
 public:
  enum class Access {
    copy,  // read into memory
    map,   // mapped: pages are shared with other processes and come in when they are used
  };

  static Result<Model> try_load(const std::string& path, Access access = Access::copy) {
    return make(path, [&](detail::Bytes& bytes, detail::Problem& problem) {
      return access == Access::map ? bytes.map(path, problem) : bytes.read(path, problem);
    });
  }
  static Result<Model> try_load_memory(const void* data, std::size_t size) {
    return make("memory",
                [&](detail::Bytes& bytes, detail::Problem& problem) { return bytes.copy(data, size, problem); });
  }

  Result<Scorer> try_scorer() const { return make_one<Scorer>(); }
  Result<Features> try_features() const { return make_one<Features>(); }

#if MAL_INFER_EXCEPTIONS
  static Model load(const std::string& path, Access access = Access::copy) {
    Result<Model> result = try_load(path, access);
    detail::raise(result.status());
    return std::move(*result);
  }
  static Model load_memory(const void* data, std::size_t size) {
    Result<Model> result = try_load_memory(data, size);
    detail::raise(result.status());
    return std::move(*result);
  }
  Scorer scorer() const {
    return Scorer(state_);
  }
  Features features() const {
    return Features(state_);
  }
#endif

  const std::string& type() const noexcept {
    return state_->type;
  }
  const std::string& primary() const noexcept {
    return state_->primary;
  }
  // Heads beside the primary, in the order of Predictions::views. Empty in a file exported with --only-primary.
  const std::vector<std::string>& views() const noexcept {
    return state_->views;
  }
  std::size_t knowledge_width() const noexcept {
    return state_->outputs.knowledge.width;
  }
  bool calibrated() const noexcept {
    return state_->calibration.kind != detail::Calibration::Kind::none;
  }
  const char* instructions() const noexcept {
    return state_->kernels->name;
  }  // "avx2", "neon", "portable"

  std::vector<ColumnInfo> columns() const {
    std::vector<ColumnInfo> list;
    for (const detail::ColumnSpec& column : state_->schema.columns)
      list.push_back({column.name, column.kind, column.side, column.length});
    return list;
  }
  Column column(std::string_view name) const noexcept {
    return {state_->find_column(name)};
  }
  // A metadata value of the file, such as "run" or "primary"; empty if there is none.
  std::string metadata(std::string_view key) const {
    const std::string* text = state_->container.text(key);
    return text == nullptr ? std::string() : *text;
  }

 private:
  explicit Model(std::shared_ptr<const detail::State> state) : state_(std::move(state)) {}

  template <typename T>
  Result<T> make_one() const {
    std::optional<T> made;
    Status status = detail::guarded([&]() -> Status {
      made = T(state_);
      return {};
    });
    if (!status.ok()) return Result<T>(std::move(status));
    return Result<T>(std::move(*made));
  }

  template <typename Fill>
  static Result<Model> make(const std::string& name, Fill&& fill) {
    std::shared_ptr<const detail::State> state;
    Status status = detail::guarded([&]() -> Status {
      auto loaded = std::make_shared<detail::State>();
      detail::Problem problem;
      if (!fill(loaded->bytes, problem) || !detail::Loader(*loaded, problem).load()) {
        const Status& why = problem.status();
        const bool named = why.code() == Code::cannot_read;
        return {why.code(), named ? why.message() : name + ": " + why.message()};
      }
      state = std::move(loaded);
      return {};
    });
    if (!status.ok()) return Result<Model>(std::move(status));
    return Result<Model>(Model(std::move(state)));
  }

  std::shared_ptr<const detail::State> state_;
};

}  // namespace mal::infer

#endif  // MAL_INFER_H
