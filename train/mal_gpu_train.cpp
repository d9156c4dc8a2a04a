// mal_gpu_train: trains, evaluates and compares models. Parses, calls, reports.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "train/abtest/abtest_command.h"
#include "train/config/program.h"
#include "train/days/days.h"
#include "train/experiment/compare_runs.h"
#include "train/experiment/experiment.h"
#include "train/report/report.h"
#include "train/serving/calibrate_model.h"
#include "train/serving/export_run.h"
#include "train/trainer/evaluate_run.h"
#include "train/trainer/trainer.h"

namespace {

constexpr const char* kDescription =
    "Trains conversion-rate models from several attribution mechanisms.\n"
    "  mal_gpu_train train/configs/mal.yaml --set train.batch_size=512\n"
    "  mal_gpu_train mal.yaml --set data.path=tuesday --set init_from=runs/monday --set vocab=grow --set "
    "output=runs/tuesday\n"
    "  mal_gpu_train eval build/demo/runs/mal --data build/demo/dataset\n"
    "  mal_gpu_train export build/demo/runs/mal --out model.mal\n"
    "  mal_gpu_train report build/demo/runs/base build/demo/runs/mal --out report.html\n"
    "  mal_gpu_train compare build/demo/runs/base build/demo/runs/mal\n"
    "  mal_gpu_train days train/configs/base.yaml train/configs/mal.yaml --data-dir days --out build/days\n"
    "  mal_gpu_train abtest --arm base=build/demo/runs/base --arm mal=build/demo/runs/mal --from-day 37\n"
    "  mal_gpu_train experiment train/configs/experiments/paper.yaml --set dataset=build/demo/dataset";

struct TrainCommand {
  std::string config;
  std::vector<std::string> overrides;
  mal::TrainOptions options;
  bool dry_run = false;

  void add(CLI::App& app) {
    app.add_option("config", config, "Configuration file (YAML); docs/configuration.md lists every key");
    app.add_option("--set", overrides, "KEY=VALUE: replaces a value of the configuration; can be repeated")
        ->allow_extra_args(false);
    app.add_option("--device", options.device, "auto, cpu or cuda[:k]")->capture_default_str();
    app.add_flag("--dry-run", dry_run, "Print the resolved configuration, layers and memory, and stop");
    CLI::Option* replace = app.add_flag_callback(
        "--overwrite", [this] { options.existing = mal::ExistingRun::replace; },
        "Replace an earlier run in the same output folder");
    app.add_flag_callback(
           "--resume", [this] { options.existing = mal::ExistingRun::resume; },
           "Go on with an interrupted run from its last checkpoint; one that was not begun begins. With vocab: grow "
           "also on new data (docs/new-data.md)")
        ->excludes(replace);
    app.add_flag("--scores", options.scores, "Keep the test rows' logits too, in the run's scores.bin");
  }

