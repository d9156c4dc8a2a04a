#include "train/abtest/cell.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "train/abtest/pacing.h"
#include "train/config/parallel.h"

namespace mal {

namespace {

constexpr std::size_t kSessionsInBlock = 64;

// Bidders that no thread uses at the moment.
class BidderPool {
 public:
  explicit BidderPool(const Arm& arm) : arm_(arm) {}

  std::unique_ptr<Bidder> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return arm_.bidder();
    std::unique_ptr<Bidder> bidder = std::move(free_.back());
    free_.pop_back();
    return bidder;
  }
  void give(std::unique_ptr<Bidder> bidder) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(bidder));
  }
  Bidder::Counts counts() const {
    Bidder::Counts all;
    for (const std::unique_ptr<Bidder>& bidder : free_) {
      all.rows += bidder->counts.rows, all.places += bidder->counts.places;
      all.unknown_ads += bidder->counts.unknown_ads, all.unknown_users += bidder->counts.unknown_users;
    }
    return all;
  }

 private:
  const Arm& arm_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Bidder>> free_;
};

struct Payment {
  std::uint32_t advertiser;
  double price;
};
// What a block of sessions did beside what its visitors remember.
struct BlockResult {
  std::vector<Payment> payments;
  std::uint64_t places = 0, unsold = 0;
};

class Cell {
 public:
  Cell(const TestRun& run, const Arm& arm, std::span<const std::uint32_t> users, ArmOutcome& outcome)
      : run_(run),
        arm_(arm),
        users_(users),
        outcome_(outcome),
        world_(run.warm.world),
        bidders_(arm),
        pacing_(budgets(), world_.parameters.hours, static_cast<int>(world_.parameters.auction.interval_minutes)) {
    visitors_.reserve(users.size());
    for (const std::uint32_t user : users)
      visitors_.emplace_back(world_, run.period, run.draws, user, run.warm.profiles[user], run.warm.states[user],
                             run.warm.seen[user]);
  }

  void run() {
    for (int day = 0; day < run_.period.days; ++day) run_day(day);
    for (std::size_t i = 0; i < users_.size(); ++i) {
      visitors_[i].finish();
      outcome_.users[users_[i]] = visitors_[i].outcome();
      std::ranges::copy(visitors_[i].by_industry(),
                        outcome_.by_industry.begin() + static_cast<std::ptrdiff_t>(users_[i] * outcome_.industries));
    }
    for (std::uint32_t a = 0; a < world_.advertisers.size(); ++a) {
      outcome_.budget += run_.period.days * pacing_.budgets()[a];
      outcome_.advertiser_days += static_cast<std::uint64_t>(run_.period.days);
      outcome_.bound_days += static_cast<std::uint64_t>(pacing_.bound_days(a));
    }
    outcome_.overspent += pacing_.overspent();
    outcome_.spent_late += pacing_.spent_late();
    const Bidder::Counts counts = bidders_.counts();
    outcome_.counts.rows += counts.rows, outcome_.counts.places += counts.places;
    outcome_.counts.unknown_ads += counts.unknown_ads, outcome_.counts.unknown_users += counts.unknown_users;
  }

 private:
  std::vector<double> budgets() const {
    std::vector<double> budgets = run_.market.budgets;
    const double share = static_cast<double>(users_.size()) / static_cast<double>(run_.warm.states.size());
    for (double& budget : budgets) budget *= share;
    return budgets;
  }

  void run_day(int day) {
    std::vector<Session> sessions;  // user: the index of the visitor
    for (std::size_t i = 0; i < users_.size(); ++i) {
      const std::size_t first = sessions.size();
      add_sessions(world_, run_.period, run_.draws, run_.warm.states[users_[i]], users_[i], day, sessions);
      for (std::size_t s = first; s < sessions.size(); ++s) sessions[s].user = static_cast<std::uint32_t>(i);
    }
    const std::int64_t midnight = run_.period.start() + std::int64_t{day} * 86400;
    const int intervals = pacing_.intervals_per_day();
    const std::int64_t seconds = 86400 / intervals;
    const auto interval_of = [&](const Session& session) { return (session.start - midnight) / seconds; };
    // A user's sessions of an interval stay together, in the order of time.
    std::ranges::stable_sort(sessions, {}, interval_of);
    auto begin = sessions.begin();
    for (int interval = 0; interval < intervals; ++interval) {
      const auto end =
          std::find_if(begin, sessions.end(), [&](const Session& s) { return interval_of(s) != interval; });
      run_interval({begin, end}, static_cast<std::size_t>(interval * seconds / 3600));
      begin = end;
    }
  }

  // A session that began in the interval is settled in it to its end.
  void run_interval(std::span<const Session> sessions, std::size_t hour) {
    std::vector<std::size_t> starts;  // of blocks; a user's sessions are in one
    for (std::size_t s = 0; s < sessions.size(); ++s)
      if (starts.empty() || (s >= starts.back() + kSessionsInBlock && sessions[s].user != sessions[s - 1].user))
        starts.push_back(s);
    starts.push_back(sessions.size());
    std::vector<BlockResult> results(starts.size() - 1);
    parallel_for(results.size(), thread_count(run_.threads), [&](std::size_t block) {
      std::unique_ptr<Bidder> bidder = bidders_.take();
      for (std::size_t s = starts[block]; s < starts[block + 1]; ++s) run_session(sessions[s], *bidder, results[block]);
      bidders_.give(std::move(bidder));
    });
    std::vector<double> spent(world_.advertisers.size(), 0);
    for (const BlockResult& result : results) {
      for (const Payment& payment : result.payments) {
        spent[payment.advertiser] += payment.price;
        outcome_.spend_by_hour[hour] += payment.price;
      }
      outcome_.places += result.places;
      outcome_.unsold += result.unsold;
    }
    pacing_.close_interval(spent);
    if (run_.progress) run_.progress(sessions.size());
  }

  void run_session(const Session& session, Bidder& bidder, BlockResult& result) {
    std::vector<double> probabilities;
    std::vector<Bid> bids;
    const auto sell = [&](const Place& place) -> std::optional<Shown> {
      probabilities.assign(place.candidates.size(), 0);
      bidder.predict(place, probabilities);
      bids.clear();
      for (std::size_t c = 0; c < place.candidates.size(); ++c) {
        const Candidate& candidate = place.candidates[c];
        probabilities[c] = std::min(1.0, probabilities[c] * arm_.factor);
        const double pace = pacing_.multiplier(world_.ads[candidate.ad].advertiser);
        bids.push_back(
            {pace * probabilities[c] * run_.market.worth(world_, candidate.ad), candidate.click_probability});
      }
      ++result.places;
      const std::optional<Sale> sale = hold_auction(bids, run_.market.reserves[place.industry]);
      if (!sale) {
        ++result.unsold;
        return std::nullopt;
      }
      return Shown{sale->winner, sale->price, probabilities[sale->winner]};
    };
    Session of_user = session;
    of_user.user = users_[session.user];
    visitors_[session.user].visit(of_user, sell, [&](std::uint32_t advertiser, double price) {
      result.payments.push_back({advertiser, price});
    });
  }

  const TestRun& run_;
  const Arm& arm_;
  std::span<const std::uint32_t> users_;
  ArmOutcome& outcome_;
  const World& world_;
  BidderPool bidders_;
  Pacing pacing_;
  std::vector<Visitor> visitors_;
};

}  // namespace

void run_cell(const TestRun& run, const Arm& arm, std::span<const std::uint32_t> users, ArmOutcome& outcome) {
  Cell(run, arm, users, outcome).run();
}

}  // namespace mal
