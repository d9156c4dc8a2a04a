// Every way in which a YAML text can be refused, with the line that the message must name.
#include "train/config/strict_yaml.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <limits>

#include "engine/error.h"
#include "engine/random.h"
#include "tests/support/temporary_folder.h"

namespace mal {

namespace {

using YamlUse = std::function<void(YamlNode&)>;

// The message of the Error that parsing `text` and then `use` ends in; "" if there is none.
std::string yaml_error(std::string_view text, const YamlUse& use = {}) {
  try {
    YamlNode root = parse_yaml_text(text, "c.yaml");
    if (use) use(root);
  } catch (const Error& error) {
    CHECK(error.exit_code() == 2);
    CHECK(std::string(error.what()).find('\n') == std::string::npos);
    return error.what();
  }
  return "";
}

// What a small program asks for.
void ask_for_model(YamlNode& root) {
  const YamlNode model = root.child("model");
  model.choice("attention", {"din", "none"}, "din");
  model.get<bool>("cat", true);
  model.integer("dim", 16, 1, 1024);
  model.number("rate", 0.1, 0, 1);
  model.get<std::vector<std::int64_t>>("tower", {64});
  model.get<std::vector<std::string>>("views", {});
  model.get<std::string>("primary", "last");
  root.child("train").get<std::int64_t>("batch_size", 1024);
  root.finish();
}

std::string model_error(std::string_view text) {
  return yaml_error(text, ask_for_model);
}

std::string set_error(std::string_view assignment, std::string_view text = "") {
  return yaml_error(text, [&](YamlNode& root) {
    apply_override(root, assignment);
    ask_for_model(root);
  });
}

}  // namespace

TEST_CASE("strict YAML reads each type") {
  YamlNode root = parse_yaml_text(
      "i: -3\nplus: +4\nd: 2.5e-3\nwhole: 2\nyes: true\nno: False\ntext: a b # comment\nquoted: \"1\\u00e9\"\n"
      "names: [a, 'b c']\nwidths:\n  - 256\n  - 128\nempty: []\n",
      "c.yaml");
  CHECK(root.get<std::int64_t>("i", 0) == -3);
  CHECK(root.get<std::int64_t>("plus", 0) == 4);
  CHECK(root.get<double>("d", 0) == 2.5e-3);
  CHECK(root.get<double>("whole", 0) == 2);
  CHECK(root.get<bool>("yes", false));
  CHECK_FALSE(root.get<bool>("no", true));
  CHECK(root.get<std::string>("text", "") == "a b");
  CHECK(root.get<std::string>("quoted", "") == "1é");
  CHECK(root.get<std::vector<std::string>>("names", {}) == std::vector<std::string>{"a", "b c"});
  CHECK(root.get<std::vector<std::int64_t>>("widths", {}) == std::vector<std::int64_t>{256, 128});
  CHECK(root.get<std::vector<std::int64_t>>("empty", {1}).empty());
  CHECK(root.get<std::int64_t>("absent", 7) == 7);
  CHECK_NOTHROW(root.finish());
}

TEST_CASE("a document with nothing in it has every default") {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "\xEF\xBB\xBF", "model:\n", "model: {}\n"})
    CHECK(model_error(text).empty());
}

TEST_CASE("unknown keys are named with line and nearest key") {
  CHECK(model_error("model:\n  cat: true\n  atention: din\n") ==
        "c.yaml:3: unknown key 'model.atention'; did you mean 'attention'?");
  CHECK(model_error("\n\nmodle:\n  cat: true\n") == "c.yaml:3: unknown key 'modle'; did you mean 'model'?");
  CHECK(model_error("model:\n  zzzzzz: 1\n") ==
        "c.yaml:2: unknown key 'model.zzzzzz'; valid keys: attention, cat, dim, rate, tower, views, primary");
  CHECK(model_error("# one level too high\nbatch_size: 1\n") ==
        "c.yaml:2: unknown key 'batch_size'; did you mean 'train.batch_size'?");
  CHECK(model_error("model:\n  \"a\\nb\": 1\n").starts_with("c.yaml:2: unknown key 'model.a b'"));
}

