#include "train/data/vocabulary.h"

#include <xxhash.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

constexpr std::size_t kMaxValues = std::numeric_limits<std::int32_t>::max() - 1;  // with row 0, "unseen"
constexpr std::size_t kInlineBytes = 15;
constexpr int kLengthShift = 56;  // the key's last byte: the value's length, or kLongMark
constexpr std::uint64_t kLongMark = 0xFF;

__extension__ using Wide = unsigned __int128;

template <typename T>
std::uint64_t load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// The first eight bytes as a number that is ordered as the text is; a shorter text is followed by zeros.
std::uint64_t prefix_of(std::string_view value) {
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < sizeof(prefix); ++i)
    prefix = prefix << 8 | (i < value.size() ? static_cast<unsigned char>(value[i]) : 0U);
  return prefix;
}

// Numbers and plain words need no escapes.
bool is_plain(std::string_view value) {
  return std::ranges::all_of(value, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

constexpr std::uint64_t kHighBits = 0x8080808080808080;  // of eight bytes: those that ASCII does not set

std::uint64_t eight_bytes(std::string_view text, std::size_t at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, text.data() + at, sizeof bytes);
  return bytes;
}

}  // namespace

std::string json_text(std::string_view value, const std::string& path) {
  if (is_plain(value)) return '"' + std::string(value) + '"';
  if (!is_utf8(value))
    fail("{}: the value '{}' is not UTF-8; convert the input, for example with iconv -f latin1 -t utf-8", path,
         printable(value));
  return nlohmann::json(value).dump();
}

bool is_ascii(std::string_view text) {
  const auto word = [&](std::size_t at) { return eight_bytes(text, at); };
  std::uint64_t found = 0;
  std::size_t at = 0;
  for (; at + 32 <= text.size(); at += 32) found |= word(at) | word(at + 8) | word(at + 16) | word(at + 24);
  for (; at + 8 <= text.size(); at += 8) found |= word(at);
  if (at < text.size() && text.size() >= 8) return ((found | word(text.size() - 8)) & kHighBits) == 0;
  for (; at < text.size(); ++at) found |= static_cast<unsigned char>(text[at]);
  return (found & kHighBits) == 0;
}

