// A text file that grows a line at a time and is readable while it does: metrics.jsonl.
#pragma once

#include <string>
#include <string_view>

namespace mal {

class AppendLog {
 public:
  explicit AppendLog(std::string path);  // creates or truncates; throws Error
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;
  void line(std::string_view text);  // whole or an Error that names the file; '\n' is added

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace mal
