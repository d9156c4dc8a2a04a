#include "train/data/dataset.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <functional>

#include "tests/train/dataset_support.h"
#include "train/data/column_file.h"
#include "train/data/prepare.h"
#include "train/data/stats.h"

namespace mal {

namespace {

constexpr const char* kDatasetSchema = R"(name: random
columns:
  - {name: time, kind: time}
  - {name: user, kind: id, side: user}
  - {name: item, kind: id, side: ad, min_count: 3}
  - {name: seq, kind: sequence, table: item, length: 4, side: user}
  - {name: scores, kind: scores, length: 3}
  - {name: price, kind: number}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: group, kind: group, column: user}
  - {name: industry, kind: slice}
)";
constexpr const char* kDatasetHeader = "time,user,item,seq,scores,price,last,linear,industry\n";

// A row as a test thinks of it.
struct SampleRow {
  std::int64_t time = 0, user = 0;
  std::string item, industry;
  std::vector<std::string> seq;
  std::vector<double> scores;
  double price = 0, last = 0, linear = 0;

  std::string csv() const {
    return fmt::format("{},{},{},{},{},{},{},{},{}\n", time, user, item, fmt::join(seq, "|"), fmt::join(scores, "|"),
                       price, last, linear, industry);
  }
};

class RowMaker {
 public:
  explicit RowMaker(std::uint64_t seed) : state_(seed * 2654435761 + 88172645463325252) {}
  std::vector<SampleRow> rows(std::size_t count) {
    std::vector<SampleRow> made(count);
    for (SampleRow& row : made) {
      row.time = time_ += static_cast<std::int64_t>(below(3));
      row.user = static_cast<std::int64_t>(below(20)) - 10;
      row.item = item();
      row.seq.resize(below(8));
      for (std::string& item_of : row.seq) item_of = item();
      for (std::uint64_t i = below(6); i > 0; --i) row.scores.push_back(real(1.2));
      row.price = real(1000);
      row.last = below(4) == 0 ? 1 : 0;
      row.linear = below(3) == 0 ? static_cast<double>(below(1001)) / 1000 : 0;
      row.industry = fmt::format("industry {}", below(5));
    }
    return made;
  }

