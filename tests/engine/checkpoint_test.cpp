#include "engine/checkpoint.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "engine/error.h"
#include "engine/file.h"
#include "tests/support/temporary_folder.h"

namespace {

using namespace mal;

void declare(Parameters& parameters, std::int64_t items = 7) {
  parameters.dense("layer/weight", {3, 4}, Initialiser::xavier_uniform());
  parameters.dense("layer/bias", {4}, Initialiser::constant(0.5F));
  parameters.state("norm/mean", {4}, 0.25F);
  parameters.table("embedding/item", items, 5, 0.01F);
}

void write_bytes(const std::string& path, const std::string& bytes) {
  OutputFile file(path);
  file.write(bytes);
  file.commit();
}

// The message of the Error that loading gives, or "" if it loads.
std::string refusal(const std::string& path, std::int64_t items = 7, const TableRows& rows = {}) {
  Parameters parameters(2);
  declare(parameters, items);
  try {
    load_weights(path, parameters, Contents::weights, rows);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// With an optimiser's state: rows of 15 floats, 10 of them state.
Parameters with_state(std::uint64_t seed, std::int64_t items) {
  Parameters parameters(seed, [](std::int32_t width) { return 2 * width; });
  declare(parameters, items);
  parameters.all_tables()[0].fill_state(0.5F, 5, 5);
  return parameters;
}

// No two of its numbers are the same.
void number_rows(Parameters& parameters) {
  EmbeddingTable& table = parameters.all_tables()[0];
  for (std::int64_t r = 0; r < table.rows(); ++r)
    for (int c = 0; c < 15; ++c) table.row(r)[c] = static_cast<float>(100 * r + c);
}

}  // namespace

TEST_CASE("weights come back to the bit, tables without their optimiser state", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  Parameters saved(1, [](std::int32_t width) { return 2 * width; });
  declare(saved);
  save_weights(path, saved, {{"model", "mal"}});

  Parameters loaded(2);
  declare(loaded);
  const Metadata metadata = load_weights(path, loaded);
  CHECK(metadata.at("model") == "mal");
  for (std::size_t p = 0; p < 2; ++p) {
    const Tensor &a = saved.all_dense()[p].value, &b = loaded.all_dense()[p].value;
    CHECK(std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(float)) == 0);
  }
  for (std::int64_t r = 0; r < 7; ++r)
    CHECK(std::memcmp(saved.all_tables()[0].row(r), loaded.all_tables()[0].row(r), 5 * sizeof(float)) == 0);
}

TEST_CASE("another model's weights are refused by name", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  Parameters other(1);
  other.dense("layer/weight", {3, 4}, Initialiser::xavier_uniform());
  other.dense("layer/bias", {5}, Initialiser::constant(0));
  other.state("norm/mean", {4}, 0);
  other.table("embedding/item", 7, 5, 0.01F);
  save_weights(path, other, {});
  CHECK(refusal(path).find("tensor layer/bias is not F32 [4]") != std::string::npos);

  Parameters fewer(1);
  fewer.dense("layer/weight", {3, 4}, Initialiser::xavier_uniform());
  save_weights(path, fewer, {});
  CHECK(refusal(path).find("it holds 1 tensors, the model has 4") != std::string::npos);
}

TEST_CASE("every flipped bit and every truncation of a weights file is refused", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors", broken = folder / "broken.safetensors";
  Parameters parameters(1);
  declare(parameters);
  save_weights(path, parameters, {{"steps", "12"}});
  const std::string good = read_file(path);
  std::size_t accepted = 0;
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    write_bytes(broken, bytes);
    if (refusal(broken).empty()) ++accepted;
    if (refusal(broken, 9, {.grown = true}).empty()) ++accepted;
  }
  CHECK(accepted == 0);
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_bytes(broken, good.substr(0, size));
    INFO(size);
    CHECK_FALSE(refusal(broken).empty());
  }
  write_bytes(broken, good + std::string(8, '\0'));
  CHECK_FALSE(refusal(broken).empty());
}

TEST_CASE("the optimiser's state comes back to the bit with the weights", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  const auto make = [](std::uint64_t seed) {
    Parameters parameters(seed, [](std::int32_t width) { return 2 * width; });
    declare(parameters);
    for (Parameter& parameter : parameters.all_dense())
      parameter.state1 = Tensor(kernels::cpu_runtime(), parameter.value.shape());
    return parameters;
  };
  Parameters saved = make(1);
  float next = 1;
  for (Parameter& parameter : saved.all_dense())
    for (float& value : parameter.state1.span()) value = next++;
  EmbeddingTable& table = saved.all_tables()[0];
  for (std::int64_t r = 0; r < table.rows(); ++r)
    for (std::int32_t c = table.width(); c < table.width() + table.state_width(); ++c) table.row(r)[c] = next++;
  save_weights(path, saved, {}, Contents::training);
  CHECK(refusal(path).find("it holds 'training', not 'weights'") != std::string::npos);

  Parameters loaded = make(2);
  load_weights(path, loaded, Contents::training);
  for (std::size_t p = 0; p < 2; ++p) {
    CHECK(std::ranges::equal(saved.all_dense()[p].value.span(), loaded.all_dense()[p].value.span()));
    CHECK(std::ranges::equal(saved.all_dense()[p].state1.span(), loaded.all_dense()[p].state1.span()));
  }
  for (std::int64_t r = 0; r < table.rows(); ++r)
    CHECK(std::memcmp(table.row(r), loaded.all_tables()[0].row(r), 15 * sizeof(float)) == 0);

  // Another rule's state does not fit.
  Parameters other(1, [](std::int32_t width) { return width; });
  declare(other);
  CHECK_THROWS_AS(load_weights(path, other, Contents::training), Error);
}

