// Rows a second of the training loader alone: every batch of a split is taken, nothing is done with it.
//   loader_bench DATASET [BATCH_SIZE]    prints "loader ROWS_PER_SECOND", the best of five passes
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "engine/error.h"
#include "train/data/batch_reader.h"
#include "train/data/dataset.h"

int main(int argc, char** argv) {
  try {
    if (argc < 2) mal::fail_usage("usage: loader_bench DATASET [BATCH_SIZE]");
    const mal::Dataset dataset = mal::Dataset::open(argv[1]);
    const std::int64_t batch_size = argc > 2 ? std::atoll(argv[2]) : 4096;
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
      const auto begin = std::chrono::steady_clock::now();
      mal::BatchReader reader(dataset, mal::Split::train, batch_size);
      std::int64_t rows = 0;
      while (const mal::Batch* batch = reader.next()) rows += batch->rows;
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
      best = std::max(best, static_cast<double>(rows) / seconds.count());
    }
    fmt::print("loader {:.0f}\n", best);
    return 0;
  } catch (const mal::Error& error) {
    fmt::print(stderr, "loader_bench: {}\n", error.what());
    return error.exit_code();
  }
}
