#include "train/abtest/auction.h"

#include <algorithm>

namespace mal {

std::optional<Sale> hold_auction(std::span<const Bid> bids, double reserve) {
  double best = -1, second = 0;
  std::size_t winner = 0;
  for (std::size_t i = 0; i < bids.size(); ++i) {
    if (!(bids[i].per_click >= reserve) || !(bids[i].per_click > 0)) continue;
    const double rank = bids[i].per_click * bids[i].click_probability;
    if (rank > best) {
      second = std::max(best, 0.0);
      best = rank;
      winner = i;
    } else {
      second = std::max(second, rank);
    }
  }
  if (best < 0) return std::nullopt;
  // The quotient may round to above the bid where the two tie.
  const double price = std::max(reserve, second / bids[winner].click_probability);
  return Sale{winner, std::min(price, bids[winner].per_click)};
}

}  // namespace mal
