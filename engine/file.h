// Writing files so that a reader sees the whole of them or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

// Buffered output to `path`.tmp; commit() flushes, fsyncs, renames to `path` and fsyncs the folder. Without commit()
// the destructor removes the temporary file. Every failed call (disk full, read-only folder) throws Error with path and
// cause.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, std::size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void seek(std::uint64_t offset);  // absolute; for a header that is known last
  std::uint64_t position() const { return position_; }
  void commit();

 private:
  void flush();
  void write_through(const char* data, std::size_t bytes);
  std::string path_, temporary_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0, unsynced_ = 0;
  std::vector<char> buffer_;
};

// A folder that appears whole: files are written under path(), commit() renames it to the target. An existing target is
// replaced only if it holds `marker` (a file that says it was made by us); otherwise Error.
class OutputFolder {
 public:
  OutputFolder(std::string target, std::string marker);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;
  const std::string& path() const { return temporary_; }
  void commit();

 private:
  std::string target_, marker_, temporary_;
  bool committed_ = false;
};

std::string read_file(const std::string& path, std::uint64_t limit = 1U << 30);  // whole file as text; throws Error

// A read-only memory map of a whole file; empty files map to size 0.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mal