TEST_CASE("wrong types are named with line and value") {
  CHECK(model_error("model:\n  dim: x\n") == "c.yaml:2: 'model.dim' must be a whole number, not 'x'");
  CHECK(model_error("model:\n  dim: 1.5\n") == "c.yaml:2: 'model.dim' must be a whole number, not '1.5'");
  CHECK(model_error("model:\n  dim: 1e3\n") == "c.yaml:2: 'model.dim' must be a whole number, not '1e3'");
  CHECK(model_error("model:\n  dim: 0x10\n") == "c.yaml:2: 'model.dim' must be a whole number, not '0x10'");
  CHECK(model_error("model:\n  dim: +-1\n") == "c.yaml:2: 'model.dim' must be a whole number, not '+-1'");
  CHECK(model_error("model:\n  dim: 9223372036854775808\n") ==
        "c.yaml:2: 'model.dim' must be a whole number, not '9223372036854775808'");
  CHECK(model_error("model:\n  dim: \"16\"\n") ==
        "c.yaml:2: 'model.dim' must be a whole number, not \"16\" (without the quotes)");
  CHECK(model_error("model:\n  dim:\n") == "c.yaml:2: 'model.dim' has no value; expected a whole number");
  CHECK(model_error("model:\n  dim: ~\n") == "c.yaml:2: 'model.dim' has no value; expected a whole number");
  CHECK(model_error("model:\n  dim: [1]\n") == "c.yaml:2: 'model.dim' must be a whole number, not a list");
  CHECK(model_error("model:\n  dim: {a: 1}\n") == "c.yaml:2: 'model.dim' must be a whole number, not a map");
  CHECK(model_error("model:\n  rate: .inf\n") == "c.yaml:2: 'model.rate' must be a number, not '.inf'");
  CHECK(model_error("model:\n  rate: nan\n") == "c.yaml:2: 'model.rate' must be a finite number, not 'nan'");
  CHECK(model_error("model:\n  rate: 1e999\n") == "c.yaml:2: 'model.rate' must be a number, not '1e999'");
  CHECK(model_error("model:\n  cat: yes\n") == "c.yaml:2: 'model.cat' must be true or false, not 'yes'");
  CHECK(model_error("model:\n  primary: [last]\n") == "c.yaml:2: 'model.primary' must be text, not a list");
  CHECK(model_error("model:\n  primary: \"a\\0b\"\n")
            .starts_with("c.yaml:2: 'model.primary' must be text without control characters"));
  CHECK(model_error("model:\n  views: last\n") ==
        "c.yaml:2: 'model.views' must be a list such as [last, linear], not 'last'");
  CHECK(model_error("model:\n  tower: [64,\n    x]\n") == "c.yaml:3: 'model.tower[1]' must be a whole number, not 'x'");
  CHECK(model_error("model: 3\n") == "c.yaml:1: 'model' must be a map ('key: value' lines), not '3'");
  CHECK(model_error("\n- a\n") == "c.yaml:2: expected 'key: value' lines, not a list");
  CHECK(model_error("hello\n") == "c.yaml:1: expected 'key: value' lines, not a single value");
}

TEST_CASE("a long value is cut in a message, between characters") {
  std::string text = "model:\n  dim: ";
  for (int i = 0; i < 50; ++i) text += "é";
  const std::string message = model_error(text);
  CHECK(message.size() < 130);
  CHECK(message.ends_with("é'…"));
}

