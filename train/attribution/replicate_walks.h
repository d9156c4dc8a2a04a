// The totals of a bootstrap: the Markov chain of markov_totals.h solved once more for every resample of the users.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/attribution/click_log.h"
#include "train/attribution/exact_sum.h"
#include "train/attribution/replicate_fits.h"
#include "train/attribution/walk_chain.h"

namespace mal {

class ReplicateWalks {
 public:
  // channels: of the log; must outlive this. memory: bytes that the counts may take.
  ReplicateWalks(const Interner& channels, std::uint32_t order, std::size_t replicates, std::uint64_t memory);

  // A journey of the fit, what its conversion is worth, and how often its user counts. Throws a usage Error where the
  // counts need more than memory.
  void add(std::span<const std::uint32_t> channels, bool converted, double value,
           std::span<const std::uint8_t> weights);
  void solve();  // once, when all journeys are added
  // What each channel of the log gets of all conversions, and of their value, by that resample alone.
  std::span<const double> conversion_shares(std::size_t replicate) const { return conversions_[replicate]; }
  std::span<const double> value_shares(std::size_t replicate) const { return values_[replicate]; }

 private:
  static constexpr std::size_t kNoRow = static_cast<std::size_t>(-1);
  struct State {
    std::vector<std::uint32_t> channels;                                   // of the log
    std::size_t conversions = kNoRow, nulls = kNoRow, value_row = kNoRow;  // rows of counts_, and of worth_
  };
  struct Step {
    std::uint32_t from, to;  // states
    std::size_t row;
  };
  std::uint32_t state(std::span<const std::uint32_t> channels);
  void count(std::size_t& row, std::span<const std::uint8_t> weights);
  void check_memory() const;
  void sort_by_name();
  ChainTable table(std::size_t replicate) const;
  void solve_one(std::size_t replicate);

  const Interner& channels_;
  std::uint32_t order_;
  std::size_t replicates_;
  std::uint64_t memory_;
  ReplicateCounts counts_;
  std::vector<ExactSum> worth_;                            // a row of conversions' value, one a resample
  std::vector<State> states_;                              // the first is the start
  std::unordered_map<std::string, std::uint32_t> places_;  // by the bytes of the channels
  std::unordered_map<std::uint64_t, std::size_t> steps_;   // from << 32 | to: a row
  std::string key_;                                        // scratch
  std::vector<std::uint32_t> by_name_;                     // solve(): channels of the log that have a state
  std::vector<std::uint32_t> number_;                      // likewise: [channel of the log] its place there
  std::vector<std::uint32_t> sorted_;                      // likewise: states in the order of a ChainTable
  std::vector<Step> sorted_steps_;                         // likewise, of places in sorted_
  std::vector<std::vector<double>> conversions_, values_;  // [replicate][channel of the log]
};

}  // namespace mal
