// A program of its own, started and waited for.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace mal {

class ChildProcess {
 public:
  // arguments[0] is the program's path. What it prints goes to the file `log`. It ends with us, even if we are killed.
  ChildProcess(const std::vector<std::string>& arguments, const std::string& log);
  ~ChildProcess();  // kills it if it still runs
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  // The exit code once it has ended (128 + signal if it was killed); nothing while it runs. Does not wait.
  std::optional<int> poll();

 private:
  void stop();
  pid_t pid_ = -1;
};

// How many children train at once: `wanted` or, where that is 0, as many as cores on the CPU and one on a GPU; no more
// than there are things to do.
std::size_t job_count(const std::string& device, int wanted, std::size_t things);
// The threads of each of so many jobs: what the configuration says or, where that is 0, its share of the cores. A run's
// result does not depend on its threads.
std::int64_t threads_of_job(std::int64_t configured, std::size_t jobs);

// Error for a child that ended with another code than 0: the last line of its log, and where the rest is.
[[noreturn]] void fail_of_child(const std::string& what, int code, const std::string& log);

}  // namespace mal
