// How far reading the sample files is, by bytes.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "train/config/progress.h"

namespace mal {

class ReadingProgress {
 public:
  ReadingProgress(const std::vector<std::string>& files, bool show, const std::string& label) {
    std::uint64_t total = 0;
    for (const std::string& file : files)
      if (std::filesystem::is_regular_file(file)) total += std::filesystem::file_size(file);
    start(total, show, label);
  }
  ReadingProgress(std::uint64_t bytes, bool show, const std::string& label) { start(bytes, show, label); }

  void file(std::uint64_t read) {  // bytes read of the present file
    if (progress_) progress_->update(before_ + read);
  }
  void next_file(std::uint64_t bytes) { before_ += bytes; }
  void add(std::uint64_t bytes) {  // for several threads at once
    if (!progress_) return;
    const std::lock_guard lock(mutex_);
    progress_->update(before_ += bytes);
  }
  void finish(std::int64_t rows) {
    if (progress_) progress_->finish(fmt::format("{} rows", rows));
  }

 private:
  void start(std::uint64_t total, bool show, const std::string& label) {
    if (show) progress_.emplace(label, total);
  }

  std::optional<Progress> progress_;
  std::uint64_t before_ = 0;
  std::mutex mutex_;
};

}  // namespace mal