 private:
  std::uint64_t below(std::uint64_t n) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 11) % n;
  }
  double real(double range) { return (static_cast<double>(below(200'001)) / 100'000 - 1) * range; }
  // Names shorter and longer than 15 bytes, alike in front or at the end.
  std::string item() {
    const std::uint64_t number = below(40) * below(40);
    return below(2) == 0 ? fmt::format("{}", number) : fmt::format("an item with a long name {} of its kind", number);
  }
  std::uint64_t state_;
  std::int64_t time_ = 1000;
};

struct RandomDataset {
  test::DataFolder folder;
  std::string path = folder / "dataset";
  std::vector<SampleRow> rows[2];

  RandomDataset(std::uint64_t seed, std::size_t train, std::size_t test, std::int64_t shard_rows) {
    RowMaker maker(seed);
    rows[0] = maker.rows(train);
    rows[1] = maker.rows(test);
    prepare({.schema = folder.write("schema.yaml", kDatasetSchema),
             .train = {write("train.csv", rows[0])},
             .test = {write("test.csv", rows[1])},
             .output = path,
             .shard_rows = shard_rows,
             .progress = false});
  }
  std::string write(const std::string& name, const std::vector<SampleRow>& samples) const {
    std::string text = kDatasetHeader;
    for (const SampleRow& row : samples) text += row.csv();
    return folder.write(name, text);
  }
  // The message of opening the data set and reading all of it.
  std::string error() const {
    return test::message_of([&] {
      const Dataset dataset = Dataset::open(path);
      Batch batch;
      for (const Split split : {Split::train, Split::test}) dataset.read(split, 0, dataset.rows(split), batch);
    });
  }
  void change(const std::string& file, const std::function<void(std::string&)>& how) const {
    std::string bytes = test::bytes_of(path + "/" + file);
    how(bytes);
    folder.write("dataset/" + file, bytes);
  }
};

// {"7": 1,\n"x": 2} as prepare writes it.
std::vector<std::string> vocabulary_of(const std::string& path) {
  std::vector<std::string> names = {""};
  const std::string text = test::bytes_of(path);
  for (std::size_t at = text.find('"'); at != std::string::npos; at = text.find('"', at)) {
    const std::size_t end = text.find('"', at + 1);
    names.push_back(text.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  return names;
}

// One row of a batch against the row that was written.
class RowChecker {
 public:
  RowChecker(const Dataset& dataset, std::vector<SampleRow> train)
      : schema_(dataset.schema()),
        items_(vocabulary_of(dataset.path() + "/vocab/item.json")),
        users_(vocabulary_of(dataset.path() + "/vocab/user.json")),
        industries_(dataset.slice_names(schema_.find("industry").value())),
        train_(std::move(train)) {}

  bool same(const Batch& batch, std::size_t at, const SampleRow& row) const {
    const auto column = [&](const char* name) -> const BatchColumn& {
      return batch.columns[static_cast<std::size_t>(schema_.find(name).value())];
    };
    bool good = column("time").keys[at] == row.time && column("group").keys[at] == row.user &&
                id_is(users_, column("user").ids[at], std::to_string(row.user), 1) &&
                id_is(items_, column("item").ids[at], row.item, 3) &&
                column("price").values[at] == static_cast<float>(row.price) &&
                column("last").values[at] == static_cast<float>(row.last) &&
                column("linear").values[at] == static_cast<float>(row.linear) &&
                industries_[static_cast<std::size_t>(column("industry").ids[at])] == row.industry;
    const std::size_t length = std::min<std::size_t>(4, row.seq.size());
    good = good && column("seq").lengths[at] == static_cast<std::int32_t>(length);
    for (std::size_t i = 0; good && i < 4; ++i) {
      const std::int32_t id = column("seq").ids[at * 4 + i];
      good = i < length ? id_is(items_, id, row.seq[row.seq.size() - length + i], 3) : id == 0;
    }
    const std::size_t scored = std::min<std::size_t>(3, row.scores.size());
    good = good && column("scores").lengths[at] == static_cast<std::int32_t>(scored);
    for (std::size_t i = 0; good && i < 3; ++i) {
      const double score = i < scored ? std::clamp(row.scores[row.scores.size() - scored + i], -1.0, 1.0) : 0.0;
      good = column("scores").values[at * 3 + i] == static_cast<float>(score);
    }
    return good;
  }

 private:
  // An id names the value, or the value is too rare on train for an id.
  bool id_is(const std::vector<std::string>& names, std::int32_t id, const std::string& value, int min_count) const {
    if (id != 0) return names.at(static_cast<std::size_t>(id)) == value;
    return seen(value, min_count > 1) < min_count;
  }
  int seen(const std::string& value, bool items) const {
    int count = 0;
    for (const SampleRow& row : train_) {
      if (!items) count += std::to_string(row.user) == value ? 1 : 0;
      if (items) count += static_cast<int>(std::count(row.seq.begin(), row.seq.end(), value)) + (row.item == value);
    }
    return count;
  }

  Schema schema_;
  std::vector<std::string> items_, users_, industries_;
  std::vector<SampleRow> train_;
};

}  // namespace

TEST_CASE("data sets: random rows come back, for any size of shards and batches") {
  std::uint64_t seed = 0;
  for (const std::size_t train : {1U, 2U, 99U, 2100U})
    for (const std::int64_t shard_rows : {1, 7, 150, 1 << 20}) {
      if (train / static_cast<std::size_t>(shard_rows) > 20) continue;  // files by the thousand are slow
      CAPTURE(train, shard_rows);
      const RandomDataset random(++seed, train, train / 2 + 1, shard_rows);
      const Dataset dataset = Dataset::open(random.path);
      const RowChecker checker(dataset, random.rows[0]);
      dataset.verify();
      Batch batch;
      for (const Split split : {Split::train, Split::test}) {
        const auto& rows = random.rows[static_cast<std::size_t>(split)];
        REQUIRE(dataset.rows(split) == static_cast<std::int64_t>(rows.size()));
        const std::int64_t step = split == Split::train ? 10 : 1 << 20;
        for (std::int64_t first = 0; first < dataset.rows(split); first += step) {
          dataset.read(split, first, std::min(step, dataset.rows(split) - first), batch);
          REQUIRE(batch.first_row == first);
          for (std::int64_t r = 0; r < batch.rows; ++r)
            if (!checker.same(batch, static_cast<std::size_t>(r), rows[static_cast<std::size_t>(first + r)]))
              FAIL("row " << first + r << ": " << rows[static_cast<std::size_t>(first + r)].csv());
        }
      }
    }
}

TEST_CASE("data sets: rows that are not there are refused, none is fine") {
  const RandomDataset random(1, 10, 3, 4);
  const Dataset dataset = Dataset::open(random.path);
  Batch batch;
  for (const auto& [first, count] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {0, 11}, {10, 1}, {-1, 2}, {5, -1}, {INT64_MAX, 1}, {1, INT64_MAX}, {INT64_MIN, 1}})
    CHECK_THAT(test::message_of([&] { dataset.read(Split::train, first, count, batch); }),
               Catch::Contains("are asked for, there are 10"));
  dataset.read(Split::train, 10, 0, batch);
  CHECK(batch.rows == 0);
}

TEST_CASE("data sets: a batch is read without allocation once it has its size") {
  const RandomDataset random(2, 500, 3, 64);
  const Dataset dataset = Dataset::open(random.path);
  Batch batch;
  dataset.read(Split::train, 0, 100, batch);
  std::vector<const void*> before, after;
  const auto addresses = [&](std::vector<const void*>& out) {
    for (const BatchColumn& c : batch.columns)
      for (const void* p : {static_cast<const void*>(c.ids.data()), static_cast<const void*>(c.lengths.data()),
                            static_cast<const void*>(c.values.data()), static_cast<const void*>(c.keys.data())})
        out.push_back(p);
  };
  addresses(before);
  dataset.read(Split::train, 450, 50, batch);
  dataset.read(Split::train, 60, 100, batch);
  addresses(after);
  CHECK(before == after);
}

TEST_CASE("data sets: every cut of a column file is refused") {
  const RandomDataset random(3, 5, 2, 100);
  const std::string whole = test::bytes_of(random.path + "/train-00000/seq.bin");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    random.folder.write("dataset/train-00000/seq.bin", whole.substr(0, size));
    CAPTURE(size);
    CHECK_THAT(random.error(), Catch::Contains("seq.bin") && Catch::Contains("prepare again"));
  }
  random.folder.write("dataset/train-00000/seq.bin", whole + "x");
  CHECK_THAT(random.error(), Catch::Contains("do not fit its"));
  random.folder.write("dataset/train-00000/seq.bin", whole);
  CHECK(random.error().empty());
}

