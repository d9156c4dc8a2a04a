// Folders called key=value: which files are found, and what columns they get.
#include "train/data/folder_columns.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/train/dataset_support.h"
#include "tests/train/zstd_support.h"
#include "train/data/reading_notes.h"
#include "train/data/sample_files.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

// A file with a row, in folders that are made.
std::string write_below(const test::DataFolder& folder, const std::string& name, std::string_view text = "a,b\n1,2\n") {
  std::filesystem::create_directories(std::filesystem::path(folder / name).parent_path());
  return folder.write(name, text);
}

// The files of `names` and what their folders say: "log/dt=1/p.csv dt=1".
std::vector<std::string> found_files(const test::DataFolder& folder, std::vector<std::string> names) {
  for (std::string& name : names) name = folder / name;
  FolderColumns folders;
  find_sample_files(names, folders);
  std::vector<std::string> found;
  for (const std::string& file : names) {
    found.push_back(file.substr((folder / "").size()));
    for (const auto& [column, value] : folders.of(file)) found.back() += " " + column + "=" + value;
  }
  return found;
}

std::string found_error(const test::DataFolder& folder, const std::vector<std::string>& names) {
  return test::message_of([&] { found_files(folder, names); });
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("folders: files below key=value folders, in the order of their paths") {
  const test::DataFolder folder;
  for (const char* name : {"log/dt=2/channel=a/p.csv", "log/dt=1/channel=b/p.csv", "log/dt=1/channel=a/q.csv",
                           "log/dt=1/channel=a/p.zst", "log/dt=1/channel=a/_SUCCESS", "log/dt=1/channel=a/.p.csv.crc",
                           "log/_temporary/0/p.csv", "log/.hidden=1/p.csv", "log/dt=3/_temporary/p.csv"})
    write_below(folder, name);
  write_below(folder, "log/dt=2/channel=a/empty.csv", "");
  write_below(folder, "log/dt=2_$folder$", "");  // as Hadoop on S3 writes it
  const Names all = {"log/dt=1/channel=a/p.zst dt=1 channel=a", "log/dt=1/channel=a/q.csv dt=1 channel=a",
                     "log/dt=1/channel=b/p.csv dt=1 channel=b", "log/dt=2/channel=a/p.csv dt=2 channel=a"};
  CHECK(found_files(folder, {"log"}) == all);
  CHECK(found_files(folder, {"log/"}).size() == 4);
  CHECK(found_files(folder, {"log/*/*/*.*"}) == all);  // from the first * on
  CHECK(found_files(folder, {"log/dt=*"}) == all);     // folders that match
  CHECK(found_files(folder, {"log/dt=1"}) == Names{"log/dt=1/channel=a/p.zst channel=a",
                                                   "log/dt=1/channel=a/q.csv channel=a",
                                                   "log/dt=1/channel=b/p.csv channel=b"});
  CHECK(found_files(folder, {"log/dt=1/channel=*/?.csv"}) ==
        Names{"log/dt=1/channel=a/q.csv channel=a", "log/dt=1/channel=b/p.csv channel=b"});
  CHECK(found_files(folder, {"log/dt=1/channel=b", "log/dt=2/channel=a/p.csv"}) ==
        Names{"log/dt=1/channel=b/p.csv", "log/dt=2/channel=a/p.csv"});  // named in full
}

TEST_CASE("folders: names are decoded, and no value is an empty one") {
  const test::DataFolder folder;
  for (const char* name : {"log/a b=x%2Fy%3Dz=w%/p.csv", "log/a%20b=__HIVE_DEFAULT_PARTITION__/p.csv",
                           "log/a%20b=%C3%A9%zz/p.csv", "log/a%20b=/p.csv"})
    write_below(folder, name);
  CHECK(found_files(folder, {"log"}) ==
        Names{"log/a b=x%2Fy%3Dz=w%/p.csv a b=x/y=z=w%", "log/a%20b=%C3%A9%zz/p.csv a b=\u00e9%zz",
              "log/a%20b=/p.csv a b=", "log/a%20b=__HIVE_DEFAULT_PARTITION__/p.csv a b="});
  write_below(folder, "_log/_key=1/p.csv");
  CHECK(found_files(folder, {"_log"}) == Names{"_log/_key=1/p.csv _key=1"});
  write_below(folder, "zero/k=%00/p.csv");
  CHECK_THAT(found_error(folder, {"zero"}), Catch::Contains("zero/k=%00: the folder's name holds a zero byte"));
  write_below(folder, "latin/k=%E9/p.csv");
  CHECK_THAT(found_error(folder, {"latin"}), Catch::Contains("latin/k=%E9: ") && Catch::Contains("not UTF-8"));
  write_below(folder, "twice/k=1/k=2/p.csv");
  CHECK_THAT(found_error(folder, {"twice"}), Catch::Contains("twice/k=1/k=2: a folder above this one is called k=…"));
}

TEST_CASE("folders: what does not fit together is refused with both paths") {
  const test::DataFolder folder;
  write_below(folder, "log/dt=1/p.csv");
  write_below(folder, "log/dt=2/channel=a/q.csv");
  CHECK_THAT(found_error(folder, {"log"}),
             Catch::Contains("log/dt=2/channel=a/q.csv give other columns (dt, channel)") &&
                 Catch::Contains("log/dt=1/p.csv (dt)"));
  write_below(folder, "plain.csv");
  CHECK_THAT(found_error(folder, {"plain.csv", "log/dt=1*"}),
             Catch::Contains("log/dt=1/p.csv give other columns (dt)") && Catch::Contains("plain.csv (none)"));
  CHECK(found_error(folder, {"plain.csv", "log/dt=1"}).empty());
  write_below(folder, "order/a=1/b=2/p.csv");
  write_below(folder, "order/b=1/a=2/p.csv");
  CHECK(found_files(folder, {"order"}) == Names{"order/a=1/b=2/p.csv a=1 b=2", "order/b=1/a=2/p.csv b=1 a=2"});
  write_below(folder, "mixed/dt=1/p.csv");
  write_below(folder, "mixed/more/p.csv");
  CHECK_THAT(found_error(folder, {"mixed"}), Catch::Contains("mixed/more: the name of this folder is not key=value"));
  write_below(folder, "inside/dt=1/more/p.csv");
  CHECK_THAT(found_error(folder, {"inside"}), Catch::Contains("inside/dt=1/more: the name of this folder"));
  write_below(folder, "others/more/p.csv");
  CHECK_THAT(found_error(folder, {"others"}), Catch::Contains("no sample files in this folder, only folders"));
  write_below(folder, "others/q.csv");
  CHECK(found_files(folder, {"others"}) == Names{"others/q.csv"});  // as ever
  std::filesystem::create_directories(folder / "nothing/dt=1");
  CHECK_THAT(found_error(folder, {"nothing"}), Catch::Contains("nothing: there are no sample files in this folder"));
}

TEST_CASE("text tables: a folder's columns follow the file's, and replace those of their names") {
  const test::DataFolder folder;
  for (const std::string& bytes :
       {std::string(",dt,x\n0,file,1\n1,file,2\n"), test::zstd_packed("dt,x\n,1\n\"f\",2\n")}) {
    TextTable table(folder.write("t.csv", bytes), {.folder = {{"dt", "2024-01-01"}, {"n", "7"}, {"none", ""}}});
    CHECK(table.columns() == Names{"x", "dt", "n", "none"});
    CHECK(table.replaced() == Names{"dt"});
    for (const char* x : {"1", "2"}) {
      REQUIRE(table.next());
      CHECK(table.field(table.require("x")) == x);
      CHECK(table.field(table.require("dt")) == "2024-01-01");
      CHECK(table.time(1) == 1'704'067'200'000'000);
      CHECK(table.integer(2) == 7);
      CHECK(table.field(3).empty());
      CHECK(table.unquoted(0, 1).empty());
      CHECK(table.of_folder(1));
      CHECK_FALSE(table.of_folder(0));
    }
    CHECK_FALSE(table.next());
    ReadingNotes notes;
    notes.add(table);
    CHECK_THAT(notes.lines().back(), Catch::Contains("column 'dt' of the files not read: the folders' dt="));
  }
  TextTable plain(folder.write("u.csv", "a,b\n1,2\n"), {.folder = {{"dt", "1"}}});
  REQUIRE(plain.next());
  CHECK(plain.unquoted(0, 1) == "1,2");
  CHECK(plain.replaced().empty());
  TextTable named(folder.write("v.csv", "1,2\n3,4\n"), {.columns = {"a", "dt"}, .folder = {{"dt", "1"}}});
  REQUIRE(named.next());
  CHECK(named.columns() == Names{"a", "dt"});
  CHECK(named.field(1) == "1");
  TextTable only(folder.write("w.csv", "dt\n5\n\n6\n"), {.folder = {{"dt", "1"}}});
  int rows = 0;
  while (only.next()) ++rows;
  CHECK(rows == 3);
}

TEST_CASE("text tables: a missing column that a folder above would give is said") {
  const test::DataFolder folder;
  const std::string path = write_below(folder, "log/dt=2024-01-01/p.csv");
  CHECK_THAT(test::message_of([&] { TextTable(path).require("dt"); }),
             Catch::Contains("there is no column 'dt'") && Catch::Contains("the folder dt=2024-01-01 gives it"));
  CHECK(test::message_of([&] { TextTable(path).require("d"); }).find("gives it") == std::string::npos);
}

}  // namespace mal
