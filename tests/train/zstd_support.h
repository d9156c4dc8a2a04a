// zstd for tests: by libzstd, and frames that are put together by hand.
#pragma once

#include <zstd.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace mal::test {

// One frame with a checksum. stated: with the size of its content in the header.
inline std::string zstd_packed(std::string_view text, bool stated = true, int level = 3) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, stated ? 1 : 0);
  std::string out(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size());
  ZSTD_freeCCtx(context);
  if (ZSTD_isError(size) != 0) return "";
  out.resize(size);
  return out;
}

inline std::string little_endian(std::uint32_t number, int bytes) {
  std::string out;
  for (int b = 0; b < bytes; ++b) out += static_cast<char>(number >> (8 * b));
  return out;
}

// A frame (RFC 8878, 3.1.1) of one raw block, without checksum and content size. window: bytes = 2^(10 + window / 8) ·
// (1 + window % 8 / 8). dictionary: its number; 0: none.
inline std::string zstd_frame(std::string_view text, std::uint32_t window, std::uint32_t dictionary = 0) {
  std::string out = "\x28\xb5\x2f\xfd";
  out += little_endian(dictionary == 0 ? 0 : 1, 1) + little_endian(window, 1);
  if (dictionary != 0) out += little_endian(dictionary, 1);
  return out + little_endian(static_cast<std::uint32_t>(text.size()) << 3 | 1, 3) + std::string(text);
}

// A frame of one block that says "so many times this byte": nothing of the file is left to read when they come out.
inline std::string zstd_run(char byte, std::uint32_t times) {
  return std::string("\x28\xb5\x2f\xfd") + little_endian(0, 1) + little_endian(7 * 8, 1) +
         little_endian(times << 3 | 1 << 1 | 1, 3) + byte;
}

inline std::string skippable_frame(std::string_view content, std::uint32_t kind = 0) {
  return little_endian(0x184D2A50 + kind, 4) + little_endian(static_cast<std::uint32_t>(content.size()), 4) +
         std::string(content);
}

}  // namespace mal::test
