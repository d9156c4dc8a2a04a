// No allocation once a scorer is warm, and every allocation that fails is an error, not a crash or a leak.
#include <catch2/catch.hpp>

#include "model/inference/mal_infer_c.h"
#include "tests/inference/exported_model.h"
#include "tests/support/allocations.h"

namespace {

using namespace mal;
using test::allocations;
using test::allocations_left;
using test::ExportedModel;

// The result of `work` with the n-th allocation failing, for n = 1, 2, … until it does without.
template <typename Work>
void fail_each_allocation(const char* what, const Work& work) {
  bool done = false;
  long n = 0;
  for (; !done && n < 100'000; ++n) {
    allocations_left = n;
    bool out_of_memory = false;
    done = work(out_of_memory);
    const long left = allocations_left.exchange(-1);
    if (!done && !out_of_memory) FAIL(what << ": a failed allocation " << n << " was no out_of_memory, left " << left);
  }
  INFO(what << " allocates " << n - 1 << " times");
  CHECK(done);
}

struct Warm {
  explicit Warm(const std::string& type)
      : exported(test::small_config(type), {}, 100),
        model(infer::Model::load(exported.path)),
        scorer(model.scorer()),
        user(model.features()),
        ads(100, model.features()),
        probabilities(100),
        views(100 * model.views().size()) {
    for (std::int64_t a = 0; a < 100; ++a)
      for (std::size_t c = 0; c < exported.trained.schema.columns.size(); ++c) texts.push_back(value(c, a));
  }
  std::string value(std::size_t column, std::int64_t row) const {
    const Column& spec = exported.trained.schema.columns[column];
    const bool read = !spec.table.empty() || spec.kind == ColumnKind::scores || spec.kind == ColumnKind::number;
    return read ? exported.text(column, row) : "";
  }

  // A request as a server makes it; every value is text, the slowest way in.
  bool request() {
    const std::size_t columns = exported.trained.schema.columns.size();
    bool good = true;
    user.clear();
    for (std::size_t a = 0; a < ads.size(); ++a) {
      ads[a].clear();
      for (std::size_t c = 0; c < columns; ++c) {
        const infer::Column column = model.column(exported.trained.schema.columns[c].name);
        if (!column.valid()) continue;
        const bool of_user = c == 0 || c == 3;
        if (of_user && a > 0) continue;
        good &= (of_user ? user : ads[a]).try_set(column, std::string_view(texts[a * columns + c])).ok();
      }
    }
    infer::Predictions out;
    out.probability = probabilities.data();
    out.views = views.data();
    return good && scorer.try_set_user(user).ok() && scorer.try_predict(ads.data(), ads.size(), out).ok();
  }

  ExportedModel exported;
  infer::Model model;
  infer::Scorer scorer;
  infer::Features user;
  std::vector<infer::Features> ads;
  std::vector<float> probabilities, views;
  std::vector<std::string> texts;
};

TEST_CASE("a warm scorer takes no memory") {
  for (const std::string& type : model_types()) {
    Warm warm(type);
    REQUIRE(warm.request());
    const long before = allocations;
    bool good = true;
    for (int i = 0; i < 20; ++i) good &= warm.request();
    const long after = allocations;
    CHECK(good);
    CHECK(after == before);
  }
}

TEST_CASE("every failed allocation of the header is an error") {
  const ExportedModel exported(test::small_config("mal"), {}, 2);
  const std::string bytes = exported.bytes();
  fail_each_allocation("load", [&](bool& out_of_memory) {
    const auto result = infer::Model::try_load_memory(bytes.data(), bytes.size());
    out_of_memory = result.status().code() == infer::Code::out_of_memory;
    return result.ok();
  });
  const infer::Model model = infer::Model::load(exported.path);
  fail_each_allocation("scorer", [&](bool& out_of_memory) {
    const auto result = model.try_scorer();
    out_of_memory = result.status().code() == infer::Code::out_of_memory;
    return result.ok();
  });
  fail_each_allocation("features", [&](bool& out_of_memory) {
    const auto result = model.try_features();
    out_of_memory = result.status().code() == infer::Code::out_of_memory;
    return result.ok();
  });
  // An error needs memory for its message; where there is none, that is the error.
  infer::Features row = model.features();
  fail_each_allocation("a refused value", [&](bool& out_of_memory) {
    const infer::Status status = row.try_set("no such column of the model", "1");
    out_of_memory = status.code() == infer::Code::out_of_memory;
    return status.code() == infer::Code::bad_argument;
  });
}

TEST_CASE("every failed allocation of the C interface is a code") {
  const ExportedModel exported(test::small_config("base"), {}, 2);
  const std::string bytes = exported.bytes();
  mal_model model = 0;
  fail_each_allocation("mal_model_load_memory", [&](bool& out_of_memory) {
    const int code = mal_model_load_memory(bytes.data(), bytes.size(), &model);
    out_of_memory = code == MAL_OUT_OF_MEMORY;
    return code == MAL_OK;
  });
  mal_features features = 0;
  fail_each_allocation("mal_features_new", [&](bool& out_of_memory) {
    const int code = mal_features_new(model, &features);
    out_of_memory = code == MAL_OUT_OF_MEMORY;
    return code == MAL_OK;
  });
  mal_scorer scorer = 0;
  fail_each_allocation("mal_scorer_new", [&](bool& out_of_memory) {
    const int code = mal_scorer_new(model, &scorer);
    out_of_memory = code == MAL_OUT_OF_MEMORY;
    return code == MAL_OK;
  });
  CHECK(mal_scorer_close(scorer) == MAL_OK);
  CHECK(mal_features_close(features) == MAL_OK);
  CHECK(mal_model_close(model) == MAL_OK);
}

}  // namespace
