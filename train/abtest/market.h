// What advertisers are ready to pay. Set by the world and its click log alone, before any model is asked.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/simulate/world.h"

namespace mal {

struct Market {
  std::vector<double> targets;   // share of a sale's value that an advertiser pays for it
  std::vector<double> reserves;  // least price of a click, one an industry
  std::vector<double> budgets;   // of a day and all users, one an advertiser
  double value_factor = 1;       // mean value of a conversion over the ad's price

  // What a conversion of that ad is worth to its advertiser's bid.
  double worth(const World& world, std::uint32_t ad) const {
    return targets[world.ads[ad].advertiser] * static_cast<double>(world.ads[ad].price) * value_factor;
  }
};

// clicks: of the log, a day, one an advertiser. rates: conversions a click, one an industry.
//   target  = auction.target · e^(target_spread · z)
//   reserve = auction.reserve · auction.target · rate · e^price            of the industry
//   budget  = auction.budget · e^(budget_spread · z) · target · rate · (clicks + 1/days) · mean price of its ads
// The one click in the days of the log gives a budget to those who had none.
Market make_market(const World& world, std::span<const double> clicks, std::span<const double> rates);

}  // namespace mal
