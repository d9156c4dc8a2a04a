// The layout of a model file: safetensors (8 bytes of header length, a JSON header, the tensors), with checksums.
//   metadata "mal_format"      the version, "1"
//   metadata "crc32c_header"   CRC-32C of the length and the header, these eight digits taken as zeros
//   metadata "crc32c_blocks"   CRC-32C of the tensor "checksums"
//   tensor   "checksums"       U32, the last one: the CRC-32C of each 64 KiB of what lies before it
// So every byte of a file is under a checksum, and the tensors cover the data without a gap.
#pragma once

#include "model/inference/source/file.h"
#include "model/inference/source/hash.h"
#include "model/inference/source/json.h"

namespace mal::infer::detail {

inline constexpr const char* kFormatKey = "mal_format";
inline constexpr const char* kFormatVersion = "1";
inline constexpr const char* kHeaderCrcKey = "crc32c_header";
inline constexpr const char* kBlocksCrcKey = "crc32c_blocks";
inline constexpr const char* kChecksums = "checksums";
inline constexpr std::size_t kCrcBlock = 64 * 1024, kCrcDigits = 8;
inline constexpr std::size_t kMaxHeader = 1 << 20, kMaxTensors = 4096 * 4, kMaxRank = 8, kMaxName = 255;

enum class Type { f32, bf16, i8, u8, i32, u32, u64 };

struct TypeName {
  Type type;
  const char* name;
  std::size_t bytes;
};
inline constexpr TypeName kTypes[] = {{Type::f32, "F32", 4}, {Type::bf16, "BF16", 2}, {Type::i8, "I8", 1},
                                      {Type::u8, "U8", 1},   {Type::i32, "I32", 4},   {Type::u32, "U32", 4},
                                      {Type::u64, "U64", 8}};

inline std::size_t bytes_of(Type type) {
  for (const TypeName& known : kTypes)
    if (known.type == type) return known.bytes;
  return 1;
}

struct TensorView {
  std::string name;
  Type type = Type::u8;
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes in the data
  std::uint64_t count = 0;           // elements
  const unsigned char* data = nullptr;
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data);
  }
};

inline std::string hex8(std::uint32_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(kCrcDigits, '0');
  for (std::size_t i = 0; i < kCrcDigits; ++i) text[i] = kDigits[value >> (28 - 4 * i) & 15U];
  return text;
}

// CRC of the length field and the header with the digits of its own CRC taken as zeros. `digits`: where those begin.
inline std::uint32_t header_crc(const unsigned char* file, std::size_t size, std::size_t digits) {
  std::uint32_t crc = crc32c(file, digits);
  crc = crc32c("00000000", kCrcDigits, crc);
  return crc32c(file + digits + kCrcDigits, size - digits - kCrcDigits, crc);
}

inline std::string header_crc_mark() {
  return std::string("\"") + kHeaderCrcKey + "\":\"";
}

class Container {
 public:
  bool parse(const unsigned char* file, std::size_t size, Problem& problem) {
    file_ = file;
    size_ = size;
    return parse_header(problem) && check_version(problem) && check_header_crc(problem) && parse_tensors(problem) &&
           check_cover(problem) && check_blocks(problem);
  }

