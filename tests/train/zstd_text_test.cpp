// Text tables in zstd: frames of every kind, and files that are cut, damaged, or want too much memory.
#include <catch2/catch.hpp>

#include "tests/train/dataset_support.h"
#include "tests/train/zstd_support.h"
#include "train/data/sample_files.h"
#include "train/data/text_table.h"

namespace mal {

namespace {

constexpr std::uint32_t kWindow128MiB = 17 * 8;

std::string zstd_table(int rows) {
  std::string text = "a,b\n";
  for (int r = 0; r < rows; ++r) text += fmt::format("{},row number {}\n", r, r * 7919);
  return text;
}

// Whether the file has the rows of zstd_table(rows), or the first of them; `message` gets the error.
bool has_zstd_rows(const std::string& path, int rows, std::string* message = nullptr) {
  int read = 0;
  bool right = true;
  const std::string error = test::message_of([&] {
    TextTable table(path);
    for (; table.next(); ++read)
      right = right && table.field(0) == std::to_string(read) &&
              table.field(1) == fmt::format("row number {}", read * 7919);
  });
  if (message != nullptr) *message = error;
  return right && (message != nullptr ? read <= rows : read == rows && error.empty());
}

std::string zstd_error(std::string_view bytes) {
  const test::DataFolder folder;
  std::string message;
  has_zstd_rows(folder.write("t.zst", bytes), 0, &message);
  return message;
}

}  // namespace

TEST_CASE("zstd: by its magic bytes, whatever the name, of any level, with and without the size of its content") {
  const test::DataFolder folder;
  const std::string text = zstd_table(100'000);  // more than one block of zstd, and than one read of a table
  for (const int level : {1, 3, 19})
    for (const bool stated : {true, false}) {
      CAPTURE(level, stated);
      const std::string packed = test::zstd_packed(text, stated, level);
      REQUIRE(packed.size() > 1000);
      CHECK(has_zstd_rows(folder.write("packed.csv", packed), 100'000));
      TextTable table(folder / "packed.csv");
      CHECK(table.compressed());
      CHECK(table.bytes_total() == packed.size());
      while (table.next()) CHECK(table.bytes_read() <= table.bytes_total());
      CHECK(table.bytes_read() == table.bytes_total());
    }
  CHECK(has_zstd_rows(folder.write("plain.zst", text), 100'000));
}

TEST_CASE("zstd: frames follow each other, also empty ones and those of other data") {
  const test::DataFolder folder;
  const std::string text = zstd_table(20'000);
  const std::size_t cut = text.size() / 3;  // frames need not end where lines do
  const std::string first = test::zstd_packed(text.substr(0, cut)), last = test::zstd_packed(text.substr(cut), false);
  const std::string other = test::skippable_frame("not a table"), none = test::skippable_frame("", 15);
  CHECK(has_zstd_rows(folder.write("a.zst", first + last), 20'000));
  CHECK(has_zstd_rows(folder.write("b.zst", first + test::zstd_packed("") + test::zstd_packed("", false) + last),
                      20'000));
  CHECK(has_zstd_rows(folder.write("c.zst", none + other + first + other + none + last + other), 20'000));
  CHECK(has_zstd_rows(
      folder.write("d.zst", first + test::zstd_frame(text.substr(cut, 7), 0) + test::zstd_packed(text.substr(cut + 7))),
      20'000));
}

TEST_CASE("zstd: a row of many blocks, read in small pieces") {
  const std::string wide(std::size_t{3} << 20, 'w');
  const test::DataFolder folder;
  TextTable table(folder.write("t.zst", test::zstd_packed("a,b\n1," + wide + "\n2,x\n")));
  REQUIRE(table.next());
  CHECK(table.field(1) == wide);
  REQUIRE(table.next());
  CHECK(table.field(1) == "x");
  CHECK_FALSE(table.next());
  TextTable run(folder.write("r.zst", test::zstd_frame("a,b\n1,", 0) + test::zstd_run('w', 131'072)));
  REQUIRE(run.next());
  CHECK(run.field(1) == wide.substr(0, 131'072));
  CHECK_FALSE(run.next());
}

TEST_CASE("zstd that is cut, at any byte, is an error and never a wrong row") {
  const test::DataFolder folder;
  for (const std::string& packed : {test::zstd_packed(zstd_table(300)), test::zstd_packed(zstd_table(300), false),
                                    test::skippable_frame("other"), test::zstd_frame(zstd_table(20), 8)})
    for (std::size_t size = 2; size < packed.size(); size += size < 40 || size + 40 > packed.size() ? 1 : 97) {
      if (size < 4 && packed[0] == 'P') continue;  // may be text
      CAPTURE(size, packed.size());
      std::string message;
      CHECK(has_zstd_rows(folder.write("cut.zst", packed.substr(0, size)), 300, &message));
      CHECK_THAT(message, Catch::Contains("cut.zst:") && Catch::Contains("the file ends within a frame"));
    }
}

TEST_CASE("zstd: every damaged bit is an error or does not matter") {
  const test::DataFolder folder;
  const std::string packed = test::zstd_packed(zstd_table(40)) + test::zstd_packed("40,row number 316760\n");
  CHECK(has_zstd_rows(folder.write("whole.zst", packed), 41));
  std::size_t refused = 0;
  for (std::size_t bit = 32; bit < packed.size() * 8; ++bit) {  // without the first magic bytes it is a text file
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    CAPTURE(bit);
    std::string message;
    const std::string path = folder.write("damaged.zst", damaged);
    has_zstd_rows(path, 41, &message);  // rows before the checksum may be wrong, but the run fails
    refused += message.empty() ? 0 : 1;
    if (message.empty()) CHECK(has_zstd_rows(path, 41));
  }
  CHECK(refused > packed.size() * 7);
  std::string wrong_sum = test::zstd_packed("a,b\n1,2\n");
  wrong_sum.back() = static_cast<char>(wrong_sum.back() ^ 1);
  CHECK_THAT(zstd_error(wrong_sum),
             Catch::Contains("the zstd data is damaged here") && Catch::Contains("doesn't match checksum"));
}

TEST_CASE("zstd: bytes behind a frame are not silently dropped") {
  for (const std::string& tail :
       {std::string("more text"), test::gzipped("1,2\n"), std::string(8, '\0'), std::string("x")})
    CHECK_THAT(zstd_error(test::zstd_packed("a,b\n") + tail),
               Catch::Contains("t.zst:2: bytes that are not zstd follow"));
}

TEST_CASE("zstd: a window of 128 MiB is read, a larger one or a dictionary refused with what to do") {
  const test::DataFolder folder;
  CHECK(has_zstd_rows(folder.write("t.zst", test::zstd_frame(zstd_table(5), kWindow128MiB)), 5));
  for (const std::uint32_t window : {kWindow128MiB + 1, kWindow128MiB + 8, 21U * 8})  // 144 MiB, 256 MiB, 2 GiB
    CHECK_THAT(zstd_error(test::zstd_frame(zstd_table(5), window)),
               Catch::Contains("t.zst:1:") && Catch::Contains("a window of more than 128 MiB (zstd --long=28") &&
                   Catch::Contains("zstd -dc --long=31"));
  CHECK_THAT(zstd_error(test::zstd_frame(zstd_table(5), 8, 7)), Catch::Contains("compressed with a dictionary"));
}

TEST_CASE("sample files: zstd of nothing is an empty file") {
  const test::DataFolder folder;
  const std::string rows = folder.write("a.zst", test::zstd_packed("a\n1\n")),
                    packed = folder.write("b.zst", test::zstd_packed("")),
                    unstated = folder.write("c.zst", test::zstd_packed("", false)), empty = folder.write("d.zst", ""),
                    other = folder.write("e.zst", test::skippable_frame("x")),
                    cut = folder.write("f.zst", test::zstd_packed("").substr(0, 7));
  std::vector<std::string> files = {packed, rows, unstated, empty, other, cut};
  CHECK(leave_out_empty(files) == 4);
  CHECK(files == std::vector<std::string>{rows, cut});
}

}  // namespace mal
