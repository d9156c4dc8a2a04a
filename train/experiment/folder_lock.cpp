#include "train/experiment/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "engine/error.h"

namespace mal {

FolderLock::FolderLock(const std::string& folder) {
  const std::string path = folder + "/lock";
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail("cannot create {}: {}", path, std::generic_category().message(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int cause = errno;
  ::close(descriptor_);
  if (cause == EWOULDBLOCK)
    fail("another process is working in {}: wait until it has ended, or choose another output", folder);
  fail("cannot lock {}: {}", path, std::generic_category().message(cause));
}

FolderLock::~FolderLock() {
  ::close(descriptor_);
}

}  // namespace mal
