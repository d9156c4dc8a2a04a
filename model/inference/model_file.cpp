#include "model/inference/model_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "model/inference/mal_infer.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;
namespace format = infer::detail;

constexpr std::uint64_t kAlignment = 64;  // of the data in the file, so that rows of tables lie within cache lines

std::uint64_t element_bytes(const std::string& type) {
  for (const format::TypeName& known : format::kTypes)
    if (type == known.name) return known.bytes;
  fail("a model file has no tensors of type {}", type);
}

// Those whose size keeps the next one aligned come first, then wide elements before narrow ones: no padding is needed.
void sort_for_alignment(std::vector<FileTensor>& tensors) {
  const auto rank = [](const FileTensor& tensor) {
    const bool whole_lines = tensor.bytes() % kAlignment == 0;
    return std::pair(!whole_lines, whole_lines ? 0 : -static_cast<std::int64_t>(element_bytes(tensor.type)));
  };
  std::ranges::stable_sort(tensors, [&](const FileTensor& a, const FileTensor& b) { return rank(a) < rank(b); });
}

// CRC of each block of what passes through.
class Checksums {
 public:
  void add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const std::byte*>(data);
    while (bytes > 0) {
      const std::size_t part = std::min(bytes, format::kCrcBlock - filled_);
      crc_ = format::crc32c(at, part, filled_ == 0 ? 0 : crc_);
      filled_ += part;
      at += part;
      bytes -= part;
      if (filled_ == format::kCrcBlock) close();
    }
  }
  const std::vector<std::uint32_t>& finish() {
    if (filled_ > 0) close();
    return sums_;
  }

 private:
  void close() {
    sums_.push_back(crc_);
    filled_ = 0;
  }
  std::vector<std::uint32_t> sums_;
  std::uint32_t crc_ = 0;
  std::size_t filled_ = 0;
};

// With zeros for the two checksums, which are known after the data.
std::string header_text(const FileMetadata& metadata, const std::vector<FileTensor>& tensors, std::uint64_t covered) {
  Json header;
  Json& extra = header["__metadata__"];
  for (const auto& [key, value] : metadata) extra[key] = value;
  extra[format::kFormatKey] = format::kFormatVersion;
  extra[format::kBlocksCrcKey] = std::string(format::kCrcDigits, '0');
  extra[format::kHeaderCrcKey] = std::string(format::kCrcDigits, '0');
  std::uint64_t offset = 0;
  const auto describe = [&](const std::string& name, const std::string& type, const std::vector<std::uint64_t>& shape,
                            std::uint64_t bytes) {
    header[name] = {{"dtype", type}, {"shape", shape}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  };
  for (const FileTensor& tensor : tensors) describe(tensor.name, tensor.type, tensor.shape, tensor.bytes());
  const std::uint64_t blocks = (covered + format::kCrcBlock - 1) / format::kCrcBlock;
  describe(format::kChecksums, "U32", {blocks}, blocks * sizeof(std::uint32_t));
  std::string text = header.dump();
  const std::size_t length_field = sizeof(std::uint64_t);
  text.resize((text.size() + length_field + kAlignment - 1) / kAlignment * kAlignment - length_field, ' ');
  return text;
}

void replace_digits(std::string& file_head, const char* key, std::uint32_t crc) {
  const std::string mark = std::string("\"") + key + "\":\"";
  file_head.replace(file_head.find(mark) + mark.size(), format::kCrcDigits, format::hex8(crc));
}

}  // namespace

std::uint64_t FileTensor::bytes() const {
  std::uint64_t count = element_bytes(type);
  for (const std::uint64_t dimension : shape)
    if (__builtin_mul_overflow(count, dimension, &count)) fail("tensor {} is too large", name);
  return count;
}

void write_model_file(const std::string& path, const FileMetadata& metadata, std::vector<FileTensor> tensors) {
  sort_for_alignment(tensors);
  std::uint64_t covered = 0;
  for (const FileTensor& tensor : tensors) covered += tensor.bytes();
  // The blocks' checksums are the last tensor: 4 bytes each, and they must begin at a multiple of 4.
  if (const std::uint64_t rest = covered % sizeof(std::uint32_t); rest != 0) {
    const std::uint64_t missing = sizeof(std::uint32_t) - rest;
    tensors.push_back({"padding", "U8", {missing}, [missing](const FileTensor::Sink& sink) {
                         constexpr char kZeros[sizeof(std::uint32_t)] = {};
                         sink(kZeros, static_cast<std::size_t>(missing));
                       }});
    covered += missing;
  }
  std::string head = header_text(metadata, tensors, covered);
  if (head.size() > format::kMaxHeader)
    fail("{}: the header would have {} bytes, the limit is {}; shorten the names of columns", path, head.size(),
         format::kMaxHeader);
  const std::uint64_t length = head.size();
  head.insert(0, reinterpret_cast<const char*>(&length), sizeof(length));

  OutputFile file(path);
  file.write(head);
  Checksums checksums;
  for (const FileTensor& tensor : tensors) {
    std::uint64_t written = 0;
    tensor.write([&](const void* data, std::size_t bytes) {
      checksums.add(data, bytes);
      file.write(data, bytes);
      written += bytes;
    });
    if (written != tensor.bytes()) fail("tensor {} has {} bytes, not {}", tensor.name, written, tensor.bytes());
  }
  const std::vector<std::uint32_t>& sums = checksums.finish();
  file.write(sums.data(), sums.size() * sizeof(std::uint32_t));
  replace_digits(head, format::kBlocksCrcKey, format::crc32c(sums.data(), sums.size() * sizeof(std::uint32_t)));
  const std::size_t digits = head.find(format::header_crc_mark()) + format::header_crc_mark().size();
  replace_digits(head, format::kHeaderCrcKey,
                 format::header_crc(reinterpret_cast<const unsigned char*>(head.data()), head.size(), digits));
  file.seek(0);
  file.write(head);
  file.commit();
}

void rewrite_model_file(const std::string& path, const std::string& out, const std::string& prefix,
                        const FileMetadata& metadata, const std::vector<FileTensor>& tensors) {
  const MappedFile file(path);
  format::Container container;
  format::Problem problem;
  if (!container.parse(reinterpret_cast<const unsigned char*>(file.data()), file.size(), problem))
    fail("{}: {}", path, problem.status().message());
  FileMetadata all;
  const format::Json& old = container.metadata();
  for (std::size_t i = 0; i < old.keys.size(); ++i) all[old.keys[i]] = old.items[i].text;
  for (const auto& [key, value] : metadata) all[key] = value;
  std::vector<FileTensor> list;
  for (const format::TensorView& tensor : container.tensors()) {
    if (tensor.name == format::kChecksums || tensor.name == "padding" || tensor.name.starts_with(prefix)) continue;
    const auto* const type = std::ranges::find(format::kTypes, tensor.type, &format::TypeName::type);
    list.push_back({tensor.name, type->name, tensor.shape, [&tensor](const FileTensor::Sink& sink) {
                      sink(tensor.data, static_cast<std::size_t>(tensor.end - tensor.begin));
                    }});
  }
  list.insert(list.end(), tensors.begin(), tensors.end());
  write_model_file(out, all, std::move(list));
}

}  // namespace mal
