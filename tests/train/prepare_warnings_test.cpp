#include "train/data/prepare_warnings.h"

#include <catch2/catch.hpp>
#include <numeric>

#include "tests/train/prepare_support.h"
#include "train/data/prepare_parts.h"
#include "train/data/schema_yaml.h"

namespace mal {

namespace {

using Lines = std::vector<std::string>;

// Of a data set with one number column of these keys, and one view.
struct WarnedSet : test::PrepareFiles {
  WarnedSet(const std::string& keys, const std::string& train, const std::string& test)
      : PrepareFiles("name: s\ncolumns:\n  - {name: price, kind: number" + keys + "}\n  - {name: last, kind: credit}\n",
                     "price,last\n", train, test) {}
  Schema schema() const { return parse_schema(test::bytes_of(options.schema), options.schema); }
  Lines lines() const { return data_warnings(schema(), prepare(options)); }
};

Lines warned(const std::string& keys, const std::string& train, const std::string& test = "1,1\n2,0\n") {
  return WarnedSet(keys, train, test).lines();
}

}  // namespace

TEST_CASE("prepare warns of numbers that are too large for a network, with the keys that scale them") {
  CHECK(warned("", "10,1\n1200000,0\n") ==
        Lines{"column 'price': its numbers go from 1 to 1.2e+06 (mean 300003), not standardized: inputs of 1000 and "
              "more drown all others; give the column log1p: true, standardize: true in the schema"});
  // Of numbers of −1 and less there is no logarithm.
  CHECK(warned("", "-20000,1\n5,0\n") ==
        Lines{"column 'price': its numbers go from -20000 to 5 (mean -4998), not standardized: inputs of 1000 and "
              "more drown all others; give the column standardize: true in the schema"});
  // In the test split alone: the scale of train makes nothing smaller of it.
  CHECK(warned(", standardize: true", "1,1\n3,0\n", "5002,1\n2,0\n") ==
        Lines{"column 'price': its numbers go from 1 to 5002 (mean 1252), standardized to -1 to 5000: inputs of 1000 "
              "and more drown all others; give the column log1p: true, standardize: true in the schema"});
  CHECK(warned(", standardize: true", "-2,1\n0,0\n", "4999,1\n0,0\n") ==
        Lines{"column 'price': its numbers go from -2 to 4999 (mean 1249.25), standardized to -1 to 5000: inputs of "
              "1000 and more drown all others; look for outliers, or for units that differ between rows"});
}

TEST_CASE("prepare does not warn of numbers that are scaled, or small as they are") {
  CHECK(warned("", "999,1\n-999,0\n").empty());
  CHECK(warned(", log1p: true", "10,1\n1200000,0\n").empty());  // ln 1200001 = 14
  CHECK(warned(", standardize: true", "10,1\n1200000,0\n").empty());
  CHECK(warned(", log1p: true, standardize: true", "10,1\n1200000,0\n").empty());
}

TEST_CASE("prepare warns of a split without positives of a view, or without others") {
  CHECK(warned("", "1,0\n2,0\n") ==
        Lines{"view 'last': none of the 2 training rows is a positive (a credit above 0), so a model can only learn to "
              "say 0; check the column, and in mal_data attribute the conversions, --window and --train-labels"});
  CHECK(warned("", "1,0.25\n2,1\n") ==
        Lines{"view 'last': all 2 training rows are positives (a credit above 0), so a model can only learn to say 1; "
              "add the clicks that did not convert"});
  CHECK(warned("", "1,0\n2,1\n", "1,0\n1,0\n1,0\n") ==
        Lines{"view 'last': none of the 3 test rows is a positive, so AUC and GAUC are not defined; test on a longer "
              "or earlier period"});
  CHECK(warned("", "1,0\n2,1\n", "1,1\n") ==
        Lines{"view 'last': all 1 test rows are positives, so AUC and GAUC are not defined; add the clicks that did "
              "not convert"});
  CHECK(warned("", "1,0\n2,1\n", "") == Lines{"there are no test rows, so nothing can be evaluated"});
}

TEST_CASE("prepare warns of a merged data set as of one that was made at once") {
  const WarnedSet set("", "10,0\n1200000,0\n", "1,0\n");
  PrepareOptions part = set.options;
  part.part = {1, 1};
  part.output = set.folder / "part";
  prepare(part);
  MergeOptions merge{.parts = {part.output}, .output = set.folder / "merged", .threads = 1};
  const Lines lines = data_warnings(set.schema(), merge_parts(merge));
  CHECK(lines.size() == 3);
  CHECK(lines == set.lines());
}

}  // namespace mal
