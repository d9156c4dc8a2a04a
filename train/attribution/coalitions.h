// Journeys counted by the set of channels that they touch: what shapley and logistic are fitted to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mal {

struct CoalitionCount {
  std::uint64_t journeys = 0;
  std::uint64_t conversions = 0;

  // Some convert and some do not: only then there is something to learn.
  bool of_both_kinds() const { return conversions > 0 && conversions < journeys; }
};

struct Coalition {
  std::uint64_t hash = 0;
  std::uint32_t begin = 0, size = 0;  // of its members, which members() gives
  CoalitionCount count;
};

class CoalitionTable {
 public:
  explicit CoalitionTable(std::uint32_t channels = 0) : single_(channels) {}

  // Channels in any order, repeats allowed; one that is not in the table yet makes it larger.
  void add(std::span<const std::uint32_t> journey_channels, bool converted) {
    add(journey_channels, {1, converted ? 1U : 0U});
  }
  void add(std::span<const std::uint32_t> journey_channels, const CoalitionCount& journeys);  // of the same channels

  // Channel c becomes number[c], a permutation. What is computed from the table then depends on the new numbers alone.
  void renumber(std::span<const std::uint32_t> number);

  std::uint32_t channels() const { return static_cast<std::uint32_t>(single_.size()); }
  const CoalitionCount& total() const { return total_; }
  const std::vector<CoalitionCount>& singles() const { return single_; }  // journeys of one channel only
  const std::vector<Coalition>& coalitions() const { return coalitions_; }
  std::span<const std::uint32_t> members(const Coalition& coalition) const {  // sorted
    return std::span(members_).subspan(coalition.begin, coalition.size);
  }

  // A coalition's name is the xor of its channels' hashes, so that adding a channel costs one xor.
  static std::uint64_t channel_hash(std::uint32_t channel);
  CoalitionCount count(std::uint64_t coalition) const;

 private:
  std::size_t slot(std::uint64_t coalition) const;
  void fill_slots(std::size_t slots);
  Coalition& coalition_of_scratch();

  std::vector<Coalition> coalitions_;
  std::vector<std::uint32_t> members_;
  std::vector<std::uint32_t>
      slots_;  // open addressing by hash: 1 + the index into coalitions_, 0: free; a power of two
  std::vector<CoalitionCount> single_;
  CoalitionCount total_;
  std::vector<std::uint32_t> scratch_;
};

}  // namespace mal
