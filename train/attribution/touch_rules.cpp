#include "train/attribution/touch_rules.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "train/attribution/read_clicks.h"
#include "train/config/suggest.h"

namespace mal {

namespace {

constexpr std::size_t kMostShown = 20;

// "'display', 'search'": in the order of their bytes.
std::string list_of(std::vector<std::string> names) {
  std::ranges::sort(names);
  std::string text;
  for (std::size_t n = 0; n < std::min(names.size(), kMostShown); ++n)
    text += fmt::format("{}'{}'", n == 0 ? "" : ", ", names[n].substr(0, 40));
  return names.size() > kMostShown ? text + " and others" : text;
}

// A misspelt name would change nothing, and nobody would see it.
std::uint32_t require_channel(const AttributeOptions& options, const Interner& channels, const std::string& name,
                              std::string_view option) {
  std::vector<std::string> names;
  for (std::uint32_t channel = 0; channel < channels.size(); ++channel) {
    if (channels.name(channel) == name) return channel;
    names.push_back(channels.name(channel));
  }
  const std::string near = nearest(name, names);
  fail("{}: no click is of channel '{}', which {} names{}; there are {} (--channel says which column it is)",
       file_list(options.inputs), name, option, near.empty() ? "" : fmt::format(" (did you mean '{}'?)", near),
       list_of(names));
}

}  // namespace

TouchRules::TouchRules(const AttributeOptions& options, const Interner& channels) : excluded_(channels.size(), false) {
  for (const std::string& name : options.exclude_channels)
    excluded_[require_channel(options, channels, name, "--exclude-channel")] = true;
}

}  // namespace mal
