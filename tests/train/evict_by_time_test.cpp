// `evict: 10s`: an id loses its row when the training files of a chain of data sets did not have it for that long.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "tests/train/dataset_support.h"
#include "train/data/dataset.h"
#include "train/data/dataset_layout.h"
#include "train/data/id_memory.h"
#include "train/data/prepare.h"

namespace mal {

namespace {

using test::message_of;
using Rows = std::map<std::string, int>;

std::string timed_schema(const std::string& user) {
  return "name: chain\ncolumns:\n  - {name: at, kind: time}\n  - {name: user, kind: id, " + user +
         "}\n  - {name: last, kind: credit}\n";
}

struct TimedChain {
  test::DataFolder folder;
  std::string schema = timed_schema("evict: 10s"), test_time = "99999999999", vocabularies = {};

  // A data set of these training rows, such as "3,ann,0", that goes on from `base`; the rows of its table.
  Rows add(const std::string& name, const std::string& rows, const std::string& base = "") const {
    prepare({.schema = folder.write("schema.yaml", schema),
             .train = {folder.write(name + ".csv", "at,user,last\n" + rows)},
             .test = {folder.write("test.csv", "at,user,last\n" + test_time + ",zoe,1\n")},
             .vocabularies = vocabularies,
             .base = base.empty() ? "" : folder / base,
             .output = folder / name,
             .progress = false});
    Rows found;
    read_vocabulary(vocabulary_file(folder / name, "user")).for_each([&](std::string_view user, std::int32_t row) {
      found[std::string(user)] = row;
    });
    return found;
  }
  std::string refusal(const std::string& rows, const std::string& base) const {
    return message_of([&] { add("refused", rows, base); });
  }
};

}  // namespace

TEST_CASE("an id loses its row when it was not there for so long, in however many data sets") {
  const TimedChain chain;
  const Rows both = {{"ann", 1}, {"bob", 2}};
  CHECK(chain.add("1", "90,ann,0\n100,bob,0\n") == both);
  std::string base = "1";
  for (const int second : {100, 101, 101, 105, 109}) {  // that of ann is 100, the end of the data set that had it
    const std::string name = base + "x";
    CHECK(chain.add(name, fmt::format("90,bob,0\n{},bob,0\n", second), base) == both);
    base = name;
  }
  CHECK(chain.add("late", "110,cid,0\n", base) == Rows{{"bob", 1}, {"cid", 2}});
  CHECK(chain.add("later", "119,cid,0\n", "late") == Rows{{"cid", 1}});  // bob's is 109
  CHECK(chain.add("again", "121,ann,0\n", "later") == Rows{{"cid", 1}, {"ann", 2}});
  // One data set is enough.
  CHECK(chain.add("at once", "110,cid,0\n", "1") == Rows{{"cid", 1}});
}

TEST_CASE("what was counted of an id without a row is forgotten by time, too") {
  TimedChain chain;
  chain.schema = timed_schema("min_count: 2, evict: 10s");
  chain.add("1", "100,ann,0\n");
  CHECK(chain.add("soon", "109,ann,0\n", "1") == Rows{{"ann", 1}});
  CHECK(chain.add("late", "110,ann,0\n", "1") == Rows{{"ann", 1}});  // it is there: nothing is forgotten
  chain.add("between", "110,bob,0\n", "1");
  CHECK(chain.add("too late", "111,ann,0\n", "between").empty());
}

TEST_CASE("times before 1970, and as far from each other as there are") {
  TimedChain chain;
  CHECK(chain.add("1", "-99999999999,ann,0\n") == Rows{{"ann", 1}});
  CHECK(chain.add("2", "-99999999991,bob,0\n", "1") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("3", "99999999999,cid,0\n", "2") == Rows{{"cid", 1}});
}

TEST_CASE("a base with another clock, or none: its ids were there at its end") {
  TimedChain chain;
  chain.schema = timed_schema("evict: 2");
  chain.add("1", "100,ann,0\n");
  chain.add("2", "200,bob,0\n", "1");  // ann was absent once
  chain.schema = timed_schema("evict: 10s");
  CHECK(chain.add("3", "209,bob,0\n", "2") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("3 late", "210,cid,0\n", "2") == Rows{{"cid", 1}});
  chain.schema = timed_schema("evict: 2");  // and back
  CHECK(chain.add("4", "900,cid,0\n", "3") == Rows{{"ann", 1}, {"bob", 2}, {"cid", 3}});
  CHECK(chain.add("5", "990,cid,0\n", "4") == Rows{{"cid", 1}});
  // None.
  chain.schema = timed_schema("evict: 10s");
  std::filesystem::remove_all(chain.folder / "2/memory");
  CHECK(chain.add("3", "209,bob,0\n", "2") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("3", "210,cid,0\n", "2") == Rows{{"cid", 1}});
}

TEST_CASE("a memory of the version that counted absences is read") {
  TimedChain chain;
  chain.schema = timed_schema("evict: 2");
  chain.add("1", "100,ann,0\n100,bob,0\n");
  chain.folder.write("1/memory/user.json", R"({"rows": [["ann", 3, 1],["bob", 1, 0]], "waiting": []})");
  CHECK(chain.add("2", "101,cid,0\n", "1") == Rows{{"bob", 1}, {"cid", 2}});
  CHECK(chain.add("3", "102,cid,0\n", "2") == Rows{{"cid", 1}});
  chain.schema = timed_schema("evict: 10s");
  CHECK(chain.add("2", "109,cid,0\n", "1") == Rows{{"ann", 1}, {"bob", 2}, {"cid", 3}});
}

TEST_CASE("a clock is written and read, and one that cannot be is refused") {
  const TimedChain chain;
  chain.add("1", "90,ann,0\n100,bob,0\n");
  const std::string path = chain.folder / "1/memory/user.json";
  const IdMemory memory = read_memory(path);
  CHECK(memory.by_time);
  CHECK(memory.now == 100);
  REQUIRE(memory.rows.size() == 2);
  CHECK(memory.rows[0].last == 100);
  write_memory(chain.folder / "again.json", memory);
  CHECK(test::bytes_of(chain.folder / "again.json") == test::bytes_of(path));
  const auto refused = [&](const std::string& clock, const std::string& ann) {
    chain.folder.write("1/memory/user.json",
                       fmt::format(R"({{{}"rows": [[{}], ["bob", 1, 7]], "waiting": []}})", clock, ann));
    CHECK_THAT(chain.refusal("101,ann,0\n", "1"),
               Catch::Matchers::Contains("memory/user.json: it is not what prepare"));
  };
  const std::string seconds = R"("clock": "seconds", "now": 100, )";
  refused(seconds, R"("ann", 1, 101)");
  refused(seconds, R"("ann", -1, 7)");
  refused(seconds, R"("ann", 9223372036854775807, 7)");
  refused(seconds, R"("ann", 1)");
  refused(R"("clock": "seconds", )", R"("ann", 1, 7)");
  refused(R"("clock": "moons", "now": 100, )", R"("ann", 1, 7)");
  refused(R"("clock": 3, "now": 100, )", R"("ann", 1, 7)");
  refused(R"("clock": "data sets", "now": 9223372036854775807, )", R"("ann", 1, 7)");
}

TEST_CASE("time does not go back along a chain") {
  const TimedChain chain;
  chain.add("1", "90,ann,0\n100,bob,0\n");
  CHECK(chain.add("same end", "50,bob,0\n100,bob,0\n", "1").size() == 2);
  CHECK_THAT(
      chain.refusal("50,ann,0\n99,bob,0\n", "1"),
      Catch::Matchers::Contains("table 'user': the training rows end at time 99, before those of the base (100)") &&
          Catch::Matchers::Contains("evict: 10s"));
  CHECK_THAT(chain.refusal("noon,ann,0\n", "1"), Catch::Matchers::Contains("refused.csv:2:at"));
  CHECK_THAT(chain.refusal("", "1"), Catch::Matchers::Contains("there are no training rows"));
}

TEST_CASE("a base whose rows have no time cannot say when its ids were there") {
  TimedChain chain;
  chain.schema = "name: s\ncolumns:\n  - {name: user, kind: id}\n  - {name: last, kind: credit}\n";
  chain.add("1", "100,ann,0\n");
  chain.schema = timed_schema("evict: 10s");
  CHECK_THAT(chain.refusal("101,ann,0\n", "1"), Catch::Matchers::Contains("it has no column of kind time"));
}

TEST_CASE("numbers that are given are not evicted") {
  TimedChain chain;
  chain.vocabularies = chain.folder / "1/vocab";
  std::filesystem::create_directories(chain.vocabularies);
  chain.folder.write("1/vocab/user.json", R"({"ann": 1, "bob": 2})");
  CHECK(chain.add("2", "100,cid,0\n") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK_FALSE(std::filesystem::exists(chain.folder / "2/memory"));
}

}  // namespace mal
