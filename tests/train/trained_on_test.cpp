// What a run keeps of its data set, and which data sets it goes on with.
#include "train/trainer/trained_on.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "tests/train/dataset_support.h"
#include "train/data/prepare.h"
#include "train/trainer/run_directory.h"

namespace mal {

namespace {

using test::message_of;

constexpr const char* kSchema = R"(name: shop
columns:
  - {name: user, kind: id, side: user}
  - {name: item, kind: id, side: ad, hash: 16}
  - {name: price, kind: number, standardize: true}
  - {name: last, kind: credit}
  - {name: day, kind: slice}
)";
constexpr const char* kHeader = "user,item,price,last,day\n";
constexpr const char* kFirst = "ann,1,2,1,mon\nann,2,4,0,mon\nbob,1,2,0,tue\n";  // rows: ann 1, bob 2
constexpr const char* kTest = "ann,1,2,1,wed\n";

struct Shop {
  test::DataFolder folder;

  // A data set of these training rows; its path.
  std::string make(const std::string& name, const std::string& rows, const std::string& base = "",
                   const std::string& schema = kSchema) const {
    prepare({.schema = folder.write(name + ".yaml", schema),
             .train = {folder.write(name + ".csv", kHeader + rows)},
             .test = {folder.write(name + ".test.csv", std::string(kHeader) + kTest)},
             .base = base.empty() ? "" : folder / base,
             .output = folder / name,
             .progress = false});
    return folder / name;
  }
  // A run that was trained on such a data set; its folder.
  std::string run_on(const std::string& dataset) const {
    const std::string run = folder / "run";
    std::filesystem::create_directory(run);
    keep_trained_on(run, dataset);
    return run;
  }
};

std::string refusal(const std::string& run, const std::string& dataset, Vocab vocab = Vocab::grow) {
  return message_of([&] { check_goes_on(run, Dataset::open(dataset), vocab); });
}

}  // namespace

TEST_CASE("a run goes on with its own data set, and with one whose ids go on from it") {
  const Shop shop;
  const std::string first = shop.make("first", kFirst), run = shop.run_on(first);
  const std::string second =
      shop.make("second", "cid,1,9,0,wed\nann,3,2,1,wed\neve,1,2,0,thu\neve,1,2,0,thu\n", "first");
  for (const Vocab vocab : {Vocab::same, Vocab::grow}) {
    CHECK(check_goes_on(run, Dataset::open(first), vocab).new_ids == "none");
    CHECK(check_goes_on(run, Dataset::open(shop.make("later", "bob,1,7,0,wed\n", "first")), vocab).new_ids == "none");
  }
  CHECK(check_goes_on(run, Dataset::open(second), Vocab::grow).new_ids == "user 2");
  CHECK_THAT(refusal(run, second, Vocab::same),
             Catch::Matchers::Contains("column 'user': row 3 of its table is \"eve\" in") &&
                 Catch::Matchers::Contains("and nothing where") && Catch::Matchers::Contains("set vocab: grow"));

  // Growth in two steps, and by a data set that takes the place of the first one.
  const std::string third = shop.make("third", "dan,1,2,0,fri\n", "second");
  CHECK(check_goes_on(run, Dataset::open(third), Vocab::grow).new_ids == "user 3");
  CHECK(check_goes_on(run, Dataset::open(shop.make("first", "dan,1,2,0,fri\n", "first")), Vocab::grow).new_ids ==
        "user 1");
  keep_trained_on(run, second);
  CHECK(check_goes_on(run, Dataset::open(third), Vocab::grow).new_ids == "user 1");
  std::filesystem::remove_all(second);
  CHECK(check_goes_on(run, Dataset::open(third), Vocab::grow).new_ids == "user 1");
}

TEST_CASE("a run does not go on with ids that are others or fewer") {
  const Shop shop;
  const std::string run = shop.run_on(shop.make("first", kFirst));
  for (const Vocab vocab : {Vocab::same, Vocab::grow}) {
    // The same scale, so that it is the ids that are refused.
    const std::string others =
        refusal(run, shop.make("others", "ann,1,2,1,mon\nann,2,4,0,mon\ncid,1,2,0,tue\n"), vocab);
    CHECK_THAT(others, Catch::Matchers::Contains("column 'user': row 2 of its table is \"cid\" in") &&
                           Catch::Matchers::Contains("and \"bob\" where") && Catch::Matchers::Contains("--base"));
    CHECK_THAT(refusal(run, shop.make("longer", "ann,1,2,1,mon\nann,2,4,0,mon\nbobby,1,2,0,tue\n"), vocab),
               Catch::Matchers::Contains("row 2 of its table is \"bobby\" in"));
    CHECK_THAT(refusal(run, shop.make("first_differs", "bob,1,2,1,mon\nbob,2,4,0,mon\nann,1,2,0,tue\n"), vocab),
               Catch::Matchers::Contains("row 1 of its table is \"bob\" in") &&
                   Catch::Matchers::Contains("and \"ann\" where"));
    CHECK_THAT(refusal(run, shop.make("fewer", "ann,1,2,1,mon\nann,2,4,0,mon\nann,1,2,0,tue\n"), vocab),
               Catch::Matchers::Contains("row 2 of its table is nothing in") &&
                   Catch::Matchers::Contains("and \"bob\" where"));
    CHECK_THAT(refusal(run, shop.make("none", ",1,2,1,mon\n,2,4,0,mon\n,1,2,0,tue\n"), vocab),
               Catch::Matchers::Contains("row 1 of its table is nothing in"));
  }
}

