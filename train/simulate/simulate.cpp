#include "train/simulate/simulate.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/parallel.h"
#include "train/config/progress.h"
#include "train/simulate/platform_csv.h"

namespace mal {

namespace {

constexpr const char* kMarker = "simulate.json";
constexpr std::uint32_t kUsersInBlock = 256;
constexpr std::size_t kRowsInChunk = 8192;

void check_options(const SimulateOptions& options) {
  if (options.users < 1 || options.users > 50'000'000)
    fail_usage("--users {}: 1 to 50000000 are possible", options.users);
  if (options.days < 1 || options.days > 3650) fail_usage("--days {}: 1 to 3650 are possible", options.days);
  if (!(options.channel_strength >= 0 && options.channel_strength <= 1))
    fail_usage("--channel-strength {}: 0 (all channels alike) to 1 are possible", options.channel_strength);
  if (options.threads < 0 || options.threads > 1024)
    fail_usage("--threads {}: 0 (one a core) to 1024 are possible", options.threads);
}

// Click indices in time order; ties by user.
std::vector<std::uint32_t> by_time(const std::vector<SimulatedClick>& clicks) {
  std::vector<std::uint32_t> order(clicks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
  std::sort(order.begin(), order.end(), [&clicks](std::uint32_t a, std::uint32_t b) {
    return clicks[a].time != clicks[b].time ? clicks[a].time < clicks[b].time : a < b;
  });
  return order;
}

void write_clicks(const std::string& path, const Platform& platform, const SimulateOptions& options, int threads) {
  const ClickWriter writer(platform, options.users);
  const std::vector<std::uint32_t> order = by_time(platform.clicks);
  OutputFile file(path);
  file.write(ClickWriter::header());
  Progress progress("write clicks.csv", order.size());
  // A wave of chunks is formatted in parallel, then written in order.
  const std::size_t wave = kRowsInChunk * static_cast<std::size_t>(threads) * 2;
  std::vector<std::string> texts(static_cast<std::size_t>(threads) * 2);
  for (std::size_t begin = 0; begin < order.size(); begin += wave) {
    parallel_for(texts.size(), threads, [&](std::size_t chunk) {
      const std::size_t first = std::min(order.size(), begin + chunk * kRowsInChunk);
      const std::size_t last = std::min(order.size(), first + kRowsInChunk);
      texts[chunk].clear();
      for (std::size_t i = first; i < last; ++i) writer.append(texts[chunk], order[i]);
    });
    for (const std::string& text : texts) file.write(text);
    if (options.progress) progress.update(std::min(order.size(), begin + wave));
  }
  if (options.progress) progress.finish();
  file.commit();
}

void write_parameters(const std::string& path, const Platform& platform, const SimulateOptions& options) {
  nlohmann::ordered_json json = {{"users", options.users},
                                 {"days", options.days},
                                 {"seed", options.seed},
                                 {"channel_strength", options.channel_strength},
                                 {"start", kSimulationStart},
                                 {"clicks", platform.clicks.size()},
                                 {"conversions", platform.conversions.size()},
                                 {"advertisers", platform.world.advertisers.size()},
                                 {"ads", platform.world.ads.size()}};
  for (const Industry& industry : industries())
    json["industries"].push_back({{"name", industry.name},
                                  {"half_life_days", industry.half_life_days},
                                  {"revisit", industry.revisit},
                                  {"conversion", industry.conversion},
                                  {"share", industry.share}});
  for (std::size_t c = 0; c < channels().size(); ++c) {
    const Channel& channel = channels()[c];
    json["channels"].push_back({{"name", channel.name},
                                {"effect", platform.world.effects[c]},
                                {"fresh", channel.fresh},
                                {"back", channel.back}});
  }
  OutputFile file(path);
  file.write(json.dump(2) + "\n");
  file.commit();
}

}  // namespace

Platform simulate_platform(const SimulateOptions& options) {
  check_options(options);
  Platform platform;
  platform.world = make_world(options.seed, options.channel_strength);
  struct Block {
    std::vector<SimulatedClick> clicks;
    std::vector<SimulatedConversion> conversions;
  };
  std::vector<Block> blocks((options.users + kUsersInBlock - 1) / kUsersInBlock);
  parallel_for(blocks.size(), thread_count(options.threads), [&](std::size_t b) {
    const auto first = static_cast<std::uint32_t>(b * kUsersInBlock);
    const std::uint32_t last = std::min(options.users, first + kUsersInBlock);
    for (std::uint32_t user = first; user < last; ++user)
      simulate_user(platform.world, user, options.days, blocks[b].clicks, blocks[b].conversions);
  });
  for (Block& block : blocks) {
    platform.clicks.insert(platform.clicks.end(), block.clicks.begin(), block.clicks.end());
    platform.conversions.insert(platform.conversions.end(), block.conversions.begin(), block.conversions.end());
    block = {};
  }
  std::stable_sort(platform.conversions.begin(), platform.conversions.end(),
                   [](const SimulatedConversion& a, const SimulatedConversion& b) { return a.time < b.time; });
  return platform;
}

SimulateReport simulate(const SimulateOptions& options) {
  if (options.out.empty()) fail_usage("no output: give --out DIR");
  check_options(options);
  OutputFolder folder(options.out, kMarker);
  const Platform platform = simulate_platform(options);
  write_clicks(folder.path() + "/clicks.csv", platform, options, thread_count(options.threads));
  write_conversions(folder.path() + "/conversions.csv", platform);
  write_parameters(folder.path() + "/" + kMarker, platform, options);
  folder.commit();
  return {platform.clicks.size(), platform.conversions.size()};
}

}  // namespace mal
