// Latency of mal_infer.h on one thread: raw values in, probabilities out.
//   inference_bench make --out natal.mal               the network, with random weights
//   inference_bench data --rows 4096 --out FOLDER      random samples for it: train.csv, test.csv, schema.yaml
//   inference_bench run natal.mal --batch 1,8,64,200   p50, p99 and rows a second for n ads of one user
// One request = encode the user and the ads from whole numbers, set_user, predict. --parts prints its three parts too.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "bench/inference/natal_data.h"
#include "bench/inference/natal_model.h"
#include "engine/error.h"
#include "engine/random.h"
#include "model/inference/mal_infer.h"

namespace {

using namespace mal;
using Clock = std::chrono::steady_clock;

double microseconds(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double, std::micro>(end - begin).count();
}

// Values of one request after the other, drawn before the clock starts.
class Requests {
 public:
  Requests(const infer::Model& model, std::size_t ads) : model_(model), ads_(ads) {
    for (const infer::ColumnInfo& column : model.columns()) {
      const bool user = column.side != infer::Side::ad;
      columns_.push_back({model.column(column.name), column.kind, user, column.length});
    }
    draw();
  }

  void draw() {
    for (Held& column : columns_) {
      const std::size_t rows = column.user ? 1 : ads_;
      column.ids.resize(rows * column.length);
      column.scores.resize(rows * column.length);
      for (std::int64_t& id : column.ids)
        id = 1'000'000 + 37 * static_cast<std::int64_t>(1 + random_.below(counter_++, bench::kTableRows - 1));
      for (float& score : column.scores) score = static_cast<float>(2 * random_.uniform(counter_++) - 1);
    }
  }

  void encode(infer::Features& user, std::vector<infer::Features>& ads) const {
    user.clear();
    for (infer::Features& ad : ads) ad.clear();
    for (const Held& column : columns_) {
      if (column.user) {
        set(user, column, 0);
        continue;
      }
      for (std::size_t a = 0; a < ads.size(); ++a) set(ads[a], column, a);
    }
  }

 private:
  struct Held {
    infer::Column column;
    infer::Kind kind;
    bool user;
    std::size_t length;
    std::vector<std::int64_t> ids = {};
    std::vector<float> scores = {};
  };
  static void set(infer::Features& features, const Held& column, std::size_t row) {
    const std::size_t at = row * column.length;
    if (column.kind == infer::Kind::scores)
      features.set(column.column, column.scores.data() + at, column.length);
    else if (column.kind == infer::Kind::id)
      features.set(column.column, column.ids[at]);
    else
      features.set(column.column, column.ids.data() + at, column.length);
  }

  const infer::Model& model_;
  std::size_t ads_;
  std::vector<Held> columns_;
  Random random_{7, "requests"};
  std::uint64_t counter_ = 0;
};

double percentile(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

struct RunOptions {
  std::string model = "natal.mal", samples, label = "ours";
  std::vector<std::size_t> batches = {1, 8, 64, 200};
  double seconds = 1;
  bool parts = false;
};

void measure(const infer::Model& model, std::size_t ads_count, const RunOptions& options, std::ostream& samples) {
  Requests requests(model, ads_count);
  infer::Scorer scorer = model.scorer();
  infer::Features user = model.features();
  std::vector<infer::Features> ads(ads_count, model.features());
  std::vector<float> probabilities(ads_count);
  infer::Predictions out;
  out.probability = probabilities.data();
  std::vector<double> whole, encode, set_user, predict;
  const Clock::time_point stop =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options.seconds));
  for (int i = 0; whole.size() < 20 || Clock::now() < stop; ++i) {
    requests.draw();
    const Clock::time_point a = Clock::now();
    requests.encode(user, ads);
    const Clock::time_point b = Clock::now();
    scorer.set_user(user);
    const Clock::time_point c = Clock::now();
    scorer.predict(ads.data(), ads.size(), out);
    const Clock::time_point d = Clock::now();
    if (i < 10) continue;  // warm-up
    whole.push_back(microseconds(a, d));
    encode.push_back(microseconds(a, b));
    set_user.push_back(microseconds(b, c));
    predict.push_back(microseconds(c, d));
    samples << options.label << ' ' << ads_count << ' ' << whole.back() << '\n';
  }
  const double sum = std::accumulate(whole.begin(), whole.end(), 0.0);
  const double rows = static_cast<double>(ads_count * whole.size()) / sum * 1e6;
  fmt::print("{:>6} {:>10.1f} {:>10.1f} {:>10.1f} {:>12.0f} {:>10}\n", ads_count, percentile(whole, 0.1),
             percentile(whole, 0.5), percentile(whole, 0.99), rows, whole.size());
  for (const double share : {0.1, 0.5})
    if (options.parts)
      fmt::print("       p{:.0f} of encode {:.1f}, set_user {:.1f}, predict {:.1f} us\n", 100 * share,
                 percentile(encode, share), percentile(set_user, share), percentile(predict, share));
}

void run(const RunOptions& options) {
  const infer::Model model = infer::Model::load(options.model);
  std::ofstream samples;
  if (!options.samples.empty()) samples.open(options.samples, std::ios::app);
  fmt::print("{} {}, {}\n{:>6} {:>10} {:>10} {:>10} {:>12} {:>10}\n", options.model, model.type(), model.instructions(),
             "ads", "p10 us", "p50 us", "p99 us", "rows/s", "requests");
  for (const std::size_t ads : options.batches) measure(model, ads, options, samples);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Benchmark of mal_infer.h");
  app.require_subcommand(1);
  std::string out = "natal.mal", type = "mal", weights = "fp32";
  CLI::App* make = app.add_subcommand("make", "Write the measured network with random weights");
  make->add_option("--out", out);
  make->add_option("--type", type);
  make->add_option("--weights", weights)->check(CLI::IsMember({"fp32", "bf16", "int8"}));
  make->callback([&] {
    bench::write_natal_model(out, type,
                             weights == "fp32"   ? WeightType::fp32
                             : weights == "bf16" ? WeightType::bf16
                                                 : WeightType::int8);
  });
  std::int64_t rows = 100'000, test_rows = 2'000, ids = bench::kTableRows;
  CLI::App* data = app.add_subcommand("data", "Write random samples of that network's inputs");
  data->add_option("--out", out)->required();
  data->add_option("--rows", rows)->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32));
  data->add_option("--test-rows", test_rows)->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 32));
  data->add_option("--ids", ids, "Rows of each table")->check(CLI::Range(std::int64_t{2}, std::int64_t{1} << 31));
  data->callback([&] { bench::write_natal_data(out, rows, test_rows, ids); });
  RunOptions options;
  CLI::App* run_command = app.add_subcommand("run", "Measure");
  run_command->add_option("model", options.model);
  run_command->add_option("--batch", options.batches)->delimiter(',');
  run_command->add_option("--seconds", options.seconds, "A batch size");
  run_command->add_option("--samples", options.samples, "Append every latency to this file");
  run_command->add_option("--label", options.label, "The name of this engine in that file");
  run_command->add_flag("--parts", options.parts);
  run_command->callback([&] { run(options); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "inference_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