TEST_CASE("a table without ids grows") {
  const Shop shop;
  const std::string run = shop.run_on(shop.make("none", ",1,2,1,mon\n"));
  const std::string some = shop.make("some", "ann,1,2,1,mon\n", "none");
  CHECK(check_goes_on(run, Dataset::open(some), Vocab::grow).new_ids == "user 1");
  CHECK_THAT(refusal(run, some, Vocab::same), Catch::Matchers::Contains("row 1 of its table is \"ann\""));
}

TEST_CASE("where a table has evict, rows are found by their ids") {
  const Shop shop;
  std::string schema = kSchema;
  schema.replace(schema.find("side: user}"), 11, "side: user, evict: 1}");
  const std::string run = shop.run_on(shop.make("first", kFirst, "", schema));                        // ann 1, bob 2
  const std::string second = shop.make("second", "bob,1,2,0,wed\ncid,1,2,0,wed\n", "first", schema);  // bob 1, cid 2
  const GoesOn how = check_goes_on(run, Dataset::open(second), Vocab::grow);
  CHECK(how.new_ids == "user 1 (1 lost their rows)");
  CHECK(how.rows.moved.at("embedding/user") == std::vector<std::int32_t>{0, 2, -1});
  CHECK(how.rows.grown);
  CHECK_THAT(refusal(run, second, Vocab::same), Catch::Matchers::Contains("row 1 of its table is \"bob\"") &&
                                                    Catch::Matchers::Contains("set vocab: grow"));
  // One that comes back to a run that has its row.
  const std::string third = shop.make("third", "ann,1,2,0,thu\nbob,1,2,0,thu\n", "second", schema);
  const GoesOn back = check_goes_on(run, Dataset::open(third), Vocab::grow);
  CHECK(back.rows.moved.at("embedding/user") == std::vector<std::int32_t>{0, 2, 1});
  CHECK(back.new_ids == "none");
  // As long as nobody goes, the old rows are the first ones.
  const std::string more = shop.make("more", "ann,1,2,0,wed\nbob,1,2,0,wed\ncid,1,2,0,wed\n", "first", schema);
  CHECK(check_goes_on(run, Dataset::open(more), Vocab::grow).rows.moved.empty());
}

TEST_CASE("to predict without training, ids that are new have the row of unseen ids") {
  const Shop shop;
  std::string schema = kSchema;
  const std::string run = shop.run_on(shop.make("first", kFirst));  // ann 1, bob 2
  const Dataset grown = Dataset::open(shop.make("second", "eve,1,2,0,wed\ndan,1,2,0,wed\n", "first"));
  const TableRows rows = new_ids_unseen(check_goes_on(run, grown, Vocab::grow), grown.schema());
  CHECK(rows.moved.size() == 1);  // a hashed table has no new ids
  CHECK(rows.moved.at("embedding/user") == std::vector<std::int32_t>{0, 1, 2, 0, 0});

  schema.replace(schema.find("side: user}"), 11, "side: user, evict: 1}");
  const Dataset moved = Dataset::open(
      shop.make("later", "bob,1,2,0,wed\ncid,1,2,0,wed\n", "third", (shop.make("third", kFirst, "", schema), schema)));
  CHECK(new_ids_unseen(check_goes_on(run, moved, Vocab::grow), moved.schema()).moved.at("embedding/user") ==
        std::vector<std::int32_t>{0, 2, 0});
}

