// One process at a time may work in a folder.
#pragma once

#include <string>

namespace mal {

// Held until destroyed; the system lets go of it when the process ends, however it ends.
class FolderLock {
 public:
  explicit FolderLock(const std::string& folder);  // throws Error if another process holds it
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

}  // namespace mal
