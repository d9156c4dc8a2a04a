#include "train/data/text_table.h"
#include "train/data/vocabulary.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/train/dataset_support.h"
#include "train/data/parse_number.h"
#include "train/data/sample_files.h"
#include "train/data/text_dialect.h"

namespace mal {

namespace {

using TextRows = std::vector<std::vector<std::string>>;

TextRows text_rows(const std::string& path, TextTableOptions options = {}) {
  TextTable table(path, std::move(options));
  TextRows rows;
  while (table.next()) {
    rows.emplace_back();
    for (int c = 0; c < static_cast<int>(table.columns().size()); ++c) rows.back().emplace_back(table.field(c));
  }
  return rows;
}

std::string text_error(std::string_view text, TextTableOptions options = {}) {
  const test::DataFolder folder;
  const std::string path = folder.write("t.csv", text);
  return test::message_of([&] { text_rows(path, options); });
}

TextRows rows_of_text(std::string_view text, TextTableOptions options = {}) {
  const test::DataFolder folder;
  return text_rows(folder.write("t.csv", text), std::move(options));
}

std::string text_of_many_rows(int rows) {
  std::string text = "a,b\n";
  for (int r = 0; r < rows; ++r) text += fmt::format("{},row number {}\n", r, r * 7919);
  return text;
}

}  // namespace

TEST_CASE("text tables: lines end in LF, CRLF or nothing, the delimiter is found") {
  const TextRows expected = {{"1", "x"}, {"2", ""}, {"", "z"}};
  CHECK(rows_of_text("a,b\n1,x\n2,\n,z\n") == expected);
  CHECK(rows_of_text("a,b\n1,x\n2,\n,z") == expected);
  CHECK(rows_of_text("a,b\r\n1,x\r\n2,\r\n,z\r\n") == expected);
  CHECK(rows_of_text("a\tb\n1\tx\n2\t\n\tz\n") == expected);
  CHECK(rows_of_text("a;b\n1;x\n2;\n;z\n", {.delimiter = ';', .columns = {}}) == expected);
  CHECK(rows_of_text("\xEF\xBB\xBF"
                     "a,b\n1,x\n2,\n,z\n") == expected);
}

TEST_CASE("text tables: semicolons and bars are found where the first line has no tab and no comma") {
  const TextRows expected = {{"1", "x,y"}, {"2", ""}};
  CHECK(rows_of_text("a;b\n1;x,y\n2;\n") == expected);
  CHECK(rows_of_text("a|b\n1|x,y\n2|\n") == expected);
  CHECK(rows_of_text("sep=;\r\na;b\r\n1;x,y\r\n2;\r\n") == expected);  // as Excel reads and writes it
  CHECK(rows_of_text("sep=|\na,c|b\n1|x,y\n2|\n") == expected);
  CHECK(rows_of_text("a;c,b\n1,2\n") == TextRows{{"1", "2"}});  // a comma, as ever
  CHECK(rows_of_text("\"a;b\",c\n1,2\n") == TextRows{{"1", "2"}});
  CHECK(rows_of_text("\"a;b\"\n1;2\n") == TextRows{{"1;2"}});                 // in quotes: one name
  CHECK(rows_of_text("a,b\n17|2512,x;y\n") == TextRows{{"17|2512", "x;y"}});  // lists stay what they are
  CHECK(rows_of_text("a\tb\n17|2512\tx;y\n") == TextRows{{"17|2512", "x;y"}});
  CHECK(rows_of_text("a;b\n1|2;\"x;y\"\n") == TextRows{{"1|2", "x;y"}});
  CHECK_THAT(text_error("a;b|c\n1;2|3\n"), Catch::Contains("t.csv:1: ';' and '|' could both separate the columns") &&
                                               Catch::Contains("--delimiter '|'"));
  CHECK(rows_of_text("a;b|c\n1;2|3\n", {.delimiter = '|', .columns = {}}) == TextRows{{"1;2", "3"}});
}

TEST_CASE("text tables: without a header the number of names says what the delimiter is") {
  const TextTableOptions two = {.delimiter = 0, .columns = {"a", "b"}}, one = {.delimiter = 0, .columns = {"a"}};
  CHECK_THAT(text_error("1|2;3\n", two), Catch::Contains("t.csv:1: ';' and '|' could both"));
  CHECK(rows_of_text("1|2|3;x\n4;y\n", two) == TextRows{{"1|2|3", "x"}, {"4", "y"}});
  CHECK(rows_of_text("1,5,9;x\n2;y\n", two) == TextRows{{"1,5,9", "x"}, {"2", "y"}});
  CHECK(rows_of_text("1|2,x\n", two) == TextRows{{"1|2", "x"}});
  CHECK(rows_of_text("1|2\n3\n", one) == TextRows{{"1|2"}, {"3"}});  // a column of lists
}

TEST_CASE("text tables: columns that were not divided are named with the option that divides them") {
  const test::DataFolder folder;
  const TextTable table(folder.write("t.csv", "user;time,s\nu1;5,5\n"));
  CHECK_THAT(test::message_of([&] { table.require("user"); }),
             Catch::Contains("if ';' separates them, give --delimiter ';'"));
  CHECK_THAT(text_error("1;2;3\n", {.delimiter = 0, .columns = {"a", "b"}}),
             Catch::Contains("t.csv:1: the row has 1 fields, --columns names 2") && Catch::Contains("--delimiter ';'"));
  CHECK_THAT(text_error("a,b\n1\t2\n"), Catch::Contains("t.csv:2:") && Catch::Contains("--delimiter tab"));
}

TEST_CASE("a delimiter is named or given") {
  CHECK(parse_delimiter("comma") == ',');
  CHECK(parse_delimiter("tab") == '\t');
  CHECK(parse_delimiter("\\t") == '\t');
  CHECK(parse_delimiter("\t") == '\t');
  CHECK(parse_delimiter("semicolon") == ';');
  CHECK(parse_delimiter(";") == ';');
  CHECK(parse_delimiter("pipe") == '|');
  CHECK(parse_delimiter("^") == '^');
  for (const char* bad : {"", ";;", "a", "1", "\"", ".", "-", "\n", "semikolon"})
    CHECK_THAT(test::message_of([&] { parse_delimiter(bad); }), Catch::Contains("--delimiter '"));
}

TEST_CASE("text tables: a file without a header line is given names") {
  const TextTableOptions named = {.delimiter = ',', .columns = {"a", "b"}};
  CHECK(rows_of_text("1,x\n2,y\n", named) == TextRows{{"1", "x"}, {"2", "y"}});
  CHECK(rows_of_text("\xEF\xBB\xBF"
                     "1,x\n",
                     named) == TextRows{{"1", "x"}});
  CHECK_THAT(text_error("1,x,3\n", named), Catch::Contains("t.csv:1: the row has 3 fields"));
}

TEST_CASE("text tables: quotes") {
  CHECK(rows_of_text("a,b\n\"1,2\",\"say \"\"hi\"\"\"\n") == TextRows{{"1,2", "say \"hi\""}});
  CHECK(rows_of_text("a,b\n\"\",\"\"\n") == TextRows{{"", ""}});
  CHECK(rows_of_text("a,b\nx\"y,\"z\"\r\n") == TextRows{{"x\"y", "z"}});  // inside a field a quote is a letter
  CHECK(rows_of_text("\"a\",\"b\"\n1,2\n") == TextRows{{"1", "2"}});
  CHECK_THAT(text_error("a,b\n\"1\"2,3\n"), Catch::Contains("t.csv:2:") && Catch::Contains("closing quote"));
  CHECK_THAT(text_error("a,b\n1,\"\n"), Catch::Contains("t.csv:2:") && Catch::Contains("does not end"));
}

TEST_CASE("text tables: line breaks in quotes") {
  CHECK(rows_of_text("a,b\n\"1\n2\",3\n4,5\n") == TextRows{{"1\n2", "3"}, {"4", "5"}});
  CHECK(rows_of_text("a,b\r\n\"1\r\n2\",3\r\n4,5\r\n") == TextRows{{"1\r\n2", "3"}, {"4", "5"}});
  CHECK(rows_of_text("a,b\n\"\n\n\",\"\"\"\n\"\"\"\n\n4,5") == TextRows{{"\n\n", "\"\n\""}, {"4", "5"}});
  CHECK(rows_of_text("a,b\n1,\"x\n\"") == TextRows{{"1", "x\n"}});
  CHECK(rows_of_text("\"a\nA\",b\n1,2\n") == TextRows{{"1", "2"}});  // in the header
  CHECK(rows_of_text("a;b\n\"1\n;2\";3\n") == TextRows{{"1\n;2", "3"}});
  CHECK(rows_of_text("\"1\n2\",3\n", {.delimiter = 0, .columns = {"a", "b"}}) == TextRows{{"1\n2", "3"}});
  // A row has the number of the line where it begins.
  CHECK_THAT(text_error("a,b\n\"1\n2\",3\n4\n"), Catch::Contains("t.csv:4: the row has 1 fields"));
  CHECK_THAT(text_error("a,b\n\"1\n2\"\n4,5\n"), Catch::Contains("t.csv:2: the row has 1 fields"));
  CHECK_THAT(text_error("a,b\n\"1\n2\"x,3\n4,5\n"), Catch::Contains("t.csv:2: text follows a closing quote"));
  CHECK_THAT(text_error("a,b\n1,2\n3,\"4\n5,6\n"), Catch::Contains("t.csv:3: a quoted field that begins in this row"));
  CHECK_THAT(text_error(std::string_view("a,b\n1,\"\n\0\"\n", 11)),
             Catch::Contains("t.csv:2:") && Catch::Contains("zero byte"));
  CHECK_THAT(text_error("a,b\n1,\"" + std::string(std::size_t{9} << 20, '\n') + std::string(std::size_t{9} << 20, 'x')),
             Catch::Contains("t.csv:2: a row is longer than 16 MiB") && Catch::Contains("quote"));
}

TEST_CASE("text tables: a field of many lines crosses many reads of the buffer") {
  std::string value, text = "a,b\n";
  for (int i = 0; i < 300'000; ++i) value += fmt::format("line {}\n", i);
  for (int r = 0; r < 3; ++r) text += fmt::format("{},\"{}\"\n{},short\n", r, value, r);
  for (const std::string& file : {text, test::gzipped(text)}) {
    const test::DataFolder folder;
    TextTable table(folder.write("t.csv", file));
    for (int r = 0; r < 3; ++r) {
      REQUIRE(table.next());
      CHECK(table.field(1) == value);
      CHECK(table.line() == 2 + r * 300'002);
      REQUIRE(table.next());
      CHECK(table.field(0) == std::to_string(r));
      CHECK(table.field(1) == "short");
    }
    CHECK_FALSE(table.next());
    CHECK_FALSE(table.next());
  }
}

TEST_CASE("text tables: row numbers of pandas are ignored") {
  const TextRows expected = {{"1", "x"}, {"2", "y"}};
  CHECK(rows_of_text(",a,b\n0,1,x\n1,2,y\n") == expected);
  CHECK(rows_of_text("\"\",\"a\",\"b\"\n\"1\",1,\"x\"\n\"2\",2,\"y\"\n") == expected);  // of R
  CHECK(rows_of_text("Unnamed: 0,a,b\n0,1,x\n1,2,y\n") == expected);
  CHECK(rows_of_text(",Unnamed: 0.1,Unnamed: 0,a,b\n0,0,0,1,x\n1,1,1,2,y\n") == expected);
  CHECK(rows_of_text(";a;b\n0;1;x\n1;2;y\n") == expected);
  CHECK(rows_of_text("a,__index_level_0__,b\n1,0,x\n2,1,y\n") == expected);
  CHECK_THAT(text_error("a,,b\n1,0,x\n"), Catch::Contains("t.csv:1: column 2 of the header has no name"));
  CHECK_THAT(text_error(",a,,b\n1,0,x,1\n"), Catch::Contains("t.csv:1: column 3 of the header has no name"));
  CHECK_THAT(text_error("a,b,\n1,0,x\n"), Catch::Contains("t.csv:1: column 3 of the header has no name"));
  CHECK(rows_of_text("a,Unnamed: 1\n1,x\n2,y\n") == expected);  // a column of data that had no name
  CHECK(rows_of_text("Unnamed: 0\n7\n") == TextRows{{"7"}});    // there would be nothing left
  CHECK_THAT(text_error(",a,b\n1,2\n"), Catch::Contains("t.csv:2: the row has 2 fields, the header has 3"));

  const test::DataFolder folder;
  TextTable table(folder.write("t.csv", ",a,__index_level_0__,b\n0,1,0,x\n"));
  REQUIRE(table.next());
  CHECK(table.ignored() == std::vector<std::string>{"__index_level_0__", ""});
  CHECK(table.place(0) == 2);
  CHECK(table.place(1) == 4);
  CHECK(table.unquoted(0, 1).empty());  // not as it stands in the file
  TextTable first(folder.write("u.csv", ",a,b\n0,1,x\n"));
  REQUIRE(first.next());
  CHECK(first.unquoted(0, 1) == "1,x");
  CHECK_THAT(test::message_of([&] { table.require("__index_level_0__"); }), Catch::Contains("row numbers of pandas"));
}

TEST_CASE("sample files: those without a byte are left out and counted") {
  const test::DataFolder folder;
  const std::string rows = folder.write("a.csv", "a\n1\n"), empty = folder.write("b.csv", ""),
                    packed = folder.write("c.gz", test::gzipped("")), parquet = folder.write("d.parquet", ""),
                    header = folder.write("e.csv", "a\n"), cut = folder.write("f.gz", test::gzipped("").substr(0, 12));
  std::vector<std::string> files = {empty, rows, packed, parquet, header, cut};
  CHECK(leave_out_empty(files) == 3);
  CHECK(files == std::vector<std::string>{rows, header, cut});
  CHECK(leave_out_empty(files) == 0);
  files = {empty, packed};
  CHECK_THAT(test::message_of([&] { leave_out_empty(files); }),
             Catch::Contains("b.csv and 1 more: all files are empty"));
  files = {empty};  // said where it is read
  CHECK(leave_out_empty(files) == 0);
  CHECK(files == std::vector<std::string>{empty});
}

TEST_CASE("text tables: empty lines") {
  CHECK(rows_of_text("a,b\n\n1,2\n\r\n\n3,4\n\n") == TextRows{{"1", "2"}, {"3", "4"}});
  CHECK(rows_of_text("a\n1\n\n2\n") == TextRows{{"1"}, {""}, {"2"}});  // one column: its field is empty
  CHECK(rows_of_text("a,b\n").empty());
}

TEST_CASE("text tables: what is wrong is named with its place") {
  CHECK_THAT(text_error(""), Catch::Contains("t.csv: the file is empty"));
  CHECK_THAT(text_error("a,b\n1,2\n1\n"), Catch::Contains("t.csv:3: the row has 1 fields, the header has 2"));
  CHECK_THAT(text_error("a,b\n1,2\n1"),
             Catch::Contains("t.csv:3: the file ends within this row, after 1 of 2") && Catch::Contains("head -n 2"));
  CHECK_THAT(text_error("a,b\n1,2\n1,2,3"), Catch::Contains("t.csv:3: the row has 3 fields, the header has 2"));
  CHECK_THAT(text_error("a,b\n1,2,3\n"), Catch::Contains("t.csv:2: the row has 3 fields"));
  CHECK_THAT(text_error(std::string_view("a,b\n1,\0\n", 8)),
             Catch::Contains("t.csv:2:") && Catch::Contains("zero byte"));
  CHECK_THAT(text_error("\n"), Catch::Contains("t.csv:1: the first line is empty; a header line"));
  CHECK_THAT(text_error("\xEF\xBB\xBF\na,b\n"), Catch::Contains("t.csv:1: the first line is empty; a header line"));
  CHECK_THAT(text_error("a,,b\n"), Catch::Contains("t.csv:1: column 2 of the header has no name"));
  CHECK_THAT(text_error("a,b,a\n"), Catch::Contains("t.csv:1: column 'a' stands twice"));
  CHECK_THAT(text_error("\xFF\xFE"
                        "a"),
             Catch::Contains("t.csv:1: the file is UTF-16"));
  CHECK_THAT(text_error("a,b\r1,2\r"), Catch::Contains("t.csv:1: lines end in a carriage return alone"));
  CHECK_THAT(text_error("a,\x1b[31mb\n"), Catch::Contains("t.csv:1: the header holds a control character"));
  CHECK_THAT(text_error(std::string(1 << 17, ',') + "\n"),
             Catch::Contains("t.csv:1: the line has more than 65536 fields"));
  CHECK_THAT(text_error("a,b\n" + std::string(std::size_t{18} << 20, 'x')), Catch::Contains("longer than 16 MiB"));
  CHECK_THAT(test::message_of([] { TextTable("/no/such/file.csv"); }),
             Catch::Contains("cannot open /no/such/file.csv"));
  CHECK_THAT(test::message_of([] { TextTable("/tmp"); }), Catch::Contains("not a regular file"));
}

TEST_CASE("text tables: a missing column is named with the nearest there is") {
  const test::DataFolder folder;
  const TextTable table(folder.write("t.csv", "user,campaign,last\n"));
  CHECK(table.require("campaign") == 1);
  CHECK_FALSE(table.find("campain"));
  CHECK_THAT(test::message_of([&] { table.require("campain"); }),
             Catch::Contains("t.csv:1: there is no column 'campain'; did you mean 'campaign'?"));
}

TEST_CASE("text tables: a long line crosses many reads of the buffer") {
  const std::string wide(std::size_t{3} << 20, 'w');
  const std::string text = "a,b\n1," + wide + "\n2,x\n";
  for (const std::string& file : {text, test::gzipped(text)}) {  // packed it is small, and read in small pieces
    const TextRows rows = rows_of_text(file);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0][1] == wide);
    CHECK(rows[1] == std::vector<std::string>{"2", "x"});
  }
}

TEST_CASE("text tables: gzip by its magic bytes, whatever the name, and of several members") {
  const test::DataFolder folder;
  const std::string text = text_of_many_rows(100'000);  // more than one block
  const TextRows expected = text_rows(folder.write("plain.csv", text));
  REQUIRE(expected.size() == 100'000);
  CHECK(text_rows(folder.write("packed.csv", test::gzipped(text))) == expected);
  CHECK(text_rows(folder.write("plain.gz", text)) == expected);
  const std::size_t cut = text.size() / 3;  // members need not end where lines do
  const std::string members = test::gzipped(text.substr(0, cut)) + test::gzipped("") +
                              test::gzipped(text.substr(cut, 5)) + test::gzipped(text.substr(cut + 5), 0);
  CHECK(text_rows(folder.write("members.gz", members)) == expected);
  CHECK(text_rows(folder.write("padded.gz", members + std::string(1000, '\0'))) == expected);
}

TEST_CASE("text tables: gzip that is cut, at any byte, is an error and never a wrong row") {
  const test::DataFolder folder;
  const std::string text = text_of_many_rows(300);
  const std::string packed = test::gzipped(text);
  const TextRows expected = text_rows(folder.write("plain.csv", text));
  for (std::size_t size = 2; size < packed.size(); size += size < 40 || size + 40 > packed.size() ? 1 : 97) {
    CAPTURE(size);
    TextRows rows;
    const std::string path = folder.write("cut.gz", packed.substr(0, size));
    const std::string message = test::message_of([&] {
      TextTable table(path);
      while (table.next()) rows.push_back({std::string(table.field(0)), std::string(table.field(1))});
    });
    CHECK_THAT(message, Catch::Contains("cut short"));
    REQUIRE(rows.size() <= expected.size());
    CHECK(std::equal(rows.begin(), rows.end(), expected.begin()));
  }
}

TEST_CASE("text tables: every damaged bit of gzip is an error or does not matter") {
  const test::DataFolder folder;
  const std::string text = text_of_many_rows(40);
  const std::string packed = test::gzipped(text) + test::gzipped("40,last\n");
  const TextRows expected = text_rows(folder.write("p.gz", packed));
  int refused = 0;
  for (std::size_t bit = 16; bit < packed.size() * 8; ++bit) {  // without the first magic bytes it is a text file
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    CAPTURE(bit);
    TextRows rows;
    const std::string path = folder.write("damaged.gz", damaged);
    const std::string message = test::message_of([&] { rows = text_rows(path); });
    refused += message.empty() ? 0 : 1;
    if (message.empty()) CHECK(rows == expected);
  }
  CHECK(refused > static_cast<int>(packed.size()) * 6);
}

TEST_CASE("text tables: bytes behind gzip data are not silently dropped") {
  const test::DataFolder folder;
  const std::string packed = test::gzipped("a\n1\n");
  for (const std::string& tail : {std::string("x"), std::string("a\n2\n"), std::string(3, '\0') + "x"}) {
    const std::string path = folder.write("tail.gz", packed + tail);
    CHECK_THAT(test::message_of([&] { text_rows(path); }), Catch::Contains("not gzip follow"));
  }
}

TEST_CASE("text tables: bytes read end at the size of the file") {
  const test::DataFolder folder;
  for (const std::string& text : {text_of_many_rows(50'000), test::gzipped(text_of_many_rows(50'000))}) {
    TextTable table(folder.write("t", text));
    while (table.next()) CHECK(table.bytes_read() <= table.bytes_total());
    CHECK(table.bytes_read() == table.bytes_total());
    CHECK(table.bytes_total() == text.size());
  }
}

TEST_CASE("text tables: a byte that is not UTF-8 is seen at every place of a text of any length") {
  for (std::size_t size = 1; size < 80; ++size)
    for (std::size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      text[at] = '\xE9';  // é in latin-1
      CAPTURE(size, at);
      REQUIRE_FALSE(is_ascii(text));
      REQUIRE_FALSE(is_utf8(text));
      text.replace(at, 1, "\xC3\xA9");  // and in UTF-8
      REQUIRE_FALSE(is_ascii(text));
      REQUIRE(is_utf8(text));
      REQUIRE(is_ascii(std::string(size, '\x7F')));
    }
  CHECK(is_utf8(""));
}

TEST_CASE("text tables: numbers and integers") {
  const test::DataFolder folder;
  const auto cell = [&](const std::string& text) {
    TextTable table(folder.write("n.csv", "price,x\n" + text + ",1\n"));
    table.next();
    return table;
  };
  CHECK(cell("0.25").number(0) == 0.25);
  CHECK(cell("-1e3").number(0) == -1000);
  CHECK(cell("1e-400").number(0) == 0);
  CHECK(cell("-9223372036854775808").integer(0) == std::numeric_limits<std::int64_t>::min());
  for (const char* bad : {"",
                          " ",
                          "x",
                          "1x",
                          "1 2",
                          "nan",
                          "inf",
                          "-inf",
                          "+inf",
                          "1e400",
                          "0x10",
                          "--1",
                          "+-1",
                          "-+1",
                          "++1",
                          "+ 1",
                          "+",
                          "1.2.3",
                          "-",
                          ".",
                          "+.",
                          "yes",
                          "T",
                          "tRUE",
                          "+True",
                          "\xC2\xA0"
                          "1"})
    CHECK_THAT(test::message_of([&] { cell(bad).number(0); }), Catch::Contains("n.csv:2:price"));
  for (const char* bad : {"", "1.0", "9223372036854775808", "x"})
    CHECK_THAT(test::message_of([&] { cell(bad).integer(0); }), Catch::Contains("n.csv:2:price"));
}

TEST_CASE("text tables: numbers with signs and blanks, True and False") {
  const test::DataFolder folder;
  const auto cell = [&](const std::string& text) {
    TextTable table(folder.write("n.csv", "price,x\n" + text + ",1\n"));
    table.next();
    return table;
  };
  CHECK(cell("+1.5").number(0) == 1.5);
  CHECK(cell("+.5").number(0) == 0.5);
  CHECK(cell("  -2\t").number(0) == -2);
  CHECK(cell(" +3e2 ").number(0) == 300);
  for (const char* text : {"True", "true", "TRUE", " True "}) CHECK(cell(text).number(0) == 1);
  for (const char* text : {"False", "false", "FALSE"}) CHECK(cell(text).number(0) == 0);
  CHECK(cell(" +7 ").integer(0) == 7);
  CHECK(cell(" -7").integer(0) == -7);
  for (const char* text : {"1", " 1", "1.0", "+1", "True", "TRUE"}) CHECK(cell(text).flag(0));
  for (const char* text : {"0", "0 ", "0.0", "-0", "False", "false"}) CHECK_FALSE(cell(text).flag(0));
  for (const char* bad : {"", "2", "-1", "0.5", "nan", "yes", "t"})
    CHECK_THAT(test::message_of([&] { cell(bad).flag(0); }),
               Catch::Contains("n.csv:2:price") && Catch::Contains("0 or 1"));
}

TEST_CASE("text tables: a number with a decimal comma is shown as it should be written") {
  const test::DataFolder folder;
  const auto error = [&](const std::string& text) {
    TextTable table(folder.write("n.csv", "price;x\n" + text + ";1\n"));
    table.next();
    return test::message_of([&] { table.number(0); });
  };
  CHECK_THAT(error("1,5"), Catch::Contains("'1,5' is not a number; write it with a decimal point") &&
                               Catch::Contains("thousands, 1.5 ("));
  CHECK_THAT(error("1.234,5"), Catch::Contains("thousands, 1234.5 ("));
  CHECK_THAT(error("1,234.5"), Catch::Contains("thousands, 1234.5 ("));
  CHECK_THAT(error("1,234,567"), Catch::Contains("thousands, 1234567 ("));
  CHECK_THAT(error("-0,25"), Catch::Contains("thousands, -0.25 ("));
  CHECK_THAT(error("a,b"), Catch::EndsWith("'a,b' is not a number"));
}

TEST_CASE("numbers are read as strtod reads them") {
  std::uint64_t state = 88172645463325252;
  const auto next = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  };
  for (int i = 0; i < 200'000; ++i) {
    const int digits = static_cast<int>(next() % 18) + 1;
    std::string text = next() % 2 != 0 ? "-" : "";
    const auto point = static_cast<int>(next() % 20);
    for (int d = 0; d < digits; ++d) {
      if (d == point) text += '.';
      text += static_cast<char>('0' + next() % 10);
    }
    if (next() % 4 == 0) text += fmt::format("e{}", static_cast<int>(next() % 80) - 40);
    const double expected = std::strtod(text.c_str(), nullptr);
    if (parse_number(text) != expected) FAIL(text);
  }
  for (const char* text : {"0", "-0", "1", "0.1", "1e22", "123456789012345", "1234567890123456", "0.000000000000001",
                           "5e-324", "1.7976931348623157e308"})
    CHECK(parse_number(text) == std::strtod(text, nullptr));
  CHECK(std::signbit(*parse_number("-0.0")));
}

}  // namespace mal
