// Which ids have a row along a chain of data sets (--base): admitted when they were seen min_count times, forgotten
// when `evict` data sets in a row did not have them.
#include "train/data/id_memory.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "tests/train/dataset_support.h"
#include "train/data/dataset.h"
#include "train/data/dataset_layout.h"
#include "train/data/prepare.h"

namespace mal {

namespace {

using test::message_of;
using Rows = std::map<std::string, int>;

constexpr const char* kSchema = R"(name: chain
columns:
  - {name: user, kind: id, min_count: 3, evict: 2}
  - {name: tags, kind: ids, length: 3, table: user}
  - {name: last, kind: credit}
)";

struct Chain {
  test::DataFolder folder;
  std::string schema = kSchema;

  // A data set of these users, one a row, that goes on from `base`; the rows of its table.
  Rows add(const std::string& name, const std::vector<std::string>& users, const std::string& base = "") const {
    std::string text = "user,tags,last\n";
    for (const std::string& user : users) text += user + ",,0\n";
    prepare({.schema = folder.write("schema.yaml", schema),
             .train = {folder.write(name + ".csv", text)},
             .test = {folder.write("test.csv", "user,tags,last\nann,,1\nzoe,,1\n")},
             .base = base.empty() ? "" : folder / base,
             .output = folder / name,
             .progress = false});
    Rows rows;
    read_vocabulary(vocabulary_file(folder / name, "user")).for_each([&](std::string_view user, std::int32_t row) {
      rows[std::string(user)] = row;
    });
    return rows;
  }
};

}  // namespace

TEST_CASE("an id gets a row when all data sets together have it often enough") {
  const Chain chain;
  CHECK(chain.add("1", {"ann", "ann", "ann", "bob", "bob", "cid"}) == Rows{{"ann", 1}});
  CHECK(chain.add("2", {"ann", "bob", "cid", "dan"}, "1") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("3", {"cid", "dan", "dan", "dan", "eve"}, "2") ==
        Rows{{"ann", 1}, {"bob", 2}, {"dan", 3}, {"cid", 4}});
  // Until then it is unseen: cid, dan of the second.
  CHECK(Dataset::open(chain.folder / "2").stats(Split::train).columns[0].unseen == 2);
}

TEST_CASE("an id that comes no more loses its row, and what was counted of it") {
  const Chain chain;
  const std::vector<std::string> ann(3, "ann"), bob(3, "bob");
  std::vector<std::string> all = ann;
  all.insert(all.end(), bob.begin(), bob.end());
  all.insert(all.end(), {"cid", "cid"});
  CHECK(chain.add("1", all) == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("2", {"bob"}, "1") == Rows{{"ann", 1}, {"bob", 2}});  // absent once
  CHECK(chain.add("3", {"bob", "dan", "dan", "dan"}, "2") == Rows{{"bob", 1}, {"dan", 2}});
  CHECK(Dataset::open(chain.folder / "3").schema().tables[0].rows == 3);
  // cid was forgotten with its two times; ann begins anew, too.
  CHECK(chain.add("4", {"cid", "ann", "ann", "bob", "dan"}, "3") == Rows{{"bob", 1}, {"dan", 2}});
  CHECK(chain.add("5", {"ann", "bob", "dan"}, "4") == Rows{{"bob", 1}, {"dan", 2}, {"ann", 3}});
  // Coming back in time starts the count of absences anew.
  CHECK(chain.add("2b", {"ann"}, "1") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("3b", {"bob"}, "2b") == Rows{{"ann", 1}, {"bob", 2}});
  CHECK(chain.add("4b", {"bob"}, "3b") == Rows{{"bob", 1}});
}

TEST_CASE("a table does not grow with the ids of all days") {
  const Chain chain;
  std::string base;
  for (int day = 0; day < 12; ++day) {
    std::vector<std::string> users;
    for (int user = 0; user < 10; ++user) users.insert(users.end(), 3, fmt::format("u{}", 5 * day + user));
    const Rows rows = chain.add(fmt::format("{}", day), users, base);
    base = fmt::format("{}", day);
    CHECK(rows.size() <= 15);  // ten of the day, five that only the day before had
    for (int user = 0; user < 10; ++user) CHECK(rows.count(fmt::format("u{}", 5 * day + user)) == 1);
  }
}

