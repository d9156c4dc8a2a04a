#include "train/data/prepare.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>

#include "tests/train/prepare_support.h"
#include "tests/train/zstd_support.h"

namespace mal {

namespace {

constexpr const char* kPrepareSchema = R"(name: small
columns:
  - {name: time, kind: time}
  - {name: user, kind: id, side: user}
  - {name: item, kind: id, side: ad, min_count: 2}
  - {name: item_seq, kind: sequence, table: item, length: 3, side: user}
  - {name: tags, kind: ids, length: 2, hash: 16}
  - {name: image, kind: scores, length: 3}
  - {name: price, kind: number, log1p: true, standardize: true}
  - {name: depth, kind: number}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: user_group, kind: group, column: user}
  - {name: industry, kind: slice}
)";
constexpr const char* kPrepareHeader = "time,user,item,item_seq,tags,image,price,depth,last,linear,industry\n";
constexpr const char* kPrepareTrain =
    "10,ann,7,,red|blue,0.5|-0.25,0,1,0,0,toys\n"
    "10,bob,7,7,red,,3,2,1,0.5,pets\n"
    "11,ann,8,7|8|9|7,,1.5|-2|0.1|0.2,0,-3,0,0.5,toys\n";
constexpr const char* kPrepareTest = "11,cid,7,8||7,green,0.125,3,4.5,1,1,flowers\n";

struct PrepareCase : test::PrepareFiles {
  explicit PrepareCase(const std::string& train = kPrepareTrain, const std::string& test = kPrepareTest,
                       const char* schema = kPrepareSchema, const char* header = kPrepareHeader)
      : PrepareFiles(schema, header, train, test) {}
  bool left_nothing() const {
    return !std::filesystem::exists(options.output) && !std::filesystem::exists(options.output + ".tmp");
  }
};

// A whole split, and its columns by name.
class PreparedRows {
 public:
  PreparedRows(const Dataset& dataset, Split split) : schema_(dataset.schema()) {
    dataset.read(split, 0, dataset.rows(split), batch_);
  }
  const BatchColumn& operator[](const std::string& name) const {
    return batch_.columns[static_cast<std::size_t>(schema_.find(name).value())];
  }

 private:
  Schema schema_;
  Batch batch_;
};

using Ids = std::vector<std::int32_t>;
using Values = std::vector<float>;
using Keys = std::vector<std::int64_t>;

const ColumnStats& prepared_stats(const Dataset& dataset, Split split, const std::string& column) {
  return dataset.stats(split).columns[static_cast<std::size_t>(dataset.schema().find(column).value())];
}

// A row of the small schema with one field replaced.
std::string row_with(const std::string& column, const std::string& value) {
  const std::vector<std::pair<std::string, std::string>> fields = {
      {"time", "12"}, {"user", "ann"}, {"item", "7"}, {"item_seq", "7"}, {"tags", "red"},     {"image", "0.5"},
      {"price", "1"}, {"depth", "1"},  {"last", "1"}, {"linear", "1"},   {"industry", "toys"}};
  std::string row;
  for (const auto& [name, usual] : fields) row += (name == column ? value : usual) + ",";
  row.back() = '\n';
  return row;
}

}  // namespace

