#include "train/data/prepare_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/parquet/export_parquet.h"
#include "train/data/prepare.h"
#include "train/data/prepare_parts.h"
#include "train/data/prepare_warnings.h"
#include "train/data/schema_yaml.h"
#include "train/data/stats.h"
#include "train/data/text_dialect.h"

namespace mal {

void add_prepare_command(CLI::App& app) {
  struct Options {
    PrepareOptions prepare;
    MergeOptions merge;
    std::string part, time_unit, delimiter;
    double utc_offset_hours = 0;
  };
  const auto all = std::make_shared<Options>();
  PrepareOptions& options = all->prepare;
  CLI::App* command = app.add_subcommand("prepare", "Make a data set of sample files: vocabularies, column shards");
  command->add_option("--schema", options.schema,
                      "mac, criteo, criteo_journeys, simulated, taobao, or a schema file (docs/data.md)");
  command->add_option("--weight", options.weight,
                      "Column of weights of rows, where the schema has none: that of attribute --delay-weights, say");
  command->add_option(
      "--train", options.train,
      "Training samples in time order: Parquet, CSV or TSV (plain, gzip, zstd); files, folders, patterns; "
      "folders called key=value below give columns");
  command->add_option("--test", options.test, "Test samples, later than the training samples");
  command->add_option("--vocabs", options.vocabularies,
                      "Folder of <table>.json (value: index) to number ids by; tables without one are built on train");
  command->add_option(
      "--base", options.base,
      "An earlier data set: its ids keep their numbers, or lose them by `evict`, new ones follow; its scales "
      "are kept. A run on it can go on with this one (docs/new-data.md)");
  command->add_option("--partition", all->part, "k/n: make part k of n from its share of the files, for --merge");
  command
      ->add_option("--merge", all->merge.parts,
                   "Folders of all parts: make the data set that one run would make, from --base on if given")
      ->excludes("--schema")
      ->excludes("--weight")
      ->excludes("--train")
      ->excludes("--test")
      ->excludes("--vocabs")
      ->excludes("--partition");
  command->add_option("--out", options.output, "Folder of the data set, or of the part")->required();
  command->add_option("--delimiter", all->delimiter, kDelimiterHelp);
  command->add_option("--time-unit", all->time_unit, kTimeUnitHelp);
  command->add_option("--utc-offset", all->utc_offset_hours, "Hours east of Greenwich, of dates without an offset")
      ->capture_default_str();
  command->add_option("--threads", options.threads, "For Parquet and for --merge; 0: one a core")
      ->capture_default_str();
  command->footer(
      "Example: mal_data prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset");
  command->callback([all] {
    PrepareOptions& prepare_options = all->prepare;
    DatasetStats stats;
    if (!all->merge.parts.empty()) {
      all->merge.base = prepare_options.base;
      all->merge.output = prepare_options.output;
      all->merge.threads = prepare_options.threads;
      stats = merge_parts(all->merge);
    } else {
      if (prepare_options.schema.empty()) fail_usage("prepare needs --schema, --train and --test (or --merge)");
      if (!all->part.empty()) prepare_options.part = parse_part(all->part);
      if (!all->delimiter.empty()) prepare_options.delimiter = parse_delimiter(all->delimiter);
      if (!all->time_unit.empty()) set_time_unit(prepare_options.time, all->time_unit, "--time-unit");
      prepare_options.time.utc_offset = utc_offset_of(all->utc_offset_hours, "--utc-offset");
      ReadingNotes notes;
      stats = prepare(prepare_options, notes);
      for (const std::string& line : notes.lines()) fmt::print(stderr, "note: {}\n", line);
    }
    if (!all->part.empty()) {
      fmt::print("part {} {}: {} training rows, {} test rows\n", all->part, prepare_options.output, stats.train.rows,
                 stats.test.rows);
      return;
    }
    const std::string schema = prepare_options.output + kSchemaFile;
    for (const std::string& line : data_warnings(parse_schema(read_file(schema), schema), stats))
      fmt::print(stderr, "mal_data: warning: {}\n", line);
    fmt::print("data set {}: {} training rows, {} test rows\n", prepare_options.output, stats.train.rows,
               stats.test.rows);
  });
}

void add_stats_command(CLI::App& app) {
  const auto options = std::make_shared<StatsOptions>();
  CLI::App* command = app.add_subcommand("stats", "What a data set holds: rows, positives a view, vocabularies");
  command->add_option("dataset", options->dataset, "Folder of the data set")->required();
  command->add_option("--json", options->json, "Write the same as JSON to this file");
  command->add_flag("--verify", options->verify, "Read every file and compare its checksum");
  command->footer("Example: mal_data stats dataset --verify --json stats.json");
  command->callback([options] { print_stats(*options); });
}

void add_export_parquet_command(CLI::App& app) {
  struct Options {
    std::string dataset, split = "train", output;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("export-parquet", "A split of a data set as a Parquet file of samples");
  command->add_option("dataset", options->dataset, "Folder of the data set")->required();
  command->add_option("--split", options->split, "train or test")
      ->check(CLI::IsMember({"train", "test"}))
      ->capture_default_str();
  command->add_option("--out", options->output, "The file")->required();
  command->footer("Example: mal_data export-parquet dataset --split test --out test.parquet");
  command->callback([options] {
    const std::int64_t rows =
        export_parquet(options->dataset, options->split == "train" ? Split::train : Split::test, options->output);
    fmt::print("{}: {} rows\n", options->output, rows);
  });
}

}  // namespace mal
