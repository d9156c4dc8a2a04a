// Scores, the lock, child processes, the data set's fingerprint, and groups of users.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "tests/train/dataset_support.h"
#include "train/data/prepare.h"
#include "train/experiment/child_process.h"
#include "train/experiment/folder_lock.h"
#include "train/experiment/run_plan.h"
#include "train/experiment/test_set.h"
#include "train/experiment/user_growth.h"
#include "train/trainer/scores.h"

namespace mal {

namespace {

constexpr const char* kSchema = R"(name: growth
columns:
  - {name: user, kind: id, side: user}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: group, kind: group, column: user}
  - {name: industry, kind: slice}
)";
constexpr const char* kHeader = "user,last,linear,industry\n";

// Training positives, last and linear: user 1: 1, 1 (no growth); 2: 2, 3 (50 %); 3: 1, 4 (300 %); 4: none; 5: 0, 1
// (boundless); 6 is new.
constexpr const char* kTrain =
    "1,1,1,toys\n1,0,0,toys\n2,1,0.5,pet\n2,1,0.5,pet\n2,0,0.5,pet\n"
    "3,1,0.25,toys\n3,0,0.25,toys\n3,0,0.25,toys\n3,0,0.25,toys\n4,0,0,pet\n5,0,0.5,toys\n";
constexpr const char* kTest = "6,1,1,pet\n5,0,0,toys\n4,0,0.5,toys\n3,0,0,pet\n2,1,1,pet\n1,0,0,toys\n";

std::string make_dataset(const test::DataFolder& folder, const std::string& name, const std::string& test_rows) {
  prepare({.schema = folder.write("schema.yaml", kSchema),
           .train = {folder.write("train.csv", std::string(kHeader) + kTrain)},
           .test = {folder.write("test.csv", kHeader + test_rows)},
           .output = folder / name,
           .progress = false});
  return folder / name;
}

