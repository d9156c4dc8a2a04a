#include "train/data/part_files.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/prepare_parts.h"
#include "train/data/schema_yaml.h"

namespace mal {

std::int64_t PartFolder::shards(Split split) const {
  std::int64_t count = 0;
  while (std::filesystem::is_directory(shard_folder(path, split, count))) ++count;
  return count;
}

bool PartFolder::is_given(const std::string& table) const {
  return std::ranges::find(given, table) != given.end();
}

PartFolder open_part(const std::string& path) {
  if (!std::filesystem::exists(path + kPartFile))
    fail_usage("{} is no part of a data set: it has no part.json; make one with mal_data prepare --partition 1/{}",
               path, 2);
  PartFolder part;
  part.path = path;
  const nlohmann::json json = nlohmann::json::parse(read_file(path + kPartFile), nullptr, false);
  try {
    if (const int format = json.at("format").get<int>(); format != 1)
      fail("{}{}: its format is version {}, this program reads 1; prepare again", path, kPartFile, format);
    part.part = json.at("part").get<int>();
    part.parts = json.at("parts").get<int>();
    part.schema_text = json.at("schema").get<std::string>();
    part.given = json.at("given").get<std::vector<std::string>>();
    part.train_slices = json.at("train_slices").get<std::vector<std::size_t>>();
  } catch (const nlohmann::json::exception&) {
    fail("{}{}: it is not what prepare --partition writes; prepare again", path, kPartFile);
  }
  part.schema = parse_schema(part.schema_text, path + kPartFile);
  if (part.train_slices.size() != part.schema.columns.size())
    fail("{}{}: it is not what prepare --partition writes; prepare again", path, kPartFile);
  part.stats = read_stats(path + kStatsFile, part.schema);
  return part;
}

}  // namespace mal