TEST_CASE("data sets: every flipped bit is refused, of a header when opened, of the values when verified or read") {
  const RandomDataset random(4, 5, 2, 100);
  for (const char* name : {"seq.bin", "seq.length.bin", "price.bin", "time.bin"}) {
    const std::string file = std::string("train-00000/") + name;
    const std::string whole = test::bytes_of(random.path + "/" + file);
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string damaged = whole;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
      random.folder.write("dataset/" + file, damaged);
      CAPTURE(name, bit);
      const bool header = bit < sizeof(ColumnHeader) * 8;
      const std::string message = test::message_of([&] {
        const Dataset dataset = Dataset::open(random.path);
        if (!header) dataset.verify();
      });
      CHECK_THAT(message, Catch::Contains(name) && Catch::Contains("prepare again"));
    }
    random.folder.write("dataset/" + file, whole);
  }
}

TEST_CASE("data sets: values that a model must not see are refused with their row, though no checksum is read") {
  const RandomDataset random(5, 9, 2, 4);
  // The value of row 2 of the second shard.
  const auto refused = [&](const std::string& name, std::size_t value_index, auto value, const std::string& what) {
    CAPTURE(name, what);
    const std::string file = "train-00001/" + name;
    const std::string whole = test::bytes_of(random.path + "/" + file);
    random.change(file, [&](std::string& bytes) {
      std::memcpy(bytes.data() + sizeof(ColumnHeader) + value_index * sizeof(value), &value, sizeof(value));
    });
    CHECK_THAT(random.error(), Catch::Contains(file + ": row 2: " + what) && Catch::Contains("prepare again"));
    random.folder.write("dataset/" + file, whole);
  };
  for (const std::int32_t id : {-1, 1'000'000, INT32_MAX, INT32_MIN}) {
    refused("user.bin", 2, id, "id");
    refused("item.bin", 2, id, "id");
    refused("seq.bin", 2 * 4 + 3, id, "id");
    refused("industry.bin", 2, id, "id");
  }
  for (const std::int32_t length : {-1, 5, INT32_MAX, INT32_MIN}) refused("seq.length.bin", 2, length, "length");
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    refused("last.bin", 2, bad, "credit");
    refused("scores.bin", 2 * 3 + 1, bad, "scores");
    refused("price.bin", 2, bad, "number");
  }
  for (const float bad : {-0.01F, 1.01F}) refused("linear.bin", 2, bad, "credit");
  for (const float bad : {-1.01F, 1.01F}) refused("scores.bin", 2 * 3, bad, "scores");
  CHECK(random.error().empty());
}