int wait_for(ChildProcess& child) {
  for (;;) {
    if (const auto code = child.poll()) return *code;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

TEST_CASE("users are grouped by the growth of their training positives") {
  const test::DataFolder folder;
  const Dataset dataset = Dataset::open(make_dataset(folder, "data", kTest));
  const TestSet test = read_test_set(dataset);
  REQUIRE(test.rows() == 6);
  const UserGrowth ratio = {.edges = {0, 0.5, 1}};
  CHECK(group_names(ratio) == std::vector<std::string>{"no positives", "growth up to 0 %", "over 0 % to 50 %",
                                                       "over 50 % to 100 %", "over 100 %"});
  const auto codes = [&](const UserGrowth& growth) {
    return group_by_growth(dataset, "linear", "last", growth, test.users);
  };
  CHECK(codes(ratio) == std::vector<std::int32_t>{0, 4, 0, 4, 2, 1});  // users 6, 5, 4, 3, 2, 1
  CHECK(codes({.edges = {0.49}}) == std::vector<std::int32_t>{0, 2, 0, 2, 2, 1});
  // Counts: users 6 and 4 have none, 5: 0 → 1, 3: 1 → 4, 2: 2 → 3, 1: 1 → 1.
  CHECK(codes({.count = true, .edges = {0, 2}}) == std::vector<std::int32_t>{0, 1, 0, 2, 1, 0});
  CHECK(codes({.count = true, .edges = {1, 3}}) == std::vector<std::int32_t>{0, 0, 0, 1, 0, 0});
  CHECK_THAT(test::message_of([&] { group_by_growth(dataset, "mta", "last", ratio, test.users); }),
             Catch::Matchers::Contains("no view 'mta'"));
  CHECK_THAT(test::message_of([&] { codes({.count = true, .last_days = 3, .edges = {0}}); }),
             Catch::Matchers::Contains("no time column"));
}

TEST_CASE("groups by count are named by whole numbers") {
  const auto names = [](const std::vector<double>& edges) { return group_names({.count = true, .edges = edges}); };
  using Names = std::vector<std::string>;
  CHECK(names({0, 2, 5, 9}) == Names{"no growth", "1 to 2", "3 to 5", "6 to 9", "10 or more"});
  CHECK(names({0, 1}) == Names{"no growth", "1", "2 or more"});
  CHECK(names({2}) == Names{"up to 2", "3 or more"});
}

TEST_CASE("growth may be of the last days of training alone") {
  const test::DataFolder folder;
  const std::string header = "time,user,last,linear\n";
  // The last row is at day 20: with 14 days, rows after day 6 count. User 1 grows by 2 before and at day 6, by 1 a
  // second after; user 2 by 2 on day 19.
  const std::string train = header +
                            "1000,1,0,0.5\n518400,1,0,0.5\n518401,1,0,0.5\n1641600,2,0,0.5\n1641600,2,0,0.5\n"
                            "1728000,3,0,0\n";
  prepare({.schema = folder.write("schema.yaml",
                                  "name: timed\ncolumns:\n  - {name: time, kind: time}\n"
                                  "  - {name: user, kind: id, side: user}\n  - {name: last, kind: credit}\n"
                                  "  - {name: linear, kind: credit}\n  - {name: group, kind: group, column: user}\n"),
           .train = {folder.write("train.csv", train)},
           .test = {folder.write("test.csv", header + "1728000,1,0,0\n1728000,2,1,1\n1728000,3,0,0\n")},
           .output = folder / "data",
           .progress = false});
  const Dataset dataset = Dataset::open(folder / "data");
  const TestSet test = read_test_set(dataset);
  const auto codes = [&](std::int64_t last_days) {
    return group_by_growth(dataset, "linear", "last", {.count = true, .last_days = last_days, .edges = {0, 1, 2}},
                           test.users);
  };
  CHECK(codes(0) == std::vector<std::int32_t>{3, 2, 0});
  CHECK(codes(14) == std::vector<std::int32_t>{1, 2, 0});
  CHECK(codes(1) == std::vector<std::int32_t>{0, 0, 0});
  CHECK(codes(15) == std::vector<std::int32_t>{2, 2, 0});
}

TEST_CASE("a test set's credits, users and slices are in the order of its rows") {
  const test::DataFolder folder;
  const Dataset dataset = Dataset::open(make_dataset(folder, "data", kTest));
  const TestSet test = read_test_set(dataset);
  CHECK(test.credits_of("last") == std::vector<float>{1, 0, 0, 0, 1, 0});
  CHECK(test.credits_of("linear") == std::vector<float>{1, 0, 0.5, 0, 1, 0});
  const std::size_t slice = test.slice_of("industry");
  std::vector<std::string> names;
  for (const std::int32_t code : test.values[slice]) names.push_back(test.names[slice][static_cast<std::size_t>(code)]);
  CHECK(names == std::vector<std::string>{"pet", "toys", "toys", "pet", "pet", "toys"});
  CHECK_THAT(test::message_of([&] { test.credits_of("first"); }), Catch::Matchers::Contains("last, linear"));
  CHECK_THAT(test::message_of([&] { test.slice_of("hour"); }), Catch::Matchers::Contains("industry"));
}

TEST_CASE("the fingerprint is of a data set's content, not of its place") {
  const test::DataFolder folder;
  const std::string first = make_dataset(folder, "first", kTest), second = make_dataset(folder, "second", kTest);
  CHECK(data_fingerprint(first) == data_fingerprint(second));
  const std::string other = make_dataset(folder, "other", std::string(kTest) + "6,0,0,pet\n");
  CHECK(data_fingerprint(other) != data_fingerprint(first));
  // Two users change places: counts, statistics and vocabularies stay, but the values of the columns do not.
  std::string rows = kTest;
  std::swap(rows[rows.find("4,0,0.5")], rows[rows.find("1,0,0,toys")]);
  CHECK(data_fingerprint(make_dataset(folder, "changed", rows)) != data_fingerprint(first));
  CHECK_THAT(test::message_of([&] { data_fingerprint(folder / "nothing"); }),
             Catch::Matchers::Contains("not a data set"));
}

TEST_CASE("scores are whole, of the right number of rows, or not there") {
  const test::DataFolder folder;
  const std::vector<float> logits = {0.25F, -3, 1e-30F, 7};
  CHECK_FALSE(has_scores(folder / "", 4));
  save_scores(folder / "", logits);
  CHECK(load_scores(folder / "") == logits);
  CHECK(has_scores(folder / "", 4));
  CHECK_FALSE(has_scores(folder / "", 5));
  const std::string bytes = test::bytes_of(folder / kScoresFile);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    folder.write(kScoresFile, flipped);
    CHECK_FALSE(has_scores(folder / "", 4));
    folder.write(kScoresFile, bytes.substr(0, at));
    CHECK_FALSE(has_scores(folder / "", 4));
  }
}

TEST_CASE("a folder is locked by one at a time") {
  const test::DataFolder folder;
  {
    const FolderLock lock(folder / "");
    CHECK_THAT(test::message_of([&] { const FolderLock second(folder / ""); }),
               Catch::Matchers::Contains("another process is working in"));
  }
  CHECK(test::message_of([&] { const FolderLock third(folder / ""); }).empty());
}

TEST_CASE("a child process: its exit code, its output, its end") {
  const test::DataFolder folder;
  const auto shell = [&](const std::string& script) { return ChildProcess({"/bin/sh", "-c", script}, folder / "log"); };
  ChildProcess good = shell("echo out; echo err >&2");
  CHECK(wait_for(good) == 0);
  CHECK(test::bytes_of(folder / "log") == "out\nerr\n");
  ChildProcess bad = shell("exit 3");
  CHECK(wait_for(bad) == 3);
  ChildProcess killed = shell("kill -9 $$");
  CHECK(wait_for(killed) == 128 + SIGKILL);
  ChildProcess missing({folder / "no such program"}, folder / "log");
  CHECK(wait_for(missing) == 127);
  pid_t pid = -1;
  {
    ChildProcess endless = shell("echo $$; exec sleep 1000");
    while (test::bytes_of(folder / "log").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    pid = static_cast<pid_t>(std::stol(test::bytes_of(folder / "log")));
    CHECK_FALSE(endless.poll().has_value());
  }
  CHECK(::kill(pid, 0) != 0);  // nobody is left behind
}

}  // namespace mal
