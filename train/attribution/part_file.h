// One of the files that hold what does not fit in memory, in parts by the hash of a name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

constexpr std::size_t kParts = 256;
std::size_t part_of(std::string_view name);

// A file that is written once, then read once or more from its beginning; removed by the destructor.
class PartFile {
 public:
  explicit PartFile(std::string path);
  ~PartFile();
  PartFile(PartFile&& other) noexcept;

  void write(const void* data, std::size_t bytes);
  template <typename T>
  void put(T value) {
    write(&value, sizeof value);
  }
  void put(std::string_view text);
  void finish();  // what was written is in the file, and the file is closed

  void open();                               // for reading
  bool read(void* data, std::size_t bytes);  // false at the end; Error if it comes in the middle
  template <typename T>
  T get() {
    T value = {};
    require(&value, sizeof value);
    return value;
  }
  std::string_view get_text();  // valid until the next
  void remove();

 private:
  void require(void* data, std::size_t bytes);
  void flush();
  void close();

  std::string path_;
  int descriptor_ = -1;
  std::vector<char> buffer_;  // of what is written, or was read
  std::size_t at_ = 0;        // reading: in the buffer
  std::string text_;
};

}  // namespace mal
