// A user during the test: sessions, clicks, and the conversions that they cause.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "train/abtest/auction.h"
#include "train/abtest/outcome.h"
#include "train/abtest/place.h"
#include "train/simulate/user_path.h"

namespace mal {

// The random numbers of the days of a test; the same for every arm.
struct TestDraws {
  TestDraws(std::uint64_t seed, int first_day, int days);

  Random conversions, values;
  struct Day {
    Random sessions, places, clicks, noise;
  };
  std::vector<Day> days;
};

struct TestPeriod {
  int first_day, days;

  std::int64_t start() const { return kSimulationStart + std::int64_t{first_day} * 86400; }
  std::int64_t end() const { return start() + std::int64_t{days} * 86400; }
  std::int64_t watched_until() const { return end() + std::int64_t{kMaturityDays} * 86400; }
};

struct Session {
  std::uint32_t user;
  std::uint32_t number;  // of the user's that day, by time
  std::int64_t start;
};
// Of a user on a day of the test (0: the first), in the order of time.
void add_sessions(const World& world, const TestPeriod& period, const TestDraws& draws, const UserState& state,
                  std::uint32_t user, int test_day, std::vector<Session>& sessions);

// Of a sale that the caller has made of a place; none: nothing is shown.
struct Shown {
  std::size_t candidate;
  double price, predicted;
};
using Seller = std::function<std::optional<Shown>(const Place&)>;

class Visitor {
 public:
  Visitor(const World& world, const TestPeriod& period, const TestDraws& draws, std::uint32_t user_id,
          const Profile& profile, const UserState& state, std::vector<std::uint32_t> seen);

  // One after the other, in the order of time. paid(advertiser, price) is called for each click.
  void visit(const Session& session, const Seller& seller,
             const std::function<void(std::uint32_t advertiser, double price)>& paid);
  // The test and the time after it are over.
  void finish();

  const Outcome& outcome() const { return outcome_; }
  const std::vector<IndustryOutcome>& by_industry() const { return by_industry_; }

 private:
  void show(Place& place, const Session& session, std::uint64_t number, const Seller& seller,
            const std::function<void(std::uint32_t, double)>& paid);
  void click(const Place& place, const Candidate& candidate);
  void draw_conversion(Bond& bond);
  void settle(Bond& bond, std::int64_t now);
  void count_hazard(const Bond& bond, double hazard);
  double propensity(const Bond& bond) const;
  double half_life(const Bond& bond) const;
  std::uint64_t key(const Bond& bond) const;
  double threshold(const Bond& bond) const;

  const World& world_;
  const TestPeriod& period_;
  const TestDraws& draws_;
  std::uint32_t user_id_;
  Profile profile_;
  User settled_;  // as on the first day
  std::vector<Bond> bonds_;
  std::vector<std::uint32_t> seen_;  // the last clicks, the oldest first
  std::int64_t last_time_;
  double value_factor_;
  Outcome outcome_;
  std::vector<IndustryOutcome> by_industry_;
};

}  // namespace mal
