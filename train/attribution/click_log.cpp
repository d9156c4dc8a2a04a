#include "train/attribution/click_log.h"

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
  const auto found = ids_.find(text);
  if (found != ids_.end()) return found->second;
  const std::uint32_t id = size();
  ids_.emplace(names_.emplace_back(text), id);
  return id;
}

std::size_t PairInterner::Hash::operator()(std::uint64_t pair) const {
  // std::hash of an integer is the integer: pairs of small ids would fill few buckets.
  pair = (pair ^ (pair >> 32)) * 0x9E3779B97F4A7C15;
  return pair ^ (pair >> 29);
}

std::uint32_t PairInterner::intern(std::uint32_t first, std::uint32_t second) {
  return ids_.try_emplace(std::uint64_t{first} << 32 | second, size()).first->second;
}

std::uint64_t ClickLog::keep_only(const std::vector<bool>& keep) {
  const std::size_t before = size();
  filter(time, keep);
  filter(user, keep);
  filter(group, keep);
  filter(channel, keep);
  filter(row, keep);
  filter(slice, keep);
  filter(truth, keep);
  for (std::vector<std::uint32_t>& values : history) filter(values, keep);
  return before - size();
}

}  // namespace mal
