#include "train/attribution/describer.h"

#include <algorithm>
#include <cmath>

#include "train/attribution/touch_rules.h"

namespace mal {

Describer::Describer(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                     const ClickLog& all, AttributeReport& report)
    : options_(options),
      report_(report),
      sums_(mechanisms.size()),
      unmatched_(report.first_time),
      channel_clicks_(all.channels.size()) {
  for (const NamedMechanism& mechanism : mechanisms) report.mechanisms.emplace_back().name = mechanism.name;
  for (std::size_t kind = 0; kind < options.click_events.size(); ++kind) {
    written_.push_back(mal::is_written(options, kind));
    if (options.click_events.size() > 1) report.events.emplace_back(options.click_events[kind].name, 0);
  }
  report.by = options.by;
  report.slices.resize(all.slices.size());
  slice_credit_.resize(report.slices.size() * mechanisms.size());
  for (std::uint32_t s = 0; s < all.slices.size(); ++s) {
    report.slices[s].value = all.slices.name(s);
    report.slices[s].positives.resize(mechanisms.size());
  }
}

void Describer::add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys, const Credits& credits) {
  add_clicks(log);
  add_journeys(journeys, credits);
  unmatched_.add(log, order, journeys);
  copies_.add(log, order);
  if (report_.split) add_early_clicks(log, order, journeys);
  for (std::size_t m = 0; m < sums_.size(); ++m) add_mechanism(log, credits.views[m], report_.mechanisms[m], sums_[m]);
  for (std::size_t m = 0; m < sums_.size(); ++m) sums_[m].cut_credit.add(credits.cut[m]);
  if (!log.slice.empty()) add_slices(log, credits);
}

void Describer::finish(const ChannelModel& model) {
  report_.unmatched = unmatched_.report();
  report_.copies = copies_.report(options_.conversions.empty() ? options_.inputs : options_.conversions);
  for (std::size_t m = 0; m < sums_.size(); ++m) {
    MechanismReport& entry = report_.mechanisms[m];
    entry.credit = sums_[m].credit.value();
    entry.cut_credit = sums_[m].cut_credit.value();
    if (sums_[m].compared > 0)
      entry.truth_error = sums_[m].truth_error.value() / static_cast<double>(sums_[m].compared);
  }
  for (std::size_t s = 0; s < report_.slices.size(); ++s)
    for (std::size_t m = 0; m < sums_.size(); ++m)
      report_.slices[s].credit.push_back(slice_credit_[s * sums_.size() + m].value());
  std::stable_sort(report_.slices.begin(), report_.slices.end(),
                   [](const SliceReport& a, const SliceReport& b) { return a.clicks > b.clicks; });
  if (!model.mechanisms.empty()) describe_channels(model);
}

void Describer::add_clicks(const ClickLog& log) {
  std::vector<bool> seen(log.users.size(), false);
  for (const std::uint32_t user : log.user) seen[user] = true;
  report_.users += static_cast<std::uint64_t>(std::count(seen.begin(), seen.end(), true));
  for (const std::uint32_t channel : log.channel) ++channel_clicks_[channel];
  for (std::uint32_t click = 0; click < log.size(); ++click) {
    if (!log.kind.empty()) ++report_.events[log.kind[click]].second;
    if (!is_written(log, click)) {
      ++report_.left_out_clicks;
      continue;
    }
    const std::int64_t time = log.time[click];
    report_.train_clicks += report_.training.holds(time) ? 1 : 0;
    report_.earlier_clicks += time < report_.training.start ? 1 : 0;
    report_.gap_clicks += report_.split && time >= report_.training.end && time < report_.test_start ? 1 : 0;
    if (!report_.split) continue;
    if (time < report_.test_start) report_.last_time_before_test = std::max(report_.last_time_before_test, time);
    if (time < report_.test_end) continue;
    report_.first_time_after_test = report_.later_clicks == 0 ? time : std::min(report_.first_time_after_test, time);
    ++report_.later_clicks;
  }
}

