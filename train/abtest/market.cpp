#include "train/abtest/market.h"

#include <cmath>

namespace mal {

Market make_market(const World& world, std::span<const double> clicks, std::span<const double> rates) {
  const WorldParameters& p = world.parameters;
  const Random targets(world.seed, "abtest: targets"), budgets(world.seed, "abtest: budgets");
  Market market;
  market.value_factor = std::exp(p.conversions.value_spread * p.conversions.value_spread / 2);
  for (std::size_t i = 0; i < p.industries.size(); ++i)
    market.reserves.push_back(p.auction.reserve * p.auction.target * rates[i] * std::exp(p.industries[i].price));
  for (std::size_t a = 0; a < world.advertisers.size(); ++a) {
    const Advertiser& advertiser = world.advertisers[a];
    double price = 0;
    for (std::uint32_t ad = 0; ad < advertiser.ads; ++ad)
      price += static_cast<double>(world.ads[advertiser.first_ad + ad].price) / advertiser.ads;
    market.targets.push_back(p.auction.target * std::exp(p.auction.target_spread * targets.normal(a)));
    market.budgets.push_back(p.auction.budget * std::exp(p.auction.budget_spread * budgets.normal(a)) *
                             market.targets[a] * rates[advertiser.industry] * (clicks[a] + 1.0 / world.days) * price);
  }
  return market;
}

}  // namespace mal
