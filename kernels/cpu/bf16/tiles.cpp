#include "kernels/cpu/bf16/tables.h"

#if defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__AVX512BW__)
#include <immintrin.h>

#include "kernels/cpu/bf16/avx512.h"
#include "kernels/cpu/bf16/tiles.h"
#include "kernels/cpu/layers.h"
#include "kernels/cpu/table.h"

namespace mal::kernels::bf16 {

namespace {

// Palette 1 (Intel's manual, LDTILECFG): bytes 16–31 are the bytes of a row of each register, 48–55 the rows of each.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

// Registers 0–3 hold the sums above left, above right, below left and below right; 4 and 5 rows above and below; 6 and
// 7 a panel's left and right. The intrinsics' registers are written in the instruction: they must be numbers.
struct Amx : Avx512 {
  static void begin() {
    static constexpr TileConfig kConfig;
    _tile_loadconfig(&kConfig);
    // The intrinsics do not tell the compiler that loads read memory: what was stored before must be there.
    asm volatile("" ::: "memory");
  }
  static void end() { _tile_release(); }

  template <bool kBelow, bool kRight>
  static void sum(const float* a, std::int64_t lda, const float* panel, std::int64_t slots) {
    constexpr std::int64_t kBytes = sizeof(float), kPanelBytes = 2 * kTile * kBytes;
    _tile_zero(0);
    if constexpr (kRight) _tile_zero(1);
    if constexpr (kBelow) _tile_zero(2);
    if constexpr (kBelow && kRight) _tile_zero(3);
    for (std::int64_t s = 0; s < slots; s += kTile, a += kTile, panel += kTile * 2 * kTile) {
      _tile_loadd(4, a, lda * kBytes);
      _tile_loadd(6, panel, kPanelBytes);
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (kRight) {
        _tile_loadd(7, panel + kTile, kPanelBytes);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (kBelow) {
        _tile_loadd(5, a + kTile * lda, lda * kBytes);
        _tile_dpbf16ps(2, 5, 6);
      }
      if constexpr (kBelow && kRight) _tile_dpbf16ps(3, 5, 7);
    }
  }

  template <bool kBelow, bool kRight>
  static void store(float* sums) {
    constexpr std::int64_t kStride = 2 * kTile, kBytes = kStride * static_cast<std::int64_t>(sizeof(float));
    _tile_stored(0, sums, kBytes);
    if constexpr (kRight) _tile_stored(1, sums + kTile, kBytes);
    if constexpr (kBelow) _tile_stored(2, sums + kTile * kStride, kBytes);
    if constexpr (kBelow && kRight) _tile_stored(3, sums + kTile * kStride + kTile, kBytes);
  }
};

}  // namespace

const KernelTable* tile_kernels() {
  static constexpr KernelTable kKernels = table_with<Layers<Products<Tiles<Amx>>>>();
  return &kKernels;
}

}  // namespace mal::kernels::bf16
#else

namespace mal::kernels::bf16 {

const KernelTable* tile_kernels() {
  return nullptr;
}

}  // namespace mal::kernels::bf16
#endif
