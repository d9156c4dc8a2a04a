// The simulated platform as text: one line a click, one a conversion.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/simulate/simulate.h"

namespace mal {

inline constexpr std::size_t kHistory = 20;  // earlier clicks in a sequence

class ClickWriter {
 public:
  ClickWriter(const Platform& platform, std::uint32_t users);

  static std::string_view header();
  // Appends the line of platform.clicks[click]. Safe to call from several threads.
  void append(std::string& text, std::size_t click) const;

 private:
  void append_sequences(std::string& text, std::size_t click) const;
  void append_scores(std::string& text, std::size_t click, bool image) const;

  const Platform& platform_;
  Random score_noise_;
  std::vector<User> users_;
  std::vector<std::size_t> first_click_;  // of each user
};

void write_conversions(const std::string& path, const Platform& platform);

}  // namespace mal