TEST_CASE("ranges and choices are named") {
  CHECK(model_error("model:\n  dim: 0\n") == "c.yaml:2: 'model.dim' must be from 1 to 1024, not 0");
  CHECK(model_error("model:\n  rate: 1.5\n") == "c.yaml:2: 'model.rate' must be from 0 to 1, not 1.5");
  CHECK(model_error("model:\n  attention: dim\n") ==
        "c.yaml:2: 'model.attention' must be one of din, none, not 'dim'; did you mean 'din'?");
  CHECK(model_error("model:\n  attention: transformer\n") ==
        "c.yaml:2: 'model.attention' must be one of din, none, not 'transformer'");
  CHECK(yaml_error("a: 0\n", [](YamlNode& root) {
          root.integer("a", 1, 1, std::numeric_limits<std::int64_t>::max());
        }) == "c.yaml:1: 'a' must be at least 1, not 0");
}

TEST_CASE("required keys") {
  const auto require_path = [](YamlNode& root) { root.child("data").require<std::string>("path"); };
  CHECK(yaml_error("data:\n  path: x\n", require_path).empty());
  CHECK(yaml_error("\ndata:\n  prefetch: 3\n", require_path) == "c.yaml:2: 'data.path' is required and missing");
  CHECK(yaml_error("", require_path) == "c.yaml: 'data.path' is required and missing");
  CHECK(yaml_error("data:\n  pth: x\n", require_path) ==
        "c.yaml:2: unknown key 'data.pth'; did you mean 'path', which is required?");
  CHECK(yaml_error("a: 1\n", [](YamlNode& root) { root.choice("kind", {"id"}, ""); }) ==
        "c.yaml:1: 'kind' is required and missing");
}

