// Numbers that are missing: an error, a default, or the mean of train with an input that says so.
#include <catch2/catch.hpp>

#include "tests/train/prepare_support.h"
#include "train/data/prepare_parts.h"
#include "train/data/prepare_warnings.h"
#include "train/data/schema_yaml.h"

namespace mal {

namespace {

constexpr const char* kGapsSchema = R"(name: gaps
columns:
  - {name: price, kind: number, missing: indicator}
  - {name: depth, kind: number, default: 5}
  - {name: amount, kind: number, standardize: true, default: 0}
  - {name: size, kind: number, standardize: true, missing: indicator}
  - {name: age, kind: number, missing: indicator, default: -1}
  - {name: last, kind: credit}
)";
constexpr const char* kGapsHeader = "price,depth,amount,size,age,last\n";
constexpr const char* kGapsTrain =
    "2,NULL,,1,10,1\n"
    ",1,3,3,nan,0\n"
    "4,2,3,NA,20,0\n";
constexpr const char* kGapsTest = "\\N,,,None,<NA>,0\n7,6,5,4,3,1\n";

struct GapsCase : test::PrepareFiles {
  explicit GapsCase(const std::string& schema = kGapsSchema, const std::string& header = kGapsHeader,
                    const std::string& train = kGapsTrain, const std::string& test = kGapsTest)
      : PrepareFiles(schema, header, train, test) {}
  // Of one number column alone.
  static std::string error_of(const std::string& keys, const std::string& field) {
    return GapsCase("name: s\ncolumns:\n  - {name: x, kind: number" + keys + "}\n  - {name: last, kind: credit}\n",
                    "x,last\n", "1,0\n" + field + ",1\n", "1,0\n")
        .error();
  }
};

std::vector<float> values_of(const Dataset& dataset, Split split, const std::string& name) {
  Batch batch;
  dataset.read(split, 0, dataset.rows(split), batch);
  return batch.columns[static_cast<std::size_t>(dataset.schema().find(name).value())].values;
}

using Values = std::vector<float>;

}  // namespace

TEST_CASE("prepare: a missing number is the default or the mean of train, by hand") {
  const GapsCase gaps;
  const Dataset dataset = gaps.run();
  const auto train = [&](const char* name) { return values_of(dataset, Split::train, name); };
  const auto test = [&](const char* name) { return values_of(dataset, Split::test, name); };
  CHECK(train("price") == Values{2, 3, 4});  // the mean of 2 and 4
  CHECK(train("price.missing") == Values{0, 1, 0});
  CHECK(test("price") == Values{3, 7});
  CHECK(test("price.missing") == Values{1, 0});
  CHECK(train("depth") == Values{5, 1, 2});
  CHECK(test("depth") == Values{5, 6});
  // 0, 3 and 3 have the mean 2 and the deviation √2.
  CHECK(train("amount") == Values{-1.41421354F, 0.707106769F, 0.707106769F});
  CHECK(test("amount") == Values{-1.41421354F, 2.12132034F});
  // 1 and 3 have the mean 2 and the deviation 1.
  CHECK(train("size") == Values{-1, 1, 0});
  CHECK(train("size.missing") == Values{0, 0, 1});
  CHECK(test("size") == Values{0, 2});
  CHECK(train("age") == Values{10, -1, 20});
  CHECK(train("age.missing") == Values{0, 1, 0});
  CHECK(test("age.missing") == Values{1, 0});
  CHECK_FALSE(dataset.schema().find("depth.missing"));
  const auto stats = [&](Split split, const char* name) {
    return dataset.stats(split).columns[static_cast<std::size_t>(*dataset.schema().find(name))];
  };
  CHECK(stats(Split::train, "price").missing == 1);
  CHECK(stats(Split::train, "price").values == 2);
  CHECK(stats(Split::train, "price").sum == 6);
  CHECK(stats(Split::test, "depth").missing == 1);
  CHECK(stats(Split::test, "depth").sum == 11);  // the default counts as a value
  CHECK(stats(Split::train, "price.missing").sum == 1);
}

TEST_CASE("prepare: with log1p the mean is that of the logarithms, and the default is one of the file's numbers") {
  const GapsCase gaps(R"(name: s
columns:
  - {name: a, kind: number, log1p: true, missing: indicator}
  - {name: b, kind: number, log1p: true, default: 6.38905609893065}
  - {name: last, kind: credit}
)",
                      "a,b,last\n", "0,,0\n6.38905609893065,0,1\n,0,1\n", "1,1,1\n");  // e² − 1
  const Dataset dataset = gaps.run();
  CHECK(values_of(dataset, Split::train, "a") == Values{0, 2, 1});
  CHECK(values_of(dataset, Split::train, "b") == Values{2, 0, 0});
}

TEST_CASE("prepare: a default is as if it stood in the file") {
  constexpr const char* kWith =
      "name: s\ncolumns: [{name: x, kind: number, standardize: true, default: 2.5}, {name: last, kind: credit}]";
  constexpr const char* kWithout =
      "name: s\ncolumns: [{name: x, kind: number, standardize: true}, {name: last, kind: credit}]";
  const GapsCase with(kWith, "x,last\n", "1,0\n,1\n9,1\n", ",1\n"),
      without(kWithout, "x,last\n", "1,0\n2.5,1\n9,1\n", "2.5,1\n");
  with.run();
  without.run();
  for (const char* file : {"/train-00000/x.bin", "/test-00000/x.bin"})
    CHECK(test::bytes_of(with.options.output + file) == test::bytes_of(without.options.output + file));
}

