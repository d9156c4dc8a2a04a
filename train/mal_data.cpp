// mal_data: from raw journeys to a data set. Parses, calls, reports.
#include <CLI/CLI.hpp>

#include "train/attribution/attribute_command.h"
#include "train/attribution/score_attribution.h"
#include "train/config/program.h"
#include "train/data/prepare_command.h"
#include "train/simulate/simulate_command.h"

int main(int argc, char** argv) {
  CLI::App app(
      "From clicks and conversions to a data set for mal_gpu_train.\n"
      "  mal_data simulate  --out journeys\n"
      "  mal_data attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \\\n"
      "                     --mechanisms last,first,linear,mta --test-days 1 --out samples\n"
      "  mal_data prepare   --schema simulated --train samples/train.csv --test samples/test.csv --out dataset\n"
      "  mal_data stats     dataset",
      "mal_data");
  app.require_subcommand(1);
  mal::add_simulate_command(app);
  mal::add_attribute_command(app);
  mal::add_score_attribution_command(app);
  mal::add_prepare_command(app);
  mal::add_stats_command(app);
  mal::add_export_parquet_command(app);
  return mal::run_program("mal_data", app, argc, argv);
}
