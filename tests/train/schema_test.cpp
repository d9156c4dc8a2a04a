#include "model/schema.h"

#include <catch2/catch.hpp>

#include "tests/train/dataset_support.h"
#include "train/data/schema_yaml.h"

namespace mal {

namespace {

// The message for a schema of these columns; they begin at line 3.
std::string schema_error(const std::string& columns) {
  return test::message_of([&] { parse_schema("name: s\ncolumns:\n" + columns, "s.yaml"); });
}

void check_same_schema(const Schema& a, const Schema& b) {
  CHECK(a.name == b.name);
  REQUIRE(a.columns.size() == b.columns.size());
  for (std::size_t c = 0; c < a.columns.size(); ++c) {
    const Column& x = a.columns[c];
    const Column& y = b.columns[c];
    CHECK((x.name == y.name && x.source == y.source && x.kind == y.kind && x.side == y.side && x.table == y.table));
    CHECK((x.length == y.length && x.pooling == y.pooling && x.log1p == y.log1p && x.standardize == y.standardize));
  }
  REQUIRE(a.tables.size() == b.tables.size());
  for (std::size_t t = 0; t < a.tables.size(); ++t) {
    const TableSpec& x = a.tables[t];
    const TableSpec& y = b.tables[t];
    CHECK((x.name == y.name && x.rows == y.rows && x.hash_buckets == y.hash_buckets && x.min_count == y.min_count));
    CHECK((x.evict == y.evict && x.evict_by_time == y.evict_by_time));
  }
}

constexpr const char* kEverySchemaKey = R"(name: every
columns:
  - {name: t, kind: time, column: timestamp}
  - {name: user, kind: id, side: user, min_count: 2, evict: 1.5h}
  - {name: item, kind: id, side: ad, hash: 1024}
  - {name: tags, kind: ids, side: ad, length: 5, pooling: sqrtn, evict: 7}
  - {name: tags_seq, kind: sequence, table: tags, length: 20, side: user}
  - {name: image, kind: scores, length: 7}
  - {name: price, kind: number, column: "price \"now\", \\ in €", log1p: true, standardize: true}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: who, kind: group, column: user}
  - {name: industry, kind: slice}
)";

}  // namespace

TEST_CASE("schemas: every key is read, and written so that it reads back") {
  Schema schema = parse_schema(kEverySchemaKey, "every.yaml");
  REQUIRE(schema.columns.size() == 11);
  CHECK(schema.views() == std::vector<std::string>{"last", "linear"});
  CHECK(schema.columns[0].source == "timestamp");
  CHECK(schema.columns[1].source == "user");
  CHECK(schema.columns[3].pooling == SetPooling::sqrtn);
  CHECK(schema.columns[4].table == "tags");
  CHECK(schema.columns[6].source == "price \"now\", \\ in €");
  REQUIRE(schema.tables.size() == 3);
  CHECK(schema.tables[0].min_count == 2);
  CHECK(schema.tables[0].evict == 5400);
  CHECK(schema.tables[0].evict_by_time);
  CHECK(schema.tables[1].hash_buckets == 1024);
  CHECK(schema.tables[1].evict == 0);
  CHECK(schema.tables[2].evict == 7);
  CHECK_FALSE(schema.tables[2].evict_by_time);
  check_same_schema(schema, parse_schema(write_schema(schema), "written"));
  for (TableSpec& table : schema.tables) table.rows = 1 + static_cast<std::int64_t>(table.name.size());
  check_same_schema(schema, parse_schema(write_schema(schema), "written"));
}

TEST_CASE("schemas: those that come with the program") {
  for (const char* name : {"mac", "criteo", "criteo_journeys", "simulated", "taobao"}) {
    const Schema schema = read_schema(name);
    CHECK(schema.name == name);
    CHECK(schema.views() == std::vector<std::string>{"last", "first", "linear",
                                                     std::string_view(name) == "taobao" ? "time_decay" : "mta"});
    CHECK(schema.columns_of(ColumnKind::group).size() == 1);
    check_same_schema(schema, parse_schema(write_schema(schema), name));
  }
  CHECK(read_schema("mac").columns_of(ColumnKind::sequence).size() == 3);
  CHECK(read_schema("mac").tables.size() == 17);
  CHECK_THAT(test::message_of([] { read_schema("simulatd"); }), Catch::Contains("did you mean 'simulated'?"));
  CHECK_THAT(test::message_of([] { read_schema("/"); }), Catch::Contains("not a regular file"));
}

TEST_CASE("schemas: a file by its path") {
  const test::DataFolder folder;
  CHECK(read_schema(folder.write("mine.yaml", kEverySchemaKey)).name == "every");
}

