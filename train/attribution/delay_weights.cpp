#include "train/attribution/delay_weights.h"

#include <algorithm>

#include "engine/error.h"
#include "train/attribution/text.h"
#include "train/attribution/touch_rules.h"
#include "train/config/suggest.h"
#include "train/data/time_text.h"

namespace mal {

namespace {

constexpr std::uint32_t kPastWindow = 0xFFFF;  // in place of a bin
constexpr std::int64_t kNotYet = -1;

// The delay after which each click is first credited by a conversion before `until`; kNotYet.
std::vector<std::int64_t> first_credits(const ClickLog& log, const ClickOrder& order, const JourneyRule& rule,
                                        std::int64_t until, Mechanism mechanism,
                                        const MechanismParameters& parameters) {
  std::vector<std::int64_t> delays(log.size(), kNotYet);
  std::vector<double> shares;
  JourneyView view(log, order, rule);
  // The conversions of a group come in the order of time.
  for (const JourneyRange& range : build_journeys(log, order, rule, until).converting) {
    const Journey journey = view.load(range);
    shares.resize(journey.clicks.size());
    credit_journey(mechanism, journey, parameters, shares);
    for (std::size_t k = 0; k < shares.size(); ++k)
      if (std::int64_t& delay = delays[journey.clicks[k]]; delay == kNotYet && static_cast<float>(shares[k]) > 0)
        delay = range.conversion_time - journey.times[k];
  }
  return delays;
}

}  // namespace

void check_delay_options(const AttributeOptions& options) {
  if (!options.delay_weights) {
    if (!options.delay_by.empty())
      fail_usage("--delay-by {} says by what --delay-weights tells clicks apart; give that too", options.delay_by);
    return;
  }
  if (options.train_labels != "known")
    fail_usage(
        "--delay-weights corrects labels that are known only in part on the eve of the test period, and --train-labels "
        "{} has them complete; give --train-labels known",
        options.train_labels);
  if (options.format == "journeys")
    fail_usage(
        "--delay-weights goes by the time from a touch to the conversion, which --format journeys does not have: a "
        "conversion counts as of the time of its last touch");
  const std::string& mechanism = *options.delay_weights;
  if (!mechanism.empty() && std::ranges::find(options.mechanisms, mechanism) == options.mechanisms.end()) {
    const std::string near = nearest(mechanism, options.mechanisms);
    fail_usage("--delay-weights {}: it is none of --mechanisms ({}){}", mechanism, fmt::join(options.mechanisms, ", "),
               near.empty() ? "" : fmt::format("; did you mean '{}'?", near));
  }
}

DelayWeights::DelayWeights(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                           const ClickLog& all, const JourneyRule& rule, std::int64_t until,
                           const TrainingPeriod& training)
    : options_(options), all_(all), rule_(rule), until_(until), training_(training), mechanism_(mechanisms.front()) {
  if (!options.delay_weights->empty()) {
    const auto found = std::ranges::find(mechanisms, *options.delay_weights, &NamedMechanism::name);
    view_ = static_cast<std::size_t>(found - mechanisms.begin());
    mechanism_ = *found;
  }
  windows_ = rule.touches != nullptr ? rule.touches->windows() : std::vector<std::int64_t>{rule.window};
  for (std::size_t kind = 0; kind < options.click_events.size(); ++kind)
    written_.push_back(mal::is_written(options, kind));
  report_.mechanism = mechanism_.name;
  report_.by = options.delay_by;
}

void DelayWeights::observe(const ClickLog& log, const ClickOrder& order, const MechanismParameters& parameters) {
  const std::vector<std::int64_t> delays = first_credits(log, order, rule_, until_, mechanism_.mechanism, parameters);
  for (std::uint32_t click = 0; click < log.size(); ++click) {
    if (log.time[click] >= until_ || !is_written(log, click)) continue;
    const std::int64_t age = until_ - log.time[click];
    const bool credited = delays[click] != kNotYet;
    std::uint32_t bin = kPastWindow;
    if (credited)
      bin = DelayBins::bin_of(delays[click]);
    else if (age <= windows_[window_of(log, click)])
      bin = DelayBins::bin_of(age);
    Tally& tally = tallies_[stratum_of(log, click) << 16 | bin];
    ++(credited ? tally.credited : tally.left);
  }
}

std::vector<DelayWeights::Counts> DelayWeights::counts_by_stratum() const {
  std::vector<std::pair<std::uint64_t, Tally>> tallies(tallies_.begin(), tallies_.end());
  std::ranges::sort(tallies, {}, &std::pair<std::uint64_t, Tally>::first);
  std::vector<Counts> strata(std::max<std::size_t>(all_.delay_groups.size(), 1) * windows_.size());
  for (const auto& [key, tally] : tallies) {
    Counts& counts = strata[key >> 16];
    counts.clicks += tally.credited + tally.left;
    counts.credited += tally.credited;
    const auto bin = static_cast<std::uint32_t>(key & 0xFFFF);
    if (bin != kPastWindow) counts.bins.push_back({bin, tally.credited, tally.left});
  }
  return strata;
}

DelayCurveReport DelayWeights::describe(const Counts& counts, std::size_t window,
                                        const std::optional<DelayCurve>& curve) const {
  DelayCurveReport report;
  report.window = windows_[window];
  report.clicks = counts.clicks;
  report.credited = counts.credited;
  report.own = curve.has_value();
  if (!curve) return report;
  report.end = curve->end();
  report.rate = curve->rate();
  for (const std::int64_t age : delay_ages(report.window)) report.known.push_back(curve->known(age));
  return report;
}

void DelayWeights::fit() {
  const std::vector<Counts> strata = counts_by_stratum();
  for (std::size_t window = 0; window < windows_.size(); ++window) {
    Counts all;
    std::vector<DelayBin> by_bin(kPastWindow);
    for (std::size_t stratum = window; stratum < strata.size(); stratum += windows_.size()) {
      all.clicks += strata[stratum].clicks;
      all.credited += strata[stratum].credited;
      for (const DelayBin& bin : strata[stratum].bins) {
        by_bin[bin.bin].credited += bin.credited;
        by_bin[bin.bin].left += bin.left;
      }
    }
    for (std::uint32_t bin = 0; bin < kPastWindow; ++bin)
      if (by_bin[bin].credited + by_bin[bin].left > 0)
        all.bins.push_back({bin, by_bin[bin].credited, by_bin[bin].left});
    if (all.clicks > 0 && all.credited < kFewest)
      fail(
          "--delay-weights: {} of {} {}before the test period have credit by '{}' that is known by then, "
          "and {} are the fewest that tell how long conversions take; leave the option out, or give a longer log",
          all.credited, plural(all.clicks, "click"),
          windows_.size() == 1 ? "" : fmt::format("with the window {} ", option_length(windows_[window] / kSecond)),
          mechanism_.name, kFewest);
    overall_.emplace_back(all.bins, all.clicks, windows_[window]);
    if (all.clicks > 0) report_.all.push_back(describe(all, window, overall_.back()));
  }
  if (options_.delay_by.empty()) return;
  for (std::size_t stratum = 0; stratum < strata.size(); ++stratum) {
    const Counts& counts = strata[stratum];
    const std::size_t window = stratum % windows_.size();
    std::optional<DelayCurve>& own = own_.emplace_back();
    if (counts.credited >= kFewest) own.emplace(counts.bins, counts.clicks, windows_[window]);
    if (counts.clicks == 0) continue;
    report_.values.push_back(describe(counts, window, own));
    report_.values.back().value = all_.delay_groups.name(static_cast<std::uint32_t>(stratum / windows_.size()));
  }
  std::ranges::sort(report_.values, [](const DelayCurveReport& a, const DelayCurveReport& b) {
    if (a.clicks != b.clicks) return a.clicks > b.clicks;
    return a.value != b.value ? a.value < b.value : a.window > b.window;
  });
}

std::vector<float> DelayWeights::weights(const ClickLog& log, const Credits& credits) {
  std::vector<float> weights(log.size(), 1.0F);
  for (std::uint32_t click = 0; click < log.size(); ++click) {
    if (!training_.holds(log.time[click]) || !is_written(log, click)) continue;
    const std::int64_t age = until_ - log.time[click];
    const DelayCurve* curve = &overall_[window_of(log, click)];
    if (!own_.empty() && own_[stratum_of(log, click)]) curve = &*own_[stratum_of(log, click)];
    const double known = curve->known(age);
    if (known < kLeastKnown) {
      weights[click] = 0;
      ++report_.unripe;
      report_.unripe_age = std::max(report_.unripe_age, age);
      continue;
    }
    const bool positive = credits.views[view_][click] > 0;
    weights[click] = static_cast<float>(positive ? 1 / known : (1 - curve->rate()) / (1 - curve->rate() * known));
    const auto weight = static_cast<double>(weights[click]);
    ++(positive ? report_.positives : report_.others);
    (positive ? positive_weight_ : other_weight_).add(weight);
    report_.largest = std::max(report_.largest, weight);
  }
  return weights;
}

DelayReport DelayWeights::report() const {
  DelayReport report = report_;
  report.positive_weight = positive_weight_.value();
  report.other_weight = other_weight_.value();
  return report;
}

}  // namespace mal
