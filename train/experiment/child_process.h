// A program of its own, started and waited for.
#pragma once

#include <sys/types.h>

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

// Error for a child that ended with another code than 0: the last line of its log, and where the rest is.
[[noreturn]] void fail_of_child(const std::string& what, int code, const std::string& log);

}  // namespace mal
