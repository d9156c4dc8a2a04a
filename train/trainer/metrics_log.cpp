#include "train/trainer/metrics_log.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace mal {

namespace {

// As a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

}  // namespace

std::string start_line(const RunConfig& config, const std::string& device, std::int64_t train_rows,
                       std::int64_t test_rows, std::int64_t parameters, std::int64_t step) {
  return fmt::format(
      R"({{"event": "start", "step": {}, "name": {}, "model": {}, "primary": {}, "seed": {}, "device": {}, )"
      R"("train_rows": {}, "test_rows": {}, "parameters": {}}})",
      step, quoted(config.name), quoted(config.model.type), quoted(config.model.primary), config.seed, quoted(device),
      train_rows, test_rows, parameters);
}

std::string resume_line(const std::string& device, std::int64_t step) {
  return fmt::format(R"({{"event": "resume", "step": {}, "device": {}}})", step, quoted(device));
}

std::string device_of_lines(std::string_view log) {
  std::string device;
  for (std::size_t end = log.find('\n'); end != std::string_view::npos; end = log.find('\n')) {
    const nlohmann::json object = nlohmann::json::parse(log.substr(0, end), nullptr, false);
    log.remove_prefix(end + 1);
    if (object.is_object() && object.contains("device") && object["device"].is_string())
      device = object["device"].get<std::string>();
  }
  return device;
}

std::string train_line(const TrainLine& line) {
  std::string losses;
  for (std::size_t h = 0; h < line.heads.size(); ++h)
    losses += fmt::format("{}{}: {}", h == 0 ? "" : ", ", quoted(line.heads[h]), number(line.losses[h]));
  return fmt::format(R"({{"event": "train", "step": {}, "epoch": {}, "rows": {}, "loss": {}, "losses": {{{}}}, )"
                     R"("gradient_norm": {}, "samples_per_second": {:.1f}}})",
                     line.step, line.epoch, line.rows, number(line.loss), losses, number(line.gradient_norm),
                     line.samples_per_second);
}

std::int64_t step_of_line(std::string_view line) {
  const nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  const auto step = object.is_object() ? object.find("step") : object.end();
  if (step == object.end() || !step->is_number_integer()) return std::numeric_limits<std::int64_t>::max();
  const auto event = object.find("event");
  return step->get<std::int64_t>() + (event != object.end() && *event == "start" ? 1 : 0);
}

std::string test_line(const Metrics& metrics, const std::vector<SliceTable>& slices, std::int64_t step) {
  std::string list;
  for (const SliceTable& table : slices)
    for (const SliceMetrics& slice : table.metrics)
      list += fmt::format(R"({}{{"column": {}, "value": {}, {}}})", list.empty() ? "" : ", ", quoted(table.column),
                          quoted(table.names.at(static_cast<std::size_t>(slice.value))),
                          json_members(slice.metrics, false));
  return fmt::format(R"({{"event": "test", "step": {}, {}, "slices": [{}]}})", step, json_members(metrics, true), list);
}

std::string baseline_line(const Metrics& metrics, const std::string& column, std::int64_t step) {
  return fmt::format(R"({{"event": "baseline", "step": {}, "column": {}, {}}})", step, quoted(column),
                     json_members(metrics, false));
}

}  // namespace mal
