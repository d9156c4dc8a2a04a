// One place for an ad, sold to the bid that brings most: a generalised second-price auction for one place.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace mal {

struct Bid {
  double per_click;          // money
  double click_probability;  // above 0
};

struct Sale {
  std::size_t winner;
  double price;  // of a click: never above the winner's bid, never below the reserve
};

// Bids of 0 and those below the reserve do not take part. The largest per_click · click_probability wins, the first of
// equal ones, and pays per click what would just have kept the place: max(reserve, second largest product / its own
// click probability).
std::optional<Sale> hold_auction(std::span<const Bid> bids, double reserve);

}  // namespace mal
