// The C interface: the same numbers as the header, codes in place of exceptions, and no way to crash it with a handle.
#include <catch2/catch.hpp>
#include <cstring>
#include <thread>

#include "model/inference/mal_infer_c.h"
#include "tests/inference/exported_model.h"

namespace {

using namespace mal;
using test::ExportedModel;

const ExportedModel& exported_mal() {
  static const ExportedModel kExported(test::small_config("mal"));
  return kExported;
}

void fill(mal_model model, mal_features features, std::int64_t row) {
  const Schema& schema = exported_mal().trained.schema;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    int column = -1;
    if (mal_model_column(model, schema.columns[c].name.c_str(), &column) != MAL_OK) continue;
    const std::string text = exported_mal().text(c, row);
    REQUIRE(mal_features_set_text(features, column, text.data(), text.size()) == MAL_OK);
  }
}

TEST_CASE("C: the same probabilities as the header") {
  mal_model model = 0;
  REQUIRE(mal_model_load(exported_mal().path.c_str(), 1, &model) == MAL_OK);
  std::size_t views = 0, knowledge = 0;
  const char* name = nullptr;
  CHECK(mal_model_view_count(model, &views) == MAL_OK);
  CHECK(views == 4);
  CHECK(mal_model_view_name(model, 1, &name) == MAL_OK);
  CHECK(std::string(name) == "first");
  CHECK(mal_model_view_name(model, 4, &name) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_knowledge_width(model, &knowledge) == MAL_OK);
  mal_scorer scorer = 0;
  REQUIRE(mal_scorer_new(model, &scorer) == MAL_OK);
  std::vector<mal_features> rows(30);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    REQUIRE(mal_features_new(model, &rows[r]) == MAL_OK);
    fill(model, rows[r], static_cast<std::int64_t>(r));
  }
  CHECK(mal_model_close(model) == MAL_OK);
  std::vector<float> p(rows.size()), logits(rows.size()), other(rows.size() * views), k(rows.size() * knowledge);
  REQUIRE(mal_scorer_predict(scorer, rows.data(), rows.size(), p.data()) == MAL_OK);
  REQUIRE(mal_scorer_predict_all(scorer, rows.data(), rows.size(), p.data(), logits.data(), other.data(), k.data()) ==
          MAL_OK);
  const infer::Model same = infer::Model::load(exported_mal().path);
  infer::Scorer expected = same.scorer();
  infer::Features row = same.features();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    exported_mal().fill(row, static_cast<std::int64_t>(r), {}, true);
    CHECK(std::abs(expected.predict(row) - p[r]) < 1e-6F);
    CHECK(mal_features_close(rows[r]) == MAL_OK);
  }
  CHECK(mal_scorer_close(scorer) == MAL_OK);
}

TEST_CASE("C: errors are codes with a message of the thread") {
  mal_model model = 0;
  CHECK(mal_model_load("no/such/file", 0, &model) == MAL_CANNOT_READ);
  CHECK(std::strstr(mal_last_error(), "no/such/file") != nullptr);
  std::thread([] { CHECK(std::string(mal_last_error()).empty()); }).join();
  CHECK(mal_model_load(nullptr, 0, &model) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_load("x", 0, nullptr) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_load_memory("junk", 4, &model) == MAL_DAMAGED);
  CHECK(mal_model_load_memory(nullptr, 4, &model) == MAL_BAD_ARGUMENT);
  REQUIRE(mal_model_load(exported_mal().path.c_str(), 0, &model) == MAL_OK);
  int column = -1;
  CHECK(mal_model_column(model, "nothing", &column) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_column(model, nullptr, &column) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_column(model, "price", nullptr) == MAL_BAD_ARGUMENT);
  CHECK(mal_model_column(model, "price", &column) == MAL_OK);
  mal_features features = 0;
  REQUIRE(mal_features_new(model, &features) == MAL_OK);
  CHECK(mal_features_set_number(features, column, std::nan("")) == MAL_BAD_ARGUMENT);
  CHECK(std::strstr(mal_last_error(), "price") != nullptr);
  CHECK(mal_features_set_text(features, column, nullptr, 3) == MAL_BAD_ARGUMENT);
  CHECK(mal_features_set_text(features, -7, "1", 1) == MAL_BAD_ARGUMENT);
  // Handles of another kind, closed ones, and none.
  CHECK(mal_features_clear(model) == MAL_BAD_HANDLE);
  CHECK(mal_scorer_close(features) == MAL_BAD_HANDLE);
  CHECK(mal_features_close(features) == MAL_OK);
  CHECK(mal_features_close(features) == MAL_BAD_HANDLE);
  CHECK(mal_features_set_integer(features, 0, 1) == MAL_BAD_HANDLE);
  CHECK(mal_model_close(0) == MAL_BAD_HANDLE);
  CHECK(mal_model_close(~std::uint64_t{0}) == MAL_BAD_HANDLE);
  CHECK(mal_model_close(model) == MAL_OK);
  CHECK(mal_features_new(model, &features) == MAL_BAD_HANDLE);
}

