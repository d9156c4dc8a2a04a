// As much JSON as a model file's header has, strictly: no duplicate keys, no depth, no numbers beyond 64 bits.
#pragma once

#include "model/inference/source/result.h"

namespace mal::infer::detail {

struct Json {
  enum class Kind { null, boolean, integer, real, text, list, object };
  Kind kind = Kind::null;
  bool flag = false;
  std::uint64_t integer = 0;  // integers are not negative: nothing in a model file is
  double real = 0;            // of integers too
  std::string text;
  std::vector<Json> items;        // of a list; of an object: the values
  std::vector<std::string> keys;  // of an object

  const Json* find(std::string_view key) const {
    for (std::size_t i = 0; i < keys.size(); ++i)
      if (keys[i] == key) return &items[i];
    return nullptr;
  }
};

class JsonParser {
 public:
  JsonParser(std::string_view text, Problem& problem, std::string_view where)
      : text_(text), problem_(problem), where_(where) {}

  bool parse(Json& out) {
    if (!value(out, 0)) return false;
    skip_space();
    return at_ == text_.size() || fail("something follows the end");
  }

 private:
  static constexpr int kMaxDepth = 12;
  static constexpr std::size_t kMaxValues = 100'000;

  bool fail(const char* what) {
    return problem_.fail(Code::damaged, std::string(where_) + ": not valid JSON at byte " + std::to_string(at_) + ": " +
                                            what + "; export the model again");
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r'))
      ++at_;
  }
  bool word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) return fail("an unknown word");
    at_ += expected.size();
    return true;
  }

  bool value(Json& out, int depth) {
    if (depth > kMaxDepth) return fail("nested too deep");
    if (++values_ > kMaxValues) return fail("too many values");
    skip_space();
    switch (peek()) {
      case '{':
        return object(out, depth);
      case '[':
        return list(out, depth);
      case '"':
        out.kind = Json::Kind::text;
        return string(out.text);
      case 't':
      case 'f':
        out.kind = Json::Kind::boolean;
        out.flag = peek() == 't';
        return word(out.flag ? "true" : "false");
      case 'n':
        return word("null");
      default:
        return number(out);
    }
  }

  bool object(Json& out, int depth) {
    out.kind = Json::Kind::object;
    ++at_;
    skip_space();
    if (take('}')) return true;
    do {
      skip_space();
      std::string key;
      if (peek() != '"') return fail("a key is missing");
      if (!string(key)) return false;
      skip_space();
      if (!take(':')) return fail("a ':' is missing");
      out.keys.push_back(std::move(key));
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    if (!take('}')) return fail("a '}' is missing");
    std::vector<std::string_view> sorted(out.keys.begin(), out.keys.end());
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() || fail("a key is there twice");
  }

  bool list(Json& out, int depth) {
    out.kind = Json::Kind::list;
    ++at_;
    skip_space();
    if (take(']')) return true;
    do {
      if (!value(out.items.emplace_back(), depth + 1)) return false;
      skip_space();
    } while (take(','));
    return take(']') || fail("a ']' is missing");
  }

  bool number(Json& out) {
    const std::size_t begin = at_;
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    bool whole = peek() != '-';
    while (is_digit(peek()) || peek() == '-' || peek() == '+' || peek() == '.' || peek() == 'e' || peek() == 'E') {
      whole = whole && is_digit(peek());
      ++at_;
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    if (first == last) return fail("a value is missing");
    if (whole) {
      const auto [end, code] = std::from_chars(first, last, out.integer);
      if (code != std::errc() || end != last || (*first == '0' && last - first > 1)) return fail("not a number");
      out.kind = Json::Kind::integer;
      out.real = static_cast<double>(out.integer);
      return true;
    }
    out.kind = Json::Kind::real;
    return parse_real(first, last, out.real) || fail("not a number");
  }

 public:
  // Text to the nearest double. std::from_chars of doubles is not in every standard library yet.
  static bool parse_real(const char* first, const char* last, double& out) {
#if defined(__cpp_lib_to_chars) && __cpp_lib_to_chars >= 201611L
    const auto [end, code] = std::from_chars(first, last, out);
    return end == last && code == std::errc() && std::isfinite(out);
#else
    char copy[64];
    const auto n = static_cast<std::size_t>(last - first);
    if (n == 0 || n >= sizeof(copy)) return false;
    if (*first != '-' && *first != '.' && !(*first >= '0' && *first <= '9')) return false;
    std::memcpy(copy, first, n);
    copy[n] = '\0';
    char* end = nullptr;
    out = std::strtod(copy, &end);
    return end == copy + n && std::isfinite(out);
#endif
  }

 private:
  bool hex4(unsigned& out) {
    if (text_.size() - at_ < 4) return fail("a cut escape");
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, out, 16);
    if (code != std::errc() || end != text_.data() + at_ + 4) return fail("a wrong escape");
    at_ += 4;
    return true;
  }

  static void append_utf8(std::string& out, unsigned code) {
    const auto byte = [&](unsigned b) { out += static_cast<char>(static_cast<unsigned char>(b)); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) return byte(0xC0 | code >> 6), byte(0x80 | (code & 0x3F));
    if (code < 0x10000) return byte(0xE0 | code >> 12), byte(0x80 | (code >> 6 & 0x3F)), byte(0x80 | (code & 0x3F));
    byte(0xF0 | code >> 18), byte(0x80 | (code >> 12 & 0x3F)), byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }

  bool unicode(std::string& out) {
    unsigned code = 0;
    if (!hex4(code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {  // the first half of a pair
      unsigned second = 0;
      if (!take('\\') || !take('u') || !hex4(second) || second < 0xDC00 || second > 0xDFFF) return fail("half a pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (second - 0xDC00);
    } else if (code >= 0xDC00 && code < 0xE000) {
      return fail("half a pair");
    }
    append_utf8(out, code);
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return fail("a control character");
      if (c != '\\') {
        out += c;
        continue;
      }
      constexpr std::string_view kEscapes = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
      const char escape = peek();
      ++at_;
      if (escape == 'u') {
        if (!unicode(out)) return false;
        continue;
      }
      const std::size_t which = kEscapes.find(escape);
      if (escape == '\0' || which == std::string_view::npos) return fail("a wrong escape");
      out += kMeanings[which];
    }
    return fail("a string does not end");
  }

  std::string_view text_;
  Problem& problem_;
  std::string_view where_;
  std::size_t at_ = 0, values_ = 0;
};

}  // namespace mal::infer::detail
