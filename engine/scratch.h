// Lists of what a call describes to its kernels, one a type and thread: an op's calls of several tiles run at once, and
// a step allocates nothing once they have grown.
#pragma once

#include <vector>

namespace mal {

// Empty; valid until the thread asks for one of that type again.
template <typename T>
std::vector<T>& scratch_list() {
  static thread_local std::vector<T> list;
  list.clear();
  return list;
}

}  // namespace mal
