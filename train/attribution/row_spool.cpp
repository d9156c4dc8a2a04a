#include "train/attribution/row_spool.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace mal {

RowSpool::RowSpool(std::string path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "wb")) {
  if (!file_) fail("cannot create {}: {}", path_, std::strerror(errno));
  std::setvbuf(file_.get(), nullptr, _IOFBF, std::size_t{1} << 20);
}

RowSpool::~RowSpool() {
  remove();
}

void RowSpool::remove() {
  file_.reset();
  map_ = MappedFile();
  if (!path_.empty()) ::unlink(path_.c_str());
  path_.clear();
}

void RowSpool::write(const void* data, std::size_t bytes) {
  if (std::fwrite(data, 1, bytes, file_.get()) != bytes)
    fail("cannot write {}: {}; free some space or choose another --out", path_, std::strerror(errno));
  position_ += bytes;
}

std::uint64_t RowSpool::append(std::string_view row) {
  const std::uint64_t offset = position_;
  const auto bytes = static_cast<std::uint32_t>(row.size());  // a line is at most 16 MiB
  write(&bytes, sizeof bytes);
  write(row.data(), row.size());
  return offset;
}

void RowSpool::finish() {
  const bool flushed = std::fclose(file_.release()) == 0;
  if (!flushed) fail("cannot write {}: {}; free some space or choose another --out", path_, std::strerror(errno));
  map_ = MappedFile(path_);
}

std::string_view RowSpool::row(std::uint64_t offset) const {
  const char* text = reinterpret_cast<const char*>(map_.data()) + offset;
  std::uint32_t bytes = 0;
  std::memcpy(&bytes, text, sizeof bytes);
  return {text + sizeof bytes, bytes};
}

}  // namespace mal
