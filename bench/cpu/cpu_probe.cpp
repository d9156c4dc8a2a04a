// What the CPU at hand can do at most, with MAL_THREADS threads (all cores without).
//   cpu_probe          a line each
//   cpu_probe --json   one object: "threads", and by key (ceilings.h) "rate" in flops or bytes a second, "what",
//   and
//                      "missing" where it was not measured
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>

#include "bench/cpu/ceilings.h"
#include "kernels/kernels.h"

namespace {

int probe(bool as_json) {
  const char* threads = std::getenv("MAL_THREADS");
  mal::kernels::set_cpu_threads(threads == nullptr ? 0 : std::atoi(threads));
  const std::vector<mal::bench::CpuCeiling> ceilings = mal::bench::measure_cpu();
  if (!as_json) {
    std::printf("threads: %d\n%s", mal::kernels::cpu_threads(), mal::bench::in_words(ceilings).c_str());
    return 0;
  }
  nlohmann::json object{{"threads", mal::kernels::cpu_threads()}};
  for (const mal::bench::CpuCeiling& line : ceilings) {
    object[line.key] = {{"rate", line.rate}, {"what", line.what}};
    if (!line.missing.empty()) object[line.key]["missing"] = line.missing;
  }
  std::printf("%s\n", object.dump(1).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const bool as_json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc > 1 && !as_json) {
    std::fprintf(stderr, "usage: cpu_probe [--json]\n");
    return 2;
  }
  try {
    return probe(as_json);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cpu_probe: %s\n", error.what());
    return 1;
  }
}
