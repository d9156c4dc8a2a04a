// What a test counts of one user, or adds up over users.
#pragma once

#include <cstdint>

namespace mal {

struct Outcome {
  double impressions = 0, clicks = 0, spend = 0;
  double orders = 0, gmv = 0;  // of conversions whose last click before was one of the test
  double predicted = 0;        // sum of the probabilities that the arm gave to what was clicked
  // The truth behind the counts: the hazard of those conversions, integrated along the way. The same in expectation as
  // orders and gmv, without the luck of the draws.
  double expected_orders = 0, expected_gmv = 0;
  // What the ads of the test caused: the integrated hazard of all conversions, less what it would have been without any
  // click in the test.
  double caused_orders = 0, caused_gmv = 0;

  Outcome& operator+=(const Outcome& other) {
    impressions += other.impressions, clicks += other.clicks, spend += other.spend;
    orders += other.orders, gmv += other.gmv, predicted += other.predicted;
    expected_orders += other.expected_orders, expected_gmv += other.expected_gmv;
    caused_orders += other.caused_orders, caused_gmv += other.caused_gmv;
    return *this;
  }
};

struct IndustryOutcome {  // floats: there are many
  float orders = 0, gmv = 0, spend = 0;
};

}  // namespace mal
