#include "train/config/progress.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <thread>

namespace mal {

namespace {

// A stream whose text can be read back.
class ProgressOutput {
 public:
  ProgressOutput() : file_(std::tmpfile(), &std::fclose) { REQUIRE(file_ != nullptr); }
  std::FILE* file() const { return file_.get(); }
  std::string text() const {
    std::string text;
    std::rewind(file_.get());
    for (int c = std::fgetc(file_.get()); c != EOF; c = std::fgetc(file_.get())) text += static_cast<char>(c);
    return text;
  }

 private:
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace

TEST_CASE("a progress line has percentage, rate and time left") {
  CHECK(progress_line("train", 512, 2048, 0.5, "loss 0.1") == "train: 25 % (512/2.05k), 1.02k/s, ETA 1.5 s, loss 0.1");
  CHECK(progress_line("train", 0, 2048, 0, "") == "train: 0 % (0/2.05k)");
  CHECK(progress_line("read", 1'234'567, 0, 10, "") == "read: 1.23M, 123k/s");
  CHECK(progress_line("x", 999, 1000, 1, "") == "x: 99 % (999/1.00k), 999/s, ETA 0.0 s");
  CHECK(progress_line("x", 1, 3601, 1, "") == "x: 0 % (1/3.60k), 1/s, ETA 1 h 00 min");
  CHECK(progress_line("x", 1, 101, 1, "") == "x: 0 % (1/101), 1/s, ETA 1 min 40 s");
  CHECK(progress_line("x", 20, 10, 1, "") == "x: 100 % (20/10), 20/s");
}

TEST_CASE("progress on no terminal is one plain line for a short job") {
  const ProgressOutput output;
  Progress progress("prepare", 1000, output.file(), false);
  for (std::uint64_t i = 0; i < 1000; ++i) progress.update(i);
  progress.finish("12 columns");
  progress.finish("a second time says nothing");
  const std::string text = output.text();
  CHECK_THAT(text, Catch::StartsWith("prepare: 1.00k in 0.0 s ("));
  CHECK_THAT(text, Catch::EndsWith("/s), 12 columns\n"));
  CHECK(std::ranges::count(text, '\n') == 1);
  CHECK(text.find('\r') == std::string::npos);
}

TEST_CASE("progress on a terminal rewrites its line at most ten times a second") {
  const ProgressOutput output;
  {
    Progress progress("train", 300, output.file(), true);
    for (std::uint64_t i = 0; i < 300; ++i) {
      progress.update(i, "loss 1");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    progress.finish();
  }
  const std::string text = output.text();
  const auto lines = std::ranges::count(text, '\r');
  CHECK(lines >= 3);   // 2 updates within 0.3 s, and the last line
  CHECK(lines <= 30);  // a busy machine may sleep longer, never faster than ten a second
  CHECK_THAT(text, Catch::Contains("loss 1\x1b[K\r"));
  CHECK(std::ranges::count(text, '\n') == 1);
  CHECK(text.back() == '\n');
}

TEST_CASE("progress that an exception cuts short leaves a fresh line") {
  const ProgressOutput output;
  try {
    Progress progress("train", 2, output.file(), true);
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    progress.update(1);
    throw std::runtime_error("disk full");
  } catch (const std::runtime_error&) {
  }
  CHECK(output.text().back() == '\n');
}

TEST_CASE("progress costs an inner loop next to nothing") {
  const ProgressOutput output;
  Progress progress("read", 0, output.file(), false);
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < 10'000'000; ++i) progress.update(i);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(taken.count() < 2.0);  // 200 ns a call; measured about 3 ns
}

}  // namespace mal
