#include "train/report/run_log.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "engine/error.h"
#include "engine/file.h"

namespace mal {

namespace {

using Json = nlohmann::json;

std::optional<double> value_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

MetricValues metrics_of(const Json& object) {
  MetricValues metrics;
  metrics.auc = value_of(object, "auc");
  metrics.gauc = value_of(object, "gauc");
  metrics.logloss = value_of(object, "logloss");
  metrics.pcoc = value_of(object, "pcoc");
  metrics.ece = value_of(object, "ece");
  metrics.rows = value_of(object, "rows").value_or(0);
  metrics.users = value_of(object, "users").value_or(0);
  metrics.positives = value_of(object, "positives").value_or(0);
  return metrics;
}

void read_start(RunLog& log, const Json& object) {
  log.name = object.at("name").get<std::string>();
  log.model = object.at("model").get<std::string>();
  log.primary = object.at("primary").get<std::string>();
  log.seed = object.at("seed").get<double>();
}

void read_test(RunLog& log, const Json& object) {
  log.test = metrics_of(object);
  // A run that went on with new data was tested before: the last test counts.
  log.reliability.clear();
  log.slices.clear();
  for (const Json& bin : object.value("reliability", Json::array()))
    log.reliability.push_back(
        {bin.at("predicted").get<double>(), bin.at("observed").get<double>(), bin.at("rows").get<double>()});
  for (const Json& slice : object.value("slices", Json::array()))
    log.slices.push_back(
        {slice.at("column").get<std::string>(), slice.at("value").get<std::string>(), metrics_of(slice)});
}

// True once the line is the one that ends a run.
bool read_line(RunLog& log, const Json& object) {
  const auto event = object.at("event").get<std::string>();
  if (event == "start") read_start(log, object);
  if (event == "train")
    log.losses.emplace_back(object.at("step").get<double>(), object.at("losses").at("primary").get<double>());
  if (event == "baseline") {
    log.baseline_column = object.at("column").get<std::string>();
    log.baseline = metrics_of(object);
  }
  if (event != "test") return false;
  read_test(log, object);
  return true;
}

}  // namespace

RunLog read_run_log(const std::string& folder) {
  RunLog log;
  log.folder = folder;
  const std::string path = folder + "/metrics.jsonl";
  if (!std::filesystem::exists(path))
    fail_usage("{} is not a run: it has no metrics.jsonl; give the 'output' folder of a training run", folder);
  std::istringstream lines(read_file(path));
  std::string line;
  bool finished = false;
  for (int number = 1; std::getline(lines, line); ++number) {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) fail("{}:{}: the line is not a JSON object; was the run interrupted?", path, number);
    try {
      finished = read_line(log, object) || finished;
    } catch (const Json::exception&) {
      fail("{}:{}: it is not a line that training writes; was the file edited?", path, number);
    }
  }
  if (!finished) fail("{}: the run has no test metrics; it did not finish, train again", path);
  return log;
}

}  // namespace mal
