// What a compressed file holds: gzip (several members, as `cat a.gz b.gz` or bgzip make it) and zstd (several frames).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace mal {

class Decompressor {
 public:
  // At most so many of the file's next bytes; 0 at its end.
  using Input = std::function<std::size_t(char* out, std::size_t bytes)>;

  virtual ~Decompressor() = default;
  // At most `bytes` bytes; 0 at the end. Throws Error for data that is cut short, damaged, or followed by other bytes;
  // `line` is the line being read, for the message.
  virtual std::size_t read(char* out, std::size_t bytes, std::int64_t line) = 0;
};

constexpr std::size_t kMagicBytes = 4;  // that say what a file is

// first: the first kMagicBytes of the file, or all of it if it is shorter. Null: it is not compressed.
std::unique_ptr<Decompressor> make_decompressor(std::string_view first, const std::string& path,
                                                std::uint64_t file_bytes, Decompressor::Input input);

// The two of them. input_bytes: asked of `input` at once.
std::unique_ptr<Decompressor> make_gunzip(const std::string& path, std::size_t input_bytes, Decompressor::Input input);
std::unique_ptr<Decompressor> make_unzstd(const std::string& path, std::size_t input_bytes, Decompressor::Input input);
bool begins_as_gzip(std::string_view bytes);
bool begins_as_zstd(std::string_view bytes);

}  // namespace mal
