// Which group of a test a user is in: by a hash of the user and a salt.
#pragma once

#include <cstdint>
#include <vector>

namespace mal {

// Group 0 … groups − 1 of each user. The same user, salt and number of groups: the same group, however many users.
std::vector<std::uint8_t> split_users(std::uint32_t users, std::uint64_t salt, std::size_t groups);

}  // namespace mal
