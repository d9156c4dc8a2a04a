// One column of one shard on disk: a 64-byte header, then rows × width little-endian values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/file.h"

namespace mal {

enum class ColumnType : std::uint32_t { int32 = 0, float32 = 1, int64 = 2 };

std::size_t size_of(ColumnType type);

struct ColumnHeader {
  char magic[8];          // "MALCOLMN"
  std::uint32_t version;  // 1
  std::uint32_t type;     // ColumnType
  std::uint64_t rows;
  std::uint64_t width;            // values a row
  std::uint64_t checksum;         // XXH3 of the values
  std::uint64_t header_checksum;  // XXH3 of the 40 bytes before
  std::uint64_t zero[2];
};
static_assert(sizeof(ColumnHeader) == 64);

// Appends values; the header follows at commit().
class ColumnWriter {
 public:
  ColumnWriter(const std::string& path, ColumnType type, std::uint64_t width);
  ~ColumnWriter();
  void append(const void* values, std::uint64_t rows);  // rows × width values
  void commit();

 private:
  struct Hash;
  OutputFile file_;
  std::unique_ptr<Hash> hash_;
  ColumnHeader header_;
  std::size_t row_bytes_;
};

// A mapped column whose header and size have been checked against what the schema expects.
class ColumnReader {
 public:
  ColumnReader(const std::string& path, ColumnType type, std::uint64_t width);
  std::int64_t rows() const { return rows_; }
  const std::string& path() const { return path_; }
  template <typename T>
  const T* values() const {
    return reinterpret_cast<const T*>(map_.data() + sizeof(ColumnHeader));
  }
  void verify() const;  // the checksum

 private:
  std::string path_;
  MappedFile map_;
  std::int64_t rows_;
};

}  // namespace mal
