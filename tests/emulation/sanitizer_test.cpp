#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "kernels/cuda/support/vector.h"

// Access beyond an array or off its alignment: AddressSanitizer and UndefinedBehaviorSanitizer end the program, so each
// kernel here runs in a child. Builds without them have nothing to test.
namespace mal::kernels::emulated::sanitizer {

#ifdef __SANITIZE_ADDRESS__

using Catch::Matchers::Contains;

// What a child that runs body() wrote to stderr before it was ended; "" if it got through.
template <typename Body>
std::string last_words(const Body& body) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    body();
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char part[4096];
  for (ssize_t n; (n = read(ends[0], part, sizeof part)) > 0;) text.append(part, static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "" : text;
}

__global__ void touch(float* data, int at) {
  if (threadIdx.x == 3) data[at] += 1;
}
__global__ void touch_shared(float* out, int at, bool dynamic) {
  MAL_SHARED(float, tile, [32]);
  float* data = dynamic ? dynamic_shared<float>() : tile;
  data[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = data[at];
}
__global__ void load_vector(float* data, int at) {
  data[at] = load<float4>(data + at).x;
}
__global__ void load_shared_vector(float* out) {
  MAL_SHARED(float, tile, [32]);
  tile[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = load<float4>(tile).x;
}

TEST_CASE("a step beyond global memory", "[emulation]") {
  std::vector<float> data(37);
  CHECK(last_words([&] { launch("touch", touch, 1, 32, 0, data.data(), 36); }) == "");
  CHECK_THAT(last_words([&] { launch("touch", touch, 1, 32, 0, data.data(), 37); }), Contains("heap-buffer-overflow"));
  CHECK_THAT(last_words([&] { launch("touch", touch, 1, 32, 0, data.data(), -1); }), Contains("heap-buffer-overflow"));
}

TEST_CASE("a step beyond shared memory", "[emulation]") {
  float out = 0;
  for (const bool dynamic : {false, true}) {
    INFO((dynamic ? "dynamic" : "static"));
    const auto words = [&](int at) {
      return last_words([&] { launch("shared", touch_shared, 1, 32, 32 * sizeof(float), &out, at, dynamic); });
    };
    CHECK(words(31) == "");
    CHECK_THAT(words(32), Contains("heap-buffer-overflow"));
    if (dynamic) CHECK_THAT(words(-1), Contains("heap-buffer-overflow"));
  }
}

TEST_CASE("sixteen bytes from an address that is no multiple of sixteen", "[emulation]") {
  std::vector<float> data(64);
  CHECK(last_words([&] { launch("vector", load_vector, 1, 1, 0, data.data(), 4); }) == "");
  CHECK_THAT(last_words([&] { launch("vector", load_vector, 1, 1, 0, data.data(), 6); }),
             Contains("misaligned address"));
  float out = 0;
  CHECK_THAT(last_words([&] { launch("vector", load_shared_vector, 1, 32, 0, &out); }), Contains("misaligned address"));
}

#endif

}  // namespace mal::kernels::emulated::sanitizer