TEST_CASE("data sets: files that are missing, swapped, or not ours") {
  const RandomDataset random(6, 9, 5, 4);
  namespace fs = std::filesystem;
  const auto restored = [&](const std::string& name, const std::function<void()>& damage, const std::string& what) {
    CAPTURE(name, what);
    const std::string copy = random.folder / "copy";
    fs::remove_all(copy);
    fs::copy(random.path, copy, fs::copy_options::recursive);
    damage();
    CHECK_THAT(random.error(), Catch::Contains(name) && Catch::Contains(what));
    fs::remove_all(random.path);
    fs::rename(copy, random.path);
  };
  const auto path = [&](const char* name) { return random.path + "/" + name; };
  const auto gone = [&](const char* name) { return [=] { fs::remove_all(path(name)); }; };
  const auto holds = [&](const char* name, const char* text) {
    return [&random, name, text] { random.folder.write(std::string("dataset/") + name, text); };
  };
  restored("schema.yaml", gone("schema.yaml"), "is not a data set");
  restored("stats.json", gone("stats.json"), "cannot open");
  restored("price.bin", gone("train-00001/price.bin"), "cannot open");
  restored("seq.length.bin", gone("test-00000/seq.length.bin"), "cannot open");
  restored("train-00000", gone("train-00002"), "files are missing");
  restored("train-00000", gone("train-00001"), "files are missing");
  restored("test-00000", gone("test-00000"), "0 shards hold 0 rows, stats.json says 5");
  restored("slice.industry.json", gone("vocab/slice.industry.json"), "cannot open");
  restored("slice.industry.json", holds("vocab/slice.industry.json", "{\"a\": 1}"), "not a JSON list");
  restored("slice.industry.json", holds("vocab/slice.industry.json", "[1, 2]"), "something else than names");
  restored("industry.bin", holds("vocab/slice.industry.json", "[]"), "id");
  restored("stats.json", holds("stats.json", "{"), "not JSON");
  restored("stats.json", holds("stats.json", "{\"format\": 2}"), "version 2");
  restored("stats.json", holds("stats.json", "{\"format\": 1, \"train\": 3}"), "not what prepare writes");
  restored("stats.json", holds("stats.json", "[]"), "not what prepare writes");
  restored("schema.yaml", holds("schema.yaml", "name: x\ncolumns:\n  - {name: a, kind: di}"), "schema.yaml:3");
  restored(
      "price.bin",
      [&] {
        fs::copy_file(path("train-00000/user.bin"), path("train-00000/price.bin"),
                      fs::copy_options::overwrite_existing);
      },
      "it holds type");
  restored(
      "seq.bin",
      [&] {
        fs::copy_file(path("train-00000/user.bin"), path("train-00000/seq.bin"), fs::copy_options::overwrite_existing);
      },
      "it holds type");
  restored(
      "user.bin",
      [&] {
        fs::copy_file(path("train-00002/user.bin"), path("train-00000/user.bin"), fs::copy_options::overwrite_existing);
      },
      "other columns of its shard");
  restored(
      "schema.yaml",
      [&] {
        random.change("schema.yaml", [](std::string& text) {
          const std::size_t at = text.find(", rows: ");
          text.replace(at, text.find('}', at) - at, ", rows: 0");
        });
      },
      "has no rows");
  // A table of two billion rows would ask for all the memory there is.
  restored(
      "schema.yaml",
      [&] {
        random.change("schema.yaml", [](std::string& text) { text.insert(text.find(", rows: ") + 8, "200000000"); });
      },
      "it was changed since prepare wrote it");
  CHECK(random.error().empty());
  CHECK_THAT(test::message_of([] { Dataset::open("/no/such/folder"); }),
             Catch::Contains("/no/such/folder is not a data set"));
}