TEST_CASE("prepare: each kind of column, by hand") {
  const PrepareCase c;
  const Dataset dataset = c.run();
  CHECK(dataset.rows(Split::train) == 3);
  CHECK(dataset.rows(Split::test) == 1);
  const PreparedRows train(dataset, Split::train), test(dataset, Split::test);
  CHECK(train["time"].keys == Keys{10, 10, 11});
  // ann twice, bob once. item and item_seq: 7 five times, 8 twice, 9 once (fewer than min_count: unseen).
  CHECK(train["user"].ids == Ids{1, 2, 1});
  CHECK(test["user"].ids == Ids{0});
  CHECK(train["item"].ids == Ids{1, 1, 2});
  CHECK(train["item_seq"].ids == Ids{0, 0, 0, 1, 0, 0, 2, 0, 1});  // the newest three, the rare one unseen
  CHECK(train["item_seq"].lengths == Ids{0, 1, 3});
  CHECK(test["item_seq"].ids == Ids{2, 0, 1});  // an empty item is unseen, not left out
  CHECK(train["tags"].lengths == Ids{2, 1, 0});
  CHECK(train["tags"].ids[0] == train["tags"].ids[2]);  // red is in the same bucket everywhere
  CHECK(train["image"].values == Values{0.5F, -0.25F, 0, 0, 0, 0, -1, 0.1F, 0.2F});
  CHECK(train["image"].lengths == Ids{2, 0, 3});
  // log1p: 0, log 4, 0; mean log 4 / 3, deviation log 4 · √2 / 3.
  CHECK(train["price"].values[0] == Approx(-1 / std::sqrt(2.0)));
  CHECK(train["price"].values[1] == Approx(2 / std::sqrt(2.0)));
  CHECK(test["price"].values[0] == Approx(2 / std::sqrt(2.0)));
  CHECK(train["depth"].values == Values{1, 2, -3});
  CHECK(train["last"].values == Values{0, 1, 0});
  CHECK(train["linear"].values == Values{0, 0.5F, 0.5F});
  CHECK(train["user_group"].keys[0] == train["user_group"].keys[2]);
  CHECK(train["user_group"].keys[0] != train["user_group"].keys[1]);
  const int industry = dataset.schema().find("industry").value();
  CHECK(dataset.slice_names(industry) == std::vector<std::string>{"toys", "pets", "flowers"});
  CHECK(train["industry"].ids == Ids{0, 1, 0});
  CHECK(test["industry"].ids == Ids{2});
  CHECK(test::bytes_of(c.options.output + "/vocab/user.json") == "{\"ann\": 1,\n\"bob\": 2}\n");
  CHECK(test::bytes_of(c.options.output + "/vocab/item.json") == "{\"7\": 1,\n\"8\": 2}\n");
}

TEST_CASE("prepare: what it counts") {
  const Dataset dataset = PrepareCase().run();
  CHECK(prepared_stats(dataset, Split::train, "item_seq").values == 4);
  CHECK(prepared_stats(dataset, Split::train, "item_seq").unseen == 1);
  CHECK(prepared_stats(dataset, Split::train, "item_seq").truncated == 1);
  CHECK(prepared_stats(dataset, Split::test, "item_seq").missing == 1);
  CHECK(prepared_stats(dataset, Split::test, "item_seq").unseen == 0);
  CHECK(prepared_stats(dataset, Split::test, "user").unseen == 1);
  CHECK(prepared_stats(dataset, Split::train, "image").clamped == 1);  // 1.5 is older than the three that are kept
  CHECK(prepared_stats(dataset, Split::train, "linear").positives == 2);
  CHECK(prepared_stats(dataset, Split::train, "linear").sum == 1);
  CHECK(prepared_stats(dataset, Split::train, "depth").minimum == -3);
  CHECK(prepared_stats(dataset, Split::train, "depth").maximum == 2);
  CHECK(dataset.stats(Split::train).first_time == 10);
  CHECK(dataset.stats(Split::test).last_time == 11);
  const int price = dataset.schema().find("price").value();
  CHECK(dataset.scale(price).mean == Approx(std::log(4.0) / 3));
  CHECK(dataset.scale(dataset.schema().find("depth").value()).deviation == 1);
}

TEST_CASE("prepare: one row, an empty id, a constant number; 7 and 07 are two users") {
  PrepareCase c("1,7,a,,,,5,0,0,0,x\n", "2,07,a,,,,6,0,0,0,x\n2,7,,,,,5,0,0,0,x\n");
  const Dataset dataset = c.run();
  const PreparedRows train(dataset, Split::train), test(dataset, Split::test);
  CHECK(train["price"].values == Values{0});
  CHECK(train["user_group"].keys == Keys{7});
  CHECK(test["user_group"].keys[0] != 7);
  CHECK(test["user_group"].keys[1] == 7);
  CHECK(test["user"].ids == Ids{0, 1});
  CHECK(test["item"].ids[1] == 0);
  CHECK(prepared_stats(dataset, Split::test, "item").missing == 1);
}

TEST_CASE("prepare: a test file with a header only is a data set without test rows") {
  const Dataset dataset = PrepareCase(kPrepareTrain, "").run();
  CHECK(dataset.rows(Split::test) == 0);
}

