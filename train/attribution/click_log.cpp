#include "train/attribution/click_log.h"

#include <xxhash.h>

#include <utility>

namespace mal {

namespace {

template <typename T>
void filter(std::vector<T>& values, const std::vector<bool>& keep) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    if (keep[i]) values[kept++] = values[i];
  values.resize(kept);
}

}  // namespace

std::uint32_t Interner::intern(std::string_view text) {
  if (names_.size() * 2 >= slots_.size()) grow();
  const auto hash = static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size()));
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id_after != 0) {
    if (slots_[at].hash == hash && names_[slots_[at].id_after - 1] == text) return slots_[at].id_after - 1;
    at = (at + 1) & (slots_.size() - 1);
  }
  names_.emplace_back(text);
  slots_[at] = {hash, size()};
  return size() - 1;
}

std::optional<std::uint32_t> Interner::find(std::string_view text) const {
  const auto hash = static_cast<std::uint32_t>(XXH3_64bits(text.data(), text.size()));
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id_after != 0) {
    if (slots_[at].hash == hash && names_[slots_[at].id_after - 1] == text) return slots_[at].id_after - 1;
    at = (at + 1) & (slots_.size() - 1);
  }
  return std::nullopt;
}

void Interner::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2));
  for (const Slot& slot : old) {
    if (slot.id_after == 0) continue;
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].id_after != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

PairInterner::Slot& PairInterner::find(std::uint64_t pair) {
  // splitmix64's finaliser: small ids spread over all bits.
  std::uint64_t hash = (pair ^ (pair >> 30)) * 0xBF58476D1CE4E5B9;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EB;
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = (hash ^ (hash >> 31)) & mask;
  while (slots_[at].id != kEmpty && slots_[at].pair != pair) at = (at + 1) & mask;
  return slots_[at];
}

void PairInterner::grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(slots_.size() * 2, Slot{0, kEmpty}));
  for (const Slot& slot : old)
    if (slot.id != kEmpty) find(slot.pair) = slot;
}

std::uint32_t PairInterner::intern(std::uint32_t first, std::uint32_t second, std::uint32_t& next) {
  if (std::size_t{size_} * 2 >= slots_.size()) grow();
  const std::uint64_t pair = std::uint64_t{first} << 32 | second;
  Slot& slot = find(pair);
  if (slot.id == kEmpty) {
    slot = {pair, next++};
    ++size_;
  }
  return slot.id;
}

void ClickLog::keep_from(const std::vector<std::int64_t>& group_times) {
  std::vector<bool> keep(size());
  for (std::size_t click = 0; click < size(); ++click) keep[click] = time[click] >= group_times[group[click]];
  filter(time, keep);
  filter(user, keep);
  filter(group, keep);
  filter(channel, keep);
  filter(open_group, keep);
  filter(kind, keep);
  filter(number, keep);
  filter(row, keep);
  filter(digest, keep);
  filter(slice, keep);
  filter(delay_group, keep);
  filter(truth, keep);
  filter(cost, keep);
  for (std::vector<std::uint32_t>& values : history) filter(values, keep);
}

}  // namespace mal
