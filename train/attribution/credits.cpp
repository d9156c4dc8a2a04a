#include "train/attribution/credits.h"

#include <algorithm>

namespace mal {

namespace {

// Sums of 32-bit credits end a little above 1 where they should be 1; nothing is cut from these.
constexpr double kRounding = 1e-6;

}  // namespace

Credits compute_credits(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                        const std::vector<NamedMechanism>& mechanisms, const MechanismParameters& parameters,
                        std::optional<std::int64_t> known_until, const VisitShares& visit) {
  Credits credits;
  credits.views.assign(mechanisms.size(), std::vector<float>(log.size(), 0.0F));
  credits.cut.resize(mechanisms.size());
  credits.path_length.assign(log.size(), 0);
  credits.is_last.assign(log.size(), false);
  std::vector<bool> in_several(log.size(), false);
  JourneyView view(log, order, journeys.rule);
  std::vector<double> shares;
  for (const JourneyRange& range : journeys.converting) {
    const Journey journey = view.load(range);
    const std::uint32_t clicks = range.clicks;
    shares.resize(clicks);
    // Clicks of a journey are in time order: those that may not know of the conversion come first.
    std::uint32_t first = 0;
    if (known_until && range.conversion_time >= *known_until)
      while (first < clicks && journey.times[first] < *known_until) ++first;
    for (std::size_t m = 0; m < mechanisms.size(); ++m) {
      credit_journey(mechanisms[m].mechanism, journey, parameters, shares);
      if (visit) visit(m, range, journey, shares);
      std::vector<float>& column = credits.views[m];
      for (std::uint32_t k = first; k < clicks; ++k) {
        float& credit = column[journey.clicks[k]];
        const double sum = credit + shares[k];
        if (sum > 1 + kRounding) credits.cut[m].add(sum - 1);
        credit = std::min(1.0F, static_cast<float>(sum));
      }
    }
    for (std::uint32_t k = first; k < clicks; ++k) {
      const std::uint32_t click = journey.clicks[k];
      if (credits.path_length[click] > 0) in_several[click] = true;
      credits.path_length[click] = std::max(credits.path_length[click], clicks);
    }
    if (first < clicks) credits.is_last[journey.clicks.back()] = true;
  }
  credits.clicks_in_several_journeys =
      static_cast<std::uint64_t>(std::count(in_several.begin(), in_several.end(), true));
  return credits;
}

void observe_journeys(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule, std::int64_t until,
                      const std::function<void(const Journey& journey, bool converted)>& visit) {
  const Journeys journeys = build_journeys(log, order, rule, until);
  JourneyView view(log, order, rule);
  for (const JourneyRange& range : journeys.converting) visit(view.load(range), true);
  visit_quiet_journeys(log, order, journeys, until, [&](const Journey& journey) { visit(journey, false); });
}

}  // namespace mal