TEST_CASE("prepare: bad values are refused with file, row and column, and leave nothing") {
  struct BadValue {
    std::string column, value, message;
  };
  const std::vector<BadValue> bad_values = {{"last", "1.0001", "credit 1.0001 is outside [0, 1]"},
                                            {"last", "-0.1", "credit -0.1 is outside [0, 1]"},
                                            {"linear", "", "the field is empty"},
                                            {"linear", "yes", "'yes' is not a number"},
                                            {"linear", "nan", "not a finite number"},
                                            {"image", "nan", "a score is nan"},
                                            {"image", "0.1|inf", "a score is inf"},
                                            {"image", "0.1||0.2", "'' is not a number"},
                                            {"image", "0.1|x", "'x' is not a number"},
                                            {"price", "", "the field is empty"},
                                            {"price", "cheap", "'cheap' is not a number"},
                                            {"price", "-1", "log1p of -1 is not defined"},
                                            {"depth", "1e39", "too large for a 32-bit float"},
                                            {"depth", "-inf", "not a finite number"},
                                            {"time", "12 h", "'12 h' is not a time"},
                                            {"time", "", "the field is empty"},
                                            {"time", "99999999999999999999", "is not a time"},
                                            {"time", "20171203", "looks like the date 2017-12-03"},
                                            {"time", "1512234300250", "--time-unit ms"},
                                            {"user", "", "the group is empty"},
                                            {"user", "NULL", "the group 'NULL' says that there is none"},
                                            {"user", "nan", "the group 'nan' says that there is none"},
                                            {"user", "\\N", "the group '\\N' says that there is none"},
                                            {"user", " None ", "the group ' None ' says that there is none"},
                                            {"user", " ", "the group ' ' says that there is none"}};
  for (const auto& [column, value, message] : bad_values) {
    CAPTURE(column, value);
    const PrepareCase in_train(kPrepareTrain + row_with(column, value), row_with("", ""));
    CHECK_THAT(in_train.error(), Catch::Contains("train.csv:5:" + column + ": ") && Catch::Contains(message));
    CHECK(in_train.left_nothing());
    const PrepareCase in_test(kPrepareTrain, row_with("", "") + row_with(column, value));
    CHECK_THAT(in_test.error(), Catch::Contains("test.csv:3:" + column + ": ") && Catch::Contains(message));
    CHECK(in_test.left_nothing());
  }
}

TEST_CASE("prepare: a list as Python, numpy, JSON or Postgres write it is refused, with the way to write it") {
  const auto row = [](const std::string& items, const std::string& tags, const std::string& image) {
    return "10,ann,7," + items + "," + tags + "," + image + ",0,1,0,0,toys\n";
  };
  for (const std::string list :
       {"\"['a', 'b']\"", "\"[\"\"a\"\", \"\"b\"\"]\"", "\"[1, 2]\"", "[]", "()", "{}", "['a' 'b']", "['a|b']", "[1]",
        "[0.5 -1e-3]", "\"(1, 2)\"", "\"{a,b}\"", "\"[a, b]\""}) {
    INFO(list);
    const std::string says = "is a list as Python or JSON writes it";
    CHECK_THAT(PrepareCase(row(list, "", "")).error(), Catch::Contains("train.csv:2:item_seq: '") &&
                                                           Catch::Contains(says) && Catch::Contains("a|b") &&
                                                           Catch::Contains("'|'.join(map(str"));
    // A table of hash buckets is not counted before it is encoded; scores were refused as no numbers.
    CHECK_THAT(PrepareCase(row("", list, "")).error(), Catch::Contains("train.csv:2:tags: '") && Catch::Contains(says));
    CHECK_THAT(PrepareCase(row("", "", list)).error(),
               Catch::Contains("train.csv:2:image: '") && Catch::Contains(says));
    PrepareCase in_test(kPrepareTrain, "11" + row(list, "", "").substr(2));
    CHECK_THAT(in_test.error(), Catch::Contains("test.csv:2:item_seq") && Catch::Contains(says));
    CHECK(in_test.left_nothing());
  }
  CHECK_THAT(PrepareCase(row("\"['a', 'b']\"", "", "")).error(), Catch::Contains("item_seq: '['a', 'b']' is a list"));
  // Ids in brackets are ids.
  for (const std::string ids : {"[promo]", "[new]|[sale]", "(x)|(y)", "[", "]", "[a", "\"[x] y, z\"", "{guid-7}"})
    CHECK(PrepareCase(row(ids, ids, "")).error() == "");
}

TEST_CASE("prepare: splits are by time") {
  CHECK_THAT(PrepareCase(std::string(kPrepareTrain) + row_with("time", "9"), kPrepareTest).error(),
             Catch::Contains("train.csv:5:time: time 9 is before the previous row's 11; sort the rows"));
  CHECK_THAT(PrepareCase(kPrepareTrain, row_with("time", "10")).error(),
             Catch::Contains("test.csv:2:time") && Catch::Contains("before the training data ends (11)") &&
                 Catch::Contains("split by time"));
  CHECK(PrepareCase(kPrepareTrain, row_with("time", "11")).error().empty());
}