// Calls in any order with any of the handles there ever were. MAL_C_CALLS: how many; 10⁶ before a release.
TEST_CASE("C: random sequences of calls") {
  const char* wanted = std::getenv("MAL_C_CALLS");
  const long calls = wanted == nullptr ? 30'000 : std::atol(wanted);
  const Random random(17, "calls");
  std::uint64_t counter = 0;
  const auto below = [&](std::uint64_t n) { return random.below(counter++, n); };
  std::vector<std::uint64_t> handles = {0, 1, ~std::uint64_t{0}};
  const auto any = [&] { return handles[below(handles.size())]; };
  const float floats[] = {0.5F, std::nanf(""), 2};
  const std::int64_t ids[] = {1, -1, 5};
  const std::string bytes = exported_mal().bytes();
  std::vector<long> seen(16);
  for (long i = 0; i < calls; ++i) {
    std::uint64_t out = 0;
    int code = MAL_OK;
    const int column = static_cast<int>(below(10)) - 1;
    float results[3] = {};
    const mal_features ads[] = {any(), any(), any()};
    switch (below(14)) {
      case 0:
        if (below(20) == 0) code = mal_model_load_memory(bytes.data(), bytes.size() - below(2), &out);
        break;
      case 1:
        code = mal_features_new(any(), &out);
        break;
      case 2:
        code = mal_scorer_new(any(), &out);
        break;
      case 3:
        code = below(8) == 0 ? mal_model_close(any()) : MAL_OK;
        break;
      case 4:
        code = mal_features_close(any());
        break;
      case 5:
        code = mal_scorer_close(any());
        break;
      case 6:
        code = mal_features_set_text(any(), column, "item_1|0.5", below(11));
        break;
      case 7:
        code = mal_features_set_integer(any(), column, 3);
        break;
      case 8:
        code = mal_features_set_scores(any(), column, below(5) == 0 ? nullptr : floats, below(4));
        break;
      case 9:
        code = mal_features_set_integers(any(), column, ids, below(4));
        break;
      case 10:
        code = mal_scorer_set_user(any(), any());
        break;
      case 11:
        code = mal_scorer_predict(any(), ads, below(4), below(5) == 0 ? nullptr : results);
        break;
      case 12:
        code = mal_features_clear(any());
        break;
      default:
        code = mal_features_set_number(any(), column, 0.25);
        break;
    }
    REQUIRE(code >= MAL_OK);
    REQUIRE(code < MAL_FAILED);
    ++seen[static_cast<std::size_t>(code)];
    if (out == 0) continue;
    if (handles.size() < 40)
      handles.push_back(out);
    else
      handles[below(handles.size())] = out;
  }
  CHECK(seen[MAL_OK] > 0);
  CHECK(seen[MAL_BAD_HANDLE] > 0);
  CHECK(seen[MAL_BAD_ARGUMENT] > 0);
}

}  // namespace
