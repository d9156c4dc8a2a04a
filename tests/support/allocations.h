// A program's allocations, counted; and made to fail. allocations.cpp, which the program is linked with
// (mal_count_allocations in CMake), replaces the operators new and delete.
#pragma once

#include <atomic>

namespace mal::test {

extern std::atomic<long> allocations;
extern std::atomic<long> allocations_left;  // until they fail; −1: no limit

}  // namespace mal::test
