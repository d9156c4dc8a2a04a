#include "train/abtest/place.h"

#include <algorithm>
#include <cmath>

#include "train/simulate/choices.h"
#include "train/simulate/intent.h"

namespace mal {

namespace {

// Draws of a place: what is drawn once, then a stretch for each candidate.
constexpr std::uint64_t kKind = 0, kChannel = 1, kIndustry = 2, kCandidates = 1024, kOfCandidate = 192;

class Finder {
 public:
  Finder(const World& world, const User& user, int day, std::span<const Bond> bonds, const Random& random,
         std::uint64_t first, Place& place)
      : world_(world), user_(user), day_(day), bonds_(bonds), random_(random), first_(first), place_(place) {}

  void find() {
    place_.candidates.clear();
    weigh_returns();
    const std::size_t chosen = draws(kKind).choose(weights_);
    const bool back = chosen > 0;
    Draws channel = draws(kChannel);
    place_.showing.channel = choose_channel(world_.parameters, back, channel);
    if (back) {
      const Bond& bond = bonds_[chosen - 1];
      place_.industry = world_.advertisers[bond.advertiser].industry;
      add_return(bond);
    } else {
      Draws industry = draws(kIndustry);
      place_.industry = interesting_industry(world_, user_, industry);
    }
    if (back && world_.parameters.channels[place_.showing.channel].fresh <= 0)
      add_known(chosen - 1);
    else
      add_popular();
  }

 private:
  Draws draws(std::uint64_t at) const { return Draws::from(random_, first_ + at); }
  // As many candidates were tried as draws are taken: the next one's are its own whatever became of the last.
  Draws next_candidate() { return draws(kCandidates + kOfCandidate * tried_++); }
  bool full() const { return tried_ >= static_cast<std::uint64_t>(world_.parameters.auction.candidates); }

  void weigh_returns() {
    weights_.assign(1, 1.0);
    for (const Bond& bond : bonds_)
      weights_.push_back(return_weight(world_, bond.advertiser, bond.pull,
                                       static_cast<double>(place_.showing.time - bond.last_click)));
  }

  void add_return(const Bond& bond) {
    Draws draws = next_candidate();
    add(returned_ad(world_, bond.advertiser, bond.last_ad, day_, draws));
  }

  void add_popular() {
    while (!full()) {
      Draws draws = next_candidate();
      add(popular_ad(world_, place_.industry, day_, draws));
    }
  }

  // Other advertisers of the industry that the user knows, those that draw most first.
  void add_known(std::size_t except) {
    std::vector<std::size_t> known;
    for (std::size_t b = 0; b < bonds_.size(); ++b)
      if (b != except && world_.advertisers[bonds_[b].advertiser].industry == place_.industry) known.push_back(b);
    std::ranges::stable_sort(known, [this](std::size_t a, std::size_t b) { return weights_[a + 1] > weights_[b + 1]; });
    for (std::size_t i = 0; i < known.size() && !full(); ++i) add_return(bonds_[known[i]]);
  }

  void add(std::uint32_t ad_id) {
    if (ad_id == kNoAd) return;
    const WorldParameters& p = world_.parameters;
    const Ad& ad = world_.ads[ad_id];
    const auto same = [&](const Candidate& other) { return world_.ads[other.ad].advertiser == ad.advertiser; };
    if (std::ranges::any_of(place_.candidates, same)) return;
    const Showing& showing = place_.showing;
    const Industry& industry = p.industries[ad.industry];
    Candidate candidate = {.ad = ad_id};
    candidate.match = match_of(world_, user_, showing.user, ad);
    // Above 0, for the quotient of the price.
    candidate.click_probability = std::max(1e-12, -std::expm1(-p.auction.click_rate * candidate.match));
    candidate.weight = click_weight(world_, ad, showing.channel, candidate.match, day_, showing.time);
    candidate.propensity = industry.conversion * static_cast<double>(user_.propensity);
    const auto bond = std::ranges::find(bonds_, ad.advertiser, &Bond::advertiser);
    if (bond != bonds_.end())
      candidate.intent =
          decayed(bond->intent, static_cast<double>(showing.time - bond->last_time), industry.half_life_days * 86400);
    place_.candidates.push_back(candidate);
  }

  const World& world_;
  const User& user_;
  int day_;
  std::span<const Bond> bonds_;
  const Random& random_;
  std::uint64_t first_, tried_ = 0;
  Place& place_;
  std::vector<double> weights_;  // of something new, then of a return to each bond
};

}  // namespace

void find_candidates(const World& world, const User& user, int day, std::span<const Bond> bonds, const Random& random,
                     std::uint64_t first, Place& place) {
  Finder(world, user, day, bonds, random, first, place).find();
}

}  // namespace mal