  const std::vector<TensorView>& tensors() const { return tensors_; }
  const TensorView* find(std::string_view name) const {
    const auto found = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                        [&](std::size_t i, std::string_view n) { return tensors_[i].name < n; });
    return found != by_name_.end() && tensors_[*found].name == name ? &tensors_[*found] : nullptr;
  }
  const Json& metadata() const { return *header_.find("__metadata__"); }
  const std::string* text(std::string_view key) const {
    const Json* found = metadata().find(key);
    return found == nullptr ? nullptr : &found->text;
  }

 private:
  static bool damaged(Problem& problem, const std::string& what) {
    return problem.fail(Code::damaged, what + "; the file is damaged or no model file: copy or export it again");
  }

  bool parse_header(Problem& problem) {
    if (size_ < 8) return damaged(problem, "the file has " + std::to_string(size_) + " bytes");
    const auto length = load_as<std::uint64_t>(file_);
    if (length > kMaxHeader || length > size_ - 8)
      return damaged(problem, "the header claims " + std::to_string(length) + " bytes");
    header_size_ = 8 + static_cast<std::size_t>(length);
    const std::string_view text(reinterpret_cast<const char*>(file_) + 8, static_cast<std::size_t>(length));
    if (text.empty() || text[0] != '{') return damaged(problem, "the header is no JSON object");
    if (!JsonParser(text, problem, "header").parse(header_)) return false;
    const Json* metadata = header_.find("__metadata__");
    if (metadata == nullptr || metadata->kind != Json::Kind::object) return damaged(problem, "there is no metadata");
    for (const Json& value : metadata->items)
      if (value.kind != Json::Kind::text) return damaged(problem, "metadata is not text");
    return true;
  }

  bool check_version(Problem& problem) const {
    const std::string* version = text(kFormatKey);
    if (version == nullptr) return damaged(problem, "the metadata has no mal_format");
    if (*version == kFormatVersion) return true;
    return problem.fail(Code::unsupported, "the file has format " + shown(*version) + ", this header reads format " +
                                               shown(kFormatVersion) + "; use a newer mal_infer.h, or copy the file " +
                                               "again if it should be of this version");
  }

  bool check_header_crc(Problem& problem) const {
    const std::string mark = header_crc_mark();
    const std::string_view text(reinterpret_cast<const char*>(file_), header_size_);
    const std::size_t found = text.find(mark);
    if (found == std::string_view::npos || found + mark.size() + kCrcDigits > header_size_)
      return damaged(problem, "the header has no checksum");
    const std::size_t digits = found + mark.size();
    if (text.substr(digits, kCrcDigits) != hex8(header_crc(file_, header_size_, digits)))
      return damaged(problem, "the checksum of the header is wrong");
    return true;
  }

  bool parse_tensors(Problem& problem) {
    if (header_.keys.size() - 1 > kMaxTensors) return damaged(problem, "there are too many tensors");
    for (std::size_t i = 0; i < header_.keys.size(); ++i) {
      if (header_.keys[i] == "__metadata__") continue;
      TensorView tensor;
      tensor.name = header_.keys[i];
      if (!parse_tensor(header_.items[i], tensor, problem)) return false;
      tensors_.push_back(std::move(tensor));
    }
    std::sort(tensors_.begin(), tensors_.end(), [](const TensorView& a, const TensorView& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    for (std::size_t i = 0; i < tensors_.size(); ++i) by_name_.push_back(i);
    std::sort(by_name_.begin(), by_name_.end(),
              [&](std::size_t a, std::size_t b) { return tensors_[a].name < tensors_[b].name; });
    return true;
  }

  bool parse_tensor(const Json& item, TensorView& tensor, Problem& problem) const {
    const std::string who = "tensor " + shown(tensor.name);
    if (tensor.name.empty() || tensor.name.size() > kMaxName) return damaged(problem, who + " has no possible name");
    const Json *type = item.find("dtype"), *shape = item.find("shape"), *offsets = item.find("data_offsets");
    if (item.kind != Json::Kind::object || item.keys.size() != 3 || type == nullptr || shape == nullptr ||
        offsets == nullptr || type->kind != Json::Kind::text || shape->kind != Json::Kind::list ||
        offsets->kind != Json::Kind::list || offsets->items.size() != 2)
      return damaged(problem, who + " is not described");
    const TypeName* known = nullptr;
    for (const TypeName& candidate : kTypes)
      if (type->text == candidate.name) known = &candidate;
    if (known == nullptr) return damaged(problem, who + " has the unknown type " + shown(type->text));
    tensor.type = known->type;
    if (shape->items.size() > kMaxRank) return damaged(problem, who + " has too many dimensions");
    std::uint64_t count = 1, bytes = 0;
    for (const Json& dimension : shape->items) {
      if (dimension.kind != Json::Kind::integer || !multiply(count, dimension.integer, count))
        return damaged(problem, who + " has no possible shape");
      tensor.shape.push_back(dimension.integer);
    }
    if (!multiply(count, known->bytes, bytes)) return damaged(problem, who + " has no possible shape");
    for (const Json& offset : offsets->items)
      if (offset.kind != Json::Kind::integer) return damaged(problem, who + " has no offsets");
    tensor.begin = offsets->items[0].integer;
    tensor.end = offsets->items[1].integer;
    if (tensor.begin > tensor.end || tensor.end > size_ - header_size_ || tensor.end - tensor.begin != bytes)
      return damaged(problem, who + " lies outside the file");
    tensor.count = count;
    tensor.data = file_ + header_size_ + tensor.begin;
    if ((header_size_ + tensor.begin) % known->bytes != 0) return damaged(problem, who + " is not aligned");
    return true;
  }

  bool check_cover(Problem& problem) const {
    std::uint64_t end = 0;
    for (const TensorView& tensor : tensors_) {
      if (tensor.begin != end) return damaged(problem, "tensor " + shown(tensor.name) + " overlaps or leaves a gap");
      end = tensor.end;
    }
    return end == size_ - header_size_ || damaged(problem, "the tensors do not cover the file");
  }

  bool check_blocks(Problem& problem) const {
    const TensorView* sums = find(kChecksums);
    const std::string* crc = text(kBlocksCrcKey);
    if (sums == nullptr || crc == nullptr || sums->type != Type::u32 || sums->end != size_ - header_size_)
      return damaged(problem, "there are no checksums");
    const std::uint64_t covered = sums->begin;
    if (sums->count != (covered + kCrcBlock - 1) / kCrcBlock || sums->shape.size() != 1)
      return damaged(problem, "the checksums do not fit the data");
    if (*crc != hex8(crc32c(sums->data, static_cast<std::size_t>(sums->end - sums->begin))))
      return damaged(problem, "the checksum of the checksums is wrong");
    const unsigned char* data = file_ + header_size_;
    for (std::uint64_t i = 0, at = 0; i < sums->count; ++i, at += kCrcBlock) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(kCrcBlock, covered - at));
      if (crc32c(data + at, n) != load_as<std::uint32_t>(sums->data + 4 * i))
        return damaged(problem, "the checksum of block " + std::to_string(i) + " of the data is wrong");
    }
    return true;
  }

  const unsigned char* file_ = nullptr;
  std::size_t size_ = 0, header_size_ = 0;
  Json header_;
  std::vector<TensorView> tensors_;  // by offset
  std::vector<std::size_t> by_name_;
};

}  // namespace mal::infer::detail
