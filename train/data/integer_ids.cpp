#include "train/data/integer_ids.h"

#include <algorithm>
#include <bit>
#include <charconv>

namespace mal {

namespace {

constexpr std::uint64_t kSmall = std::uint64_t{1} << 20;  // values below have a place of their own
constexpr std::size_t kFewSlots = 1024;

bool is_small(std::int64_t value) {
  return static_cast<std::uint64_t>(value) < kSmall;  // a negative one is not
}

// The upper bits of a product with 2^64 / golden ratio: consecutive values fall far from each other.
std::size_t slot_of(std::int64_t value, std::size_t slots) {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
  const std::uint64_t mixed = (static_cast<std::uint64_t>(value) ^ static_cast<std::uint64_t>(value) >> 32) * kGolden;
  return mixed >> (64 - std::countr_zero(slots));
}

}  // namespace

std::optional<std::int64_t> as_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  const bool canonical = !digits.starts_with('0') || text == "0";
  return canonical ? std::optional(value) : std::nullopt;
}

void IntegerCounts::count(std::int64_t value, std::int64_t times) {
  if (is_small(value)) {
    const auto place = static_cast<std::size_t>(value);
    if (place >= small_.size()) small_.resize(std::min<std::size_t>(kSmall, std::max(place + 1, small_.size() * 2)));
    small_[place] += times;
    return;
  }
  if (slots_.size() < 2 * (used_ + 1)) grow();
  std::size_t at = slot_of(value, slots_.size());
  while (slots_[at].seen != 0 && slots_[at].value != value) at = (at + 1) & (slots_.size() - 1);
  used_ += slots_[at].seen == 0 ? 1 : 0;
  slots_[at].value = value;
  slots_[at].seen += times;
}

void IntegerCounts::grow() {
  std::vector<Slot> old(std::max(kFewSlots, slots_.size() * 2));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.seen == 0) continue;
    std::size_t at = slot_of(slot.value, slots_.size());
    while (slots_[at].seen != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

void IntegerCounts::add_to(Vocabulary& vocabulary) const {
  const auto add = [&](std::int64_t value, std::int64_t seen) {
    char text[20];
    const auto end = std::to_chars(std::begin(text), std::end(text), value).ptr;
    vocabulary.count({text, static_cast<std::size_t>(end - text)}, seen);
  };
  for (std::size_t value = 0; value < small_.size(); ++value)
    if (small_[value] != 0) add(static_cast<std::int64_t>(value), small_[value]);
  for (const Slot& slot : slots_)
    if (slot.seen != 0) add(slot.value, slot.seen);
}

IntegerIndex::IntegerIndex(const Vocabulary& vocabulary) {
  std::vector<Slot> large;
  vocabulary.for_each([&](std::string_view text, std::int32_t number) {
    const std::optional<std::int64_t> value = as_integer(text);
    if (!value) return;
    if (!is_small(*value)) return large.push_back({*value, number});
    const auto place = static_cast<std::size_t>(*value);
    if (place >= small_.size()) small_.resize(std::min<std::size_t>(kSmall, std::max(place + 1, small_.size() * 2)));
    small_[place] = number;
  });
  if (large.empty()) return;
  slots_.resize(std::bit_ceil(large.size() * 2));
  for (const Slot& slot : large) {
    std::size_t at = slot_of(slot.value, slots_.size());
    while (slots_[at].number != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

std::int32_t IntegerIndex::find(std::int64_t value) const {
  if (is_small(value)) {
    const auto place = static_cast<std::size_t>(value);
    return place < small_.size() ? small_[place] : 0;
  }
  if (slots_.empty()) return 0;
  std::size_t at = slot_of(value, slots_.size());
  while (slots_[at].number != 0 && slots_[at].value != value) at = (at + 1) & (slots_.size() - 1);
  return slots_[at].number;
}

}  // namespace mal
