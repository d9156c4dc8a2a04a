// Whole training steps on the emulated device: the CUDA kernels, uploads and reports as late as they can be, recorded
// steps.
#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "engine/checkpoint.h"
#include "tests/device/emulated_training.h"
#include "tests/support/temporary_folder.h"

namespace mal::test::training {

// Full batches and, between them, a smaller one, as at the end of each epoch.
constexpr std::int64_t kRows[] = {6, 6, 6, 5, 6, 6, 5, 6, 6, 5, 5};

// Of this thread's products on the device.
void set_precision(const TestDevice& gpu, kernels::Precision precision) {
  if (!gpu.real) return kernels::set_emulated_precision(precision);
#ifdef MAL_HAVE_CUDA
  kernels::set_cuda_precision(precision);
#endif
}

void train(Training& training) {
  std::uint64_t seed = 20;
  for (const std::int64_t rows : kRows) training.step(rows, ++seed);
  training.finish();
}

TEST_CASE("every model trains on the emulated device as on the CPU", "[device]") {
  for (const std::string& type : model_types()) {
    INFO(type);
    TestDevice gpu;
    const ModelConfig config = small_config(type);
    Training here(cpu_device(), config, 6), there(gpu.device, config, 6);
    train(here);
    train(there);
    REQUIRE(here.results.size() == std::size(kRows));
    REQUIRE(there.results.size() == std::size(kRows));
    for (std::size_t i = 0; i < std::size(kRows); ++i) {
      const StepResult &a = here.results[i], &b = there.results[i];
      CHECK(a.step == static_cast<std::int64_t>(i) + 1);
      CHECK(b.step == a.step);
      CHECK(b.rows == kRows[i]);
      CHECK(b.finite);
      CHECK(b.gradient_norm == Approx(a.gradient_norm).epsilon(1e-3));
      for (std::size_t h = 0; h < a.losses.size(); ++h) CHECK(b.losses[h] == Approx(a.losses[h]).epsilon(1e-4));
    }
    CHECK(weights_mismatch(there, here) == "");
    // Two blocks of inputs and two numbers of rows, each recorded once when it came for the second time.
    if (gpu.real) continue;
    CHECK(gpu.runtime->recordings == 4);
    CHECK(gpu.runtime->replays == static_cast<std::int64_t>(std::size(kRows)) - 4);
  }
}

TEST_CASE("gradient surgery trains on the emulated device as on the CPU", "[device]") {
  for (const MultiTask kind : {MultiTask::pcgrad, MultiTask::gcs}) {
    TestDevice gpu;
    const ModelConfig config = small_config("shared_bottom");
    Training here(cpu_device(), config, 6, kind), there(gpu.device, config, 6, kind);
    train(here);
    train(there);
    CHECK(weights_mismatch(there, here) == "");
    if (!gpu.real) CHECK(gpu.runtime->recordings == 0);
  }
}

TEST_CASE("rows with weights train on the emulated device as on the CPU", "[device]") {
  for (const kernels::Reduction reduction :
       {kernels::Reduction::mean, kernels::Reduction::sum, kernels::Reduction::weight_mean}) {
    INFO("reduction " << static_cast<int>(reduction));
    TestDevice gpu;
    const ModelConfig config = small_config("mal");
    Training here(cpu_device(), config, 6, MultiTask::none, true, reduction),
        there(gpu.device, config, 6, MultiTask::none, true, reduction),
        alike(cpu_device(), config, 6, MultiTask::none, false, reduction);
    train(here);
    train(there);
    train(alike);
    for (std::size_t i = 0; i < std::size(kRows); ++i)
      for (std::size_t h = 0; h < here.results[i].losses.size(); ++h)
        CHECK(there.results[i].losses[h] == Approx(here.results[i].losses[h]).epsilon(1e-4));
    CHECK(weights_mismatch(there, here) == "");
    CHECK(here.results[0].losses[0] != Approx(alike.results[0].losses[0]).epsilon(1e-3));
  }
}

TEST_CASE("attention of every kind and the counts of SimTier on the emulated device", "[device]") {
  for (const Attention attention : {Attention::din, Attention::mha, Attention::none}) {
    TestDevice gpu;
    ModelConfig config = small_config("mal");
    config.interaction.attention = attention;
    config.interaction.softmax = true;
    config.simtier.mode = SimTier::count;
    config.senet.enabled = true;
    Training here(cpu_device(), config, 6), there(gpu.device, config, 6);
    train(here);
    train(there);
    CHECK(weights_mismatch(there, here) == "");
  }
}

TEST_CASE("batches that stay on the device are trained on as those that come again", "[device]") {
  const ModelConfig config = small_config("mal");
  constexpr std::int64_t kBatches[] = {6, 6, 6, 5};
  for (const std::int64_t batches : {4, 1}) {  // one: each epoch reads at once what the one before kept
    TestDevice gpu;
    Training kept(gpu.device, config, 6), read(gpu.device, config, 6);
    REQUIRE(kept.network.stage.keep(batches));
    for (std::int64_t epoch = 0; epoch < 3; ++epoch)
      for (std::int64_t i = 0; i < batches; ++i) {
        const auto seed = static_cast<std::uint64_t>(80 + i);
        if (epoch == 0) {
          Batch batch = small_batch(kept.schema, kBatches[i], seed);
          kept.pipeline.step_and_keep(batch, epoch, i);
        } else {
          kept.pipeline.step_kept(i, 6 * i, kBatches[i], epoch);
        }
        kept.take();
        read.step(kBatches[i], seed);
      }
    kept.finish();
    read.finish();
    CHECK(kept.weights() == read.weights());
    CHECK(kept.results.back().first_row == 6 * (batches - 1));
    CHECK(kept.results.back().epoch == 2);
  }
  Training here(cpu_device(), config, 6);
  CHECK(!here.network.stage.keep(4));  // the host has them already
}

TEST_CASE("results come late, in order, and never more than the ring holds", "[device]") {
  TestDevice gpu;
  if (gpu.real) return;  // as late as it likes
  Training there(gpu.device, small_config("base"), 6);
  for (std::uint64_t i = 0; i < 8; ++i) {
    there.step(6, 30 + i);
    CHECK(there.results.size() == (i == 7 ? 1U : 0U));  // the emulated device tells nothing until it is waited for
  }
  CHECK(!there.pipeline.full());
  there.finish();
  CHECK(there.results.size() == 8);
}

TEST_CASE("a step that is not finite changes nothing on the device, and later ones go on", "[device]") {
  TestDevice gpu;
  for (const Device& device : {cpu_device(), gpu.device}) {
    INFO(device.name);
    Training training(device, small_config("home"), 6);  // with running statistics
    for (std::uint64_t i = 0; i < 5; ++i) training.step(6, 40 + i);
    training.finish();
    const auto before = training.weights();
    for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      Batch batch = small_batch(training.schema, 6, 50);
      batch.columns[static_cast<std::size_t>(*training.schema.find("price"))].values[3] = bad;
      training.pipeline.step(batch, 0);
      training.finish();
      CHECK(!training.results.back().finite);
      CHECK(training.weights() == before);
    }
    training.step(6, 51);
    training.finish();
    CHECK(training.results.back().finite);
    CHECK(training.weights() != before);
  }
}

