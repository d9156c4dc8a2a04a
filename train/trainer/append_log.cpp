#include "train/trainer/append_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace mal {

AppendLog::AppendLog(std::string path, bool keep)
    : path_(std::move(path)),
      descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (keep ? 0 : O_TRUNC), 0644)) {
  if (descriptor_ < 0) fail("cannot create {}: {}", path_, std::generic_category().message(errno));
}

AppendLog::~AppendLog() {
  ::close(descriptor_);
}

void AppendLog::line(std::string_view text) {
  std::string bytes(text);
  bytes += '\n';
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(descriptor_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      fail("cannot write {}: {}; free some space or choose another output", path_,
           std::generic_category().message(errno));
    done += static_cast<std::size_t>(written);
  }
}

void AppendLog::rewind(std::uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0)
    fail("cannot shorten {}: {}", path_, std::generic_category().message(errno));
}

}  // namespace mal
