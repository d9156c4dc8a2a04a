// A text file that grows a line at a time and is readable while it does: metrics.jsonl.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace mal {

class AppendLog {
 public:
  // Creates the file, or empties it unless `keep`. Throws Error.
  explicit AppendLog(std::string path, bool keep = false);
  ~AppendLog();
  AppendLog(const AppendLog&) = delete;
  AppendLog& operator=(const AppendLog&) = delete;
  void line(std::string_view text);  // whole or an Error that names the file; '\n' is added
  void rewind(std::uint64_t bytes);  // forgets what comes after the first `bytes`
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int descriptor_;
};

}  // namespace mal
