#include "train/data/sample_values.h"

#include <xxhash.h>

#include <bit>
#include <charconv>
#include <cstring>

namespace mal {

namespace {

constexpr char kListSeparator = '|';

// 0x80 in each byte of `word` that is the separator, 0 in the others.
std::uint64_t separators_in(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kLow = 0x7F * kOnes;
  const std::uint64_t other = word ^ (kOnes * static_cast<unsigned char>(kListSeparator));  // 0 where it is one
  return ~(((other & kLow) + kLow) | other | kLow);
}

}  // namespace

// Items are short, so eight bytes at a time are faster than a search for each separator.
void split_list(std::string_view field, std::vector<std::string_view>& items) {
  items.clear();
  if (field.empty()) return;
  const char* begin = field.data();
  std::size_t start = 0;
  for (std::size_t at = 0; at < field.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, begin + at, std::min(sizeof(word), field.size() - at));
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    for (std::uint64_t found = separators_in(word); found != 0; found &= found - 1) {
      const std::size_t end = at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
      items.emplace_back(begin + start, end - start);
      start = end + 1;
    }
  }
  items.emplace_back(begin + start, field.size() - start);
}

bool is_list_literal(std::string_view field) {
  if (field.size() < 2) return false;
  const char open = field.front(), close = field.back();
  if (!((open == '[' && close == ']') || (open == '(' && close == ')') || (open == '{' && close == '}'))) return false;
  const std::string_view inside = field.substr(1, field.size() - 2);
  if (inside.empty() || inside.front() == '\'' || inside.front() == '"') return true;
  if (inside.find(kListSeparator) != std::string_view::npos) return false;
  return inside.find(',') != std::string_view::npos ||
         inside.find_first_not_of("0123456789+-.eE ") == std::string_view::npos;
}

std::int32_t hash_bucket(std::string_view value, std::int64_t buckets) {
  return static_cast<std::int32_t>(XXH3_64bits(value.data(), value.size()) & static_cast<std::uint64_t>(buckets - 1));
}

std::int64_t group_key(std::string_view value) {
  const std::string_view digits = value.substr(value.starts_with('-') ? 1 : 0);
  if (!digits.starts_with('0') || value == "0") {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (code == std::errc() && end == value.data() + value.size()) return number;
  }
  return static_cast<std::int64_t>(XXH3_64bits(value.data(), value.size()));
}

}  // namespace mal
