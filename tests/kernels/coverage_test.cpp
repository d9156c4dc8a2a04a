#include "tests/kernels/kernel_test.h"

namespace mal::test::coverage {

// The table is function pointers and nothing else, so that its size counts its entries.
constexpr std::size_t kEntries = sizeof(KernelTable) / sizeof(void*);

TEST_CASE("every entry of the kernel table has a test", "[kernels]") {
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    INFO("entry " << entry << " of KernelTable, counted from 0: name it in the Covers line of its family's test");
    CHECK(covered_entries().count(entry) == 1);
  }
  CHECK(covered_entries().size() == kEntries);
}

void check_filled(const KernelTable& kernels) {
  void* entries[kEntries];
  std::memcpy(entries, &kernels, sizeof(KernelTable));
  for (std::size_t entry = 0; entry < kEntries; ++entry) {
    INFO("entry " << entry << " of KernelTable, counted from 0");
    CHECK(entries[entry] != nullptr);
  }
}

// With the test above: every kernel of CUDA runs in the emulation, on what the CPU's tests ask.
TEST_CASE("every device fills every entry of its kernel table", "[kernels]") {
  check_filled(kernels::cpu_kernels());
  check_filled(kernels::emulated_kernels());
#ifdef MAL_HAVE_CUDA
  check_filled(kernels::cuda_kernels());
#endif
}

}  // namespace mal::test::coverage