TEST_CASE("prepare: several files make a split, in the order of time") {
  PrepareCase c;
  const std::string later = c.folder.write("later.csv", kPrepareHeader + row_with("", ""));
  c.options.train.push_back(later);
  c.options.test = {c.folder.write("test2.csv", kPrepareHeader + row_with("time", "13"))};
  CHECK(c.run().rows(Split::train) == 4);
  std::swap(c.options.train[0], c.options.train[1]);
  CHECK_THAT(c.error(), Catch::Contains("train.csv:2:time") && Catch::Contains("order of time"));
}

TEST_CASE("prepare: bad files") {
  PrepareCase c;
  CHECK_THAT(PrepareCase("").error(), Catch::Contains("there are no training rows, only a header"));
  CHECK_THAT(PrepareCase("x\n").error(), Catch::Contains("train.csv:2: the row has 1 fields"));
  c.options.train = {
      c.folder.write("no_last.csv", "time,user,item,item_seq,tags,image,price,depth,lats,linear,industry\n")};
  CHECK_THAT(c.error(), Catch::Contains("no_last.csv:1: there is no column 'last'; did you mean 'lats'?"));
  c.options.train = {c.folder / "absent.csv"};
  CHECK_THAT(c.error(), Catch::Contains("cannot open") && Catch::Contains("absent.csv"));
  c.options.train = {c.folder.write("empty.csv", "")};
  CHECK_THAT(c.error(), Catch::Contains("empty.csv: the file is empty"));
  const std::string packed = test::gzipped(kPrepareHeader + std::string(kPrepareTrain));
  c.options.train = {c.folder.write("cut.csv.gz", packed.substr(0, packed.size() - 9))};
  CHECK_THAT(c.error(), Catch::Contains("cut.csv.gz:") && Catch::Contains("cut short"));
  c.options.train = c.options.test;
  CHECK_THAT(c.error(), Catch::Contains("is given as --train and as --test"));
  CHECK(c.left_nothing());
}

TEST_CASE("prepare: a value that is not UTF-8 cannot be a name in JSON") {
  const PrepareCase c(kPrepareTrain + row_with("user", "caf\xE9"), row_with("", ""));
  CHECK_THAT(c.error(), Catch::Contains("train.csv:5:user: 'caf?' is not UTF-8; convert the file"));
  CHECK(c.left_nothing());
  const PrepareCase good(kPrepareTrain + row_with("user", "\"caf\xC3\xA9 \"\"x\\\""), row_with("", ""));
  CHECK(good.run().rows(Split::train) == 4);
  CHECK_THAT(test::bytes_of(good.options.output + "/vocab/user.json"), Catch::Contains("\"caf\xC3\xA9 \\\"x\\\\\": 3"));
}

TEST_CASE("prepare: what is at the target") {
  PrepareCase c;
  c.run();
  c.run();  // an earlier data set is replaced
  c.options.output = c.folder / "other";
  std::filesystem::create_directory(c.options.output);
  c.folder.write("other/precious.txt", "x");
  CHECK_THAT(c.error(), Catch::Contains("was not written by this command"));
  CHECK(test::bytes_of(c.folder / "other/precious.txt") == "x");
  c.options.output = c.folder / ".";
  CHECK_THAT(c.error(), Catch::Contains("which would be replaced"));
}