void Describer::add_journeys(const Journeys& journeys, const Credits& credits) {
  report_.conversions_without_clicks += journeys.without_clicks.size() + journeys.ruled_out;
  report_.journeys += journeys.converting.size();
  for (const JourneyRange& journey : journeys.converting) {
    const std::uint64_t clicks = journey.clicks;
    report_.journey_clicks += clicks;
    report_.single_click_journeys += clicks == 1 ? 1 : 0;
    report_.longest_journey = std::max(report_.longest_journey, clicks);
  }
  report_.clicks_in_several_journeys += credits.clicks_in_several_journeys;
  report_.last_positives +=
      static_cast<std::uint64_t>(std::count(credits.is_last.begin(), credits.is_last.end(), true));
  for (const std::uint32_t length : credits.path_length) report_.clicks_in_journeys += length > 0 ? 1 : 0;
}

// Clicks of train.csv in a journey that converts in the test period or later: their labels look into it.
void Describer::add_early_clicks(const ClickLog& log, const ClickOrder& order, const Journeys& journeys) {
  std::vector<bool> early(log.size(), false);
  JourneyView view(log, order, journeys.rule);
  for (const JourneyRange& journey : journeys.converting) {
    if (journey.conversion_time < report_.test_start) continue;
    for (const std::uint32_t click : view.clicks(journey))
      if (is_written(log, click) && report_.training.holds(log.time[click])) early[click] = true;
  }
  report_.train_clicks_of_test_conversions += static_cast<std::uint64_t>(std::count(early.begin(), early.end(), true));
}

void Describer::add_mechanism(const ClickLog& log, const std::vector<float>& view, MechanismReport& entry,
                              MechanismSums& sums) const {
  for (std::size_t click = 0; click < log.size(); ++click) {
    const float credit = view[click];
    sums.credit.add(static_cast<double>(credit));
    if (credit > 0) {
      ++entry.positives;
      if (report_.split && log.time[click] >= report_.test_start && log.time[click] < report_.test_end &&
          is_written(log, static_cast<std::uint32_t>(click)))
        ++entry.test_positives;
    }
    if (log.truth.empty() || (credit == 0 && log.truth[click] == 0)) continue;
    sums.truth_error.add(std::abs(static_cast<double>(credit) - static_cast<double>(log.truth[click])));
    ++sums.compared;
  }
}

void Describer::add_slices(const ClickLog& log, const Credits& credits) {
  for (std::size_t click = 0; click < log.size(); ++click) {
    SliceReport& slice = report_.slices[log.slice[click]];
    ++slice.clicks;
    slice.last += credits.is_last[click] ? 1 : 0;
    for (std::size_t m = 0; m < credits.views.size(); ++m) {
      const float credit = credits.views[m][click];
      if (credit == 0) continue;
      ++slice.positives[m];
      slice_credit_[log.slice[click] * credits.views.size() + m].add(static_cast<double>(credit));
    }
  }
}

void Describer::describe_channels(const ChannelModel& model) {
  report_.fitted = true;
  report_.fit_exact = model.exact;
  report_.fit_delay_seconds = model.hazard_delay_seconds;
  report_.neural = model.neural_report;
  report_.fit_total = model.total;
  report_.fit_coalitions = model.coalitions;
  report_.fit_learned = model.learned();
  std::uint64_t alone = 0;
  for (const CoalitionCount& single : model.alone) alone += single.journeys;
  report_.fit_single_channel = alone == model.total.journeys;
  for (const FittedMechanism& fitted : model.mechanisms)
    report_.fitted_mechanisms.emplace_back(name_of(fitted.mechanism));
  for (std::size_t c = 0; c < model.channels.size(); ++c) {
    if (channel_clicks_[c] == 0) continue;  // of touches that --truncate dropped
    ChannelReport& channel = report_.channels.emplace_back();
    channel = {model.channels[c], channel_clicks_[c], model.alone[c], model.known[c], false, {}};
    channel.excluded = std::ranges::find(options_.exclude_channels, channel.name) != options_.exclude_channels.end();
    for (const FittedMechanism& fitted : model.mechanisms) channel.values.push_back(fitted.values[c]);
    if (!channel.known) report_.unknown_channel_clicks += channel.clicks;
  }
  std::sort(report_.channels.begin(), report_.channels.end(), [](const ChannelReport& a, const ChannelReport& b) {
    return a.values.front() != b.values.front() ? a.values.front() > b.values.front() : a.name < b.name;
  });
}

}  // namespace mal
