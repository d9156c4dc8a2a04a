// How far a long job is, on stderr.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace mal {

// On a terminal one line, rewritten at most ten times a second; otherwise a plain line every ten seconds. update() is
// cheap enough for inner loops: most calls do not look at the clock. Not for several threads at once.
class Progress {
 public:
  Progress(std::string label, std::uint64_t total);  // total 0: unknown, no percentage and no ETA
  Progress(std::string label, std::uint64_t total, std::FILE* out, bool terminal);  // for tests
  ~Progress();  // without finish() (an exception): leaves the cursor on a fresh line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::uint64_t done, std::string_view detail = {});  // detail: "loss 0.1234"
  void finish(std::string_view detail = {});                      // the last line: how many, how long, how fast

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::uint64_t done, std::string_view detail, Clock::time_point now);

  std::string label_;
  std::uint64_t total_, done_ = 0;
  std::FILE* out_;
  bool terminal_, finished_ = false, line_open_ = false;
  std::uint32_t calls_until_check_ = 0, calls_between_checks_ = 1;
  Clock::time_point start_, last_check_, last_shown_;
};

// "train: 25 % (512/2.05k), 1.02k/s, ETA 2 s, loss 0.1". After `seconds` of work.
std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total, double seconds,
                          std::string_view detail);

}  // namespace mal
