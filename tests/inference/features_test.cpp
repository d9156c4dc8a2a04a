// What set() does with every kind of value, good and bad: an error that names the column, or a count. Never silent.
#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "tests/inference/exported_model.h"

namespace {

using namespace mal;
using infer::Code;
using test::ExportedModel;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

const ExportedModel& small_mal() {
  static const ExportedModel kExported(test::small_config("mal"));
  return kExported;
}
const infer::Model& small_model() {
  static const infer::Model kModel = infer::Model::load(small_mal().path);
  return kModel;
}

float predict(const std::vector<std::pair<std::string, std::string>>& changes) {
  infer::Features row = small_model().features();
  small_mal().fill(row, 0, {}, true);
  for (const auto& [column, text] : changes) row.set(column, text);
  return small_model().scorer().predict(row);
}

TEST_CASE("values that no column takes are errors with the column's name") {
  infer::Features row = small_model().features();
  const auto refused = [&](const infer::Status& status, const std::string& part) {
    INFO(status.message());
    CHECK(status.code() == Code::bad_argument);
    CHECK(status.message().find(part) != std::string::npos);
  };
  refused(row.try_set("nothing", "1"), "'nothing'");
  refused(row.try_set(infer::Column{}, "1"), "column");
  refused(row.try_set(infer::Column{1000}, 1.0), "column");
  for (const char* text : {"", "x", "1.5x", " 1", "+1", "nan", "inf", "1e999", "0x10", "1|2"})
    refused(row.try_set("price", text), "'price'");
  for (const double value : {static_cast<double>(kNan), static_cast<double>(kInfinity), -1e300, 1e39})
    refused(row.try_set("price", value), "'price'");
  for (const char* text : {"x", "0.5|", "|0.5", "0.5||0.5", "nan", "0.1|inf"})
    refused(row.try_set("scores", text), "'scores'");
  const float bad[] = {0.5F, kNan}, worse[] = {-kInfinity};
  refused(row.try_set(row.find("scores"), bad, 2), "'scores'");
  refused(row.try_set(row.find("scores"), worse, 1), "'scores'");
  refused(row.try_set(row.find("scores"), static_cast<const float*>(nullptr), 3), "'scores'");
  refused(row.try_set("scores", std::int64_t{1}), "'scores'");
  refused(row.try_set("scores", 0.5), "'scores'");
  refused(row.try_set("item", 0.5), "'item'");
  refused(row.try_set(row.find("item"), bad, 1), "'item'");
  const std::int64_t ids[] = {1, 2};
  refused(row.try_set(row.find("item"), ids, 2), "'item'");
  refused(row.try_set(row.find("price"), ids, 2), "'price'");
  const std::string_view texts[] = {"a", "b"};
  refused(row.try_set(row.find("price"), texts, 2), "'price'");
  for (const std::int32_t number : {-1, 7, std::numeric_limits<std::int32_t>::min()})
    refused(row.try_set_rows(row.find("item"), &number, 1), "'item'");
  const std::int32_t many[] = {1, 1, 1, 1, 1};
  refused(row.try_set_rows(row.find("item_seq"), many, 5), "'item_seq'");
  refused(row.try_set_rows(row.find("item"), many, 2), "'item'");
  refused(row.try_set_rows(row.find("price"), many, 1), "'price'");
  refused(row.try_set_scaled(row.find("price"), kNan), "'price'");
  CHECK_THROWS_AS(row.set("nothing", 1), infer::Error);
  CHECK_THROWS_AS(row.set("price", "x"), infer::Error);
}

TEST_CASE("a value that fails leaves its column without a value") {
  infer::Features row = small_model().features();
  small_mal().fill(row, 0, {}, true);
  CHECK(!row.try_set("scores", "0.1|x").ok());
  float probability = 0;
  const infer::Status status = small_model().scorer().try_predict(row, probability);
  CHECK(status.message().find("'scores'") != std::string::npos);
}

TEST_CASE("unknown, empty, long and wild values are counted") {
  infer::Features row = small_model().features();
  row.set("user", "never seen");
  row.set("item", -5);
  row.set("tags", std::vector<std::int64_t>{std::numeric_limits<std::int64_t>::min()});
  CHECK(row.counts().unseen == 3);
  row.set("user", "");
  row.set("item_seq", "|item_1");
  CHECK(row.counts().empty == 2);
  row.set("tags", "");
  CHECK(row.counts().empty == 2);  // an empty list
  row.set("item_seq", "item_1|item_2|item_3|item_4|item_5");
  row.set("scores", std::vector<float>{0, 0, 0, 0, 0, 0});
  CHECK(row.counts().truncated == 2);
  row.set("scores", "-1|1|1.00001|-7");
  CHECK(row.counts().clamped == 2);
  row.clear();
  CHECK(row.counts().unseen + row.counts().empty + row.counts().truncated + row.counts().clamped == 0);
}

TEST_CASE("a number that may be missing: NaN and the texts of a gap give its fill and its indicator") {
  // The model's `price` as a schema with `missing: indicator` has it: beside the number an input that says so.
  ExportedModel exported(test::small_config("base"));
  const infer::Model strict = infer::Model::load(exported.path);
  CHECK(strict.features().try_set("price", static_cast<double>(kNan)).message().find("'price'") != std::string::npos);
  for (Column& column : exported.trained.schema.columns)
    if (column.name == "price") column.default_value = 0.75;
  exported.fill_of_price = 0.75F;
  exported.write(test::small_config("base"), {});
  const infer::Model model = infer::Model::load(exported.path);
  infer::Scorer scorer = model.scorer();
  infer::Features row = model.features();
  const auto predict = [&](const auto& price) {
    exported.fill(row, 0, {}, true);
    row.set("price", price);
    return scorer.predict(row);
  };
  const float expected = predict(0.75);
  CHECK(row.counts().missing == 0);
  CHECK(predict(0.5) != expected);
  CHECK(predict(kNan) == expected);
  CHECK(row.counts().missing == 1);
  for (const char* text :
       {"", "\\N", "NULL", "null", "nan", "NaN", "NAN", "None", "NaT", "<NA>", "N/A", "#N/A", "undefined", "NA"})
    CHECK(predict(text) == expected);
  CHECK(row.try_set_scaled(row.find("price"), kNan).ok());
  CHECK(scorer.predict(row) == expected);
  for (const char* text : {"x", " ", "na", "inf", "1e999"}) CHECK_FALSE(row.try_set("price", text).ok());
  CHECK_FALSE(row.try_set("price", static_cast<double>(kInfinity)).ok());
  CHECK_FALSE(row.try_set("scores", "nan").ok());
  row.clear();
  CHECK(row.counts().missing == 0);
}

TEST_CASE("whatever is unseen is the same row; clamped scores are those of the limits; the newest items stay") {
  CHECK(predict({{"user", "never seen"}}) == predict({{"user", ""}}));
  CHECK(predict({{"user", "never seen"}}) != predict({{"user", "user_2"}}));
  CHECK(predict({{"scores", "3|-9"}}) == predict({{"scores", "1|-1"}}));
  CHECK(predict({{"item_seq", "item_1|item_2|item_3|item_4|item_5"}}) ==
        predict({{"item_seq", "item_2|item_3|item_4|item_5"}}));
  CHECK(predict({{"item_seq", "item_1|item_2"}}) != predict({{"item_seq", "item_1|item_3"}}));
  CHECK(std::isfinite(predict({{"item_seq", ""}, {"tags", ""}, {"scores", ""}})));
}

TEST_CASE("texts, whole numbers, lists and rows give the same features") {
  infer::Features by_text = small_model().features(), by_list = small_model().features();
  small_mal().fill(by_text, 0, {}, true);
  small_mal().fill(by_list, 0, {}, true);
  by_text.set("item", "item_3");
  by_text.set("item_seq", "item_4|item_2");
  by_text.set("scores", "0.5|-0.25");
  by_text.set("price", "2");
  const std::int32_t rows[] = {3, 4, 2};
  CHECK(by_list.try_set_rows(by_list.find("item"), rows, 1).ok());
  by_list.set("item_seq", std::vector<std::string_view>{"item_4", "item_2"});
  by_list.set("scores", std::vector<float>{0.5F, -0.25F});
  by_list.set("price", 2);
  infer::Scorer scorer = small_model().scorer();
  const float expected = scorer.predict(by_text);
  CHECK(scorer.predict(by_list) == expected);
  CHECK(by_list.try_set_rows(by_list.find("item_seq"), rows + 1, 2).ok());
  CHECK(scorer.predict(by_list) == expected);
  by_list.set("item_seq", "item_4|item_3");
  CHECK(scorer.predict(by_list) != expected);
}

// Single ids wait to be looked up together: whoever looks sees the last value all the same.
TEST_CASE("of several values of a column the last one counts, however each was given") {
  infer::Features row = small_model().features();
  infer::Scorer scorer = small_model().scorer();
  small_mal().fill(row, 0, {}, true);
  const float third = predict({{"item", "item_3"}}), unseen = predict({{"item", ""}});
  REQUIRE(third != unseen);
  const std::int32_t rows[] = {3};
  const std::string longer(100, 'x');
  for (int i = 0; i < 40; ++i) row.set(i % 2 == 0 ? "item" : "user", fmt::format("item_{}", i % 7));  // more than wait
  small_mal().fill(row, 0, {}, true);
  row.set("item", "item_1");
  row.set("item", "item_3");
  CHECK(scorer.predict(row) == third);
  row.set("item", "item_1");
  CHECK(row.try_set_rows(row.find("item"), rows, 1).ok());
  CHECK(scorer.predict(row) == third);
  row.set("item", "item_3");
  row.set("item", longer);
  CHECK(scorer.predict(row) == unseen);
  row.set("item", longer);
  row.set("item", "item_3");
  CHECK(scorer.predict(row) == third);
  row.set("item", "item_3");
  row.set("item", "");
  CHECK(scorer.predict(row) == unseen);
  row.set("item", "item_3");
  const infer::Features copy = row;
  row.clear();
  CHECK(scorer.predict(copy) == third);
  CHECK(row.counts().unseen == 0);
  row.set("item", "no such item");
  CHECK(row.counts().unseen == 1);
}

TEST_CASE("what a scorer cannot score is refused") {
  infer::Scorer scorer = small_model().scorer();
  infer::Features user = small_model().features(), ad = small_model().features();
  float p = 0;
  CHECK(scorer.try_predict(ad, p).message().find("neither") != std::string::npos);
  small_mal().fill(user, 0, {"user", "tags"}, false);
  scorer.set_user(user);
  small_mal().fill(ad, 0, {}, true);
  CHECK(scorer.try_predict(ad, p).message().find("give it once") != std::string::npos);
  small_mal().fill(ad, 0, {"user", "tags"}, true);
  CHECK(scorer.try_predict(ad, p).ok());
  const float with_user = p;
  scorer.clear_user();
  CHECK(!scorer.try_predict(ad, p).ok());
  small_mal().fill(ad, 0, {}, true);
  CHECK(std::abs(scorer.predict(ad) - with_user) < 1e-6F);
  const infer::Features* none = nullptr;
  infer::Predictions out;
  out.probability = &p;
  CHECK(scorer.try_predict(&none, 1, out).message().find("null") != std::string::npos);
  CHECK(scorer.try_predict(&none, 0, out).ok());
  // Another load of the same file is another model: its features may have other rows.
  const infer::Model other = infer::Model::load(small_mal().path);
  infer::Features foreign = other.features();
  CHECK(scorer.try_set_user(foreign).message().find("another model") != std::string::npos);
  CHECK(scorer.try_predict(foreign, p).message().find("another model") != std::string::npos);
}

TEST_CASE("a scorer outlives its model") {
  std::unique_ptr<infer::Scorer> scorer;
  std::unique_ptr<infer::Features> row;
  {
    const infer::Model local = infer::Model::load(small_mal().path, infer::Model::Access::map);
    scorer = std::make_unique<infer::Scorer>(local.scorer());
    row = std::make_unique<infer::Features>(local.features());
  }
  small_mal().fill(*row, 0, {}, true);
  CHECK(scorer->predict(*row) == predict({}));
}

}  // namespace
