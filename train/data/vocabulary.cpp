#include "train/data/vocabulary.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

// Bytes that are not UTF-8 become U+FFFD in the file; the numbers are right either way.
std::string json_text(std::string_view value) {
  return nlohmann::json(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash >> 32);
}

constexpr std::size_t kMaxSliceValues = 10000;

}  // namespace

Vocabulary::Vocabulary() : slots_(1024) {}

std::size_t Vocabulary::slot_of(std::string_view value, std::uint64_t hash) const {
  std::size_t slot = hash & (slots_.size() - 1);
  while (slots_[slot].entry != 0) {
    if (slots_[slot].tag == tag_of(hash) && text(entries_[slots_[slot].entry - 1]) == value) break;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slot;
}

void Vocabulary::count(std::string_view value) {
  const std::uint64_t hash = XXH3_64bits(value.data(), value.size());
  const std::size_t slot = slot_of(value, hash);
  if (slots_[slot].entry != 0) {
    ++entries_[slots_[slot].entry - 1].seen;
    return;
  }
  if (entries_.size() >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()) - 1)
    fail("a column has more than 2^31 - 2 values; use `hash:` in the schema");
  entries_.push_back({text_.size(), static_cast<std::uint32_t>(value.size()), 0, 1});
  text_.insert(text_.end(), value.begin(), value.end());
  slots_[slot] = {static_cast<std::uint32_t>(entries_.size()), tag_of(hash)};
  if (entries_.size() * 2 > slots_.size()) grow();
}

void Vocabulary::grow() {
  slots_.assign(slots_.size() * 2, {});
  for (std::size_t e = 0; e < entries_.size(); ++e) {
    const std::string_view value = text(entries_[e]);
    const std::uint64_t hash = XXH3_64bits(value.data(), value.size());
    slots_[slot_of(value, hash)] = {static_cast<std::uint32_t>(e + 1), tag_of(hash)};
  }
}

void Vocabulary::assign(std::int64_t min_count) {
  std::vector<std::uint32_t> order(entries_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
    if (entries_[a].seen != entries_[b].seen) return entries_[a].seen > entries_[b].seen;
    return text(entries_[a]) < text(entries_[b]);
  });
  rows_ = 1;
  for (const std::uint32_t e : order)
    entries_[e].number = entries_[e].seen >= min_count ? static_cast<std::int32_t>(rows_++) : 0;
}

std::int32_t Vocabulary::find(std::string_view value) const {
  const Slot& slot = slots_[slot_of(value, XXH3_64bits(value.data(), value.size()))];
  return slot.entry == 0 ? 0 : entries_[slot.entry - 1].number;
}

void Vocabulary::write(const std::string& path) const {
  std::vector<const Entry*> by_number(static_cast<std::size_t>(rows_));
  for (const Entry& entry : entries_)
    if (entry.number > 0) by_number[static_cast<std::size_t>(entry.number)] = &entry;
  OutputFile file(path);
  file.write("{");
  for (std::size_t n = 1; n < by_number.size(); ++n)
    file.write(fmt::format("{}{}: {}", n == 1 ? "" : ",\n", json_text(text(*by_number[n])), n));
  file.write("}\n");
  file.commit();
}

std::int32_t SliceNames::code(std::string_view value) {
  const auto found = std::ranges::find(names_, value);
  if (found != names_.end()) return static_cast<std::int32_t>(found - names_.begin());
  if (names_.size() >= kMaxSliceValues)
    fail("a slice column has more than {} values; slices are for columns of few values", kMaxSliceValues);
  names_.emplace_back(value);
  return static_cast<std::int32_t>(names_.size() - 1);
}

void SliceNames::write(const std::string& path) const {
  OutputFile file(path);
  file.write("[");
  for (std::size_t i = 0; i < names_.size(); ++i) file.write((i == 0 ? "" : ",\n") + json_text(names_[i]));
  file.write("]\n");
  file.commit();
}

}  // namespace mal
