// DIN's target attention, backward (din_backward.h has a warp's work). A block adds up its warps' sums of parameter
// gradients, sum_partials the blocks. A hidden layer that does not fit takes several launches, whose later ones add to
// dsequence and dtarget.
#include "kernels/cuda/din_backward.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

using namespace din_backward_pass;

constexpr std::int64_t kBlocks = kPartialBlocks * 3 / 2;  // three a multiprocessor

// The block's warps' sums of one array, in their order.
__device__ float sum_of_warps(const float* of_first, int at, int warps, int floats) {
  float sum = 0;
  for (int v = 0; v < warps; ++v) sum += of_first[v * floats + at];
  return sum;
}

// This launch's columns of the block's row of partial sums: w1 [4d, h], b1, alpha, w2 [h], b2.
__device__ void write_partial(const Backward& p, const Memory& first, const float* b2_sums, int warps,
                              std::int64_t index) {
  const DinSizes& s = p.sizes;
  const int floats = backward_floats(s), block = s.width * s.hidden;
  float* w1 = p.partials + index * (4 * block + 3 * s.hidden + 1);
  const int units = s.hidden - p.unit < s.chunk ? s.hidden - p.unit : s.chunk;
  for (int at = static_cast<int>(threadIdx.x); at < s.width * units; at += static_cast<int>(blockDim.x)) {
    const int i = at / units, k = at % units, from = i * s.chunk + k, to = i * s.hidden + p.unit + k;
    const float m = sum_of_warps(first.m_sum, from, warps, floats);
    const float tc = sum_of_warps(first.tc_sum, from, warps, floats);
    w1[to] = m;
    w1[block + to] = tc;
    w1[2 * block + to] = m - tc;
    w1[3 * block + to] = sum_of_warps(first.tm_sum, from, warps, floats);
  }
  float *b1 = w1 + 4 * block, *alpha = b1 + s.hidden, *w2 = alpha + s.hidden, *b2 = w2 + s.hidden;
  for (int k = static_cast<int>(threadIdx.x); k < units; k += static_cast<int>(blockDim.x)) {
    b1[p.unit + k] = sum_of_warps(first.b1_sum, k, warps, floats);
    alpha[p.unit + k] = sum_of_warps(first.alpha_sum, k, warps, floats);
    w2[p.unit + k] = sum_of_warps(first.w2_sum, k, warps, floats);
  }
  if (threadIdx.x == 0 && p.unit == 0) *b2 = sum_of_warps(b2_sums, 0, warps, 1);
}

// Shared memory: alpha and w2 of the launch's units, then each warp's Memory.
template <int kTile>
__global__ void __launch_bounds__(kWarps* kWarp) din_backward_kernel(const __grid_constant__ Chunk<Backward> chunk) {
  MAL_SHARED(float, b2_sums, [kWarps]);
  const DinBlock block = din_block(chunk);
  const Backward& p = chunk.items[block.item];
  const DinSizes& s = p.sizes;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warps = static_cast<int>(blockDim.x) / kWarp, floats = backward_floats(s);
  float *alpha = dynamic_shared<float>(), *w2 = alpha + s.chunk, *memory = w2 + s.chunk;
  copy_padded(p.layer.alpha + p.unit, s.hidden - p.unit, s.chunk, alpha);
  copy_padded(p.layer.w2 + p.unit, s.hidden - p.unit, s.chunk, w2);
  for (int i = lane + scratch_floats(s); i < floats; i += kWarp) memory[warp * floats + i] = 0;
  __syncthreads();
  const Memory w = memory_of(s, memory + warp * floats);
  const Walk walk = walk_of(lane, s.width);
  float b2 = 0;
  for (std::int64_t row = block.index * warps + warp; row < p.rows; row += block.count * warps) {
    const int valid = p.lengths[row];
    if (!p.accumulate_sequence)
      for (int i = valid * s.width + lane; i < s.length * s.width; i += kWarp) p.dsequence[row * p.lddsequence + i] = 0;
    if (valid > 0) {
      __syncwarp();  // who still reads the sample before
      b2 += sample_backward<kTile>(p, w, alpha, w2, row, valid, walk, lane);
    } else if (p.dtarget != nullptr && !p.accumulate_target) {
      for (int i = lane; i < s.width; i += kWarp) p.dtarget[row * p.lddtarget + i] = 0;
    }
  }
  b2 = warp_sum(b2);
  if (lane == 0) b2_sums[warp] = b2;
  __syncthreads();
  write_partial(p, memory_of(s, memory), b2_sums, warps, block.index);
}

