#include "train/attribution/neural_sample.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <tuple>

#include "train/attribution/neural_network.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

// Clicks before a moment that are looked at: some may not share its credit, by rule.touches, or be of one moment.
constexpr std::uint32_t kMostReached = 256;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t both[] = {a, b};
  return XXH3_64bits(both, sizeof both);
}

double seconds(std::int64_t microseconds) {
  return std::max(1.0, static_cast<double>(microseconds) / double{kSecond});
}

}  // namespace

// The clicks by_group[begin, end) of one user and key, and the conversions before `until`.
struct MomentCollector::Group {
  const ClickLog& log;
  const ClickOrder& order;
  const JourneyRule& rule;
  const Interner& channels;
  std::int64_t until;
  JourneyView view;
  std::uint32_t begin = 0, end = 0;
  std::span<const Conversion> conversions = {};
  std::uint64_t user_hash = 0;

  std::int64_t time(std::uint32_t place) const { return log.time[order.by_group[place]]; }
  // How long the click at `place` is the newest one of a user who is watched.
  std::int64_t stretch(std::uint32_t place) const {
    const std::int64_t from = time(place);
    std::int64_t to = std::min(until, from + rule.window);
    if (place + 1 < end) to = std::min(to, time(place + 1));
    if (rule.restart) {
      const auto next = std::ranges::lower_bound(conversions, from, {}, &Conversion::time);
      if (next != conversions.end()) to = std::min(to, next->time);
    }
    return to - from;
  }
  // The clicks up to `place` that are in reach of `moment`.
  JourneyRange reach(std::uint32_t place, std::int64_t moment) const {
    std::int64_t from = moment - rule.window;
    if (rule.restart) {
      const auto next = std::ranges::lower_bound(conversions, moment, {}, &Conversion::time);
      if (next != conversions.begin()) from = std::max(from, (next - 1)->time + 1);
    }
    std::uint32_t first = place;
    const std::uint32_t most = rule.touches == nullptr ? NeuralShape::kClicks : kMostReached;
    const auto more = [&] {  // of one moment, which is newest is for newest_clicks() to say
      const std::uint32_t reached = place + 1 - first;
      return reached < most || (reached < kMostReached && time(first - 1) == time(first));
    };
    while (first > begin && time(first - 1) >= from && more()) --first;
    return {first, place + 1, moment, place + 1 - first};
  }
};

bool MomentCollector::Pool::wants(std::uint64_t hash) {
  ++seen;
  return std::countl_zero(hash) >= level;
}

void MomentCollector::Pool::add(std::uint64_t hash, Moment moment) {
  kept.push_back({hash, std::move(moment)});
  while (kept.size() > most && level < 64) {
    ++level;
    std::erase_if(kept, [&](const Kept& k) { return std::countl_zero(k.hash) < level; });
  }
}

double MomentCollector::Pool::share() const {
  return seen == 0 ? 1 : static_cast<double>(kept.size()) / static_cast<double>(seen);
}

void MomentCollector::observe(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
                              const Interner& channels) {
  const std::vector<Conversion> conversions = sorted_conversions(log, until);
  Group group{log, order, rule, channels, until, JourneyView(log, order, rule)};
  std::size_t next = 0;
  for (std::uint32_t g = 0; g < log.groups; ++g) {
    while (next < conversions.size() && conversions[next].group < g) ++next;
    const std::size_t first = next;
    while (next < conversions.size() && conversions[next].group == g) ++next;
    group.begin = order.group_begin[g];
    group.end = order.group_begin[g + 1];
    while (group.end > group.begin && group.time(group.end - 1) >= until) --group.end;
    if (group.begin == group.end) continue;
    group.conversions = std::span(conversions).subspan(first, next - first);
    const std::string& user = log.users.name(log.user[order.by_group[group.begin]]);
    group.user_hash = mix(XXH3_64bits(user.data(), user.size()), seed_);
    observe_group(group);
  }
}

void MomentCollector::observe_group(Group& group) {
  for (std::uint32_t place = group.begin; place < group.end; ++place) {
    // One control a click: u³ of the stretch in which it is the newest one, for u uniform, so that early moments, when
    // most conversions come, are drawn more often.
    const std::int64_t stretch = group.stretch(place);
    if (stretch <= 0) continue;
    const std::uint64_t hash = mix(group.user_hash, static_cast<std::uint64_t>(group.time(place)));
    if (!controls_.wants(hash)) continue;
    const double u = static_cast<double>(mix(hash, 1) >> 11) * 0x1p-53;
    const auto after = static_cast<std::int64_t>(static_cast<double>(stretch) * u * u * u);
    add_moment(controls_, group, place, group.time(place) + after, hash);
  }
  std::uint32_t newer = group.begin;  // the first click after the conversion
  std::uint32_t used = group.begin;   // with restart: clicks before it are of an earlier conversion
  for (const Conversion& conversion : group.conversions) {
    while (newer < group.end && group.time(newer) <= conversion.time) ++newer;
    const bool reached = newer > used && group.time(newer - 1) >= conversion.time - group.rule.window;
    if (group.rule.restart) used = newer;
    const std::uint64_t hash = mix(group.user_hash, ~static_cast<std::uint64_t>(conversion.time));
    if (reached && conversions_.wants(hash)) add_moment(conversions_, group, newer - 1, conversion.time, hash);
  }
}

void MomentCollector::add_moment(Pool& pool, Group& group, std::uint32_t place, std::int64_t time, std::uint64_t hash) {
  Moment moment;
  const Journey journey = group.view.load(group.reach(place, time));
  for (const std::uint32_t k : newest_clicks(journey, group.channels, NeuralShape::kClicks))
    moment.clicks.push_back({journey.channels[k], time - journey.times[k]});
  // The density of s u³, at Δ: s^(−1/3) Δ^(−2/3) / 3.
  const double stretch = seconds(group.stretch(place)), since = seconds(time - group.time(place));
  moment.log_density = -std::log(3.0) - std::log(stretch) / 3 - std::log(since) * 2 / 3;
  moment.converts = &pool == &conversions_;
  moment.fold = static_cast<std::uint8_t>(group.user_hash % kFolds);
  pool.add(hash, std::move(moment));
}

std::vector<Moment> MomentCollector::moments(std::span<const std::uint32_t> number) const {
  std::vector<Moment> moments;
  // Of conversions a part is kept, too: one that is kept stands for several. Moments without a click (all out of their
  // own windows) were collected to be counted here.
  const double scale = std::log(controls_.share()) - std::log(conversions_.share());
  for (const Pool* pool : {&conversions_, &controls_})
    for (const Kept& kept : pool->kept) {
      Moment moment = kept.moment;
      moment.log_density += scale;
      for (AgedClick& click : moment.clicks) click.channel = number[click.channel];
      std::erase_if(moment.clicks, [](const AgedClick& click) { return click.channel == kNoChannel; });
      std::ranges::sort(moment.clicks, older_first);
      if (!moment.clicks.empty()) moments.push_back(std::move(moment));
    }
  std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::tie(a.clicks, a.log_density, a.converts, a.fold) <
           std::tie(b.clicks, b.log_density, b.converts, b.fold);
  });
  return moments;
}

}  // namespace mal