TEST_CASE("schemas: what is wrong is named with its line") {
  const std::string credit = "  - {name: last, kind: credit}\n";
  const auto check = [&](const std::string& column, const std::string& place, const std::string& what) {
    CAPTURE(column);
    CHECK_THAT(schema_error(credit + "  - " + column + "\n"),
               Catch::StartsWith("s.yaml:4: ") && Catch::Contains(place) && Catch::Contains(what));
  };
  check("{kind: id}", "columns[1]", "'columns[1].name' is required");
  check("{name: a}", "columns[1]", "kind");
  check("{name: a, kind: sequnce}", "kind", "did you mean 'sequence'?");
  check("{name: a, kind: id, sied: user}", "sied", "did you mean 'side'?");
  check("{name: a, kind: id, side: users}", "side", "did you mean 'user'?");
  check("{name: a, kind: id, length: 3}", "length", "unknown key");
  check("{name: a, kind: credit, table: b}", "table", "unknown key");
  check("{name: a, kind: sequence}", "length", "needs a length of 1 to 4096");
  check("{name: a, kind: scores}", "length", "needs a length");
  check("{name: a, kind: ids, length: 5000}", "length", "4096");
  check("{name: a, kind: ids, length: -1}", "length", "from 0 to 4096");
  check("{name: a, kind: ids, length: 3, pooling: max}", "pooling", "sum, mean, sqrtn");
  check("{name: a, kind: id, hash: 1000}", "hash", "power of two");
  check("{name: a, kind: id, hash: 1000000000000}", "hash", "must be");
  check("{name: a, kind: id, hash: 16, min_count: 2}", "min_count", "hashed");
  check("{name: a, kind: id, min_count: 0}", "min_count", "from 1 to");
  for (const char* evict : {"0d", "0.5s", "30x", "d", "-3d", "nans", "1e99d"})
    check(fmt::format("{{name: a, kind: id, evict: {}}}", evict), "evict", "no length of time of at least a second");
  for (const char* evict : {"-1", "1.5", "3000000000", "[30d]", "\"30\"", "\"\""})
    check(fmt::format("{{name: a, kind: id, evict: {}}}", evict), "evict", "must be");
  check("{name: a, kind: id, evict: 30d}", "evict", "a length of time needs a column of kind time");
  check("{name: a, kind: id, hash: 16, evict: 30d}", "evict", "a hashed column");
  check("{name: a, kind: id, hash: 16, evict: 30}", "evict", "a hashed column");
  check("{name: a, kind: credit, evict: 30}", "evict", "unknown key");
  check("{name: a, kind: number, log1p: maybe}", "log1p", "true or false");
  check("{name: a, kind: sequence, length: 3, table: b}", "table", "no id, ids or sequence column 'b'");
  check("{name: a, kind: sequence, length: 3, table: last}", "table", "column 'last' is no id");
  check("{name: last, kind: id}", "name", "two columns 'last'");
  check("{name: \"\", kind: id}", "name", "1 to 200");
  check("{name: a/b, kind: id}", "name", "'/'");
  check("{name: .., kind: id}", "name", "'.'");
  check("{name: \"a\\nb\", kind: id}", "name", "control");
  check("{name: a.length, kind: id}", "name", ".length");
  check("{name: slice.a, kind: id}", "name", "slice.");
  check("[a, id]", "columns[1]", "");
}

TEST_CASE("schemas: what is wrong with the whole") {
  CHECK_THAT(schema_error("  - {name: a, kind: id}\n"), Catch::Contains("at least one column of kind credit"));
  CHECK_THAT(schema_error("  - {name: l, kind: credit}\n  - {name: a, kind: group}\n  - {name: b, kind: group}\n"),
             Catch::StartsWith("s.yaml:5:") && Catch::Contains("one column of kind group"));
  CHECK_THAT(schema_error("  - {name: l, kind: credit}\n  - {name: a, kind: time}\n  - {name: b, kind: time}\n"),
             Catch::StartsWith("s.yaml:5:") && Catch::Contains("one column of kind time"));
  CHECK_THAT(test::message_of([] { parse_schema("columns: [{name: a, kind: credit}]", "s.yaml"); }),
             Catch::Contains("'name' is required"));
  CHECK_THAT(test::message_of([] { parse_schema("name: a\ncolumns: []", "s.yaml"); }), Catch::Contains("1 to 2048"));
  CHECK_THAT(test::message_of([] { parse_schema("name: a", "s.yaml"); }), Catch::Contains("'columns' is required"));
  CHECK_THAT(test::message_of([] { parse_schema("", "s.yaml"); }), Catch::Contains("s.yaml"));
  std::string many;
  for (int v = 0; v < 13; ++v) many += fmt::format("  - {{name: v{}, kind: credit}}\n", v);
  CHECK(schema_error(many).empty());  // CAT has a limit of 12 views, a data set has none
}

}  // namespace mal
