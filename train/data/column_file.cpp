#include "train/data/column_file.h"

#include <xxhash.h>

#include <cstddef>
#include <cstring>

#include "engine/error.h"

namespace mal {

namespace {

constexpr char kMagic[] = {'M', 'A', 'L', 'C', 'O', 'L', 'M', 'N'};
constexpr std::uint32_t kVersion = 1;

std::uint64_t checksum_of(const ColumnHeader& header) {
  return XXH3_64bits(&header, offsetof(ColumnHeader, header_checksum));
}

}  // namespace

std::size_t size_of(ColumnType type) {
  return type == ColumnType::int64 ? 8 : 4;
}

struct ColumnWriter::Hash {
  Hash() { XXH3_64bits_reset(&state); }
  XXH3_state_t state;
};

ColumnWriter::ColumnWriter(const std::string& path, ColumnType type, std::uint64_t width)
    : file_(path), hash_(std::make_unique<Hash>()), header_{}, row_bytes_(size_of(type) * width) {
  std::memcpy(header_.magic, kMagic, sizeof(kMagic));
  header_.version = kVersion;
  header_.type = static_cast<std::uint32_t>(type);
  header_.width = width;
  file_.write(&header_, sizeof(header_));
}

ColumnWriter::~ColumnWriter() = default;

void ColumnWriter::append(const void* values, std::uint64_t rows) {
  XXH3_64bits_update(&hash_->state, values, rows * row_bytes_);
  file_.write(values, rows * row_bytes_);
  header_.rows += rows;
}

void ColumnWriter::commit() {
  header_.checksum = XXH3_64bits_digest(&hash_->state);
  header_.header_checksum = checksum_of(header_);
  file_.seek(0);
  file_.write(&header_, sizeof(header_));
  file_.commit();
}

ColumnReader::ColumnReader(const std::string& path, ColumnType type, std::uint64_t width) : path_(path), map_(path) {
  ColumnHeader header;
  if (map_.size() < sizeof(header))
    fail("{}: too short for a column file ({} bytes); prepare again", path, map_.size());
  std::memcpy(&header, map_.data(), sizeof(header));
  if (std::memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
    fail("{}: not a column file of a data set; prepare again", path);
  if (header.version != kVersion)
    fail("{}: its format is version {}, this program reads {}; prepare again", path, header.version, kVersion);
  if (header.header_checksum != checksum_of(header) || header.zero[0] != 0 || header.zero[1] != 0)
    fail("{}: its header is damaged; prepare again", path);
  if (header.type != static_cast<std::uint32_t>(type) || header.width != width)
    fail("{}: it holds type {} × {}, the schema says {} × {}; prepare again", path, header.type, header.width,
         static_cast<std::uint32_t>(type), width);
  std::uint64_t row_bytes = 0, bytes = 0;
  if (width == 0 || __builtin_mul_overflow(width, size_of(type), &row_bytes) ||
      __builtin_mul_overflow(header.rows, row_bytes, &bytes) || bytes != map_.size() - sizeof(header))
    fail("{}: {} rows do not fit its {} bytes; the file is cut short or damaged, prepare again", path, header.rows,
         map_.size());
  rows_ = static_cast<std::int64_t>(header.rows);
}

void ColumnReader::verify() const {
  ColumnHeader header;
  std::memcpy(&header, map_.data(), sizeof(header));
  if (XXH3_64bits(map_.data() + sizeof(header), map_.size() - sizeof(header)) != header.checksum)
    fail("{}: the checksum is wrong; the file is damaged, prepare again", path_);
}

}  // namespace mal
