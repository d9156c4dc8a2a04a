#include "train/abtest/split.h"

#include "engine/random.h"

namespace mal {

std::vector<std::uint8_t> split_users(std::uint32_t users, std::uint64_t salt, std::size_t groups) {
  const Random random(salt, "abtest: split");
  std::vector<std::uint8_t> group(users);
  for (std::uint32_t user = 0; user < users; ++user)
    group[user] = static_cast<std::uint8_t>(random.below(user, groups));
  return group;
}

}  // namespace mal
