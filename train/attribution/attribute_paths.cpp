#include "train/attribution/attribute_paths.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/file.h"
#include "train/attribution/click_log.h"
#include "train/attribution/mechanisms.h"
#include "train/data/sample_files.h"

namespace mal {

namespace {

constexpr const char* kMarker = "attribution.json";
constexpr std::uint64_t kMostDrawn = std::uint64_t{1} << 32;

void check_mechanisms(const std::vector<NamedMechanism>& mechanisms) {
  for (const NamedMechanism& named : mechanisms)
    if (named.mechanism == Mechanism::time_decay || is_fitted_to_times(named.mechanism))
      fail_usage("--mechanisms {}: it needs the times of clicks, and a path has none; leave it out", named.name);
}

void check_options(const AttributeOptions& options) {
  if (options.inputs.empty()) fail_usage("no input: give --in FILE");
  if (options.out.empty()) fail_usage("no output: give --out DIR");
  if (options.path_separator.empty()) fail_usage("--path-separator: it is empty; a path is such as 'search > email'");
  check_given_once(options.inputs);
  for (const std::string& file : options.inputs) check_not_replaced(file, options.out);
}

bool wants(const std::vector<NamedMechanism>& mechanisms, Mechanism mechanism) {
  return std::ranges::find(mechanisms, mechanism, &NamedMechanism::mechanism) != mechanisms.end();
}

// shapley and logistic, fitted to the paths as to journeys; without either an empty model.
ChannelModel fit_sets(const AttributeOptions& options, const std::vector<NamedMechanism>& mechanisms,
                      const PathTable& table) {
  std::vector<Mechanism> wanted;
  for (const Mechanism mechanism : {Mechanism::shapley, Mechanism::logistic})
    if (wants(mechanisms, mechanism)) wanted.push_back(mechanism);
  if (wants(mechanisms, Mechanism::logistic) && table.conversions + table.nulls > kMostDrawn)
    fail_usage("logistic draws every journey, and {} are too many; divide the counts of the paths, or leave it out",
               table.conversions + table.nulls);
  Interner channels;
  for (const std::string& name : table.channels) channels.intern(name);
  ChannelFit fit(channels, wanted, {.rule = {}, .seed = options.seed, .exact_channels = options.exact_channels});
  for (const PathTable::Path& path : table.paths)
    fit.add(path.channels, {path.conversions + path.nulls, path.conversions});
  return fit.model();
}

// transitions.csv calls the ends of walks by these names, and who writes them into paths means the same by them.
void check_names(const AttributeOptions& options, const PathTable& table) {
  for (const char* name : {"(start)", "(conversion)", "(null)"})
    if (std::ranges::binary_search(table.channels, name))
      fail(
          "{}: paths have '{}' as a channel, and markov has it as an end of all paths; take it out of the paths, or "
          "rename the channel",
          file_list(options.inputs), name);
}

MarkovTotals fit_markov(const AttributeOptions& options, const PathTable& table) {
  check_names(options, table);
  MarkovFit fit(markov_options(options));
  std::vector<std::uint64_t> channel_keys, keys;
  std::vector<std::uint32_t> number;
  for (const std::string& name : table.channels) {
    channel_keys.push_back(OrderChoice::channel_key(name));
    number.push_back(static_cast<std::uint32_t>(number.size()));
  }
  for (const PathTable::Path& path : table.paths) {
    fit.add(path.channels, {path.conversions, path.nulls, path.value});
    if (!fit.chooses()) continue;
    keys.clear();
    for (const std::uint32_t channel : path.channels) keys.push_back(channel_keys[channel]);
    fit.add_to_choice(keys, OrderChoice::dealt(path.conversions, OrderChoice::journey_hash(keys, true)),
                      OrderChoice::dealt(path.nulls, OrderChoice::journey_hash(keys, false)));
  }
  return fit.totals(table.channels, number);
}

// Every path's conversions shared out by a mechanism as those of a journey are.
void credit_paths(Mechanism mechanism, const MechanismParameters& parameters, const PathTable& table, std::size_t place,
                  std::vector<ChannelTotals>& totals) {
  std::vector<double> shares;
  for (const PathTable::Path& path : table.paths) {
    if (path.conversions == 0) continue;
    shares.resize(path.channels.size());
    credit_journey(mechanism, {{}, path.channels}, parameters, shares);
    for (std::size_t k = 0; k < shares.size(); ++k) {
      ChannelCredit& credit = totals[path.channels[k]].credits[place];
      credit.conversions += shares[k] * static_cast<double>(path.conversions);
      credit.value += shares[k] * path.value;
    }
  }
}

void credit_markov(const MarkovTotals& markov, const PathTable& table, std::size_t place,
                   std::vector<ChannelTotals>& totals) {
  for (std::size_t c = 0; c < totals.size(); ++c) {
    totals[c].credits[place].conversions = markov.conversion_share[c] * static_cast<double>(table.conversions);
    if (!markov.value_share.empty()) totals[c].credits[place].value = markov.value_share[c] * table.value;
  }
}

void count_touches(PathsReport& report) {
  for (const PathTable::Path& path : report.paths.paths) {
    const std::uint64_t journeys = path.conversions + path.nulls;
    for (const std::uint32_t channel : path.channels) report.table.channels[channel].clicks += journeys;
    report.touches += journeys * path.channels.size();
    report.longest = std::max<std::uint64_t>(report.longest, path.channels.size());
  }
}

void write(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

PathsReport attribute_paths(const AttributeOptions& given_options) {
  AttributeOptions options = given_options;
  const std::size_t empty_files = find_sample_files(options.inputs, options.folders);
  check_options(options);
  const std::vector<NamedMechanism> mechanisms = parse_mechanisms(options.mechanisms, options.mta);
  check_mechanisms(mechanisms);
  check_markov_options(markov_options(options), wants(mechanisms, Mechanism::markov));
  OutputFolder folder(options.out, kMarker);
  PathsReport report;
  report.paths = read_paths(options, reading_progress(options.progress));
  report.paths.notes.empty_files = empty_files;
  const PathTable& paths = report.paths;

  report.table.has_value = paths.has_value;
  for (const std::string& name : paths.channels)
    report.table.channels.push_back({.name = name, .credits = std::vector<ChannelCredit>(mechanisms.size())});
  count_touches(report);
  report.model = fit_sets(options, mechanisms, paths);
  if (wants(mechanisms, Mechanism::markov)) {
    report.markov = fit_markov(options, paths);
    report.model.mechanisms.push_back({Mechanism::markov, report.markov->effects.conversions});
  }
  MechanismParameters parameters;
  parameters.position = options.position;
  parameters.channel_values = report.model.values(Mechanism::shapley);
  parameters.logistic_values = report.model.values(Mechanism::logistic);
  for (std::size_t m = 0; m < mechanisms.size(); ++m) {
    report.table.mechanisms.push_back(mechanisms[m].name);
    if (mechanisms[m].mechanism == Mechanism::markov)
      credit_markov(*report.markov, paths, m, report.table.channels);
    else
      credit_paths(mechanisms[m].mechanism, parameters, paths, m, report.table.channels);
  }
  sort_channels(report.table);

  write(folder.path() + "/channels.csv", channels_csv(report.table));
  if (!report.model.mechanisms.empty()) write(folder.path() + "/channel_model.json", channel_model_json(report.model));
  if (report.markov) {
    write(folder.path() + "/transitions.csv", transitions_csv(*report.markov));
    write(folder.path() + "/removal_effects.csv", removal_effects_csv(*report.markov));
  }
  write(folder.path() + "/" + kMarker, to_json(options, report));
  folder.commit();
  return report;
}

}  // namespace mal