// Every bit of every weight, NaN or not.
std::string bits_of(const Training& training) {
  std::string bits;
  for (const auto& [name, values] : training.weights())
    bits.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return bits;
}

TEST_CASE("a NaN in a weight of any layer, or in a table, stops the step on both devices", "[device]") {
  TestDevice gpu;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ModelConfig wide = small_config("base");  // products of the library, whose epilogue is not to hide it either
  wide.bottom = {300};
  wide.tower = {96, 5};
  for (const Device& device : {cpu_device(), gpu.device})
    for (const ModelConfig& config : {small_config("base"), small_config("mal"), wide}) {
      Training training(device, config, 6);
      for (std::uint64_t i = 0; i < 3; ++i) training.step(6, 40 + i);
      training.finish();
      const auto refused = [&](const std::string& where) {
        INFO(device.name << ", " << config.type << ", " << where);
        const std::string before = bits_of(training);
        training.step(6, 50);
        training.finish();
        CHECK(!training.results.back().finite);
        CHECK(bits_of(training) == before);
      };
      for (Parameter& parameter : training.parameters.all_dense()) {
        const std::vector<float> good = parameter.value.read();
        for (const std::size_t at : {std::size_t{0}, good.size() - 1}) {
          // DIN's slopes matter below zero alone; mal has many layers.
          if (at > 0 && (parameter.name.ends_with("alpha") || config.type == "mal")) continue;
          std::vector<float> bad = good;
          bad[at] = nan;
          parameter.value.write(bad);
          refused(parameter.name);
        }
        parameter.value.write(good);
      }
      const auto plant = [&](EmbeddingTable& table, float value) {
        table.buffer().edit(table.row_bytes(), [&](std::int64_t, std::int64_t rows, std::byte* data) {
          for (std::int64_t r = 0; r < rows; ++r)
            reinterpret_cast<float*>(data + static_cast<std::size_t>(r) * table.row_bytes())[1] = value;
        });
      };
      plant(training.parameters.all_tables()[1], nan);
      refused("a table");
      plant(training.parameters.all_tables()[1], 0.1F);
      training.step(6, 51);
      training.finish();
      CHECK(training.results.back().finite);
    }
}