// Any other exception than Error, or a crash, ends the test.
TEST_CASE("data sets: changed bytes of the text files are an Error or do no harm") {
  const RandomDataset random(8, 12, 5, 5);
  std::uint64_t state = 1;
  const auto below = [&state](std::uint64_t n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % n;
  };
  for (const char* name : {"schema.yaml", "stats.json", "vocab/slice.industry.json"}) {
    const std::string whole = test::bytes_of(random.path + "/" + name);
    int refused = 0;
    for (int round = 0; round < 300; ++round) {
      std::string damaged = whole;
      for (std::uint64_t changes = 1 + below(3); changes > 0; --changes) {
        const std::size_t at = below(damaged.size());
        const std::string_view letters = "\x80\xFF{}[]:,\"'0919-.e \n";
        if (below(4) == 0)
          damaged.erase(at, 1 + below(20));
        else
          damaged[at] = below(2) == 0 ? letters[below(letters.size())] : static_cast<char>(below(256));
        if (damaged.empty()) damaged = " ";
      }
      random.folder.write(std::string("dataset/") + name, damaged);
      refused += random.error().empty() ? 0 : 1;
    }
    CHECK(refused > 50);
    random.folder.write(std::string("dataset/") + name, whole);
  }
  CHECK(random.error().empty());
}

TEST_CASE("stats: positives of each view, by split and slice, against a count by hand") {
  const RandomDataset random(7, 400, 100, 128);
  const Dataset dataset = Dataset::open(random.path);
  const DatasetCounts counts = count_views(dataset);
  std::int64_t last = 0, linear = 0, rows_of_slice = 0, linear_of_slice = 0;
  std::vector<std::int64_t> users;
  const std::string& industry = dataset.slice_names(dataset.schema().find("industry").value())[2];
  for (const auto& split : random.rows)
    for (const SampleRow& row : split) {
      last += row.last > 0 ? 1 : 0;
      linear += row.linear > 0 ? 1 : 0;
      rows_of_slice += row.industry == industry ? 1 : 0;
      linear_of_slice += row.industry == industry && row.linear > 0 ? 1 : 0;
      users.push_back(row.user);
    }
  std::ranges::sort(users);
  users.erase(std::unique(users.begin(), users.end()), users.end());
  CHECK(counts.users == static_cast<std::int64_t>(users.size()));
  CHECK(counts.all.positives == std::vector<std::int64_t>{last, linear});
  CHECK(counts.train.rows == 400);
  CHECK(counts.train.positives[1] + counts.test.positives[1] == linear);
  REQUIRE(counts.slices.size() == 1);
  CHECK(counts.slices[0].values[2].rows == rows_of_slice);
  CHECK(counts.slices[0].values[2].positives[1] == linear_of_slice);
  CHECK(dataset.stats(Split::train).columns[6].positives == counts.train.positives[0]);

  const std::string text = stats_text(dataset, counts);
  for (const char* part : {"400 training rows, 100 test rows", "against last",
                           "positives of each view against last, by industry", "unseen in train", "clamped", "price"})
    CHECK_THAT(text, Catch::Contains(part));
  const std::string json = stats_json(dataset, counts);
  CHECK_THAT(json, Catch::Contains(fmt::format("\"positives\": {}", linear)) && Catch::Contains(industry));
}

TEST_CASE("stats: without positives there is no ratio") {
  test::DataFolder folder;
  const std::string schema =
      folder.write("s.yaml", "name: s\ncolumns:\n  - {name: c, kind: credit}\n  - {name: k, kind: slice}\n");
  prepare({.schema = schema,
           .train = {folder.write("a.csv", "c,k\n0,\n0,x\n")},
           .test = {folder.write("b.csv", "c,k\n")},
           .output = folder / "d",
           .progress = false});
  const Dataset dataset = Dataset::open(folder / "d");
  const DatasetCounts counts = count_views(dataset);
  CHECK_THAT(stats_text(dataset, counts), Catch::Contains("n/a") && Catch::Contains("(empty)"));
  CHECK_THAT(stats_json(dataset, counts), Catch::Contains("\"ratio\": null"));
}

}  // namespace mal
