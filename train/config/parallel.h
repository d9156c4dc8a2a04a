// A loop over independent blocks on a few threads.
#pragma once

#include <cstddef>
#include <functional>

namespace mal {

int thread_count(int requested);  // 0: one a core

// Calls body(0) … body(count − 1), each once, in any order and on any thread. The first exception is thrown again.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& body);

}  // namespace mal
