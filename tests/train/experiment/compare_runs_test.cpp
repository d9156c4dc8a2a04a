#include "train/experiment/compare_runs.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace mal {

namespace {

std::string verdict(double mean, double low, double high, double users = 1000) {
  Difference difference;
  difference.mean = mean;
  difference.interval = {low, high};
  difference.error = low < high ? 0.405 : 0;
  difference.detectable = 1.134;
  return verdict_text("AUC", "mal", "base", difference, users);
}

}  // namespace

TEST_CASE("a difference is told in words") {
  CHECK(verdict(0.28, -0.51, 1.1) ==
        "AUC   +0.28 [-0.51, +1.10]: the interval holds 0, so these test users do not tell mal from base; they see "
        "differences from 1.13 on (80 % power)");
  CHECK(verdict(0.42, 0.1, 0.8) ==
        "AUC   +0.42 [+0.10, +0.80]: the interval leaves out 0, so mal is better than base by more than the choice of "
        "test users explains");
  CHECK(verdict(-0.42, -0.8, -0.1).find("mal is worse than base by more") != std::string::npos);
  CHECK(verdict(0, 0, 0) == "AUC   +0.00 [+0.00, +0.00]: mal and base order these test rows alike");
  CHECK(verdict(-0.1, -0.2, 0).find("holds 0") != std::string::npos);
  CHECK(verdict(0, -0.2, 0.2).find("holds 0") != std::string::npos);
  CHECK(verdict(NAN, NAN, NAN) == "AUC   not defined on these test rows");
  CHECK(verdict(0.4, NAN, NAN) == "AUC   not defined on these test rows");
}

// One user gives every draw the same difference, whatever other users would show.
TEST_CASE("an interval of few users decides nothing") {
  CHECK(verdict(0.42, 0.42, 0.42, 1) ==
        "AUC   +0.42 [+0.42, +0.42]: too few users (1) for an interval that tells mal from base");
  CHECK(verdict(0.42, 0.1, 0.8, 29).find("too few users (29)") != std::string::npos);
  CHECK(verdict(0.42, 0.1, 0.8, 30).find("mal is better than base") != std::string::npos);
}

}  // namespace mal
