#include "train/config/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace mal {

namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

constexpr milliseconds kTerminalInterval{100}, kPlainInterval{10'000};
constexpr milliseconds kCheckInterval{5};         // the clock is read about this often
constexpr std::uint32_t kMaxCallsBetween = 1024;  // a loop that suddenly slows down is noticed within these

// 1234567 → "1.23M"; whole numbers below a thousand.
std::string short_number(double value) {
  constexpr std::string_view kSuffixes[] = {"", "k", "M", "G", "T"};
  std::size_t suffix = 0;
  while (value >= 999.5 && suffix + 1 < std::size(kSuffixes)) {
    value /= 1000;
    ++suffix;
  }
  if (suffix == 0 && (value >= 10 || value == std::floor(value))) return fmt::format("{:.0f}", value);
  const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, digits, kSuffixes[suffix]);
}

std::string short_time(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const double capped = std::min(seconds, 1e9);
  const auto whole = static_cast<std::int64_t>(std::llround(capped));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

double rate_of(std::uint64_t done, double seconds) {
  return static_cast<double>(done) / std::max(seconds, 1e-9);
}

}  // namespace

std::string progress_line(std::string_view label, std::uint64_t done, std::uint64_t total, double seconds,
                          std::string_view detail) {
  std::string line = fmt::format("{}: ", label);
  const auto d = static_cast<double>(done), t = static_cast<double>(total);
  if (total > 0)
    line += fmt::format("{:.0f} % ({}/{})", std::floor(100 * std::min(1.0, d / t)), short_number(d), short_number(t));
  else
    line += short_number(d);
  if (seconds > 0) line += fmt::format(", {}/s", short_number(rate_of(done, seconds)));
  if (done > 0 && done < total) line += fmt::format(", ETA {}", short_time(seconds * (t - d) / d));
  if (!detail.empty()) line += fmt::format(", {}", detail);
  return line;
}

Progress::Progress(std::string label, std::uint64_t total)
    : Progress(std::move(label), total, stderr, isatty(STDERR_FILENO) != 0) {}

Progress::Progress(std::string label, std::uint64_t total, std::FILE* out, bool terminal)
    : label_(std::move(label)), total_(total), out_(out), terminal_(terminal) {
  start_ = last_check_ = last_shown_ = Clock::now();
}

Progress::~Progress() {
  if (line_open_) std::fputc('\n', out_);
}

void Progress::update(std::uint64_t done, std::string_view detail) {
  done_ = done;
  if (calls_until_check_ > 0) {
    --calls_until_check_;
    return;
  }
  const auto now = Clock::now();
  if (now - last_check_ < kCheckInterval)
    calls_between_checks_ = std::min(calls_between_checks_ * 2, kMaxCallsBetween);
  else
    calls_between_checks_ = std::max(calls_between_checks_ / 2, 1U);
  calls_until_check_ = calls_between_checks_ - 1;
  last_check_ = now;
  if (!finished_ && now - last_shown_ >= (terminal_ ? kTerminalInterval : kPlainInterval)) show(done, detail, now);
}

void Progress::show(std::uint64_t done, std::string_view detail, Clock::time_point now) {
  const double seconds = duration<double>(now - start_).count();
  const std::string line = progress_line(label_, done, total_, seconds, detail);
  // \r and "erase to the end": a shorter line leaves nothing of a longer one behind.
  fmt::print(out_, "{}{}{}", terminal_ ? "\r" : "", line, terminal_ ? "\x1b[K" : "\n");
  std::fflush(out_);
  line_open_ = terminal_;
  last_shown_ = now;
}

void Progress::finish(std::string_view detail) {
  if (finished_) return;
  finished_ = true;
  if (total_ > 0) done_ = std::max(done_, total_);
  const double seconds = duration<double>(Clock::now() - start_).count();
  std::string line = fmt::format("{}: {} in {} ({}/s)", label_, short_number(static_cast<double>(done_)),
                                 short_time(seconds), short_number(rate_of(done_, seconds)));
  if (!detail.empty()) line += fmt::format(", {}", detail);
  fmt::print(out_, "{}{}{}\n", terminal_ ? "\r" : "", line, terminal_ ? "\x1b[K" : "");
  std::fflush(out_);
  line_open_ = false;
}

}  // namespace mal