TEST_CASE("a table that grew keeps its rows to the bit, and the new ones are fresh", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  constexpr std::size_t kRow = 15 * sizeof(float);
  Parameters first = with_state(1, 7);
  number_rows(first);
  save_weights(path, first, {}, Contents::training);

  const Parameters fresh = with_state(2, 12);
  const auto check = [&](const Parameters& grown) {
    for (std::int64_t r = 0; r < 12; ++r) {
      INFO(r);
      const EmbeddingTable& from = r < 7 ? first.all_tables()[0] : fresh.all_tables()[0];
      CHECK(std::memcmp(grown.all_tables()[0].row(r), from.row(r), kRow) == 0);
    }
    CHECK(std::ranges::equal(grown.all_dense()[0].value.span(), first.all_dense()[0].value.span()));
  };
  Parameters at_once = with_state(2, 12);
  load_weights(path, at_once, Contents::training, {.grown = true});
  check(at_once);

  Parameters step = with_state(2, 9), in_two_steps = with_state(2, 12);
  load_weights(path, step, Contents::training, {.grown = true});
  save_weights(folder / "step", step, {}, Contents::training);
  load_weights(folder / "step", in_two_steps, Contents::training, {.grown = true});
  check(in_two_steps);
}

TEST_CASE("the optimiser's state moves with its row, and a fresh row has fresh state", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  Parameters saved = with_state(1, 7), loaded = with_state(2, 5);
  const Parameters fresh = with_state(2, 5);
  number_rows(saved);
  save_weights(path, saved, {{"steps", "3"}}, Contents::training);
  load_weights(path, loaded, Contents::training, {.grown = true, .moved = {{"embedding/item", {0, 6, 2, -1, 4}}}});
  constexpr std::int64_t kFrom[] = {0, 6, 2, -1, 4};
  for (std::int64_t r = 0; r < 5; ++r) {
    INFO(r);
    const EmbeddingTable& from = kFrom[r] < 0 ? fresh.all_tables()[0] : saved.all_tables()[0];
    CHECK(std::memcmp(loaded.all_tables()[0].row(r), from.row(kFrom[r] < 0 ? r : kFrom[r]), 15 * sizeof(float)) == 0);
  }
  // Its metadata alone.
  CHECK(read_metadata(path, Contents::training)["steps"] == "3");
  CHECK_THROWS_WITH(read_metadata(path), Catch::Matchers::Contains("it holds 'training', not 'weights'"));
  write_bytes(path, "no weights file");
  CHECK_THROWS_AS(read_metadata(path), Error);
}

TEST_CASE("a table that shrank, or that grew without leave, is refused by name", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  Parameters saved(1);
  declare(saved);
  save_weights(path, saved, {});
  CHECK(refusal(path, 8, {.grown = true}).empty());
  CHECK(refusal(path, 7, {.grown = true}).empty());
  for (const TableRows& rows : {TableRows{}, TableRows{.grown = true}})
    CHECK(refusal(path, 6, rows).find("tensor embedding/item is not F32 [6,5] but F32 [7,5]") != std::string::npos);
  CHECK(refusal(path, 8).find("tensor embedding/item is not F32 [8,5] but F32 [7,5]") != std::string::npos);

  Parameters wider(1);
  declare(wider);
  wider.dense("layer/more", {2, 2}, Initialiser::constant(0));
  CHECK_THROWS_WITH(load_weights(path, wider, Contents::weights, {.grown = true}),
                    Catch::Matchers::Contains("it holds 4 tensors, the model has 5"));
}

TEST_CASE("rows that moved are found by their place in the file, the others are fresh", "[checkpoint]") {
  const test::TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  Parameters saved(1), fresh(2), loaded(2);
  declare(saved);
  declare(fresh, 5);
  declare(loaded, 5);
  save_weights(path, saved, {});
  // Fewer than the file has; one that the file has not.
  load_weights(path, loaded, Contents::weights, {.grown = true, .moved = {{"embedding/item", {0, 4, -1, 6, 7}}}});
  CHECK(refusal(path, 5, {.grown = true, .moved = {{"embedding/item", {0, 4, -1, 6}}}})
            .find(path + ": embedding/item has 5 rows, and 4 ids") != std::string::npos);
  constexpr std::int64_t kFrom[] = {0, 4, -1, 6, -1};
  for (std::int64_t r = 0; r < 5; ++r) {
    INFO(r);
    const EmbeddingTable& from = kFrom[r] < 0 ? fresh.all_tables()[0] : saved.all_tables()[0];
    CHECK(std::memcmp(loaded.all_tables()[0].row(r), from.row(kFrom[r] < 0 ? r : kFrom[r]), 5 * sizeof(float)) == 0);
  }
}
