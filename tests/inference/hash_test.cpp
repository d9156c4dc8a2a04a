// The header's own XXH3 and CRC-32C against xxhash and the published check value.
#include <xxhash.h>

#include <catch2/catch.hpp>

#include "model/inference/mal_infer.h"

namespace {

TEST_CASE("xxh3 of every length is that of xxhash") {
  std::string text;
  for (std::size_t n = 0; n < 3000; ++n) {
    REQUIRE(mal::infer::detail::xxh3_64(text) == XXH3_64bits(text.data(), text.size()));
    text += static_cast<char>(n * 7 + n / 11);
  }
}

TEST_CASE("crc32c has its published check value, by table and by instruction, in pieces") {
  using namespace mal::infer::detail;
  CHECK(crc32c("123456789", 9) == 0xE3069283U);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 31);
  std::uint32_t by_table = ~0U;
  for (const char c : text) by_table = by_table >> 8 ^ kCrcTable.of[(by_table ^ static_cast<unsigned char>(c)) & 0xFF];
  CHECK(crc32c(text.data(), text.size()) == ~by_table);
  for (const std::size_t cut : {0, 1, 7, 8, 9, 999, 1000})
    CHECK(crc32c(text.data() + cut, text.size() - cut, crc32c(text.data(), cut)) == ~by_table);
}

}  // namespace
