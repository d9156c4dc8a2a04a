// The one exception type. Thrown at the edges (configuration, files, shapes), caught once in main().
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace mal {

// What went wrong, in one line that a user can act on: what, where (file:row:column or YAML line), and what to do.
class Error : public std::runtime_error {
 public:
  // exit_code: 1 = failed while running (bad data, full disk), 2 = the command or the configuration is wrong.
  explicit Error(const std::string& message, int exit_code = 1) : std::runtime_error(message), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// fail("{}:{}: credit {} is outside [0, 1]", file, row, value): throws Error with exit code 1.
template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...), 1);
}

// The same for a wrong command line or configuration: exit code 2.
template <typename... Args>
[[noreturn]] void fail_usage(fmt::format_string<Args...> format, Args&&... args) {
  throw Error(fmt::format(format, std::forward<Args>(args)...), 2);
}

}  // namespace mal
