#include "train/simulate/simulate.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/parallel.h"
#include "train/config/progress.h"
#include "train/simulate/click_buckets.h"
#include "train/simulate/platform_csv.h"
#include "train/simulate/world_file.h"

namespace mal {

namespace {

constexpr const char* kMarker = "simulate.json";
constexpr std::uint32_t kUsersInBlock = 256;
constexpr std::size_t kRowsInChunk = 8192;

void check_options(const SimulateOptions& options) {
  if (options.users < 1 || options.users > 50'000'000)
    fail_usage("--users {}: 1 to 50000000 are possible", options.users);
  if (options.days < 1 || options.days > 3650) fail_usage("--days {}: 1 to 3650 are possible", options.days);
  if (options.threads < 0 || options.threads > 1024)
    fail_usage("--threads {}: 0 (one a core) to 1024 are possible", options.threads);
}

// Fewer where users click much: what is computed and not yet taken is about 2 MB a thread, but for busy single users.
std::uint32_t users_in_block(const SimulateOptions& options) {
  constexpr double kClicksInBlock = 16384;
  const auto& clicks = options.world.clicks;
  const double of_user = options.world.users.sessions * std::max(clicks.weekday, clicks.weekend) * clicks.per_session *
                         static_cast<double>(options.days);
  return static_cast<std::uint32_t>(std::clamp(kClicksInBlock / std::max(1.0, of_user), 1.0, double{kUsersInBlock}));
}

// Users block by block, computed in parallel; `take` gets the blocks one after the other.
struct Block {
  std::vector<SimulatedClick> clicks;
  std::vector<SimulatedConversion> conversions;
  std::vector<Profile> profiles;  // of its users
};
void simulate_blocks(const World& world, const SimulateOptions& options,
                     const std::function<void(const Block&)>& take) {
  const int threads = thread_count(options.threads);
  const std::uint32_t users = users_in_block(options);
  const std::size_t blocks = (std::size_t{options.users} + users - 1) / users;
  std::vector<Block> wave(static_cast<std::size_t>(threads) * 4);
  Progress progress("simulate users", options.users);
  for (std::size_t begin = 0; begin < blocks; begin += wave.size()) {
    const std::size_t size = std::min(wave.size(), blocks - begin);
    parallel_for(size, threads, [&](std::size_t b) {
      wave[b].clicks.clear();
      wave[b].conversions.clear();
      wave[b].profiles.clear();
      const auto first = static_cast<std::uint32_t>((begin + b) * users);
      const std::uint32_t last = first + std::min(users, options.users - first);
      for (std::uint32_t user = first; user < last; ++user)
        wave[b].profiles.push_back(simulate_user(world, user, wave[b].clicks, wave[b].conversions));
    });
    for (std::size_t b = 0; b < size; ++b) take(wave[b]);
    if (options.progress) progress.update(std::min<std::size_t>(options.users, (begin + size) * users));
  }
  if (options.progress) progress.finish();
}

void sort_conversions(std::vector<SimulatedConversion>& conversions) {
  std::stable_sort(conversions.begin(), conversions.end(),
                   [](const SimulatedConversion& a, const SimulatedConversion& b) { return a.time < b.time; });
}

void write_clicks(const std::string& path, ClickWriter& writer, ClickBuckets& clicks, const SimulateOptions& options) {
  OutputFile file(path);
  file.write(ClickWriter::header());
  Progress progress("write clicks.csv", clicks.size());
  // A wave of chunks is formatted in parallel, then written in order.
  const int threads = thread_count(options.threads);
  std::vector<std::string> texts(static_cast<std::size_t>(threads) * 2);
  const std::size_t wave = kRowsInChunk * texts.size();
  ClickWriter::Rows rows;
  std::uint64_t done = 0;
  for (std::size_t bucket = 0; bucket < clicks.buckets(); ++bucket) {
    const std::vector<SimulatedClick> in_order = clicks.take(bucket);
    for (std::size_t begin = 0; begin < in_order.size(); begin += wave) {
      const std::size_t size = std::min(wave, in_order.size() - begin);
      writer.look_up(std::span(in_order).subspan(begin, size), rows);
      parallel_for(texts.size(), threads, [&](std::size_t chunk) {
        texts[chunk].clear();
        const std::size_t last = std::min(size, (chunk + 1) * kRowsInChunk);
        for (std::size_t i = chunk * kRowsInChunk; i < last; ++i) writer.append(texts[chunk], rows, i);
      });
      for (const std::string& text : texts) file.write(text);
      done += size;
      if (options.progress) progress.update(done);
    }
  }
  if (options.progress) progress.finish();
  file.commit();
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

std::string parameters_json(const World& world, const SimulateOptions& options, const SimulateReport& report) {
  nlohmann::ordered_json json = {{"users", options.users},
                                 {"days", options.days},
                                 {"seed", options.seed},
                                 {"channel_strength", world.parameters.channel_strength},
                                 {"start", kSimulationStart},
                                 {"clicks", report.clicks},
                                 {"conversions", report.conversions},
                                 {"advertisers", world.advertisers.size()},
                                 {"ads", world.ads.size()}};
  for (const Industry& industry : world.parameters.industries)
    json["industries"].push_back({{"name", industry.name},
                                  {"half_life_days", industry.half_life_days},
                                  {"revisit", industry.revisit},
                                  {"conversion", industry.conversion},
                                  {"share", industry.share}});
  for (std::size_t c = 0; c < world.parameters.channels.size(); ++c) {
    const Channel& channel = world.parameters.channels[c];
    json["channels"].push_back(
        {{"name", channel.name}, {"effect", world.effects[c]}, {"fresh", channel.fresh}, {"back", channel.back}});
  }
  return json.dump(2) + "\n";
}

}  // namespace

Platform simulate_platform(const SimulateOptions& options) {
  check_options(options);
  Platform platform;
  platform.world = make_world(options.seed, options.world, options.days);
  simulate_blocks(platform.world, options, [&](const Block& block) {
    platform.clicks.insert(platform.clicks.end(), block.clicks.begin(), block.clicks.end());
    platform.conversions.insert(platform.conversions.end(), block.conversions.begin(), block.conversions.end());
  });
  sort_conversions(platform.conversions);
  return platform;
}

SimulateReport simulate(const SimulateOptions& options) {
  if (options.out.empty()) fail_usage("no output: give --out DIR");
  check_options(options);
  OutputFolder folder(options.out, kMarker);
  const World world = make_world(options.seed, options.world, options.days);
  SimulateReport report;
  {
    ClickBuckets clicks(folder.path(), options.days);
    std::vector<SimulatedConversion> conversions;
    std::vector<Profile> profiles;
    std::vector<std::uint32_t> clicks_of(options.users, 0);
    simulate_blocks(world, options, [&](const Block& block) {
      clicks.add(block.clicks);
      for (const SimulatedClick& click : block.clicks) ++clicks_of[click.user];
      conversions.insert(conversions.end(), block.conversions.begin(), block.conversions.end());
      profiles.insert(profiles.end(), block.profiles.begin(), block.profiles.end());
    });
    clicks.finish();
    sort_conversions(conversions);
    report = {clicks.size(), conversions.size()};
    ClickWriter writer(world, std::move(profiles), clicks_of);
    write_clicks(folder.path() + "/clicks.csv", writer, clicks, options);
    write_conversions(folder.path() + "/conversions.csv", conversions);
  }
  write_text(folder.path() + "/world.yaml", world_yaml(options.world));
  write_text(folder.path() + "/" + kMarker, parameters_json(world, options, report));
  folder.commit();
  return report;
}

}  // namespace mal
