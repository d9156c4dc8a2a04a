// A golden file of make_golden.py: a safetensors file whose metadata say what to build and what to run.
#pragma once

#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/file.h"
#include "model/batch.h"
#include "model/schema.h"
#include "train/data/schema_yaml.h"

namespace mal::test {

// One parameter as the oracle knows it. Arrays such as "weights" hold all parameters one after the other.
struct GoldenParameter {
  std::string name;
  std::vector<std::int64_t> shape;
  std::string kind;  // dense, table, or running: a statistic that is kept with the weights but not learned
  std::int64_t size = 1;
};

struct GoldenHead {
  std::string name;
  std::int64_t width;
  double scale;
};

struct GoldenRun {
  std::string name;
  std::vector<std::string> overrides;  // --set
  std::int64_t total_steps;
  std::vector<int> snapshots;  // steps after which the weights are known
};

class GoldenFile {
 public:
  explicit GoldenFile(const std::string& path) : name(std::filesystem::path(path).stem().string()) {
    const std::string content = read_file(path);
    std::uint64_t length = 0;
    std::memcpy(&length, content.data(), sizeof(length));
    header_ = nlohmann::json::parse(content.substr(sizeof(length), length));
    data_ = content.substr(sizeof(length) + length);
    schema = parse_schema(metadata("schema"), name + ": schema");
    config = metadata("config");
    for (const auto& item : json("parameters")) {
      GoldenParameter parameter{item[0], item[1], item[2]};
      for (const std::int64_t extent : parameter.shape) parameter.size *= extent;
      parameters.push_back(std::move(parameter));
    }
    for (const auto& item : json("heads")) heads.push_back({item[0], item[1], item[2]});
    for (const auto& item : json("runs"))
      runs.push_back({item["name"], item["set"], item["total_steps"], item["snapshots"]});
    windows = json("windows").get<std::vector<std::pair<std::int64_t, std::int64_t>>>();
  }

  std::vector<float> floats(const std::string& tensor) const { return array<float>(tensor, "F32"); }

  // Rows first … first + count − 1 of the stored batch.
  Batch batch(std::int64_t first, std::int64_t count) const {
    Batch batch;
    batch.rows = count;
    for (const Column& column : schema.columns) {
      BatchColumn& to = batch.columns.emplace_back();
      const std::string at = "batch/" + column.name;
      to.ids = rows_of<std::int32_t>(at + "/ids", "I32", first, count);
      to.lengths = rows_of<std::int32_t>(at + "/lengths", "I32", first, count);
      to.values = rows_of<float>(at + "/values", "F32", first, count);
      to.keys = rows_of<std::int64_t>(at + "/keys", "I64", first, count);
    }
    return batch;
  }

  std::int64_t rows() const { return header_.at("logits").at("shape")[0]; }

  std::string name, config;
  Schema schema;
  std::vector<GoldenParameter> parameters;
  std::vector<GoldenHead> heads;
  std::vector<GoldenRun> runs;
  std::vector<std::pair<std::int64_t, std::int64_t>> windows;  // first row and rows of the steps' batches, in turn

 private:
  std::string metadata(const std::string& key) const { return header_.at("__metadata__").at(key); }
  nlohmann::json json(const std::string& key) const { return nlohmann::json::parse(metadata(key)); }

  template <typename T>
  std::vector<T> array(const std::string& tensor, const std::string& dtype) const {
    const auto& item = header_.at(tensor);
    if (item.at("dtype") != dtype) fail("{}: tensor {} is not {}", name, tensor, dtype);
    const std::size_t begin = item.at("data_offsets")[0], end = item.at("data_offsets")[1];
    if (begin > end || end > data_.size()) fail("{}: tensor {} lies outside the file", name, tensor);
    std::vector<T> values((end - begin) / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), data_.data() + begin, values.size() * sizeof(T));
    return values;
  }

  template <typename T>
  std::vector<T> rows_of(const std::string& tensor, const std::string& dtype, std::int64_t first,
                         std::int64_t count) const {
    if (!header_.contains(tensor)) return {};
    const std::vector<T> all = array<T>(tensor, dtype);
    const std::int64_t width = static_cast<std::int64_t>(all.size()) / rows();
    return {all.begin() + first * width, all.begin() + (first + count) * width};
  }

  nlohmann::json header_;
  std::string data_;
};

// Paths of all golden files, sorted.
inline std::vector<std::string> golden_files() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(MAL_TEST_DATA "/golden"))
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  if (paths.empty()) fail("there are no golden files in {}", MAL_TEST_DATA "/golden");
  return paths;
}

}  // namespace mal::test