bool is_utf8(std::string_view text) {
  if (is_ascii(text)) return true;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const std::size_t size = text.size();
  std::size_t at = 0;
  const auto follows = [&](std::size_t place) { return at + place < size && (bytes[at + place] & 0xC0) == 0x80; };
  while (at < size) {
    const unsigned lead = bytes[at];
    const unsigned second = at + 1 < size ? bytes[at + 1] : 0;
    if (lead < 0x80) {
      ++at;
      while (at + 8 <= size && (eight_bytes(text, at) & kHighBits) == 0)
        at += 8;  // most of a row is ASCII all the same
    } else if (lead >= 0xC2 && lead <= 0xDF && follows(1)) {
      at += 2;
    } else if (lead >= 0xE0 && lead <= 0xEF && follows(1) && follows(2)) {
      if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second >= 0xA0)) return false;  // too long; a surrogate
      at += 3;
    } else if (lead >= 0xF0 && lead <= 0xF4 && follows(1) && follows(2) && follows(3)) {
      if ((lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second >= 0x90)) return false;  // too long; no code point
      at += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::string printable(std::string_view value) {
  std::string shown(value.substr(0, 40));
  for (char& c : shown)
    if (c < ' ' || c > '~') c = '?';
  return shown;
}

Vocabulary::Vocabulary() : slots_(1024) {}

// Two loads that may overlap cover any length (as XXH3 does for short inputs); the length makes the key unique.
Vocabulary::Key Vocabulary::key_of(std::string_view value) {
  const char* at = value.data();
  const std::size_t n = value.size();
  if (n > kInlineBytes) return {XXH3_64bits(at, n), kLongMark << kLengthShift};
  Key key{0, std::uint64_t{n} << kLengthShift};
  if (n > 8) {
    key.low = load<std::uint64_t>(at);
    key.high |= load<std::uint64_t>(at + n - 8) >> (8 * (16 - n));
  } else if (n >= 4) {
    key.low = load<std::uint32_t>(at) | load<std::uint32_t>(at + n - 4) << (8 * (n - 4));
  } else if (n > 0) {
    key.low = load<std::uint8_t>(at) | load<std::uint8_t>(at + n / 2) << (8 * (n / 2)) |
              load<std::uint8_t>(at + n - 1) << (8 * (n - 1));
  }
  return key;
}

// Each half by an odd constant, folded from 128 bits to 64: the mix of wyhash and XXH3.
std::uint64_t Vocabulary::hash_of(const Key& key) {
  constexpr std::uint64_t kFirst = 0x9E3779B185EBCA87, kSecond = 0xC2B2AE3D27D4EB4F;
  const auto product = static_cast<Wide>(key.low ^ kFirst) * (key.high ^ kSecond);
  const std::uint64_t folded = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  return folded ^ folded >> 32;
}

std::size_t Vocabulary::slot_of(std::string_view value, const Key& key) const {
  std::size_t at = hash_of(key) & (slots_.size() - 1);
  while (slots_[at].entry != 0) {
    const bool same = slots_[at].key == key;
    if (same && (value.size() <= kInlineBytes || text(entries_[slots_[at].entry - 1]) == value)) break;
    at = (at + 1) & (slots_.size() - 1);
  }
  return at;
}

Vocabulary::Slot& Vocabulary::insert(std::string_view value) {
  if ((entries_.size() + 1) * 2 > slots_.size()) grow();
  const Key key = key_of(value);
  Slot& slot = slots_[slot_of(value, key)];
  if (slot.entry != 0) return slot;
  if (entries_.size() >= kMaxValues) fail("a column has more than {} values; use `hash:` in the schema", kMaxValues);
  entries_.push_back({text_.size(), static_cast<std::uint32_t>(value.size())});
  text_.insert(text_.end(), value.begin(), value.end());
  slot.key = key;
  slot.entry = static_cast<std::uint32_t>(entries_.size());
  return slot;
}

bool Vocabulary::count(std::string_view value, std::int64_t times) {
  Slot& slot = insert(value);
  slot.seen += times;
  return slot.seen == times;
}

bool Vocabulary::add(std::string_view value) {
  Slot& slot = insert(value);
  if (slot.number != 0) return false;
  slot.number = static_cast<std::int32_t>(rows_++);
  return true;
}

void Vocabulary::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.entry == 0) continue;
    std::size_t at = hash_of(slot.key) & (slots_.size() - 1);
    while (slots_[at].entry != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

void Vocabulary::assign(std::int64_t min_count) {
  // The first bytes lie beside the count, so that most comparisons do not go to the text.
  struct Ranked {
    std::int64_t seen;
    std::uint64_t prefix;
    Slot* slot;
  };
  std::vector<Ranked> order;
  order.reserve(entries_.size());
  for (Slot& slot : slots_)
    if (slot.entry != 0 && slot.number == 0)
      order.push_back({slot.seen, prefix_of(text(entries_[slot.entry - 1])), &slot});
  std::ranges::sort(order, [&](const Ranked& a, const Ranked& b) {
    if (a.seen != b.seen) return a.seen > b.seen;
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    return text(entries_[a.slot->entry - 1]) < text(entries_[b.slot->entry - 1]);
  });
  for (const Ranked& ranked : order)
    ranked.slot->number = ranked.seen >= min_count ? static_cast<std::int32_t>(rows_++) : 0;
}

std::int32_t Vocabulary::find(std::string_view value) const {
  return slots_[slot_of(value, key_of(value))].number;  // a free slot's is 0
}

std::int64_t Vocabulary::seen(std::string_view value) const {
  return slots_[slot_of(value, key_of(value))].seen;  // a free slot's is 0
}

void Vocabulary::write(const std::string& path) const {
  std::vector<const Entry*> by_number(static_cast<std::size_t>(rows_));
  for (const Slot& slot : slots_)
    if (slot.number > 0) by_number[static_cast<std::size_t>(slot.number)] = &entries_[slot.entry - 1];
  OutputFile file(path);
  file.write("{");
  for (std::size_t n = 1; n < by_number.size(); ++n) {
    file.write(n == 1 ? "" : ",\n");
    file.write(json_text(text(*by_number[n]), path));
    file.write(fmt::format(": {}", n));
  }
  file.write("}\n");
  file.commit();
}

namespace {

// The members of one flat object of integers, as they come: a file of millions of values makes no tree in memory.
class VocabularyMembers : public nlohmann::json_sax<nlohmann::json> {
 public:
  struct Member {
    std::int64_t index;
    std::string value;
  };
  std::vector<Member> members;
  std::string wrong;  // why it is no vocabulary

  bool key(std::string& text) override {
    value_ = std::move(text);
    return true;
  }
  bool number_integer(std::int64_t index) override {
    if (depth_ != 1) return refuse("it is not an object of value: index");
    members.push_back({index, std::move(value_)});
    return true;
  }
  bool number_unsigned(std::uint64_t index) override {
    if (index > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      return refuse("an index is too large");
    return number_integer(static_cast<std::int64_t>(index));
  }
  bool start_object(std::size_t) override { return ++depth_ == 1 || refuse("it holds an object in an object"); }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool null() override { return not_an_index(); }
  bool boolean(bool) override { return not_an_index(); }
  bool number_float(double, const std::string&) override { return not_an_index(); }
  bool string(std::string&) override { return not_an_index(); }
  bool binary(nlohmann::json::binary_t&) override { return not_an_index(); }
  bool start_array(std::size_t) override { return refuse("it holds a list"); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    return refuse(fmt::format("it is not JSON from byte {} on", position));
  }

 private:
  bool not_an_index() { return refuse(fmt::format("the index of '{}' is no integer", value_)); }
  bool refuse(std::string why) {
    wrong = std::move(why);
    return false;
  }

  std::string value_;
  int depth_ = 0;
};

}  // namespace

Vocabulary read_vocabulary(const std::string& path) {
  const MappedFile file(path);
  const char* text = reinterpret_cast<const char*>(file.data());
  VocabularyMembers found;
  if (!nlohmann::json::sax_parse(text, text + file.size(), &found))
    fail("{}: {}; a vocabulary is {{\"value\": index, …}}", path, found.wrong);
  std::ranges::sort(found.members, {}, &VocabularyMembers::Member::index);
  Vocabulary vocabulary;
  for (std::size_t i = 0; i < found.members.size(); ++i) {
    const auto& [index, value] = found.members[i];
    if (i > 0 && found.members[i - 1].index == index)
      fail("{}: '{}' and '{}' have the same index {}", path, found.members[i - 1].value, value, index);
    if (!vocabulary.add(value)) fail("{}: the value '{}' stands twice", path, value);
  }
  return vocabulary;
}

std::int32_t SliceNames::code(std::string_view value) {
  const auto found = std::ranges::find(names_, value);
  if (found != names_.end()) return static_cast<std::int32_t>(found - names_.begin());
  if (names_.size() >= kMaxValues) return -1;
  names_.emplace_back(value);
  return static_cast<std::int32_t>(names_.size() - 1);
}

void SliceNames::write(const std::string& path) const {
  OutputFile file(path);
  file.write("[");
  for (std::size_t i = 0; i < names_.size(); ++i) {
    file.write(i == 0 ? "" : ",\n");
    file.write(json_text(names_[i], path));
  }
  file.write("]\n");
  file.commit();
}

std::vector<std::string> read_slice_names(const std::string& path) {
  const nlohmann::json json = nlohmann::json::parse(read_file(path), nullptr, false);
  if (!json.is_array()) fail("{}: it is not a JSON list; prepare again", path);
  std::vector<std::string> names;
  for (const auto& name : json) {
    if (!name.is_string()) fail("{}: it holds something else than names; prepare again", path);
    names.push_back(name.get<std::string>());
  }
  return names;
}

}  // namespace mal
