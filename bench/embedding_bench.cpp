#include "bench/ceiling.h"

namespace {

using namespace mal::bench;
using mal::kernels::Pooling;

constexpr std::int64_t kRows = 4096;
constexpr std::int32_t kFeatures = 16, kWidth = 16;
constexpr std::int64_t kStride = 3 * kWidth;  // a row with Adam's state

// Table rows; length of every feature (1: single ids, more: mean over them). Ids of all features lie in one table.
void embedding_forward(benchmark::State& state) {
  const std::int64_t table_rows = state.range(0);
  const auto length = static_cast<std::int32_t>(state.range(1));
  const Buffer<float> table = random_floats(table_rows * kStride);
  const Buffer<std::int32_t> ids = random_ids(kFeatures * kRows * length, table_rows);
  Buffer<float> out(static_cast<std::size_t>(kRows * kFeatures * kWidth));
  std::vector<mal::kernels::Lookup> lookups;
  for (std::int32_t f = 0; f < kFeatures; ++f)
    lookups.push_back({table.data(), kStride, ids.data() + f * kRows * length, nullptr, length, kWidth,
                       length == 1 ? Pooling::none : Pooling::mean, out.data() + f * kWidth, kFeatures * kWidth});
  const double seconds = timed(state, [&] { device_kernels().embedding_forward(lookups.data(), kFeatures, kRows); });
  const auto count = static_cast<double>(ids.size());
  report(state, seconds,
         {length == 1 ? 0 : count * kWidth, count * (4 + 4 * kWidth) + 4 * static_cast<double>(out.size())});
  state.counters["ids/s"] = static_cast<double>(state.iterations()) * count / seconds;
}

void embedding_backward(benchmark::State& state) {
  const std::int64_t table_rows = state.range(0);
  const auto length = static_cast<std::int32_t>(state.range(1));
  const Buffer<std::int32_t> ids = random_ids(kFeatures * kRows * length, table_rows);
  const Buffer<float> dout = random_floats(kRows * kFeatures * kWidth);
  Buffer<std::int32_t> rows(ids.size());
  Buffer<float> values(ids.size() * kWidth);
  const auto& kernels = device_kernels();
  auto workspace = workspace_of<std::byte>(kernels.embedding_backward_workspace(1, kFeatures, std::ssize(ids), kWidth));
  Buffer<std::int64_t> touched_rows(1);
  std::vector<mal::kernels::LookupGradient> lookups;
  for (std::int32_t f = 0; f < kFeatures; ++f)
    lookups.push_back({ids.data() + f * kRows * length, nullptr, length, length == 1 ? Pooling::none : Pooling::mean,
                       dout.data() + f * kWidth, kFeatures * kWidth});
  const mal::kernels::TableGradient gradient{lookups.data(), kFeatures,          kWidth, table_rows, rows.data(),
                                             values.data(),  touched_rows.data()};
  const double seconds = timed(state, [&] { kernels.embedding_backward(&gradient, 1, kRows, workspace.data()); });
  const auto count = static_cast<double>(ids.size()), touched = static_cast<double>(touched_rows.first());
  report(state, seconds,
         {count * kWidth, count * 4 + 4 * static_cast<double>(dout.size()) + touched * (4 + 4 * kWidth)});
  state.counters["ids/s"] = static_cast<double>(state.iterations()) * count / seconds;
}

void shapes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"table", "L"})->UseRealTime();
  for (const std::int64_t table_rows : {1000, 1000000})
    for (const std::int64_t length : {1, 5}) benchmark->Args({table_rows, length});
}
BENCHMARK(embedding_forward)->Apply(shapes);
BENCHMARK(embedding_backward)->Apply(shapes);

}  // namespace
