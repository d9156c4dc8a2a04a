#include "train/abtest/abtest_command.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "engine/error.h"
#include "engine/file.h"
#include "train/abtest/abtest_report.h"
#include "train/config/program.h"

namespace mal {

namespace {

void write(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

struct Texts {
  std::vector<std::string> arms, seeds = {"1"};
  std::string design = "paired", calibration = "raw";
};

void run(AbtestOptions& options, const Texts& texts) {
  options.arms.clear();
  for (const std::string& arm : texts.arms) options.arms.push_back(parse_arm(arm));
  options.seeds.clear();
  for (const std::string& seed : texts.seeds) {
    if (const std::string wrong = check_whole_number(seed); !wrong.empty()) fail_usage("--seeds {}: {}", seed, wrong);
    options.seeds.push_back(std::stoull(seed));
  }
  options.design = texts.design == "plain" ? Design::plain : Design::paired;
  options.calibration = texts.calibration == "raw"   ? ArmCalibration::raw
                        : texts.calibration == "log" ? ArmCalibration::log
                                                     : ArmCalibration::online;
  if (options.aa > 0 && !options.report.empty())
    fail_usage("--report: A/A tests have no page; --json has their numbers");
  if (!options.json.empty() && options.json == options.report)
    fail_usage("--json and --report are both {}; name two files", options.json);
  // Now, and not when the test is over.
  for (const std::string& path : {options.json, options.report})
    if (!path.empty()) OutputFile probe(path);
  const AbtestResult result = run_abtest(options);
  fmt::print("{}", abtest_text(options, result));
  if (!options.json.empty()) write(options.json, abtest_json(options, result));
  if (!options.report.empty()) write(options.report, abtest_page(options, result));
}

}  // namespace

void add_abtest_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "abtest", "Let models bid against each other in a simulated online test (docs/online-test.md)");
  const auto options = std::make_shared<AbtestOptions>();
  const auto texts = std::make_shared<Texts>();
  command
      ->add_option("--arm", texts->arms,
                   "NAME=SOURCE: a run's folder, a model file (*.mal), oracle or average; {seed} in it stands for the "
                   "seed. Repeated; the first is what the others are compared with")
      ->required()
      ->allow_extra_args(false);
  command->add_option("--world", options->world, "Preset or file, as of the simulate that the runs were trained on")
      ->capture_default_str();
  command->add_option("--users", options->users, "As of that simulate, or fewer")->capture_default_str();
  command->add_option("--from-day", options->from_day, "Days of the log before the test: that simulate's --days")
      ->capture_default_str();
  command->add_option("--days", options->days, "Of the test; conversions are watched for 30 more")
      ->capture_default_str();
  command->add_option("--seeds", texts->seeds, "As of that simulate; several, separated by commas: a test each")
      ->delimiter(',')
      ->capture_default_str();
  command
      ->add_option("--design", texts->design,
                   "paired: each arm serves all users, in a world of its own; plain: each user is in one arm")
      ->check(CLI::IsMember({"paired", "plain"}))
      ->capture_default_str();
  command
      ->add_option("--calibration", texts->calibration,
                   "Of each arm's probabilities: raw, or scaled to the rate of the log's last 7 days (log) or of the "
                   "clicks that it wins (online)")
      ->check(CLI::IsMember({"raw", "log", "online"}))
      ->capture_default_str();
  command->add_option("--salt", options->salt, "Of the split of the users")
      ->check(check_whole_number)
      ->capture_default_str();
  command->add_option("--aa", options->aa, "In place of a comparison: so many A/A tests of the one arm");
  command->add_option("--json", options->json, "Write the result to this file too");
  command->add_option("--report", options->report, "HTML file to write");
  command->add_option("--threads", options->threads, "0: one a core")->capture_default_str();
  command->callback([=] { run(*options, *texts); });
}

}  // namespace mal
