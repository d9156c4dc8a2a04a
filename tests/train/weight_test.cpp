// Weights of rows: as they are read, refused, counted and merged.
#include <catch2/catch.hpp>

#include "tests/train/prepare_support.h"
#include "train/data/prepare_warnings.h"
#include "train/data/schema_yaml.h"
#include "train/trainer/network.h"

namespace mal {

namespace {

constexpr const char* kWeightSchema =
    "name: s\ncolumns:\n  - {name: x, kind: id}\n  - {name: w, kind: weight}\n  - {name: last, kind: credit}\n";

struct WeightCase : test::PrepareFiles {
  explicit WeightCase(const std::string& train, const char* schema = kWeightSchema)
      : PrepareFiles(schema, "x,w,last\n", train, "a,1,1\nb,2,0\n") {}
};

}  // namespace

TEST_CASE("prepare: weights are stored as they are, with their sum") {
  const WeightCase one("a,0,1\nb,2.5,0\na,1e3,0\nc,0.5,1\n");
  prepare(one.options);
  const Dataset dataset = Dataset::open(one.options.output);
  Batch batch;
  dataset.read(Split::train, 0, 4, batch);
  CHECK(batch.columns[1].values == std::vector<float>{0, 2.5F, 1000, 0.5F});
  CHECK(dataset.stats(Split::train).columns[1].sum == 1003);
  CHECK(dataset.stats(Split::train).columns[1].positives == 3);
  CHECK(mean_weight(dataset) == 250.75);
}

TEST_CASE("prepare: what is no weight is refused with its place") {
  for (const char* wrong : {"-1", "-0.001", "1e39", "nan", "inf", "", "x"}) {
    const std::string message = WeightCase("a,1,1\nb," + std::string(wrong) + ",0\n").error();
    INFO(message);
    CHECK(message.find("train.csv:3:w: ") != std::string::npos);
  }
  CHECK(WeightCase("a,1,1\n",
                   "name: s\ncolumns:\n  - {name: w, kind: weight}\n  - {name: x, kind: weight}\n  - {name: last, "
                   "kind: credit}\n")
            .error()
            .find("one column of kind weight") != std::string::npos);
}

TEST_CASE("weights that are all 0 are a warning of prepare, and an error of training") {
  const WeightCase none("a,0,1\nb,0,0\n");
  CHECK(data_warnings(parse_schema(kWeightSchema, "s"), prepare(none.options)) ==
        std::vector<std::string>{
            "weight 'w': all 2 training rows have the weight 0, so nothing can be learned; check the column"});
  const Dataset dataset = Dataset::open(none.options.output);
  CHECK(test::message_of([&] { mean_weight(dataset); }).find("nothing to learn from") != std::string::npos);
}

TEST_CASE("prepare --weight: a column of weights that the schema does not name") {
  WeightCase one("a,0,1\nb,2.5,0\n", "name: s\ncolumns:\n  - {name: x, kind: id}\n  - {name: last, kind: credit}\n");
  one.options.weight = "w";
  prepare(one.options);
  const Dataset dataset = Dataset::open(one.options.output);
  const std::vector<int> weights = dataset.schema().columns_of(ColumnKind::weight);
  REQUIRE(weights.size() == 1);
  Batch batch;
  dataset.read(Split::train, 0, 2, batch);
  CHECK(batch.columns[static_cast<std::size_t>(weights.front())].values == std::vector<float>{0, 2.5F});
  CHECK(mean_weight(dataset) == 1.25);
  one.options.weight = "y";
  CHECK(one.error().find("there is no column 'y'") != std::string::npos);
  one.options.weight = "last";
  CHECK(one.error().find("--weight last: the schema reads that column as credit") != std::string::npos);
  one.options.weight = "a/b";
  CHECK(one.error().find("--weight a/b") != std::string::npos);
  WeightCase two("a,0,1\n");
  two.options.weight = "w";
  CHECK(two.error().find("the schema has a column of kind weight, 'w'") != std::string::npos);
}

}  // namespace mal
