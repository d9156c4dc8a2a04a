// Memory that the host does not reach: what is written arrives, piece by piece, and what there is not is named.
#include <catch2/catch.hpp>
#include <numeric>

#include "engine/checkpoint.h"
#include "engine/error.h"
#include "engine/parameters.h"
#include "tests/device/emulated_device.h"
#include "tests/support/temporary_folder.h"

namespace mal::test::memory {

TEST_CASE("parameters begin with the same bits on every device", "[device]") {
  TestDevice gpu;
  const auto width_of_state = [](std::int32_t width) { return 2 * width; };
  Parameters here(7, width_of_state), there(7, width_of_state, gpu.device.memory);
  for (Parameters* parameters : {&here, &there}) {
    parameters->dense("w", {5, 3}, Initialiser::xavier_uniform());
    parameters->state("s", {4}, 0.25F);
    // More than one piece of what the host reads at a time.
    parameters->table("t", 70000, 11, 0.1F).fill_state(0.5F, 11, 11);
  }
  if (!gpu.real) CHECK(gpu.runtime->allocated() == 4);
  CHECK(here.all_dense()[0].value.read() == there.all_dense()[0].value.read());
  CHECK(there.all_states()[0].value.read() == std::vector<float>(4, 0.25F));
  const EmbeddingTable &a = here.all_tables()[0], &b = there.all_tables()[0];
  REQUIRE(a.buffer().size() == b.buffer().size());
  std::vector<std::byte> bytes(b.buffer().size());
  b.buffer().download(bytes.data(), bytes.size());
  CHECK(std::memcmp(a.data(), bytes.data(), bytes.size()) == 0);
}

TEST_CASE("a thread has one device at a time", "[device]") {
  for (int n = 0; n < 2; ++n) {  // one after the other
    const TestDevice gpu;
    CHECK_THROWS_WITH(TestDevice(), Catch::Contains("the queue of another device"));
    Buffer buffer(gpu.device.memory, 64);
    std::vector<float> there(16);
    gpu.device.kernels->fill(buffer.as<float>(), 4, 4, 4, 2.5F);  // in this device's queue, still
    buffer.download(there.data(), 64);
    CHECK(there == std::vector<float>(16, 2.5F));
  }
}

TEST_CASE("a buffer is read and edited in whole units", "[device]") {
  TestDevice gpu;
  constexpr std::size_t kUnit = 12, kUnits = 1'500'000;  // 17 MiB: three pieces, and a rest
  Buffer buffer(gpu.device.memory, kUnit * kUnits);
  std::int64_t pieces = 0, next = 0;
  buffer.edit(kUnit, [&](std::int64_t first, std::int64_t count, std::byte* data) {
    CHECK(first == next);
    next = first + count;
    ++pieces;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t value = first + i;
      std::memcpy(data + static_cast<std::size_t>(i) * kUnit, &value, sizeof value);
    }
  });
  CHECK(next == static_cast<std::int64_t>(kUnits));
  CHECK(pieces == 3);
  std::int64_t wrong = 0;
  buffer.read(kUnit, [&](std::int64_t first, std::int64_t count, const std::byte* data) {
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t value = 0;
      std::memcpy(&value, data + static_cast<std::size_t>(i) * kUnit, sizeof value);
      wrong += value == first + i ? 0 : 1;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("the CPU's memory is read where it lies", "[device]") {
  const Buffer buffer(kernels::cpu_runtime(), std::size_t{20} << 20);
  std::int64_t pieces = 0;
  buffer.read(4, [&](std::int64_t, std::int64_t, const std::byte* data) {
    ++pieces;
    CHECK(data == buffer.data());
  });
  CHECK(pieces == 1);
}

TEST_CASE("out of memory says how much, for what, and what to do", "[device]") {
  TestDevice gpu;
  if (gpu.real) return;
  gpu.runtime->limit = 1 << 20;
  Parameters parameters(1, {}, gpu.device.memory);
  CHECK_THROWS_WITH(parameters.table("user", 1 << 20, 16, 0.1F),
                    Catch::Contains("out of device memory: 64.0 MiB for the table user") &&
                        Catch::Contains("little is free") && Catch::Contains("model.embedding_dim"));
  CHECK_THROWS_WITH(
      PinnedBuffer(gpu.device.memory, 2 << 20, {"the batch", "lower train.batch_size"}),
      Catch::Contains("out of pinned host memory: 2.0 MiB for the batch") && Catch::Contains("lower train.batch_size"));
}

// The weights of the only table.
std::vector<float> rows_of(const Parameters& parameters) {
  const EmbeddingTable& table = parameters.all_tables()[0];
  std::vector<float> values;
  table.buffer().read(table.row_bytes(), [&](std::int64_t, std::int64_t rows, const std::byte* data) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* row = reinterpret_cast<const float*>(data) + r * table.row_stride();
      values.insert(values.end(), row, row + table.width());
    }
  });
  return values;
}

TEST_CASE("weights saved on one device load on another", "[device]") {
  const test::TemporaryFolder folder;
  TestDevice gpu;
  const auto declare = [](Parameters& parameters) {
    parameters.dense("w", {7, 3}, Initialiser::xavier_uniform());
    parameters.state("s", {4}, 1);
    parameters.table("t", 300000, 5, 0.1F);
  };
  Parameters there(
      7, [](std::int32_t) { return 4; }, gpu.device.memory),
      here(8), back(9, {}, gpu.device.memory);
  for (Parameters* parameters : {&there, &here, &back}) declare(*parameters);
  const std::string first = folder.path() + "/a", second = folder.path() + "/b";
  save_weights(first, there, {{"steps", "3"}});
  CHECK(load_weights(first, here).at("steps") == "3");
  CHECK(here.all_dense()[0].value.read() == there.all_dense()[0].value.read());
  CHECK(rows_of(here) == rows_of(there));
  save_weights(second, here, {{"steps", "3"}});
  load_weights(second, back);
  CHECK(back.all_dense()[0].value.read() == there.all_dense()[0].value.read());
  CHECK(rows_of(back) == rows_of(there));
}

}  // namespace mal::test::memory
