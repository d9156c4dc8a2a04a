// Samples of the network of natal_model.h, of random numbers, for training that is measured and not looked at.
// Popular ids come more often, as in a click log: the table row of a uniform u is u² of the table.
#pragma once

#include <fmt/format.h>
#include <fmt/os.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

#include "bench/inference/natal_model.h"

namespace mal::bench {

class NatalSamples {
 public:
  NatalSamples(std::uint64_t seed, std::int64_t ids) : engine_(seed), ids_(ids) {}

  // time, user, then the columns of natal_schema().
  void write(const std::string& path, std::int64_t first, std::int64_t rows) {
    fmt::ostream out = fmt::output_file(path);
    const Schema schema = natal_schema();
    out.print("time,user");
    for (const Column& column : schema.columns) out.print(",{}", column.name);
    fmt::memory_buffer line;
    for (std::int64_t row = first; row < first + rows; ++row) {
      line.clear();
      fmt::format_to(std::back_inserter(line), "\n{},{}", row, row % 997);
      const double last = uniform() < 0.04 ? 1 : 0;
      for (const Column& column : schema.columns) add(line, column, last);
      out.print("{}", fmt::string_view(line.data(), line.size()));
    }
    out.print("\n");
  }

 private:
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }

  // A conversion of the last-click view has a share in each of the others; one in a hundred rows has another view's.
  void add(fmt::memory_buffer& line, const Column& column, double last) {
    auto end = std::back_inserter(line);
    line.push_back(',');
    if (column.kind == ColumnKind::credit) {
      if (column.name == "last")
        fmt::format_to(end, "{}", last);
      else
        fmt::format_to(end, "{:.4g}", std::max(last * (0.2 + 0.8 * uniform()), uniform() < 0.01 ? 1.0 : 0.0));
      return;
    }
    for (int i = 0; i < column.length; ++i) {
      if (i > 0) line.push_back('|');
      const double u = uniform();
      if (column.kind == ColumnKind::scores)
        fmt::format_to(end, "{:.4g}", 2 * u - 1);
      else
        fmt::format_to(end, "{}", 1 + static_cast<std::int64_t>(u * u * static_cast<double>(ids_ - 1)));
    }
  }

  std::mt19937_64 engine_;
  std::int64_t ids_;
};

// The schema as `mal_data prepare` reads it.
inline void write_natal_schema(const std::string& path) {
  fmt::ostream out = fmt::output_file(path);
  out.print("name: natal\ncolumns:\n  - {{name: time, kind: time}}\n  - {{name: user, kind: group}}\n");
  for (const Column& column : natal_schema().columns) {
    const bool sequence = column.kind == ColumnKind::sequence, scores = column.kind == ColumnKind::scores;
    if (column.kind == ColumnKind::credit) {
      out.print("  - {{name: {}, kind: credit}}\n", column.name);
      continue;
    }
    out.print("  - {{name: {}, kind: {}, side: {}", column.name,
              sequence ? "sequence"
              : scores ? "scores"
                       : "id",
              column.side == Side::user ? "user"
              : column.side == Side::ad ? "ad"
                                        : "context");
    if (sequence || scores) out.print(", length: {}", column.length);
    if (sequence) out.print(", table: {}", column.table);
    out.print("}}\n");
  }
}

// `ids`: the rows of each table, its first row for unseen ids included.
inline void write_natal_data(const std::string& folder, std::int64_t rows, std::int64_t test_rows, std::int64_t ids) {
  std::filesystem::create_directories(folder);
  write_natal_schema(folder + "/schema.yaml");
  NatalSamples(1, ids).write(folder + "/train.csv", 0, rows);
  NatalSamples(2, ids).write(folder + "/test.csv", rows, test_rows);
}

}  // namespace mal::bench