TEST_CASE("without evict nothing is remembered, and the first of a chain is numbered as ever") {
  Chain plain;
  plain.schema.replace(plain.schema.find(", evict: 2"), 10, "");
  const Chain chain;
  const std::vector<std::string> users = {"b", "a", "c", "a", "b", "c", "c", "a", "b", "c", "d"};
  const Rows rows = chain.add("1", users);
  CHECK(rows == plain.add("1", users));
  CHECK(test::bytes_of(chain.folder / "1/vocab/user.json") == test::bytes_of(plain.folder / "1/vocab/user.json"));
  CHECK(test::bytes_of(plain.folder / "1/memory/user.json").empty());
  CHECK(test::bytes_of(plain.folder / "1/schema.yaml").find("evict") == std::string::npos);
  Rows more = rows;
  more["d"] = 4;
  CHECK(chain.add("2", {"d", "d"}, "1") == more);
  // A base that remembers nothing.
  std::filesystem::remove_all(chain.folder / "1/memory");
  CHECK(chain.add("2", {"d", "d"}, "1") == rows);
  CHECK(chain.add("3", {"d"}, "2") == Rows{{"d", 1}});
}

TEST_CASE("a memory comes back as it was written, and a damaged one is refused") {
  const Chain chain;
  chain.add("1", {"ann", "ann", "ann", "\xC3\xA9", "x"});
  const std::string path = chain.folder / "1/memory/user.json";
  const IdMemory memory = read_memory(path);
  REQUIRE(memory.rows.size() == 1);
  CHECK(memory.rows[0].value == "ann");
  CHECK(memory.rows[0].seen == 3);
  REQUIRE(memory.waiting.size() == 2);
  CHECK(memory.waiting[0].value == "x");
  CHECK(memory.waiting[1].value == "\xC3\xA9");
  write_memory(chain.folder / "again.json", memory);
  CHECK(test::bytes_of(chain.folder / "again.json") == test::bytes_of(path));
  const auto refused = [&](const std::string& text) {
    chain.folder.write("1/memory/user.json", text);
    return message_of([&] { chain.add("2", {"ann"}, "1"); });
  };
  CHECK_THAT(refused("{}"), Catch::Matchers::Contains("memory/user.json: it is not what prepare writes"));
  CHECK_THAT(refused("[1"), Catch::Matchers::Contains("it is not what prepare writes"));
  CHECK_THAT(refused(R"({"rows": [["bob", 3, 0]], "waiting": []})"),
             Catch::Matchers::Contains("its ids are not those of"));
  const auto waits = [&](const std::string& now, const std::string& waiting) {
    return refused(R"({"clock": "data sets", "now": )" + now + R"(, "rows": [["ann", 3, 1]], "waiting": )" + waiting +
                   "}");
  };
  CHECK(waits("1", R"([["x", 1, 1], ["y", 2, 0]])").empty());
  for (const char* now : {"1.0", "1e300", "NaN", "true", "\"1\"", "null", "-1", "18446744073709551615", "[1]"}) {
    CAPTURE(now);
    CHECK_THAT(waits(now, "[]"), Catch::Matchers::Contains("it is not what prepare writes"));
  }
  for (const char* waiting :
       {"null", "{}", R"({"a": ["x", 1, 1]})", R"([["x", 1, 1], ["x", 1, 1]])", R"([["ann", 1, 1]])", R"([["x", 1]])",
        R"([["x", 1, 1, 1]])", R"([["x", 1.9, 1]])", R"([["x", -1, 1]])", R"([["x", 9223372036854775807, 1]])",
        R"([["x", 1, 2]])", R"([["x", 1, 18446744073709551615]])", R"([[7, 1, 1]])"}) {
    CAPTURE(waiting);
    CHECK_THAT(waits("1", waiting), Catch::Matchers::Contains("it is not what prepare writes"));
  }
  std::filesystem::remove(path);
  chain.folder.write("1/vocab/user.json", "{}\n");
  CHECK_THAT(message_of([&] { chain.add("2", {"ann"}, "1"); }),
             Catch::Matchers::Contains("vocab/user.json: it holds 0 values, and schema.yaml says 1"));
}

TEST_CASE("evict is of tables with a vocabulary") {
  Chain chain;
  chain.schema.replace(chain.schema.find("min_count: 3"), 12, "hash: 8");
  CHECK_THAT(message_of([&] { chain.add("1", {"ann"}); }),
             Catch::Matchers::Contains("a hashed column has no vocabulary"));
}

}  // namespace mal
