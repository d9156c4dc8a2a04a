#include "train/attribution/click_log.h"

namespace mal {

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

}  // namespace mal
