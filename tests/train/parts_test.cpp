// A data set that goes on from an earlier one, made in parts: the bytes that one run makes.
#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <random>

#include "tests/train/dataset_support.h"
#include "train/data/prepare.h"
#include "train/data/prepare_parts.h"

namespace mal {

namespace {

using test::message_of;
namespace fs = std::filesystem;

constexpr const char* kPartsHeader = "at,user,tags,price,last,city\n";

// The table of users is admitted, evicted or shared as `user` says.
std::string parts_schema(const std::string& user) {
  return "name: parts\ncolumns:\n  - {name: at, kind: time}\n  - {name: user, kind: id" + user +
         "}\n  - {name: tags, kind: ids, length: 2, table: user}\n"
         "  - {name: price, kind: number, log1p: true, standardize: true}\n"
         "  - {name: last, kind: credit}\n  - {name: city, kind: slice}\n";
}

// Every file below a folder.
std::map<std::string, std::string> files_below(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      files[fs::relative(entry.path(), folder).string()] = test::bytes_of(entry.path().string());
  return files;
}

struct ShopInParts {
  test::DataFolder folder;
  std::string schema;

  explicit ShopInParts(const std::string& user) : schema(folder.write("schema.yaml", parts_schema(user))) {}

  // A file of rows from `second` on, whose ids change with time.
  std::string samples(const std::string& name, int second, int rows) const {
    std::mt19937 random(static_cast<unsigned>(second));
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    std::string text = kPartsHeader;
    for (int r = 0; r < rows; ++r)
      text +=
          fmt::format("{},u{},u{}|u{}|t{},{},{},{}\n", second + r / 4, second / 10 + below(9), second / 10 + below(9),
                      below(30), below(3), below(1000), below(2), below(2) == 0 ? "rome" : "york");
    return folder.write(name, text);
  }
  // Ten seconds of it.
  PrepareOptions day(int number) const {
    PrepareOptions options{.schema = schema, .train = {}, .test = {}, .output = "", .progress = false};
    for (int f = 0; f < 4; ++f)
      options.train.push_back(samples(fmt::format("{}.{}.csv", number, f), 10 * number + 2 * f, f == 2 ? 0 : 8));
    options.test = {samples(fmt::format("{}.test.csv", number), 10 * number + 9, 5)};
    return options;
  }
  void whole(int number, const std::string& base) const {
    PrepareOptions options = day(number);
    options.base = base;
    options.output = folder / fmt::format("whole{}", number);
    prepare(options);
  }
  std::vector<std::string> parts(int number, int count) const {
    MergeOptions merge;
    for (int part = count; part >= 1; --part) {
      PrepareOptions options = day(number);
      options.part = {part, count};
      options.output = folder / fmt::format("part{}.{}", number, part);
      prepare(options);
      merge.parts.push_back(options.output);
    }
    return merge.parts;
  }
  void merged(int number, const std::string& base) const {
    merge_parts(
        {.parts = parts(number, 1 + number % 3), .base = base, .output = folder / fmt::format("merged{}", number)});
  }
};

}  // namespace

TEST_CASE("parts with a base make the data set of one run with it") {
  for (const char* user : {"", ", min_count: 3", ", evict: 1", ", min_count: 3, evict: 2", ", evict: 11s",
                           ", min_count: 2, evict: 21s", ", hash: 16"}) {
    CAPTURE(user);
    const ShopInParts shop(user);
    std::string whole_base, merged_base;
    for (int number = 1; number <= 5; ++number) {
      CAPTURE(number);
      shop.whole(number, whole_base);
      shop.merged(number, merged_base);
      whole_base = shop.folder / fmt::format("whole{}", number);
      merged_base = shop.folder / fmt::format("merged{}", number);
      CHECK(files_below(whole_base) == files_below(merged_base));
      CHECK((files_below(merged_base).count("memory/user.json") == 1) ==
            (std::string(user).find("evict") != std::string::npos));
    }
  }
}

TEST_CASE("parts and a base that do not belong together are refused") {
  const ShopInParts shop(", evict: 11s");
  shop.whole(1, "");
  shop.whole(3, "");
  const std::vector<std::string> parts = shop.parts(2, 2);
  const auto refusal = [&](const std::string& base, const std::vector<std::string>& folders) {
    return message_of([&] { merge_parts({.parts = folders, .base = base, .output = shop.folder / "merged"}); });
  };
  CHECK(refusal(shop.folder / "whole1", parts).empty());
  CHECK_THAT(refusal(shop.folder / "whole3", parts), Catch::Matchers::Contains("before those of the base"));
  CHECK_THAT(refusal(shop.folder / "none", parts), Catch::Matchers::Contains("none"));
  CHECK_THAT(refusal(parts[0], parts), Catch::Matchers::Contains("schema.yaml"));

  const auto other = [&](const std::string& columns) {
    PrepareOptions options = shop.day(1);
    options.schema =
        shop.folder.write("other.yaml", "name: other\ncolumns:\n  - {name: last, kind: credit}\n" + columns);
    options.output = shop.folder / "other";
    prepare(options);
    return refusal(options.output, parts);
  };
  CHECK_THAT(other("  - {name: at, kind: time}\n"), Catch::Matchers::Contains("no table 'user' with a vocabulary"));
  CHECK_THAT(other("  - {name: user, kind: id, hash: 16}\n"),
             Catch::Matchers::Contains("no table 'user' with a vocabulary"));
  CHECK_THAT(other("  - {name: user, kind: id}\n"), Catch::Matchers::Contains("no column of kind time"));
  CHECK_THAT(other("  - {name: at, kind: time}\n  - {name: user, kind: id}\n  - {name: price, kind: number}\n"),
             Catch::Matchers::Contains("no standardized column 'price'"));

  PrepareOptions given = shop.day(2);
  given.vocabularies = shop.folder / "whole1/vocab";
  given.part = {1, 1};
  given.output = shop.folder / "given";
  prepare(given);
  CHECK_THAT(refusal(shop.folder / "whole1", {given.output}), Catch::Matchers::Contains("was made with --vocabs"));
  given.vocabularies.clear();
  given.base = shop.folder / "whole1";
  CHECK_THAT(message_of([&] { prepare(given); }), Catch::Matchers::Contains("give it to --merge"));
}

TEST_CASE("what a data set is made of is not lost where it is written") {
  const ShopInParts shop(", evict: 11s");
  const std::vector<std::string> parts = shop.parts(2, 2);
  shop.whole(1, "");
  const std::string base = shop.folder / "whole1";
  PrepareOptions options = shop.day(2);
  const auto refused = [&](const std::string& given, const std::string& output) {
    CAPTURE(given, output);
    const auto before = files_below(given);
    REQUIRE(!before.empty());
    options.base = given == parts[0] ? "" : given;
    options.output = output;
    const MergeOptions merge{.parts = parts, .base = options.base, .output = output};
    CHECK_THAT(message_of([&] { merge_parts(merge); }),
               Catch::Matchers::Contains(given) && Catch::Matchers::Contains("would be re"));
    if (given != parts[0])
      CHECK_THAT(message_of([&] { prepare(options); }),
                 Catch::Matchers::Contains(given) && Catch::Matchers::Contains("would be re"));
    CHECK(files_below(given) == before);
  };
  const std::string inside = base + "/inside", cleared = shop.folder / "out.tmp", kept = shop.folder / "out.old";
  for (const std::string& copy : {cleared, kept}) fs::copy(base, copy, fs::copy_options::recursive);
  fs::copy(kept, inside, fs::copy_options::recursive);
  refused(inside, base);
  refused(cleared, shop.folder / "out");
  refused(cleared, shop.folder / "out//");
  refused(kept, shop.folder / "out");
  refused(parts[0], shop.folder / ".");
  fs::copy(options.train[0], cleared + "/train.csv");
  options.base.clear();
  options.train[0] = cleared + "/train.csv";
  options.output = shop.folder / "out";
  CHECK_THAT(message_of([&] { prepare(options); }), Catch::Matchers::Contains("train.csv lies in"));
  CHECK(fs::exists(options.train[0]));
  // The base itself may be replaced.
  merge_parts({.parts = parts, .base = base, .output = base});
  shop.merged(1, "");
  shop.merged(2, shop.folder / "merged1");
  CHECK(files_below(base) == files_below(shop.folder / "merged2"));
}

TEST_CASE("a part whose end is not that of its rows is refused") {
  const ShopInParts shop(", evict: 11s");
  const std::vector<std::string> parts = shop.parts(2, 2);
  std::string stats = test::bytes_of(parts[0] + "/stats.json");  // of the last part
  const std::size_t at = stats.find("\"last_time\": 2");
  REQUIRE(at != std::string::npos);
  stats[at + 13] = '9';
  shop.folder.write(fs::path(parts[0]).filename().string() + "/stats.json", stats);
  CHECK_THAT(message_of([&] { merge_parts({.parts = parts, .output = shop.folder / "merged"}); }),
             Catch::Matchers::Contains("stats.json says 9"));
}

}  // namespace mal
