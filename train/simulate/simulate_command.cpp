#include "train/simulate/simulate_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "engine/error.h"
#include "train/config/program.h"
#include "train/simulate/simulate.h"
#include "train/simulate/world_file.h"

namespace mal {

namespace {

std::string world_help() {
  std::string help = "A world file (docs/simulated-platform.md), or one of:";
  for (const WorldPreset& preset : world_presets()) help += fmt::format("\n{}: {}", preset.name, preset.meaning);
  return help;
}

double checked_strength(double strength) {
  if (!(strength >= 0 && strength <= 1))
    fail_usage("--channel-strength {}: 0 (all channels alike) to 1 are possible", strength);
  return strength;
}

}  // namespace

void add_simulate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("simulate", "Write the clicks and conversions of a simulated platform");
  const auto options = std::make_shared<SimulateOptions>();
  command->add_option("--out", options->out, "Folder to write clicks.csv and conversions.csv to");
  command->add_option("--users", options->users, "About 50 clicks each in 30 days")->capture_default_str();
  command->add_option("--days", options->days, "Days with clicks; conversions are watched for 30 more")
      ->capture_default_str();
  const auto world = std::make_shared<std::string>("default");
  const auto strength = std::make_shared<double>(1.0);
  const auto print_world = std::make_shared<bool>(false);
  command->add_option("--world", *world, world_help())->capture_default_str();
  CLI::Option* channel_strength = command->add_option(
      "--channel-strength", *strength, "How much channels differ in effect: 1 as in the world, 0 all alike");
  command->add_flag("--print-world", *print_world, "Print the world as a file for --world, and stop");
  command->add_option("--seed", options->seed, "Same seed, same bytes, whatever the number of threads")
      ->check(check_whole_number)
      ->capture_default_str();
  command->add_option("--threads", options->threads, "0: one a core")->capture_default_str();
  command->callback([=] {
    options->world = read_world(*world);
    if (channel_strength->count() > 0) options->world.channel_strength = checked_strength(*strength);
    if (*print_world) {
      fmt::print("{}", world_yaml(options->world));
      return;
    }
    const SimulateReport report = simulate(*options);
    fmt::print("{} clicks and {} conversions of {} users in {} days, written to {}\n", report.clicks,
               report.conversions, options->users, options->days, options->out);
    std::fflush(stdout);
  });
}

}  // namespace mal
