// The fits of a bootstrap: shapley, markov and logistic fitted once more to every resample of the users.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/attribution/channel_model.h"
#include "train/attribution/click_log.h"
#include "train/attribution/mechanisms.h"

namespace mal {

// A row of counts, one a resample.
class ReplicateCounts {
 public:
  explicit ReplicateCounts(std::size_t replicates) : replicates_(replicates) {}
  std::size_t add_row();
  void add(std::size_t row, std::span<const std::uint8_t> weights);
  std::uint32_t at(std::size_t row, std::size_t replicate) const { return counts_[row * replicates_ + replicate]; }
  std::size_t bytes() const { return counts_.size() * sizeof(std::uint32_t); }

 private:
  std::size_t replicates_;
  std::vector<std::uint32_t> counts_;
};

class ReplicateFits {
 public:
  // channels: of the log; must outlive this. memory: bytes that the counts may take.
  ReplicateFits(const Interner& channels, const std::vector<Mechanism>& wanted, std::size_t replicates,
                const FitOptions& options, std::uint64_t memory);

  static bool can_fit(Mechanism mechanism);  // only these can be wanted
  bool wanted() const { return shapley_ || markov_ || logistic_; }
  // A journey of the fit, which its user's weights say how often to count. Throws a usage Error where there are more
  // sets of channels than memory takes.
  void add(std::span<const std::uint32_t> channels, bool converted, std::span<const std::uint8_t> weights);
  void fit();  // once, when all journeys are added
  // One value a channel of the log, as of a fit to that resample alone; empty of a mechanism that is not wanted.
  std::span<const double> values(std::size_t replicate, Mechanism mechanism) const;

 private:
  struct Rows {
    std::size_t journeys, conversions;
  };
  void add_set(std::span<const std::uint32_t> channels, bool converted, std::span<const std::uint8_t> weights);
  void add_steps(std::span<const std::uint32_t> channels, bool converted, std::span<const std::uint8_t> weights);
  void add_step(std::uint32_t from, std::uint32_t to, std::span<const std::uint8_t> weights);
  void check_memory() const;
  std::vector<std::uint32_t> channels_by_name() const;
  ChannelModel fit_one(std::size_t replicate, const std::vector<std::uint32_t>& by_name) const;

  const Interner& channels_;
  bool shapley_, markov_, logistic_;
  std::size_t replicates_;
  FitOptions options_;
  std::uint64_t memory_;
  ReplicateCounts counts_;
  std::unordered_map<std::string, Rows> sets_;            // by the bytes of the sorted numbers of their channels
  std::unordered_map<std::uint64_t, std::size_t> steps_;  // from << 32 | to: a row
  std::string key_;                                       // scratch
  std::vector<std::uint32_t> members_;                    // likewise
  std::vector<std::vector<FittedMechanism>> fits_;        // [replicate]
};

}  // namespace mal
