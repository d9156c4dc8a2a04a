#include "engine/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "engine/error.h"

namespace mal {

namespace {

// Linux gives a longer write larger pages, and those take two to six times as long (measured: 515 MB on ext4).
constexpr std::size_t kBufferBytes = 1 << 18;
constexpr std::uint64_t kSyncBytes = 1 << 22;

[[noreturn]] void fail_io(const char* action, const std::string& path) {
  const int cause = errno;
  const char* advice = cause == ENOSPC || cause == EFBIG || cause == EDQUOT
                           ? "; free some space or choose another folder"
                       : cause == EACCES || cause == EROFS ? "; choose a folder that can be written"
                                                           : "";
  fail("cannot {} {}: {}{}", action, path, std::generic_category().message(cause), advice);
}

std::string folder_of(const std::string& path) {
  const auto folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// After a rename: without this a power cut may forget the new name.
void sync_folder(const std::string& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail_io("open", folder);
  const int result = ::fsync(descriptor);
  const int cause = errno;
  ::close(descriptor);
  errno = cause;
  if (result != 0) fail_io("sync", folder);
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)), temporary_(path_ + ".tmp") {
  struct stat status = {};
  // A rename over /dev/stdout or a directory would replace it, or fail when all the work is done.
  if (::stat(path_.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    fail("cannot write {}: it is {}; name a file", path_, S_ISDIR(status.st_mode) ? "a folder" : "not a regular file");
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_io("create", temporary_);
  buffer_.reserve(kBufferBytes);
}

OutputFile::~OutputFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void OutputFile::write(const void* data, std::size_t bytes) {
  const char* bytes_in = static_cast<const char*>(data);
  if (buffer_.size() + bytes > kBufferBytes) flush();
  if (bytes > kBufferBytes)
    write_through(bytes_in, bytes);
  else
    buffer_.insert(buffer_.end(), bytes_in, bytes_in + bytes);
  position_ += bytes;
}

void OutputFile::write_through(const char* data, std::size_t bytes) {
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t written = ::write(descriptor_, data + done, std::min(bytes - done, kBufferBytes));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_io("write", path_);
    done += static_cast<std::size_t>(written);
  }
  // The disk begins now, so that commit() waits less. A hint: what fails is noticed by fsync.
  unsynced_ += bytes;
  if (unsynced_ < kSyncBytes) return;
  static_cast<void>(::sync_file_range(descriptor_, 0, 0, SYNC_FILE_RANGE_WRITE));
  unsynced_ = 0;
}

void OutputFile::flush() {
  write_through(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void OutputFile::seek(std::uint64_t offset) {
  flush();
  if (::lseek(descriptor_, static_cast<off_t>(offset), SEEK_SET) < 0) fail_io("seek in", path_);
  position_ = offset;
}

void OutputFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_io("sync", path_);
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    ::unlink(temporary_.c_str());
    fail_io("close", path_);
  }
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary_.c_str());
    errno = cause;
    fail_io("rename to", path_);
  }
  sync_folder(folder_of(path_));
}

OutputFolder::OutputFolder(std::string target, std::string marker)
    : target_(std::move(target)), marker_(std::move(marker)) {
  while (target_.size() > 1 && target_.back() == '/') target_.pop_back();
  temporary_ = target_ + ".tmp";
  namespace fs = std::filesystem;
  if (fs::exists(target_) && !fs::exists(target_ + "/" + marker_) &&
      !(fs::is_directory(target_) && fs::is_empty(target_)))
    fail_usage("{} exists and was not written by this command (it has no {}): choose another --out, or remove it",
               target_, marker_);
  std::error_code error;
  fs::remove_all(temporary_, error);
  fs::create_directories(temporary_, error);
  if (error) fail("cannot create {}: {}; choose another --out", temporary_, error.message());
}

OutputFolder::~OutputFolder() {
  if (committed_) return;
  std::error_code ignored;
  std::filesystem::remove_all(temporary_, ignored);
}

void OutputFolder::commit() {
  namespace fs = std::filesystem;
  std::error_code error;
  sync_folder(temporary_);
  // One step where the file system can: then `temporary_` holds the old folder.
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0) {
    committed_ = true;
    sync_folder(folder_of(target_));
    fs::remove_all(temporary_, error);
    return;
  }
  // Between the two renames the old folder still exists under another name: nothing is lost if we are killed here.
  const std::string old = target_ + ".old";
  fs::remove_all(old, error);
  if (fs::exists(target_)) {
    fs::rename(target_, old, error);
    if (error) fail("cannot replace {}: {}", target_, error.message());
  }
  fs::rename(temporary_, target_, error);
  if (error) fail("cannot rename {} to {}: {}", temporary_, target_, error.message());
  committed_ = true;
  sync_folder(folder_of(target_));
  fs::remove_all(old, error);
}

std::string read_file(const std::string& path, std::uint64_t limit) {
  const MappedFile file(path);
  if (file.size() > limit) fail("{} has {} bytes; at most {} are read here", path, file.size(), limit);
  return {reinterpret_cast<const char*>(file.data()), file.size()};
}

MappedFile::MappedFile(const std::string& path) {
  // Not blocking: a pipe that nobody writes to is refused below, not waited for.
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) fail_io("open", path);
  struct stat status = {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  void* data = nullptr;
  if (regular && status.st_size > 0)
    data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
  const int cause = errno;
  ::close(descriptor);
  errno = cause;
  if (!regular) fail("cannot read {}: it is not a regular file", path);
  if (data == MAP_FAILED) fail_io("map", path);
  data_ = static_cast<const std::byte*>(data);
  size_ = data_ == nullptr ? 0 : static_cast<std::size_t>(status.st_size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace mal
