// What a call that can fail gives back. Every such call has two forms: try_name() returns a Status or Result and never
// throws; name() throws Error (and is not there in a build without exceptions).
#pragma once

#include "model/inference/source/preamble.h"

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
