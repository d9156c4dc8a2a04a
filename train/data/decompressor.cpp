#include "train/data/decompressor.h"

#include <algorithm>
#include <utility>

namespace mal {

std::unique_ptr<Decompressor> make_decompressor(std::string_view first, const std::string& path,
                                                std::uint64_t file_bytes, Decompressor::Input input) {
  constexpr std::uint64_t kMostInput = 1 << 18;  // bytes; a small file needs no large buffer
  const auto input_bytes = static_cast<std::size_t>(std::min(file_bytes, kMostInput));
  if (begins_as_gzip(first)) return make_gunzip(path, input_bytes, std::move(input));
  if (begins_as_zstd(first)) return make_unzstd(path, input_bytes, std::move(input));
  return nullptr;
}

}  // namespace mal
