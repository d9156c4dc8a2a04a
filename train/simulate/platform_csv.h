// The simulated platform as text: one line a click, one a conversion.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/simulate/user_path.h"
#include "train/simulate/world.h"

namespace mal {

inline constexpr std::string_view kScoreNoise = "simulate: score noise";

// What the log says of how alike two ads look or read, in hundredths; noise: a normal draw. For click number n of all
// (user by user) it is number n · 2 · history + noise_place(…) of kScoreNoise.
int noisy_likeness(const World& world, const Ad& seen, const Ad& target, bool image, double noise);
constexpr std::uint64_t noise_place(std::size_t seen, std::size_t i, bool image) {
  return (seen - i - 1) * 2 + (image ? 0 : 1);
}

class ClickWriter {
 public:
  // clicks_of: how many clicks each user has in all.
  ClickWriter(const World& world, std::vector<Profile> profiles, std::span<const std::uint32_t> clicks_of);

  static std::string_view header();

  // A click with what its line needs besides: how the user's history stood.
  struct Row {
    SimulatedClick click;
    std::uint64_t index;              // of the click, user by user: the owner of its noise
    std::size_t history, first_seen;  // ads seen before: `history` of them, from seen[first_seen] on
  };
  struct Rows {
    std::vector<Row> rows;
    std::vector<std::uint32_t> seen;
  };
  // Clicks in the order of time, all of them in calls one after the other: the histories grow.
  void look_up(std::span<const SimulatedClick> clicks, Rows& rows);
  // Appends the line. Safe to call from several threads.
  void append(std::string& text, const Rows& rows, std::size_t row) const;

 private:
  void append_sequences(std::string& text, std::span<const std::uint32_t> seen) const;
  void append_scores(std::string& text, const Row& row, std::span<const std::uint32_t> seen, bool image) const;

  const World& world_;
  std::size_t history_;
  Random score_noise_;
  std::vector<Profile> profiles_;
  std::vector<std::uint64_t> first_index_;
  std::vector<std::uint32_t> written_;  // clicks of each user so far
  std::vector<std::uint32_t> recent_;   // the last `history_` ads of each user, a ring
};

void write_conversions(const std::string& path, std::span<const SimulatedConversion> conversions);

}  // namespace mal