TEST_CASE("bf16 products leave weights and their state in fp32", "[device]") {
  TestDevice gpu;
  ModelConfig config = small_config("base");
  config.bottom = {300};  // large enough for the library's products
  config.tower = {96, 5};
  Training fp32(gpu.device, config, 6);
  Training bf16(gpu.device, config, 6);
  train(fp32);
  set_precision(gpu, kernels::Precision::bf16);
  train(bf16);
  set_precision(gpu, kernels::Precision::fp32);
  if (!gpu.real) CHECK(bf16.weights() != fp32.weights());  // the library is only permitted to round
  // The first step's losses differ by rounding alone; later ones are of other weights.
  CHECK(bf16.results[0].losses[0] == Approx(fp32.results[0].losses[0]).epsilon(0.005));
  for (std::size_t i = 1; i < std::size(kRows); ++i)
    CHECK(bf16.results[i].losses[0] == Approx(fp32.results[i].losses[0]).epsilon(0.1));
  // Of a bf16 number the last 16 bits are zero: one in 65 536 has them by chance.
  const auto narrow = [](const std::vector<float>& values) {
    return std::ranges::count_if(values,
                                 [](float value) { return (std::bit_cast<std::uint32_t>(value) & 0xFFFFU) == 0; });
  };
  for (const Parameter& parameter : bf16.parameters.all_dense()) {
    if (parameter.value.size() < 1000) continue;
    INFO(parameter.name);
    CHECK(narrow(parameter.value.read()) * 50 < parameter.value.size());
    CHECK(narrow(parameter.gradient.read()) * 2 < parameter.gradient.size());
    CHECK(narrow(parameter.state1.read()) * 2 < parameter.state1.size());
  }
}

// Knowledge vectors lie at columns 0, 66, 132: a batch of products whose pointers are no multiples of 16 bytes.
TEST_CASE("towers of any width train in every precision", "[device]") {
  TestDevice gpu;
  ModelConfig config = small_config("mal");
  config.mal.aka_bottom = {300};  // large enough for the library's products
  config.tower = {66};
  Training here(cpu_device(), config, 6);
  here.step(6, 30);
  here.finish();
  for (const kernels::Precision precision :
       {kernels::Precision::fp32, kernels::Precision::tf32, kernels::Precision::bf16}) {
    INFO("precision " << static_cast<int>(precision));
    Training there(gpu.device, config, 6);
    set_precision(gpu, precision);
    there.step(6, 30);
    there.finish();
    set_precision(gpu, kernels::Precision::fp32);
    CHECK(there.results[0].finite);
    for (std::size_t h = 0; h < here.results[0].losses.size(); ++h)
      CHECK(there.results[0].losses[h] == Approx(here.results[0].losses[h]).epsilon(0.01));
  }
}

TEST_CASE("a checkpoint of one device continues on the other", "[device]") {
  const TemporaryFolder folder;
  TestDevice gpu;
  const ModelConfig config = small_config("mal");
  Training first(gpu.device, config, 6), second(cpu_device(), config, 6), same(gpu.device, config, 6);
  train(first);
  save_weights(folder / "weights", first.parameters, {});
  load_weights(folder / "weights", second.parameters);
  load_weights(folder / "weights", same.parameters);
  CHECK(weights_mismatch(second, first) == "");
  for (Training* training : {&second, &same}) {
    training->step(6, 60);
    training->step(5, 61);
    training->finish();
  }
  CHECK(weights_mismatch(second, same) == "");
  CHECK(weights_mismatch(second, first) != "");
}

TEST_CASE("evaluation on the emulated device gives the CPU's logits", "[device]") {
  TestDevice gpu;
  const Schema schema = small_schema();
  std::vector<std::vector<float>> logits;
  for (const Device& device : {cpu_device(), gpu.device}) {
    Parameters parameters(5, {}, device.memory);
    Network network(device, parameters, schema, small_config("mal"), 7, false);
    auto& all = logits.emplace_back();
    for (const std::int64_t rows : {7, 3, 0, 6}) {
      network.forward(small_batch(schema, rows, 70 + static_cast<std::uint64_t>(rows)));
      const std::vector<float> batch = network.graph.read(network.model.logits, rows);
      CHECK(batch.size() == static_cast<std::size_t>(rows * network.graph.width(network.model.logits)));
      all.insert(all.end(), batch.begin(), batch.end());
    }
  }
  REQUIRE(logits[0].size() == logits[1].size());
  for (std::size_t i = 0; i < logits[0].size(); ++i) CHECK(logits[1][i] == Approx(logits[0][i]).margin(1e-5));
}

}  // namespace mal::test::training