// In a process of its own, whose files may not grow beyond `bytes`: what a full disk looks like.
TEST_CASE("prepare: a full disk is a clear error, leaves nothing, and harms no earlier data set") {
  std::string rows;
  for (int r = 0; r < 2000; ++r) rows += row_with("user", fmt::format("user number {}", r));
  const PrepareCase c(rows, row_with("", ""));
  const auto prepared_on_full_disk = [&](rlim_t bytes) {
    const pid_t child = ::fork();
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{bytes, bytes};
      ::setrlimit(RLIMIT_FSIZE, &limit);
      const std::string message = c.error();
      const bool clear = message.find("File too large; free some space") != std::string::npos;
      ::_exit(message.empty() ? 0 : clear ? 1 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  for (const rlim_t bytes : {0U, 100U, 5000U, 9000U}) {
    CAPTURE(bytes);
    CHECK(prepared_on_full_disk(bytes) == 1);
    CHECK(c.left_nothing());
  }
  prepare(c.options);
  const std::string before = test::bytes_of(c.options.output + "/train-00000/user.bin");
  CHECK(prepared_on_full_disk(9000) == 1);
  CHECK(test::bytes_of(c.options.output + "/train-00000/user.bin") == before);
  CHECK_FALSE(std::filesystem::exists(c.options.output + ".tmp"));
  const Dataset dataset = Dataset::open(c.options.output);
  dataset.verify();
}

TEST_CASE(
    "prepare: the same input gives the same bytes, plain, gzip or zstd, whatever the order of values of equal count") {
  PrepareCase c;
  prepare(c.options);
  const std::string first = c.options.output;
  c.options.output = c.folder / "again";
  c.options.train = {c.folder.write("train.gz", test::gzipped(test::bytes_of(c.options.train[0])))};
  c.options.test = {c.folder.write("test.zst", test::zstd_packed(test::bytes_of(c.options.test[0])))};
  prepare(c.options);
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(first)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().string().substr(first.size());
    CAPTURE(name);
    CHECK(test::bytes_of(first + name) == test::bytes_of(c.options.output + name));
    ++files;
  }
  CHECK(files == 2 * 15 + 3 + 2);  // 12 columns, 3 with lengths; vocabularies and slices; schema and statistics
}

// Any other exception than Error, or a crash, ends the test; what is accepted can be read.
TEST_CASE("prepare: changed bytes of the input are an Error or a data set") {
  PrepareCase c;
  const std::string whole = test::bytes_of(c.options.train[0]);
  std::uint64_t state = 7;
  const auto below = [&state](std::uint64_t n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 33) % n;
  };
  int refused = 0;
  for (int round = 0; round < 150; ++round) {
    std::string damaged = whole;
    for (std::uint64_t changes = 1 + below(3); changes > 0; --changes)
      damaged[below(damaged.size())] = below(2) == 0 ? ",|\"\n\r\t-.e0"[below(10)] : static_cast<char>(below(256));
    c.folder.write("train.csv", damaged);
    const std::string message = c.error();
    refused += message.empty() ? 0 : 1;
    if (message.empty()) PreparedRows(Dataset::open(c.options.output), Split::train);
  }
  CHECK(refused > 40);
}

TEST_CASE("prepare: memory does not grow with the rows") {
  std::string rows;
  for (int r = 0; r < 150'000; ++r) rows += row_with("", "");
  const PrepareCase c(rows, row_with("", ""));
  const pid_t child = ::fork();
  if (child == 0) {
    rusage before = {}, after = {};
    ::getrusage(RUSAGE_SELF, &before);
    const std::string message = c.error();
    ::getrusage(RUSAGE_SELF, &after);
    const long grown = after.ru_maxrss - before.ru_maxrss;  // KiB; the input has 6 MB, its data set 12
    ::_exit(!message.empty() ? 1 : grown > 40 * 1024 ? 2 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

TEST_CASE("prepare: a file of the MAC layout, with its schema") {
  std::string header = "user_id";
  for (const char* prefix : {"user_feat", "ad_feat"})
    for (int f = 0; f < 6; ++f) header += fmt::format(",{}{}", prefix, f);
  for (int f = 0; f < 4; ++f) header += fmt::format(",context_feat{}", f);
  header += ",ad_feat0_seq,ad_feat1_seq,ad_feat2_seq,mm_feat0_seq,mm_feat1_seq,first,last,mta,linear\n";
  const std::string ids = "u1,1,2,3,4,5,6,a,b,c,d,e,f,1,2,3,4,";
  PrepareCase c(ids + "a|z,b,,0.5,-0.5|1,0,1,0.4,0.5\n", ids + "z,b|q,c,,,0,0,0,0\n", "unused", header.c_str());
  c.options.schema = "mac";
  const Dataset dataset = c.run();
  const PreparedRows train(dataset, Split::train), test(dataset, Split::test);
  CHECK(train["ad_feat0"].ids == Ids{1});
  CHECK(Ids(train["ad_feat0_seq"].ids.begin(), train["ad_feat0_seq"].ids.begin() + 3) == Ids{1, 2, 0});
  CHECK(train["mta"].values == Values{0.4F});
  CHECK(train["last"].values == Values{1});
  CHECK(test["ad_feat1_seq"].lengths == Ids{2});
  CHECK(dataset.schema().views() == std::vector<std::string>{"last", "first", "linear", "mta"});
}

}  // namespace mal
