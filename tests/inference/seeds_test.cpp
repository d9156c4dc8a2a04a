// What the fuzzer of model files starts from: the smallest models that still have every type and every option of a
// file, 2 to 5 KB each (home 10). A run costs what its file holds, and a mutation of a small file more often meets
// something.
//   inference_tests "[.write-seeds]"   writes those that are not there yet
#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/inference/exported_model.h"
#include "train/trainer/network.h"

namespace {

using namespace mal;
namespace fs = std::filesystem;

const std::string kFolder = std::string(MAL_TEST_DATA) + "/../fuzz/corpus/model/";

struct Seed {
  std::string name;
  bool every_column = false;  // else two ids
  ModelConfig config = {};
  ExportOptions options = {};
  std::string calibration = {};
};

Schema seed_schema(bool every_column) {
  Schema schema;
  schema.name = "s";
  const auto add = [&](const char* name, ColumnKind kind, const char* table = "", int length = 1) -> Column& {
    Column column;
    column.name = column.source = name;
    column.kind = kind;
    column.table = table;
    column.length = length;
    return schema.columns.emplace_back(column);
  };
  add("u", ColumnKind::id, "u").side = Side::user;
  add("i", ColumnKind::id, "i").side = Side::ad;
  schema.tables = {{"u", 2, 0, 1}, {"i", 3, 0, 1}};
  if (every_column) {
    schema.tables[0] = {"u", 2, 2, 1};  // hashed
    add("t", ColumnKind::ids, "u", 2).pooling = SetPooling::sqrtn;
    add("q", ColumnKind::sequence, "i", 2).side = Side::user;
    add("m", ColumnKind::scores, "", 2).side = Side::ad;
    Column& number = add("n", ColumnKind::number);
    number.log1p = number.standardize = true;
  }
  for (const char* view : {"last", "mta"}) add(view, ColumnKind::credit);
  return schema;
}

ModelConfig seed_config(const std::string& type) {
  ModelConfig config;
  config.type = type;
  config.embedding_dim = 1;
  config.interaction.din_hidden = config.interaction.heads = 1;
  config.simtier.tiers = 2;
  config.bottom = {2};
  config.tower = {1};
  config.shared_bottom.layers = 1;
  config.mmoe.experts = 2;
  config.mmoe.expert = config.ple.expert = config.adatt.expert = config.moae.expert = {1};
  config.home.expert = config.home.rank = 1;
  config.mal.aka_bottom = config.mal.ptp = config.mal.knowledge = config.mal.head = {1};
  return config;
}

std::vector<Seed> seeds() {
  std::vector<Seed> list;
  for (const std::string& type : model_types()) list.push_back({type, false, seed_config(type)});
  for (const std::string& aka : aka_types()) {
    if (aka == "shared_bottom") continue;  // mal's own
    Seed& seed = list.emplace_back(Seed{"mal-" + aka, false, seed_config("mal")});
    seed.config.mal.aka = aka;
    seed.config.mal.cat = false;
    seed.config.mal.views = {"last"};
  }
  const auto trunk = [&](const std::string& name) -> Seed& {
    return list.emplace_back(Seed{"trunk-" + name, true, seed_config("base")});
  };
  trunk("din");
  trunk("din-softmax").config.interaction.softmax = true;
  trunk("mha").config.interaction.attention = Attention::mha;
  trunk("pooled").config.interaction.attention = Attention::none;
  trunk("senet").config.senet.enabled = true;
  trunk("count").config.simtier.mode = SimTier::count;
  SimTierConfig& logs = trunk("count-log1p").config.simtier;
  logs.mode = SimTier::count;
  logs.log1p = true;
  trunk("no-scores").config.simtier.mode = SimTier::none;
  trunk("no-norm").config.layer_norm = false;
  trunk("bf16").options.weights = WeightType::bf16;
  trunk("int8").options.weights = WeightType::int8;
  for (const char* calibration : {"platt", "isotonic"}) {
    list.push_back({calibration, false, seed_config("base")});
    list.back().calibration = calibration;
  }
  list.push_back({"only-primary", false, seed_config("mmoe"), {WeightType::fp32, true}});
  return list;
}

FileTensor numbers(const std::string& name, std::vector<float> values) {
  return {name, "F32", {values.size()}, [values](const FileTensor::Sink& sink) {
            sink(values.data(), values.size() * sizeof(float));
          }};
}

void write(const Seed& seed, const std::string& path) {
  RunConfig config;
  config.model = seed.config;
  const Schema schema = seed_schema(seed.every_column);
  Parameters parameters(1);
  { const Network declared(select_device("cpu", 1), parameters, schema, config.model, 1, false); }
  test::randomise(parameters, seed.config.activation);
  const auto vocabulary = [&](const std::string& table) {
    std::vector<std::string> values;
    const auto index = static_cast<std::size_t>(schema.table_index(table));
    for (std::int64_t r = 1; r < schema.tables[index].rows; ++r) values.push_back(std::to_string(r));
    return values;
  };
  const auto scale = [](int) { return ExportSource::Scale{0.5, 2}; };
  export_model({schema, parameters, model_json(config), vocabulary, scale, {}}, seed.options, path);
  if (seed.calibration == "platt")
    rewrite_model_file(path, path, "calibration/", {{"calibration", "platt"}}, {numbers("calibration/platt", {1, 0})});
  if (seed.calibration == "isotonic")
    rewrite_model_file(path, path, "calibration/", {{"calibration", "isotonic"}},
                       {numbers("calibration/x", {-1, 1}), numbers("calibration/y", {0.25F, 0.75F})});
}

TEST_CASE("the fuzzer's models load and are small") {
  for (const Seed& seed : seeds()) {
    INFO(seed.name);
    const std::string path = kFolder + seed.name + ".mal";
    const infer::Status status = infer::Model::try_load(path).status();
    INFO(status.message());
    CHECK(status.ok());
    CHECK(fs::file_size(path) <= 10'000);
  }
}

TEST_CASE("write the fuzzer's models that are missing", "[.write-seeds]") {
  for (const Seed& seed : seeds())
    if (const std::string path = kFolder + seed.name + ".mal"; !fs::exists(path)) write(seed, path);
}

}  // namespace
