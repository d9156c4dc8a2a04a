#include "train/simulate/simulate_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "train/config/program.h"
#include "train/simulate/simulate.h"

namespace mal {

void add_simulate_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("simulate", "Write the clicks and conversions of a simulated platform");
  const auto options = std::make_shared<SimulateOptions>();
  command->add_option("--out", options->out, "Folder to write clicks.csv and conversions.csv to")->required();
  command->add_option("--users", options->users, "About 50 clicks each in 30 days")->capture_default_str();
  command->add_option("--days", options->days, "Days with clicks; conversions are watched for 30 more")
      ->capture_default_str();
  command
      ->add_option("--channel-strength", options->channel_strength,
                   "How much channels differ in effect: 1 as in the docs, 0 all alike")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Same seed, same bytes, whatever the number of threads")
      ->check(check_whole_number)
      ->capture_default_str();
  command->add_option("--threads", options->threads, "0: one a core")->capture_default_str();
  command->callback([options] {
    const SimulateReport report = simulate(*options);
    fmt::print("{} clicks and {} conversions of {} users in {} days, written to {}\n", report.clicks,
               report.conversions, options->users, options->days, options->out);
    std::fflush(stdout);
  });
}

}  // namespace mal
