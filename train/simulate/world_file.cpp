#include "train/simulate/world_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <set>

#include "engine/error.h"
#include "train/config/strict_yaml.h"
#include "train/config/suggest.h"

namespace mal {

namespace {

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const WorldPreset& preset : world_presets()) names.emplace_back(preset.name);
  return names;
}

WorldParameters preset_world(std::string_view name) {
  WorldParameters parameters = default_world();
  for (const WorldPreset& preset : world_presets())
    if (preset.name == name) preset.change(parameters);
  return parameters;
}

double number_of(const YamlNode& node, std::string_view key, double min, double max) {
  node.require_child(key);
  return node.number(key, 0, min, max);
}

// A name goes into CSV files as it is.
std::string name_of(const YamlNode& node, std::set<std::string>& names) {
  auto name = node.require<std::string>("name");
  if (name.empty() ||
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != std::string::npos)
    node.fail_at("name", fmt::format("'{}': a name has letters, digits, _ and -", name));
  if (!names.insert(name).second) node.fail_at("name", fmt::format("'{}' occurs twice", name));
  return name;
}

template <typename Entry, typename Read>
std::vector<Entry> entries_of(const YamlNode& root, std::string_view key, std::size_t max, const Read& read) {
  const YamlNode list = root.child(key);
  std::vector<Entry> entries;
  std::set<std::string> names;
  if (!list.is_list()) root.fail_at(key, "a list is expected, as --print-world writes it");
  for (const YamlNode& node : list.children()) entries.push_back(read(node, name_of(node, names)));
  if (entries.empty() || entries.size() > max)
    root.fail_at(key, fmt::format("{} entries: 1 to {} are possible", entries.size(), max));
  return entries;
}

void read_lists(const YamlNode& root, WorldParameters& parameters) {
  if (root.has("industries"))
    parameters.industries =
        entries_of<Industry>(root, "industries", kMaxIndustries, [](const YamlNode& node, std::string name) {
          return Industry{std::move(name),
                          number_of(node, "half_life_days", 0.001, 1000),
                          number_of(node, "revisit", 0, 100),
                          number_of(node, "conversion", 0, 10),
                          number_of(node, "share", 0, 100),
                          number_of(node, "price", -20, 20)};
        });
  if (root.has("channels"))
    parameters.channels =
        entries_of<Channel>(root, "channels", kMaxChannels, [](const YamlNode& node, std::string name) {
          return Channel{std::move(name), number_of(node, "effect", 0, 1000), number_of(node, "fresh", 0, 1e6),
                         number_of(node, "back", 0, 1e6)};
        });
  parameters.hours = root.get("hours", parameters.hours);
}

void check(const YamlNode& root, const WorldParameters& p) {
  const auto none = [](const auto& entries, auto member) {
    return std::ranges::none_of(entries, [member](const auto& entry) { return entry.*member > 0; });
  };
  if (none(p.industries, &Industry::share)) root.fail_at("industries", "every share is 0; one has to be above");
  if (none(p.channels, &Channel::fresh)) root.fail_at("channels", "every weight `fresh` is 0; one has to be above");
  if (none(p.channels, &Channel::back)) root.fail_at("channels", "every weight `back` is 0; one has to be above");
  const bool in_range = std::ranges::all_of(p.hours, [](double weight) { return weight >= 0 && weight <= 1e6; });
  if (p.hours.size() != 24 || !in_range || std::accumulate(p.hours.begin(), p.hours.end(), 0.0) <= 0)
    root.fail_at("hours", "24 weights are needed, none below 0 and one above");
  if (p.ads.ads_min > p.ads.ads_max)
    root.child("ads").fail_at("ads_min", fmt::format("{} is above ads_max, {}", p.ads.ads_min, p.ads.ads_max));
  if (1440 % static_cast<int>(p.auction.interval_minutes) != 0)
    root.child("auction").fail_at("interval_minutes",
                                  fmt::format("{} does not divide the 1440 of a day", p.auction.interval_minutes));
  double ads = 0;
  for (const Industry& industry : p.industries) ads += p.ads.advertisers * industry.share * p.ads.ads_max;
  if (ads > kMaxAds)
    root.child("ads").fail_at("advertisers", fmt::format("up to {:.0f} ads in all; {:.0f} are possible", ads, kMaxAds));
}

WorldParameters world_of(const YamlNode& root) {
  WorldParameters parameters = preset_world(root.choice("preset", preset_names(), "default"));
  read_lists(root, parameters);
  for (const WorldKey& key : world_keys()) {
    const YamlNode section = key.section.empty() ? root : root.child(key.section);
    double& value = key.value(parameters);
    if (key.whole)
      value =
          static_cast<double>(section.integer(key.key, static_cast<std::int64_t>(value),
                                              static_cast<std::int64_t>(key.min), static_cast<std::int64_t>(key.max)));
    else
      value = section.number(key.key, value, key.min, key.max);
  }
  check(root, parameters);
  root.finish();
  return parameters;
}

}  // namespace

WorldParameters world_of_yaml(std::string_view text, const std::string& name) {
  return world_of(parse_yaml_text(text, name));
}

WorldParameters read_world(const std::string& preset_or_file) {
  const std::vector<std::string> names = preset_names();
  if (std::ranges::find(names, preset_or_file) != names.end()) return preset_world(preset_or_file);
  if (preset_or_file.find_first_of("/.") == std::string::npos && !std::filesystem::exists(preset_or_file))
    fail_usage("--world {}: neither a preset nor a file{}", preset_or_file,
               suggestion(preset_or_file, names, "presets"));
  return world_of(parse_yaml_file(preset_or_file));
}

std::string world_yaml(const WorldParameters& given) {
  WorldParameters parameters = given;
  std::string text = "# A world of mal_data simulate; a key that is left out has the value of the preset (default).\n";
  std::string_view section;
  for (const WorldKey& key : world_keys()) {
    if (key.section != section) text += fmt::format("{}:\n", key.section), section = key.section;
    const std::string line = fmt::format("{}{}: {}", section.empty() ? "" : "  ", key.key, key.value(parameters));
    text += key.meaning.empty() ? line + "\n" : fmt::format("{:<31} # {}\n", line, key.meaning);
  }
  text += "industries:  # half-life of an intent; price: the logarithm of a typical one\n";
  for (const Industry& i : parameters.industries)
    text += fmt::format("- {{name: \"{}\", half_life_days: {}, revisit: {}, conversion: {}, share: {}, price: {}}}\n",
                        i.name, i.half_life_days, i.revisit, i.conversion, i.share, i.price);
  text += "channels:  # effect: causal; fresh, back: weights among new clicks and among returns\n";
  for (const Channel& c : parameters.channels)
    text += fmt::format("- {{name: \"{}\", effect: {}, fresh: {}, back: {}}}\n", c.name, c.effect, c.fresh, c.back);
  return text + fmt::format("hours: [{}]  # weight of each hour in which a session may start\n",
                            fmt::join(parameters.hours, ", "));
}

}  // namespace mal