TEST_CASE("prepare: a number that is missing is an error that names the keys, unless one of them is there") {
  for (const char* field :
       {"", "\\N", "NULL", "null", "nan", "NaN", "NAN", "None", "NaT", "<NA>", "N/A", "#N/A", "undefined", "NA"}) {
    const std::string message = GapsCase::error_of("", field);
    INFO(message);
    CHECK(message.find("train.csv:3:x: ") != std::string::npos);
    CHECK(message.find("`default: 0`") != std::string::npos);
    CHECK(message.find("`missing: indicator`") != std::string::npos);
    CHECK(GapsCase::error_of(", default: 0", field).empty());
    CHECK(GapsCase::error_of(", missing: indicator", field).empty());
  }
  for (const char* keys : {"", ", default: 0", ", missing: indicator"}) {
    CHECK(GapsCase::error_of(keys, "x").find("train.csv:3:x: 'x' is not a number") != std::string::npos);
    CHECK(GapsCase::error_of(keys, "inf").find("train.csv:3:x: inf is not a finite number") != std::string::npos);
    CHECK(GapsCase::error_of(keys, "1e999").find("train.csv:3:x: 1e999 is not a finite number") != std::string::npos);
  }
}

TEST_CASE("schema: what may be said of missing numbers") {
  const auto error = [](const std::string& column) {
    return test::message_of(
        [&] { parse_schema("name: s\ncolumns:\n  - " + column + "\n  - {name: last, kind: credit}\n", "s.yaml"); });
  };
  CHECK(
      error("{name: x, kind: number, missing: mean}").find("s.yaml:3: 'columns[0].missing' must be one of indicator") ==
      0);
  CHECK(error("{name: x, kind: number, default: .inf}").find("s.yaml:3: 'columns[0].default'") == 0);
  CHECK(error("{name: x, kind: number, default: }").find("s.yaml:3: 'columns[0].default'") == 0);
  CHECK(error("{name: x, kind: number, log1p: true, default: -1}").find("log1p of -1 is not defined") !=
        std::string::npos);
  CHECK(error("{name: x, kind: id, default: 0}").find("'columns[0].default'") != std::string::npos);
  CHECK(error("{name: x, kind: credit, missing: indicator}").find("'columns[0].missing'") != std::string::npos);
  CHECK(error("{name: x, kind: number, missing: indicator}\n  - {name: x.missing, kind: number}")
            .find("s.yaml:4: 'columns[1].name': there are two columns 'x.missing'") == 0);
  // What is written reads back as the same.
  const Schema schema = parse_schema(kGapsSchema, "s.yaml");
  CHECK(schema.columns.size() == 9);
  CHECK(write_schema(parse_schema(write_schema(schema), "again")) == write_schema(schema));
  CHECK(parse_schema(write_schema(schema), "again").columns.size() == 9);
}

TEST_CASE("prepare: missing numbers in parts, and from a base on") {
  const GapsCase gaps;
  gaps.run();
  PrepareOptions part = gaps.options;
  part.train = {gaps.folder.write("a.csv", std::string(kGapsHeader) + "2,NULL,,1,10,1\n"),
                gaps.folder.write("b.csv", std::string(kGapsHeader) + ",1,3,3,nan,0\n4,2,3,NA,20,0\n")};
  MergeOptions merge{.parts = {}, .output = gaps.folder / "merged", .threads = 1};
  for (const int number : {1, 2}) {
    part.part = {number, 2};
    part.output = gaps.folder / ("part" + std::to_string(number));
    prepare(part);
    merge.parts.push_back(part.output);
  }
  merge_parts(merge);
  for (const char* file : {"/train-00000/price.bin", "/train-00000/price.missing.bin", "/train-00000/amount.bin",
                           "/test-00000/size.bin", "/test-00000/age.missing.bin", "/stats.json", "/schema.yaml"})
    CHECK(test::bytes_of(merge.output + file) == test::bytes_of(gaps.options.output + file));

  PrepareOptions next = gaps.options;
  next.base = gaps.options.output;
  next.output = gaps.folder / "next";
  next.train = {gaps.folder.write("next.csv", std::string(kGapsHeader) + "100,1,100,100,100,1\n,,,,,0\n")};
  prepare(next);
  const Dataset later = Dataset::open(next.output);
  CHECK(values_of(later, Split::train, "price") == Values{100, 3});  // the base's mean
  CHECK(values_of(later, Split::train, "size") == Values{98, 0});
  // A base that knows no mean cannot give one.
  next.schema = gaps.folder.write(
      "other.yaml", "name: s\ncolumns: [{name: depth, kind: number, missing: indicator}, {name: last, kind: credit}]");
  CHECK(test::message_of([&] { prepare(next); }).find("'depth' has no `missing: indicator`") != std::string::npos);
}

TEST_CASE("prepare warns of a column without a number") {
  const GapsCase gaps(kGapsSchema, kGapsHeader, ",1,1,1,1,1\n,1,1,1,1,0\n", ",1,1,1,1,1\n,1,1,1,1,0\n");
  CHECK(data_warnings(parse_schema(kGapsSchema, "s"), prepare(gaps.options)) ==
        std::vector<std::string>{"column 'price': every number of it is missing; leave it out of the schema"});
  CHECK(values_of(Dataset::open(gaps.options.output), Split::train, "price") == Values{0, 0});
}

}  // namespace mal
