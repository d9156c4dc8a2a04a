// libFuzzer target: any bytes as a column file of a data set. Checksums would stop nearly every mutation at the door,
// so the input is signed first. What the reader accepts must be readable to its last value. Built by scripts/fuzz.sh.
#include <xxhash.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "engine/error.h"
#include "tests/fuzz/memory_file.h"
#include "train/data/column_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mal::fuzz::MemoryFile file;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  mal::ColumnHeader header;
  if (size >= sizeof header) {
    std::memcpy(&header, bytes.data(), sizeof header);
    header.checksum = XXH3_64bits(bytes.data() + sizeof header, size - sizeof header);
    header.header_checksum = XXH3_64bits(&header, offsetof(mal::ColumnHeader, header_checksum));
    std::memcpy(bytes.data(), &header, sizeof header);
  }
  file.set(bytes.data(), bytes.size());
  for (const mal::ColumnType type : {mal::ColumnType::int32, mal::ColumnType::float32, mal::ColumnType::int64})
    for (const std::uint64_t width : {std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{1} << 62}) {
      try {
        const mal::ColumnReader reader(file.path(), type, width);
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
  return 0;
}