TEST_CASE("the folder that says what a file's rows mean is found by its vocabularies") {
  const Shop shop;
  const std::string first = shop.make("first", kFirst), second = shop.make("second", "cid,1,2,0,wed\n", "first"),
                    third = shop.make("third", "dan,1,2,0,wed\n", "second"), run = shop.run_on(first);
  const std::string of_first = vocabulary_fingerprint(first), of_second = vocabulary_fingerprint(second);
  const auto folder_of = [&](const std::string& vocabularies) {
    return std::string(kept_of(run, "file", vocabularies));
  };
  const auto refused = [&](const std::string& vocabularies) {
    return message_of([&] { kept_of(run, "file", vocabularies); });
  };
  const auto unknown = Catch::Matchers::StartsWith("file: trained_on/ is of other data");
  CHECK(vocabulary_fingerprint(run + kTrainedOn) == of_first);  // slices, too
  CHECK(folder_of(of_first) == kTrainedOn);
  CHECK_THAT(refused(of_second), unknown);
  // A run that goes on with other data: before its checkpoint is of them, and after it.
  keep_trained_on(run, second, kNextTrainedOn);
  CHECK(folder_of(of_first) == kTrainedOn);
  CHECK(folder_of(of_second) == kNextTrainedOn);
  CHECK_THAT(refused(vocabulary_fingerprint(third)), unknown);
  CHECK(check_goes_on(run, Dataset::open(third), Vocab::grow).new_ids == "user 2");
  CHECK(check_goes_on(run, Dataset::open(third), Vocab::grow, kNextTrainedOn).new_ids == "user 1");
  // The weights of before are not what trained_on/ says now.
  keep_trained_on(run, second);
  CHECK(folder_of(of_second) == kTrainedOn);
  CHECK_THAT(refused(of_first), unknown);
  // Where a rename replaces no folder in one step, there is a moment without.
  std::filesystem::remove_all(run + kTrainedOn);
  CHECK(folder_of(of_second) == kNextTrainedOn);
  // An earlier version kept no slices, and named no vocabularies in its checkpoint.
  std::filesystem::remove_all(run + kNextTrainedOn);
  keep_trained_on(run, first);
  CHECK(folder_of("") == kTrainedOn);
  std::filesystem::remove(run + "/trained_on/vocab/slice.day.json");
  CHECK(folder_of(of_first) == kTrainedOn);
  // It knew of no next one: where that is, files are missing.
  keep_trained_on(run, second, kNextTrainedOn);
  CHECK_THAT(refused(of_first), unknown);
}

TEST_CASE("a run does not go on with other columns or scales") {
  const Shop shop;
  const std::string run = shop.run_on(shop.make("first", kFirst));
  CHECK_THAT(
      refusal(run, shop.make("scale", "ann,1,2,1,mon\nann,2,5,0,mon\nbob,1,2,0,tue\n")),
      Catch::Matchers::Contains("column 'price' has mean 3 and deviation") && Catch::Matchers::Contains("--base"));
  const auto with = [&](const std::string& name, const std::string& from, const std::string& to) {
    std::string schema = kSchema;
    schema.replace(schema.find(from), from.size(), to);
    return refusal(run, shop.make(name, kFirst, "", schema));
  };
  CHECK_THAT(with("buckets", "hash: 16", "hash: 32"), Catch::Matchers::Contains("hash: 32") &&
                                                          Catch::Matchers::Contains("in place of") &&
                                                          Catch::Matchers::Contains("hash: 16"));
  CHECK_THAT(with("vocabulary", ", hash: 16", ""), Catch::Matchers::Contains("other columns"));
  CHECK_THAT(with("log", "standardize: true", "standardize: true, log1p: true"),
             Catch::Matchers::Contains("log1p: true"));
  CHECK_THAT(with("more", "  - {name: last, kind: credit}\n",
                  "  - {name: last, kind: credit}\n  - {name: again, kind: credit, column: last}\n"),
             Catch::Matchers::Contains("again") && Catch::Matchers::Contains("in place of nothing more"));
  // What no model reads may be another.
  CHECK(with("unread", "  - {name: day, kind: slice}\n", "  - {name: weekday, kind: slice, column: day}\n").empty());
}

TEST_CASE("a run from before trained_on, and a vocabulary that is none, are refused") {
  const Shop shop;
  const std::string dataset = shop.make("first", kFirst), run = shop.run_on(dataset);
  std::filesystem::remove(run + "/trained_on/vocab/user.json");
  shop.folder.write("run/trained_on/vocab/user.json", "[]");
  CHECK_THAT(refusal(run, dataset), Catch::Matchers::Contains("user.json: it is not a vocabulary"));
  std::filesystem::remove_all(run + "/trained_on");
  CHECK_THAT(refusal(run, dataset), Catch::Matchers::Contains("has no trained_on/schema.yaml"));
}

TEST_CASE("data sets of as many rows and the same ids are told apart by what is in them") {
  const Shop shop;
  const auto identity = [](const std::string& dataset) {
    return data_identity(Dataset::open(dataset), vocabulary_fingerprint(dataset));
  };
  const std::string first = identity(shop.make("first", kFirst));
  CHECK(identity(shop.make("again", kFirst)) == first);
  CHECK(identity(shop.make("later", "ann,1,2,1,mon\nbob,2,4,1,mon\nbob,1,2,0,tue\n", "first")) != first);
}

}  // namespace mal
