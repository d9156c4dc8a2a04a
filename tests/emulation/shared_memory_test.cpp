#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/cuda/support/launch.h"
#include "kernels/cuda/support/stream.h"
#include "tests/emulation/error_of.h"

// Shared memory that a kernel must ask for, and keep while its launches are recorded.
namespace mal::kernels::emulated::shared_memory_limits {

using Catch::Matchers::Contains;

__global__ void touch_dynamic(float* out) {
  out[0] = dynamic_shared<float>()[0];
}
__global__ void touch_both(float* out) {
  MAL_SHARED(float, tile, [1024]);  // 4096 bytes
  tile[threadIdx.x] = 1;
  out[0] = tile[0] + dynamic_shared<float>()[0];
}

// Past launch(), which asks for shared memory.
std::string error_without_asking(void (*kernel)(float*), std::size_t bytes) {
  float out = 0;
  const auto body = [&] { kernel(&out); };
  const LaunchShape shape{"unasked", 1, 1, bytes, reinterpret_cast<const void*>(kernel)};
  return error_of([&] {
    run_grid(
        shape, [](const void* thread) { (*static_cast<const decltype(body)*>(thread))(); }, &body);
  });
}

__global__ void never_asked(float* out) {
  MAL_SHARED(float, tile, [1024]);
  tile[threadIdx.x] = 1;
  out[0] = tile[0] + dynamic_shared<float>()[0];
}

TEST_CASE("static and dynamic shared memory count together", "[emulation]") {
  CHECK(error_without_asking(never_asked, kFreeShared - 4096) == "");
  CHECK_THAT(
      error_without_asking(never_asked, kFreeShared - 4096 + 4),
      Contains("kernel unasked: 45060 bytes of dynamic shared memory, but 45056 are allowed beside 4096 of static"));
  float out = 0;
  for (const std::size_t bytes : {kFreeShared - 4096 + 4, kFreeShared, kMostShared - 4096})
    CHECK(error_of([&] { launch("both", touch_both, 1, 1, bytes, &out); }) == "");
  CHECK_THAT(error_of([&] { launch("both", touch_both, 1, 1, kMostShared - 4096 + 4, &out); }),
             Contains("kernel both: no GPU has 4096 bytes of static and 228356 of dynamic"));
}

TEST_CASE("a kernel keeps the shared memory of its recorded launches", "[emulation]") {
  float out = 0;
  const auto three = [&] {
    for (const std::size_t bytes : {101120, 68608, 4}) launch("two sizes", touch_dynamic, 1, 1, bytes, &out);
  };
  {
    const RecordedLaunches launches;
    three();
    CHECK(launches.size() == 3);
    launches.check();
  }
  const RecordedLaunches launches;
  three();
  set_dynamic_shared(reinterpret_cast<const void*>(touch_dynamic), 68608);
  CHECK_THAT(error_of([&] { launches.check(); }),
             Contains("kernel two sizes: recorded with 101120 bytes") && Contains("only 68608 are still allowed"));
  set_dynamic_shared(reinterpret_cast<const void*>(touch_dynamic), 101120);
}

// Its histograms are dynamic, the sums of its warps static: together beyond 48 KiB from 1409 tiers on.
TEST_CASE("simtier_embedding_backward with histograms of nearly 48 KiB", "[emulation]") {
  constexpr std::int64_t kRows = 3, kLength = 5;
  const std::vector<float> scores(kRows * kLength, 0.9999F);
  for (const std::int64_t tiers : {1408, 1409, 1536, 1537, 7136}) {
    INFO(tiers << " tiers");
    const std::vector<float> dout(static_cast<std::size_t>(kRows * tiers), 1.0F);
    std::vector<float> dtable(static_cast<std::size_t>(tiers));
    const SimTierBackward call{scores.data(), nullptr, dout.data(), tiers, dtable.data()};
    const KernelTable& kernels = emulated_kernels();
    std::vector<float> workspace(
        static_cast<std::size_t>(kernels.simtier_embedding_backward_workspace(1, kRows, tiers, 1)));
    kernels.simtier_embedding_backward(&call, 1, kRows, kLength, tiers, 1, workspace.data());
    CHECK(dtable.back() == Approx(3 * std::log2(6.0)));
    CHECK(dtable.front() == 0);
  }
}

TEST_CASE("a thread's kernels have one stream at a time", "[emulation]") {
  int a = 0, b = 0;
  const auto stream = [](int& mark) { return reinterpret_cast<cudaStream_t>(&mark); };
  const StreamScope scope(stream(a));
  { const StreamScope again(stream(a)); }
  CHECK_THAT(error_of([&] { const StreamScope other(stream(b)); }), Contains("the queue of another device"));
  CHECK(current_stream() == stream(a));
}

}  // namespace mal::kernels::emulated::shared_memory_limits
