// libFuzzer target: any bytes as a column file of a data set. Checksums would stop nearly every mutation at the door,
// so the input is signed first. What the reader accepts must be readable to its last value. Built by scripts/fuzz.sh.
#include <xxhash.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "tests/fuzz/memory_file.h"
#include "train/data/column_file.h"

namespace {

void read(const std::string& path, mal::ColumnType type, std::uint64_t width) {
  try {
    const mal::ColumnReader reader(path, type, width);
    reader.verify();
    std::uint64_t sum = 0;
    const auto values = static_cast<std::uint64_t>(reader.rows()) * width;
    for (std::uint64_t i = 0; i < values; ++i)
      sum += type == mal::ColumnType::int64 ? static_cast<std::uint64_t>(reader.values<std::int64_t>()[i])
                                            : static_cast<std::uint64_t>(reader.values<std::int32_t>()[i]);
    static volatile std::uint64_t sink;
    sink = sum;
  } catch (const mal::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mal::fuzz::MemoryFile file;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  mal::ColumnHeader header = {};
  if (size >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    header.checksum = XXH3_64bits(bytes.data() + sizeof header, size - sizeof header);
    header.header_checksum = XXH3_64bits(&header, offsetof(mal::ColumnHeader, header_checksum));
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  file.set(bytes.data(), bytes.size());
  // As a schema would ask that agrees with the file, and as one that may not.
  read(file.path(), static_cast<mal::ColumnType>(header.type % 3), header.width);
  if (size % 2 == 1) read(file.path(), mal::ColumnType::int64, 3);
  return 0;
}
