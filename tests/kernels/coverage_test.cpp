#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/kernels/kernel_test.h"

namespace mal::test::coverage {

// The table is function pointers and nothing else, so that its size counts its entries.
constexpr std::size_t kEntries = sizeof(KernelTable) / sizeof(void*);

TEST_CASE("every entry of the kernel table has a test", "[kernels][coverage]") {
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    INFO(entry_name(entry) << ": name it in the Covers line of its family's test");
    CHECK(covered_entries().count(entry) == 1);
  }
  CHECK(covered_entries().size() == kEntries);
}

TEST_CASE("every entry of the kernel table has a test of many rows", "[kernels][coverage]") {
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    INFO(entry_name(entry) << ": see for_each_device_of_many_rows");
    CHECK(entries_of_many_rows().count(entry) == 1);
  }
}

// gpu_check runs the families apart, several at once, by their tags.
TEST_CASE("every test of kernels has the tag of its file", "[kernels][coverage]") {
  std::size_t tests = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MAL_TEST_DATA "/../kernels")) {
    const std::string name = entry.path().filename().string(), end = "_test.cpp";
    if (!name.ends_with(end)) continue;
    std::ifstream file(entry.path());
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string begin = std::string("TEST_") + "CASE(",
                      tags = "\"[kernels][" + name.substr(0, name.size() - end.size()) + "]\"";
    INFO(name << " has " << tags << " at each test");
    for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at + 1)) {
      const std::size_t tag = text.find("\"[", at);
      CHECK(text.compare(tag, tags.size(), tags) == 0);
      ++tests;
    }
  }
  CHECK(tests > 100);
}

void check_filled(const KernelTable& kernels) {
  void* entries[kEntries];
  std::memcpy(entries, &kernels, sizeof(KernelTable));
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    INFO(entry_name(entry));
    CHECK(entries[entry] != nullptr);
  }
}

// With the test above: every kernel of CUDA runs in the emulation, on what the CPU's tests ask.
TEST_CASE("every device fills every entry of its kernel table", "[kernels][coverage]") {
  for_each_cpu(check_filled);
  check_filled(kernels::emulated_kernels());
#ifdef MAL_HAVE_CUDA
  check_filled(kernels::cuda_kernels());
#endif
}

}  // namespace mal::test::coverage