std::int64_t blocks_of(std::int64_t rows) {
  return grid_of(rows, kWarps, kBlocks);
}
std::int64_t partial_floats(const DinShape& shape) {
  return blocks_of(shape.rows) * ((4 * shape.width + 3) * shape.hidden + 1);
}

Backward backward_of(const DinShape& shape, const DinSizes& sizes, const DinBackward& c, float* partials) {
  return {sizes,
          layer_of(c.parameters),
          c.sequence,
          c.target,
          c.scores,
          c.dout,
          c.lengths,
          c.dsequence,
          c.dtarget,
          partials,
          c.ldsequence,
          c.ldtarget,
          c.lddout,
          c.lddsequence,
          c.lddtarget,
          shape.rows,
          0,
          shape.softmax,
          c.accumulate_sequence,
          c.accumulate_target};
}

// Sequences that one launch takes: those from `first` on with a dtarget of their own.
std::int32_t end_of_launch(const DinBackward* calls, std::int32_t first, std::int32_t count) {
  for (std::int32_t i = first + 1; i < count; ++i)
    for (std::int32_t j = first; j < i; ++j)
      if (calls[i].dtarget != nullptr && calls[i].dtarget == calls[j].dtarget) return i;
  return count;
}

}  // namespace

void din_backward(const DinShape& shape, const DinBackward* calls, std::int32_t count, float* workspace) {
  const DinPlan plan = din_plan("din_backward", shape, kWarps, [](const DinSizes& s, int warps) {
    return std::int64_t{warps} * backward_floats(s) + 2 * s.chunk + kWarps;  // and b2's sums
  });
  const auto kernel = plan.tile == 16  ? din_backward_kernel<16>
                      : plan.tile == 8 ? din_backward_kernel<8>
                                       : din_backward_kernel<4>;
  const std::int64_t blocks = blocks_of(shape.rows);
  const auto partials_of = [&](std::int32_t i) { return workspace + i * partial_floats(shape); };
  for (std::int32_t first = 0, end = 0; first < count; first = end) {
    end = end_of_launch(calls, first, count);
    for (int unit = 0; unit < plan.sizes.units; unit += plan.sizes.chunk)
      for_each_chunk<Backward>(
          end - first,
          [&](int i) {
            Backward p = backward_of(shape, plan.sizes, calls[first + i], partials_of(first + i));
            p.unit = unit;
            p.accumulate_sequence = p.accumulate_sequence || unit > 0;
            p.accumulate_target = p.accumulate_target || unit > 0;
            return p;
          },
          [&](int) { return blocks; },
          [&](const Chunk<Backward>& chunk) {
            launch("din_backward", kernel, chunk.blocks(), static_cast<unsigned>(plan.warps * kWarp), plan.shared,
                   chunk);
          });
  }
  for (std::int32_t i = 0; i < count; ++i) {
    const DinGradients& g = calls[i].gradients;
    sum_partials(partials_of(i), blocks,
                 {{g.w1, 4 * shape.width * shape.hidden},
                  {g.b1, shape.hidden},
                  {g.alpha, shape.hidden},
                  {g.w2, shape.hidden},
                  {g.b2, 1}});
  }
}

std::int64_t din_backward_workspace(const DinShape& shape, std::int32_t count) {
  return count * partial_floats(shape);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