TEST_CASE("what yaml-cpp lets pass is refused") {
  CHECK(yaml_error("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == "c.yaml:5: key 'b.c' is given twice, first on line 3");
  CHECK(yaml_error("l:\n  - {k: 1}\n  - {k: 1, k: 2}\n") == "c.yaml:3: key 'l[1].k' is given twice, first on line 3");
  CHECK(yaml_error("a: &x 1\n").starts_with("c.yaml:1: anchors and aliases"));
  CHECK(yaml_error("a: 1\nb: *x\n") != "");
  CHECK(yaml_error("a: !!int 1\n").starts_with("c.yaml:1: tags ('tag:yaml.org,2002:int')"));
  CHECK(yaml_error("a: 1\n---\nb: 2\n") == "c.yaml:2: a second YAML document ('---'); keep one a file");
  CHECK(yaml_error("? [a, b]\n: 1\n").starts_with("c.yaml:1: a key must be plain text"));
  CHECK(yaml_error("a: 1\n~: 2\n") == "c.yaml:2: a key without a name");
  CHECK(yaml_error("a: 1\n\"\": 2\n") == "c.yaml:2: a key without a name");
}

TEST_CASE("text that is not YAML is refused with its line") {
  CHECK(yaml_error("a: 1\nb:\n\tc: 2\n") == "c.yaml:3: a tab in the indentation; YAML wants spaces");
  CHECK(yaml_error("a: 1\n  \t c: 2\n") == "c.yaml:2: a tab in the indentation; YAML wants spaces");
  CHECK(yaml_error("a: 1\nb:\t2 # after the indentation a tab is fine\n").empty());
  CHECK(yaml_error("a: 1\nb: c: d\n") == "c.yaml:2: not valid YAML: illegal map value");
  CHECK(yaml_error("a: 1\nb: 'x\nc: 1\n") == "c.yaml:2: the quote ' is not closed");
  CHECK(yaml_error("é: 'ä'\r\n\"b\": [\"\\\"\", \"x\r\ny: 1\r\n") == "c.yaml:2: the quote \" is not closed");
  CHECK(yaml_error("\xEF\xBB\xBFé: 1\r\nb: \"x\\\"").starts_with("c.yaml:2: "));
  CHECK(yaml_error("\xEF\xBB\xBFé: 1\r\nb: \"x\\\"\n") == "c.yaml:2: the quote \" is not closed");
  CHECK(yaml_error("a: 'it''s'\nb: \"\\\\\"\nc: ''\nd: \"\\\"\"\n'e': 'f'''\n").empty());
  CHECK(yaml_error("a: ! 'x'\n") == "c.yaml:1: tags ('!') are not read");
  CHECK(yaml_error("a: ! x\n") == "c.yaml:1: tags ('!') are not read");
  CHECK(yaml_error("a: [1\n").starts_with("c.yaml:"));
  CHECK(yaml_error(std::string_view("a: 1\nb: \0\n", 10)) == "c.yaml:2: control character 0x00; is this a text file?");
  CHECK(yaml_error("a: \x04\n") == "c.yaml:1: control character 0x04; is this a text file?");
  CHECK(yaml_error("\xFE\xFF") == "c.yaml:1: not UTF-8 text; save the file as UTF-8");
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8"})
    CHECK(yaml_error(std::string("a: 1\nb: ") + bad) == "c.yaml:2: not UTF-8 text; save the file as UTF-8");
  CHECK(yaml_error("a: \"é€𝄞\"\n").empty());
}

TEST_CASE("documents that are too deep or too large are refused quickly") {
  const auto start = std::chrono::steady_clock::now();
  CHECK(yaml_error("a: " + std::string(500'000, '[')) != "");
  CHECK(yaml_error("a: " + std::string(500'000, '{')) != "");
  CHECK(yaml_error(std::string(500'000, '[') + std::string(500'000, ']')) != "");
  std::string deep, dashes;
  for (int level = 0; level < 40; ++level) deep += std::string(static_cast<std::size_t>(level), ' ') + "k:\n";
  CHECK(yaml_error(deep) == "c.yaml:33: nested deeper than 32 levels");
  for (int level = 0; level < 200'000; ++level) dashes += "- ";
  CHECK(yaml_error(dashes) == "c.yaml:1: nested deeper than 32 levels");
  CHECK(yaml_error(std::string((1U << 20) + 1, '#')) == "c.yaml: 1048577 bytes are too many, the limit is 1 MiB");
  std::string wide;
  for (int key = 0; key < 80'000; ++key) wide += "k" + std::to_string(key) + ": 1\n";
  CHECK(yaml_error(wide).empty());
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  CHECK(taken.count() < 20);
}

TEST_CASE("lists of maps and maps of free names") {
  YamlNode root =
      parse_yaml_text("columns:\n  - {name: a, lenth: 3}\n  - {name: b}\ntables:\n  ad: {rows: 1}\n", "c.yaml");
  const std::vector<YamlNode> columns = root.child("columns").children();
  REQUIRE(columns.size() == 2);
  CHECK(columns[1].path() == "columns[1]");
  CHECK(columns[1].line() == 3);
  CHECK(root.child("columns").is_list());
  CHECK(root.child("tables").is_map());
  for (const YamlNode& column : columns) {
    CHECK_FALSE(column.require<std::string>("name").empty());
    column.integer("length", 1, 1, 100);
  }
  for (const YamlNode& table : root.child("tables").children()) {
    CHECK(table.key() == "ad");
    CHECK(table.path() == "tables.ad");
    CHECK(table.get<std::int64_t>("rows", 0) == 1);
  }
  CHECK_FALSE(root.child("nothing").present());
  CHECK(root.child("nothing").children().empty());
  CHECK_THROWS_WITH(root.finish(), "c.yaml:2: unknown key 'columns[0].lenth'; did you mean 'length'?");
  CHECK_THROWS_WITH(columns[1].fail_at("name", "no such column"), "c.yaml:3: 'columns[1].name': no such column");
  CHECK_THROWS_WITH(columns[1].fail_at("", "too short"), "c.yaml:3: 'columns[1]': too short");
}

TEST_CASE("a value given with --set wins over the file's") {
  YamlNode root = parse_yaml_text("train: {batch_size: 1}\nname: x\n", "c.yaml");
  for (const char* assignment : {"train.batch_size=2", "train.batch_size=512", "model.mal.views=[last, 'a b']",
                                 "output=C:/a b: #c", "name=", "model.mal.note=\"q\"", "path=a=b"})
    apply_override(root, assignment);
  CHECK(root.child("train").get<std::int64_t>("batch_size", 0) == 512);
  CHECK(root.child("model").child("mal").get<std::vector<std::string>>("views", {}) ==
        std::vector<std::string>{"last", "a b"});
  CHECK(root.get<std::string>("output", "") == "C:/a b: #c");
  CHECK(root.get<std::string>("name", "y").empty());
  CHECK(root.child("model").child("mal").get<std::string>("note", "") == "q");
  CHECK(root.get<std::string>("path", "") == "a=b");
  CHECK_NOTHROW(root.finish());
}

TEST_CASE("errors of --set name it") {
  CHECK(set_error("model.dim=32").empty());
  CHECK(set_error("model={dim: 32}").empty());
  CHECK(set_error("model.dim=x") == "--set model.dim=x: 'model.dim' must be a whole number, not 'x'");
  CHECK(set_error("model.dim=0") == "--set model.dim=0: 'model.dim' must be from 1 to 1024, not 0");
  CHECK(set_error("model.atention=din") ==
        "--set model.atention=din: unknown key 'model.atention'; did you mean 'attention'?");
  CHECK(set_error("modle.dim=1") == "--set modle.dim=1: unknown key 'modle'; did you mean 'model'?");
  CHECK(set_error("model.tower=[1,x]") == "--set model.tower=[1,x]: 'model.tower[1]' must be a whole number, not 'x'");
  CHECK(set_error("model.tower=[1").starts_with("--set model.tower=[1: "));
  CHECK(set_error("model.tower=[1] 2") == "--set model.tower=[1] 2: text after the end of the value");
  CHECK(set_error("model={dim: 1, dim: 2}").find("is given twice") != std::string::npos);
  CHECK(set_error("model.dim=~") == "--set model.dim=~: 'model.dim' has no value; expected a whole number");
  CHECK(set_error("model.dim.x=1", "model:\n  dim: 3\n") ==
        "--set model.dim.x=1: 'dim' is a single value, it has no key 'x'");
  for (const char* bad : {"model.dim", "", "=3", ".a=1", "a.=1", "a..b=1"})
    CHECK(set_error(bad) == std::string("--set ") + bad + ": expected key=value, for example train.batch_size=512");
  // The file's own lines stay right beside an override.
  CHECK(set_error("model.dim=3", "model:\n  rate: 2\n") == "c.yaml:2: 'model.rate' must be from 0 to 1, not 2");
}

TEST_CASE("files that cannot be read are wrong commands") {
  const test::TemporaryFolder folder;
  for (const std::string& path : {folder / "missing.yaml", folder.path()}) {
    try {
      parse_yaml_file(path);
      FAIL("no error for " << path);
    } catch (const Error& error) {
      CHECK(error.exit_code() == 2);
      CHECK_THAT(error.what(), Catch::Contains(path));
    }
  }
  std::ofstream(folder / "good.yaml") << "a: 1\nb: x\n";
  YamlNode root = parse_yaml_file(folder / "good.yaml");
  CHECK_THROWS_WITH(root.get<double>("b", 0), folder / "good.yaml" + ":2: 'b' must be a number, not 'x'");
}

TEST_CASE("random text never does more than fail") {
  const Random random(11, "strict_yaml_test");
  constexpr std::string_view kPieces[] = {"a", "model", ":", ": ", " ",    "\n",  "\n  ", "- ",    "[",   "]",
                                          "{", "}",     ",", "#",  "'",    "\"",  "|",    ">",     "&x",  "*x",
                                          "!", "?",     "%", "\t", "\\",   "1",   "~",    "---\n", "...", "<<",
                                          "é", "\x80",  "@", "`",  "\r\n", "dim", "0x",   "\\u12"};
  std::uint64_t next = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text;
    for (std::uint64_t pieces = random.below(next++, 30); pieces > 0; --pieces)
      text += kPieces[random.below(next++, std::size(kPieces))];
    model_error(text);
    set_error("model.x=" + text);
  }
}

}  // namespace mal
