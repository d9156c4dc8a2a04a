#include "train/attribution/coalitions.h"

#include <algorithm>
#include <utility>

namespace mal {

namespace {

constexpr std::size_t kFirstSlots = 1024;

void tally(CoalitionCount& count, const CoalitionCount& more) {
  count.journeys += more.journeys;
  count.conversions += more.conversions;
}

}  // namespace

std::uint64_t CoalitionTable::channel_hash(std::uint32_t channel) {
  // splitmix64
  std::uint64_t z = (std::uint64_t{channel} + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Where the coalition is, or the free slot where it belongs.
std::size_t CoalitionTable::slot(std::uint64_t coalition) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = coalition & mask;
  while (slots_[at] != 0 && coalitions_[slots_[at] - 1].hash != coalition) at = (at + 1) & mask;
  return at;
}

void CoalitionTable::fill_slots(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::uint32_t c = 0; c < coalitions_.size(); ++c) slots_[slot(coalitions_[c].hash)] = c + 1;
}

// The coalition whose sorted members are in scratch_.
Coalition& CoalitionTable::coalition_of_scratch() {
  std::uint64_t hash = 0;
  for (const std::uint32_t channel : scratch_) hash ^= channel_hash(channel);
  if (coalitions_.size() * 2 >= slots_.size()) fill_slots(std::max(kFirstSlots, slots_.size() * 2));
  std::uint32_t& place = slots_[slot(hash)];
  if (place == 0) {
    coalitions_.push_back(
        {hash, static_cast<std::uint32_t>(members_.size()), static_cast<std::uint32_t>(scratch_.size()), {}});
    members_.insert(members_.end(), scratch_.begin(), scratch_.end());
    place = static_cast<std::uint32_t>(coalitions_.size());
  }
  return coalitions_[place - 1];
}

void CoalitionTable::add(std::span<const std::uint32_t> journey_channels, const CoalitionCount& journeys) {
  scratch_.assign(journey_channels.begin(), journey_channels.end());
  std::sort(scratch_.begin(), scratch_.end());
  scratch_.erase(std::unique(scratch_.begin(), scratch_.end()), scratch_.end());
  if (!scratch_.empty() && scratch_.back() >= single_.size()) single_.resize(scratch_.back() + 1);
  tally(coalition_of_scratch().count, journeys);
  tally(total_, journeys);
  if (scratch_.size() == 1) tally(single_[scratch_.front()], journeys);
}

void CoalitionTable::renumber(std::span<const std::uint32_t> number) {
  std::vector<CoalitionCount> single(single_.size());
  for (std::size_t c = 0; c < single_.size(); ++c) single[number[c]] = single_[c];
  single_ = std::move(single);
  for (Coalition& coalition : coalitions_) {
    const auto members = std::span(members_).subspan(coalition.begin, coalition.size);
    coalition.hash = 0;
    for (std::uint32_t& member : members) {
      member = number[member];
      coalition.hash ^= channel_hash(member);
    }
    std::sort(members.begin(), members.end());
  }
  fill_slots(slots_.size());
}

CoalitionCount CoalitionTable::count(std::uint64_t coalition) const {
  const std::uint32_t place = slots_.empty() ? 0 : slots_[slot(coalition)];
  return place == 0 ? CoalitionCount{} : coalitions_[place - 1].count;
}

}  // namespace mal
