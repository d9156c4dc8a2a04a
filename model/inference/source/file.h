// The bytes of a model file: mapped, or copied into memory.
#pragma once

#include "model/inference/source/result.h"

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
