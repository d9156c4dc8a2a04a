// The lines of metrics.jsonl. One object a line, each with `event` and `step`; undefined metrics are null.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "train/config/run_config.h"
#include "train/metrics/metrics.h"

namespace mal {

struct TrainLine {
  std::int64_t step = 0, epoch = 0, rows = 0;
  double loss = 0;  // Σ λ · loss, mean since the last line; the losses likewise
  std::vector<std::string> heads;
  std::vector<double> losses;
  double gradient_norm = 0, samples_per_second = 0;
};

// A column's slices: its values' names by code.
struct SliceTable {
  std::string column;
  std::vector<SliceMetrics> metrics;
  std::vector<std::string> names;
};

std::string start_line(const RunConfig& config, const std::string& device, std::int64_t train_rows,
                       std::int64_t test_rows, std::int64_t parameters, std::int64_t step);
// A run that goes on where bits are others.
std::string resume_line(const std::string& device, std::int64_t step);
// The device that the last of such lines in a log names; empty: none does.
std::string device_of_lines(std::string_view log);
std::string train_line(const TrainLine& line);
std::string test_line(const Metrics& metrics, const std::vector<SliceTable>& slices, std::int64_t step);
// The step that such a line belongs to, of a start the one that follows; the largest number if it is no whole line of
// ours.
std::int64_t step_of_line(std::string_view line);
std::string baseline_line(const Metrics& metrics, const std::string& column, std::int64_t step);

}  // namespace mal
