#include "train/data/parse_number.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace mal {

namespace {

constexpr std::size_t kExactDigits = 15;  // an integer of 15 digits is exact in a double, and so is 10^15
constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

std::optional<double> parse_any(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (stop != end || text.empty()) return std::nullopt;
  if (code == std::errc()) return value;
  if (code != std::errc::result_out_of_range) return std::nullopt;
  return std::strtod(std::string(text).c_str(), nullptr);  // from_chars does not say on which side
}

}  // namespace

// Most numbers of a sample are short decimals such as -0.1234. Their digits and the power of ten are exact doubles, so
// one division rounds once and gives the nearest double (Clinger 1990), at a third of the time of from_chars.
std::optional<double> parse_number(std::string_view text) {
  std::size_t at = !text.empty() && text[0] == '-' ? 1 : 0;
  const bool negative = at == 1;
  const std::size_t first = at;
  std::size_t point = text.size();
  std::int64_t digits = 0;
  if (text.size() - first == 0 || text.size() - first > kExactDigits) return parse_any(text);
  for (; at < text.size(); ++at) {
    const auto digit = static_cast<unsigned>(text[at]) - '0';
    if (digit <= 9)
      digits = digits * 10 + digit;
    else if (text[at] == '.' && point == text.size() && at > first && at + 1 < text.size())
      point = at;
    else
      return parse_any(text);
  }
  const std::size_t decimals = point == text.size() ? 0 : text.size() - point - 1;
  const double value = static_cast<double>(digits) / kPowers[decimals];
  return negative ? -value : value;
}

}  // namespace mal
