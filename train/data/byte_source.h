// The bytes of a file in order: as they are, decompressed where the file begins as gzip or zstd do, or as CSV where it
// is Parquet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace mal {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // of UTF-8

class Decompressor;
class ParquetText;

class ByteSource {
 public:
  // Throws Error: no such file, not a regular file. utc_offset: of Parquet's timestamps without a time zone.
  explicit ByteSource(const std::string& path, std::int64_t utc_offset = 0);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  // At most `bytes` bytes; 0 at the end. Throws Error as Decompressor does; `line` is the line being read, for the
  // message.
  std::size_t read(char* out, std::size_t bytes, std::int64_t line);

  std::uint64_t position() const { return position_; }  // read so far, of the file as it is on disk
  std::uint64_t total() const { return total_; }
  bool is_table() const { return parquet_ != nullptr; }  // Parquet: rows have no lines, columns have names
  const ParquetText* table() const { return parquet_.get(); }
  bool compressed() const { return decompressor_ != nullptr || parquet_ != nullptr; }

 private:
  std::size_t read_file(char* out, std::size_t bytes);

  std::string path_;
  int descriptor_ = -1;
  std::uint64_t position_ = 0, total_ = 0;
  std::unique_ptr<Decompressor> decompressor_;  // null: plain
  std::unique_ptr<ParquetText> parquet_;        // null: text
};

}  // namespace mal
