#include "train/attribution/channel_reporting.h"

#include "engine/file.h"
#include "train/attribution/channel_page.h"

namespace mal {

namespace {

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

ChannelReporting::ChannelReporting(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                                   const ClickLog& all, const FitOptions& fit)
    : options_(options), all_(all), sums_(all.channels.size(), mechanisms.size()) {
  if (options.bootstrap > 0) bootstrap_.emplace(options, mechanisms, all.channels, fit);
}

VisitShares ChannelReporting::visit() {
  return [this](std::size_t mechanism, const JourneyRange& range, const Journey& journey,
                std::span<const double> shares) { sums_.add(mechanism, journey, shares, range.value); };
}

void ChannelReporting::add(const ClickLog& log, const ClickOrder& order, const Journeys& journeys,
                           const MechanismParameters& parameters) {
  sums_.add_clicks(log);
  sums_.add_values(journeys);
  if (options_.report) paths_.add(log, order, journeys);
  if (bootstrap_) bootstrap_->add(log, order, journeys, parameters);
}

void ChannelReporting::write(const std::string& folder, AttributeReport& report) const {
  report.table_shown = options_.report || options_.bootstrap > 0 || (options_.value && !options_.value->empty()) ||
                       !options_.cost.empty();
  sums_.describe(options_, all_, report);
  if (report.markov)
    add_markov_total(*report.markov, static_cast<double>(report.journeys), report.credited_value, report.table);
  if (bootstrap_) bootstrap_->describe(report.table);
  write_text(folder + "/channels.csv", channels_csv(report.table));
  if (options_.report) write_text(folder + "/report.html", channel_page(report, paths_.report(all_.channels)));
}

}  // namespace mal
