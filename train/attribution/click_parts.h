// The clicks of a log that is larger than memory: on disk, in parts by the hash of the user, so that every journey lies
// in one part; and the lines that each part gives, on disk until they are merged.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "train/attribution/click_log.h"

namespace mal {

// What of a click is kept, beside its user and key.
struct PartClick {
  std::int64_t time = 0;
  std::uint32_t number = 0;  // of all clicks, in input order
  std::uint32_t channel = 0, slice = 0;
  std::uint64_t row = 0;  // in the RowSpool
  float truth = 0;
  std::vector<std::string_view> history;  // a value a history column
};

// What the output needs of a click, beside the text of its row.
struct ClickLine {
  std::int64_t time = 0;
  std::uint64_t row = 0;
  std::uint32_t path_length = 0;
  const float* credits = nullptr;  // one a mechanism
  std::string_view history;        // ",a|b,c|d": the values of the history columns as they are written
};

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

class ClickParts {
 public:
  static constexpr std::size_t kParts = 256;

  // with_…: what the log has. mechanisms: credits a click.
  ClickParts(const std::string& folder, bool with_slices, bool with_truth, std::size_t histories,
             std::size_t mechanisms);

  void add_click(const PartClick& click, std::string_view user, std::string_view key);
  void add_conversion(std::int64_t time, std::string_view user, std::string_view key);
  void finish();  // of adding

  std::uint64_t clicks() const { return clicks_; }
  std::uint64_t conversions() const { return conversions_; }
  std::int64_t first_time() const { return first_time_; }
  std::int64_t last_time() const { return last_time_; }

  // A part as a log of its own; what its channels and slices are called, the log that was read knows. numbers: of its
  // clicks, among all.
  ClickLog load(std::size_t part);
  const std::vector<std::uint32_t>& numbers() const { return numbers_; }
  void remove(std::size_t part) { files_[part].remove(); }

  // The lines of a part, in the order of time and number.
  void add_line(std::size_t part, const ClickLine& line, std::uint32_t number);
  // Calls visit for the lines of all parts, in the order of time and number. What is on disk is removed.
  void merge(const std::function<void(const ClickLine& line)>& visit);

 private:
  struct Run;
  std::string folder_;
  bool with_slices_, with_truth_;
  std::size_t histories_, mechanisms_;
  std::vector<PartFile> files_;  // one a part
  std::vector<PartFile> runs_;   // of lines; one a part, made when its first comes
  std::vector<std::uint32_t> numbers_;
  std::uint64_t clicks_ = 0, conversions_ = 0;
  std::int64_t first_time_ = 0, last_time_ = 0;
};

}  // namespace mal