  void run() const {
    const mal::RunConfig resolved = mal::parse_run_config(config, overrides);
    if (dry_run)
      mal::dry_run(resolved, options);
    else
      mal::train(resolved, options);
  }
};

void add_eval(CLI::App& app, mal::EvaluateOptions& options) {
  CLI::App* eval = app.add_subcommand("eval", "Evaluate a finished run on a data set");
  eval->add_option("run", options.run, "The run's folder")->required();
  eval->add_option("--data", options.dataset, "Data set; the one of the run unless given");
  eval->add_option("--split", options.split, "test or train")->capture_default_str();
  eval->add_option("--slice", options.slices, "Also by this slice column; can be repeated")->allow_extra_args(false);
  eval->add_option("--device", options.device, "auto, cpu or cuda[:k]")->capture_default_str();
  eval->add_option("--json", options.json, "Write the metrics to this file too");
  eval->add_flag("--grown", options.grown,
                 "The data set goes on from the run's (prepare --base): ids that the run does not know are unseen");
  eval->add_option("--scores", options.scores, "Keep the rows' logits too, in this folder's scores.bin");
  eval->callback([&options] { mal::evaluate_run(options); });
}

void add_export(CLI::App& app, mal::ExportRunOptions& options) {
  CLI::App* command =
      app.add_subcommand("export", "Write a finished run as one file for mal_infer.h (docs/serving.md)");
  command->add_option("run", options.run, "The run's folder")->required();
  command->add_option("--out", options.out, "Model file to write")->capture_default_str();
  command->add_option("--data", options.dataset, "Data set; the one of the run unless given");
  command->add_option("--weights", options.weights, "fp32, bf16 or int8")->capture_default_str();
  command->add_flag("--only-primary", options.only_primary, "Leave out what the primary view does not need");
  command->add_flag("!--no-check", options.check, "Do not compare the file with the trainer on the test data");
  command->add_option("--device", options.device, "Where the trainer scores for that: auto, cpu or cuda[:k]")
      ->capture_default_str();
  command->callback([&options] { mal::export_run(options); });
}

void add_calibrate(CLI::App& app, mal::CalibrateOptions& options) {
  CLI::App* command = app.add_subcommand("calibrate", "Fit a model file's probabilities to held-out rows");
  command->add_option("model", options.model, "Model file of export")->required();
  command->add_option("--data", options.dataset, "Data set that the model was trained on")->required();
  command->add_option("--split", options.split, "test or train")->capture_default_str();
  command->add_option("--method", options.method, "isotonic or platt")->capture_default_str();
  command->add_option("--out", options.out, "Model file to write; the same one unless given");
  command->callback([&options] { mal::calibrate_model(options); });
}

void add_report(CLI::App& app, mal::ReportOptions& options) {
  CLI::App* report = app.add_subcommand("report", "Compare runs: a table here, pictures in an HTML file");
  report->add_option("runs", options.runs, "Run folders; the first is the one that the others are compared with")
      ->required();
  report->add_option("--out", options.output, "HTML file to write");
  report->callback([&options] { mal::write_report(options); });
}

void add_compare(CLI::App& app, mal::CompareOptions& options) {
  CLI::App* compare = app.add_subcommand(
      "compare", "Differences of runs trained with --scores, with intervals over test users (docs/experiments.md)");
  compare->add_option("runs", options.runs, "Run folders; the first is the one that the others are compared with")
      ->required();
  compare->add_option("--data", options.data, "Data set that they were tested on; the first run's unless given");
  compare->add_option("--resamples", options.resamples, "Draws of the bootstrap")
      ->check(CLI::Range(100, 100'000))
      ->capture_default_str();
  compare->add_option("--seed", options.seed, "Of the draws")->check(CLI::NonNegativeNumber)->capture_default_str();
  compare->callback([&options] { mal::compare_runs(options); });
}

void add_experiment(CLI::App& app, mal::ExperimentOptions& options) {
  CLI::App* experiment =
      app.add_subcommand("experiment", "Run studies over several seeds and write their tables; docs/experiments.md");
  experiment->add_option("file", options.file, "Experiment file (YAML)")->required();
  experiment->add_option("--set", options.overrides, "KEY=VALUE: replaces a value of the file; can be repeated")
      ->allow_extra_args(false);
  experiment->add_option("--device", options.device, "auto, cpu or cuda[:k], of every run")->capture_default_str();
  experiment->add_option("--jobs", options.jobs, "Runs at once; 0: as many as cores on the CPU, one on a GPU")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  experiment->add_flag("--plan", options.plan_only, "List the runs, done and to do, and stop");
  experiment->callback([&options] {
    options.program = std::filesystem::read_symlink("/proc/self/exe").string();
    mal::run_experiment(options);
  });
}

void add_days(CLI::App& app, mal::DaysOptions& options) {
  CLI::App* days = app.add_subcommand(
      "days", "Day after day: test on the next day, then train on it (docs/progressive-evaluation.md)");
  days->add_option("configs", options.configs, "Configurations; the first is what the others are compared with")
      ->required();
  days->add_option("--data-dir", options.data_dir,
                   "Folder of data sets, one a day in the order of their names, each with the one before as its --base")
      ->required();
  days->add_option("--out", options.out, "Folder to write to; the same command goes on in it")->capture_default_str();
  days->add_option("--set", options.overrides, "KEY=VALUE: replaces a value of every configuration; can be repeated")
      ->allow_extra_args(false);
  days->add_option("--device", options.device, "auto, cpu or cuda[:k], of every run")->capture_default_str();
  days->add_option("--jobs", options.jobs, "Models at once; 0: as many as cores on the CPU, one on a GPU")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  days->add_flag("!--no-frozen", options.frozen, "Do not test the model of the first day on the later days");
  days->add_option("--resamples", options.resamples, "Draws of the bootstrap")
      ->check(CLI::Range(100, 100'000))
      ->capture_default_str();
  days->add_option("--seed", options.seed, "Of the draws")->check(CLI::NonNegativeNumber)->capture_default_str();
  days->callback([&options] {
    options.program = std::filesystem::read_symlink("/proc/self/exe").string();
    mal::run_days(options);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription, "mal_gpu_train");
  TrainCommand train;
  mal::EvaluateOptions evaluate;
  mal::ReportOptions report;
  mal::CompareOptions compare;
  mal::ExperimentOptions experiment;
  mal::DaysOptions days;
  mal::ExportRunOptions export_options;
  mal::CalibrateOptions calibrate;
  train.add(app);
  add_eval(app, evaluate);
  add_export(app, export_options);
  add_calibrate(app, calibrate);
  add_report(app, report);
  add_compare(app, compare);
  add_experiment(app, experiment);
  add_days(app, days);
  mal::add_abtest_command(app);
  app.final_callback([&] {
    if (!app.get_subcommands().empty()) return;
    if (train.config.empty()) throw CLI::RequiredError("CONFIG, or a command");
    train.run();
  });
  return mal::run_program("mal_gpu_train", app, argc, argv);
}
