// A small data set for tests of `prepare`: its schema, one file a split, and where it goes.
#pragma once

#include <string>

#include "tests/train/dataset_support.h"
#include "train/data/dataset.h"
#include "train/data/prepare.h"

namespace mal::test {

struct PrepareFiles {
  DataFolder folder;
  PrepareOptions options;

  PrepareFiles(const std::string& schema, const std::string& header, const std::string& train,
               const std::string& test) {
    options.schema = folder.write("schema.yaml", schema);
    options.train = {folder.write("train.csv", header + train)};
    options.test = {folder.write("test.csv", header + test)};
    options.output = folder / "dataset";
    options.progress = false;
  }
  Dataset run() const {
    prepare(options);
    return Dataset::open(options.output);
  }
  std::string error() const {
    return message_of([&] { prepare(options); });
  }
};

}  // namespace mal::test
