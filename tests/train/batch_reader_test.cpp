#include "train/data/batch_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <thread>

#include "tests/train/dataset_support.h"
#include "train/data/column_file.h"
#include "train/data/prepare.h"

namespace mal {

namespace {

// Rows whose time is their number.
struct NumberedRows {
  test::DataFolder folder;
  std::string path = folder / "dataset";

  explicit NumberedRows(int rows, std::int64_t shard_rows = 10) {
    std::string text = "t,c\n";
    for (int r = 0; r < rows; ++r) text += fmt::format("{},0\n", r);
    const std::string schema = "name: s\ncolumns:\n  - {name: t, kind: time}\n  - {name: c, kind: credit}\n";
    prepare({.schema = folder.write("s.yaml", schema),
             .train = {folder.write("train.csv", text)},
             .test = {folder.write("test.csv", "t,c\n")},
             .output = path,
             .shard_rows = shard_rows,
             .progress = false});
  }
};

std::vector<std::int64_t> sizes_in_order(BatchReader& reader, std::int64_t first) {
  std::vector<std::int64_t> sizes;
  while (const Batch* batch = reader.next()) {
    CHECK(batch->first_row == first);
    for (const std::int64_t time : batch->columns[0].keys) CHECK(time == first++);
    sizes.push_back(batch->rows);
  }
  return sizes;
}

}  // namespace

TEST_CASE("batch reader: rows in order, the last batch smaller, whatever is prefetched") {
  const NumberedRows rows(97);
  const Dataset dataset = Dataset::open(rows.path);
  for (const int prefetch : {-1, 0, 1, 2, 3, 50}) {
    BatchReader reader(dataset, Split::train, 25, 0, prefetch);
    CHECK(sizes_in_order(reader, 0) == std::vector<std::int64_t>{25, 25, 25, 22});
    CHECK(reader.next() == nullptr);  // the end stays the end
  }
  BatchReader one(dataset, Split::train, 1000);
  CHECK(sizes_in_order(one, 0) == std::vector<std::int64_t>{97});
  BatchReader each(dataset, Split::train, 1);
  CHECK(sizes_in_order(each, 0).size() == 97);
}

TEST_CASE("batch reader: from a row in the middle, and past the end") {
  const NumberedRows rows(30);
  const Dataset dataset = Dataset::open(rows.path);
  BatchReader middle(dataset, Split::train, 10, 15);
  CHECK(sizes_in_order(middle, 15) == std::vector<std::int64_t>{10, 5});
  for (const std::int64_t first : {30, 31, 1000})
    CHECK(BatchReader(dataset, Split::train, 10, first).next() == nullptr);
  CHECK(BatchReader(dataset, Split::test, 10).next() == nullptr);
}

TEST_CASE("batch reader: a batch stays as it is until the next call") {
  const NumberedRows rows(200);
  const Dataset dataset = Dataset::open(rows.path);
  BatchReader reader(dataset, Split::train, 10, 0, 2);
  const Batch* batch = reader.next();
  REQUIRE(batch != nullptr);
  const std::vector<std::int64_t> before = batch->columns[0].keys;
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the thread fills all that it may
  CHECK(batch->columns[0].keys == before);
}

TEST_CASE("batch reader: may be left at any time") {
  const NumberedRows rows(500);
  const Dataset dataset = Dataset::open(rows.path);
  for (int taken = 0; taken < 20; ++taken) {
    BatchReader reader(dataset, Split::train, 7, 0, 1 + taken % 4);
    for (int i = 0; i < taken; ++i) REQUIRE(reader.next() != nullptr);
  }
}

TEST_CASE("batch reader: what goes wrong in its thread is thrown by next, after the good batches") {
  const NumberedRows rows(40);
  const std::string file = "dataset/train-00002/c.bin";
  std::string bytes = test::bytes_of(rows.folder / file);
  const float bad = 2;
  std::memcpy(bytes.data() + sizeof(ColumnHeader), &bad, sizeof(bad));
  rows.folder.write(file, bytes);
  const Dataset dataset = Dataset::open(rows.path);
  BatchReader reader(dataset, Split::train, 10);
  CHECK(reader.next() != nullptr);
  CHECK(reader.next() != nullptr);
  for (int again = 0; again < 2; ++again)
    CHECK_THAT(test::message_of([&] { reader.next(); }), Catch::Contains("train-00002/c.bin: row 0: credit 2"));
}

TEST_CASE("batch reader: sizes that make no sense are refused") {
  const NumberedRows rows(3);
  const Dataset dataset = Dataset::open(rows.path);
  CHECK_THAT(test::message_of([&] { BatchReader(dataset, Split::train, 0); }), Catch::Contains("at least 1 row"));
  CHECK_THAT(test::message_of([&] { BatchReader(dataset, Split::train, 5, -1); }), Catch::Contains("from -1"));
}

namespace {

std::vector<std::int64_t> shuffled_times(const Dataset& dataset, std::int64_t batch_size, const ShuffleOptions& shuffle,
                                         std::int64_t first = 0) {
  BatchReader reader(dataset, Split::train, batch_size, first, 3, shuffle);
  std::vector<std::int64_t> times;
  while (const Batch* batch = reader.next()) {
    CHECK(batch->first_row == first + static_cast<std::int64_t>(times.size()));
    times.insert(times.end(), batch->columns[0].keys.begin(), batch->columns[0].keys.end());
  }
  return times;
}

}  // namespace

TEST_CASE("batch reader: shuffled within windows, by seed and round alone") {
  const NumberedRows rows(97);
  const Dataset dataset = Dataset::open(rows.path);
  const std::vector<std::int64_t> times = shuffled_times(dataset, 5, {.window = 18, .seed = 7});
  REQUIRE(times.size() == 97);
  for (std::size_t begin = 0; begin < times.size(); begin += 20) {  // 18 is four batches of 5
    std::vector<std::int64_t> window(
        times.begin() + static_cast<std::ptrdiff_t>(begin),
        times.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(97, begin + 20)));
    CHECK_FALSE(std::ranges::is_sorted(window));
    std::ranges::sort(window);
    for (std::size_t i = 0; i < window.size(); ++i) CHECK(window[i] == static_cast<std::int64_t>(begin + i));
  }
  CHECK(shuffled_times(dataset, 5, {.window = 18, .seed = 7}) == times);
  CHECK(shuffled_times(dataset, 10, {.window = 20, .seed = 7}) == times);  // whatever the batches are
  CHECK(shuffled_times(dataset, 5, {.window = 18, .seed = 8}) != times);
  CHECK(shuffled_times(dataset, 5, {.window = 18, .seed = 7, .round = 1}) != times);
  const std::vector<std::int64_t> tail = shuffled_times(dataset, 5, {.window = 18, .seed = 7}, 35);
  CHECK(std::equal(tail.begin(), tail.end(), times.begin() + 35, times.end()));
  CHECK_THAT(test::message_of([&] { BatchReader(dataset, Split::train, 5, 3, 3, {.window = 10}); }),
             Catch::Contains("whole batches"));
}

}  // namespace mal
