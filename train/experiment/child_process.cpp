#include "train/experiment/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "engine/device.h"
#include "engine/error.h"
#include "engine/file.h"
#include "train/config/parallel.h"

namespace mal {

namespace {

constexpr int kNotStarted = 127, kSignalled = 128;

// In the child: only calls that are safe after a fork.
[[noreturn]] void become(char* const* arguments, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNotStarted);  // it died before the line above
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(arguments[0], arguments);
  ::_exit(kNotStarted);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, const std::string& log) {
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  pointers.reserve(copies.size() + 1);
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  const int descriptor = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) fail("cannot create {}: {}", log, std::generic_category().message(errno));
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) become(pointers.data(), descriptor, parent);
  const int cause = errno;
  ::close(descriptor);
  if (pid_ < 0) fail("cannot start {}: {}", arguments.front(), std::generic_category().message(cause));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  return *this;
}

ChildProcess::~ChildProcess() {
  stop();
}

void ChildProcess::stop() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::optional<int> ChildProcess::poll() {
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended == 0 || (ended < 0 && errno == EINTR)) return std::nullopt;
  if (ended < 0) fail("cannot wait for a process: {}", std::generic_category().message(errno));
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status);
}

std::size_t job_count(const std::string& device, int wanted, std::size_t things) {
  if (wanted <= 0) wanted = select_device(device, 1).name == "cpu" ? thread_count(0) : 1;
  return std::max<std::size_t>(1, std::min(static_cast<std::size_t>(wanted), things));
}

std::int64_t threads_of_job(std::int64_t configured, std::size_t jobs) {
  return configured != 0 ? configured : std::max(1, thread_count(0) / static_cast<int>(jobs));
}

void fail_of_child(const std::string& what, int code, const std::string& log) {
  std::string text = read_file(log);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  const std::string last = text.substr(text.rfind('\n') + 1);
  fail("{} failed ({}): {}; all that it said is in {}", what,
       code > kSignalled ? fmt::format("signal {}", code - kSignalled) : fmt::format("exit code {}", code), last, log);
}

}  // namespace mal
