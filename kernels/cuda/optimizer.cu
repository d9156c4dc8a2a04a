// Updates as one multi-tensor launch: everything is read and written once, 16 bytes a thread where it is aligned.
// Memory-bound: 28 bytes a parameter for Adam.
#include "kernels/cuda/support/chunk.h"
#include "kernels/cuda/support/reduce.h"
#include "kernels/cuda/support/update.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kTile = 4 * kThreads;  // dense weights of a block
constexpr int kRowsInFlight = 2;              // of each thread of a sparse update
constexpr int kDenseTableRows = 128;          // of a block of adam_dense

// ---- dense --------------------------------------------------------------------------------------------------------

template <Rule kRule, typename T>
__device__ void update_at(const UpdateConstants& k, float* w, const float* g, float* s1, float* s2) {
  const bool state1 = has_state1<kRule>(k);
  T weight = load<T>(w), first = state1 ? load<T>(s1) : T{}, second = kHasState2<kRule> ? load<T>(s2) : T{};
  update_weights<kRule>(k, load<T>(g), weight, first, second, 0.0F);
  store(w, weight);
  if (state1) store(s1, first);
  if (kHasState2<kRule>) store(s2, second);
}

template <Rule kRule>
__global__ void __launch_bounds__(kThreads) update_dense(const __grid_constant__ Chunk<DenseTensor> chunk,
                                                         const OptimizerStep* step, const GradientNorm* norm) {
  if (norm->finite == 0) return;
  MAL_SHARED(UpdateConstants, constants, );
  if (threadIdx.x == 0) constants = update_constants(*step, *norm, kRule == Rule::adam || kRule == Rule::adamw);
  __syncthreads();
  const int item = item_of(chunk, blockIdx.x);
  const DenseTensor& t = chunk.items[item];
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * kTile;
  const auto left = static_cast<int>(min(kTile, t.size - first));
  const auto at = [&](auto* data, int i) { return data == nullptr ? nullptr : data + first + i; };
  const bool wide = ((reinterpret_cast<std::uintptr_t>(t.weights) | reinterpret_cast<std::uintptr_t>(t.gradients) |
                      reinterpret_cast<std::uintptr_t>(t.state1) | reinterpret_cast<std::uintptr_t>(t.state2)) &
                     15U) == 0;
  const int whole = wide ? left / 4 * 4 : 0, i = static_cast<int>(threadIdx.x) * 4;
  if (i < whole)
    update_at<kRule, float4>(constants, at(t.weights, i), at(t.gradients, i), at(t.state1, i), at(t.state2, i));
  for (int j = whole + static_cast<int>(threadIdx.x); j < left; j += kThreads)
    update_at<kRule, float>(constants, at(t.weights, j), at(t.gradients, j), at(t.state1, j), at(t.state2, j));
}

template <Rule kRule>
void start_dense(const OptimizerStep* step, const GradientNorm* norm, const DenseTensor* tensors, std::int32_t count) {
  for_each_chunk<DenseTensor>(
      count, [&](int i) { return tensors[i]; }, [&](int i) { return (tensors[i].size + kTile - 1) / kTile; },
      [&](const Chunk<DenseTensor>& chunk) {
        launch("dense_update", update_dense<kRule>, chunk.blocks(), kThreads, 0, chunk, step, norm);
      });
}

// ---- sparse: a few neighbouring lanes a row -------------------------------------------------------------------------

struct Rows {
  SparseTensor tensor;
  std::int32_t lanes;  // of a row, a power of two up to 32
};

std::int64_t rows_of_block(const Rows& r) {
  return std::int64_t{kThreads / r.lanes} * kRowsInFlight;
}

// rowwise_adagrad: adds the row's mean of g² to its state; the rate of the row. All lanes of the warp call it.
template <typename T>
__device__ float rowwise_rate(const UpdateConstants& k, const Rows& r, std::int64_t index, std::int32_t row, int lane) {
  constexpr int kPart = sizeof(T) / sizeof(float);
  float square = 0;
  float* const w = r.tensor.table + row * r.tensor.row_stride;
  for (int c = lane * kPart; index >= 0 && c < r.tensor.width; c += r.lanes * kPart) {
    const T g = load<T>(r.tensor.values + index * r.tensor.width + c), weight = load<T>(w + c);
    for (int i = 0; i < kPart; ++i) {
      const float gradient =
          decayed_gradient(k, reinterpret_cast<const float*>(&g)[i], reinterpret_cast<const float*>(&weight)[i]);
      square += gradient * gradient;
    }
  }
  square = warp_sum(square, r.lanes);
  const float sum = index < 0 ? 1.0F : w[r.tensor.width] + square / static_cast<float>(r.tensor.width);
  __syncwarp();  // all lanes of the row have read it
  if (index >= 0 && lane == 0) w[r.tensor.width] = sum;
  return k.rate / (sqrtf(sum) + k.eps);
}

// Columns of the rows in flight: all loads before the first store.
template <Rule kRule, typename T>
__device__ void update_columns(const UpdateConstants& k, const SparseTensor& t, const std::int64_t* index,
                               const std::int32_t* row, const float* row_rate, int column) {
  const bool state1 = has_state1<kRule>(k);
  T w[kRowsInFlight]{}, g[kRowsInFlight]{}, s1[kRowsInFlight]{}, s2[kRowsInFlight]{};
#pragma unroll
  for (int n = 0; n < kRowsInFlight; ++n) {
    if (index[n] < 0) continue;
    const float* data = t.table + row[n] * t.row_stride + column;
    g[n] = load<T>(t.values + index[n] * t.width + column);
    w[n] = load<T>(data);
    s1[n] = state1 ? load<T>(data + t.width) : T{};
    s2[n] = kHasState2<kRule> ? load<T>(data + 2 * t.width) : T{};
  }
#pragma unroll
  for (int n = 0; n < kRowsInFlight; ++n) {
    if (index[n] < 0) continue;
    float* data = t.table + row[n] * t.row_stride + column;
    update_weights<kRule>(k, g[n], w[n], s1[n], s2[n], row_rate[n]);
    store(data, w[n]);
    if (state1) store(data + t.width, s1[n]);
    if (kHasState2<kRule>) store(data + 2 * t.width, s2[n]);
  }
}

template <Rule kRule, typename T>
__global__ void __launch_bounds__(kThreads)
    update_rows(const __grid_constant__ Chunk<Rows> chunk, const OptimizerStep* step, const GradientNorm* norm) {
  const int item = item_of(chunk, blockIdx.x);
  const Rows& r = chunk.items[item];
  const int together = kThreads / r.lanes;
  const std::int64_t count = *r.tensor.count,
                     first = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * together * kRowsInFlight;
  if (norm->finite == 0 || first >= count) return;
  MAL_SHARED(UpdateConstants, constants, );
  if (threadIdx.x == 0) constants = update_constants(*step, *norm, kRule == Rule::adam);
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % r.lanes, group = static_cast<int>(threadIdx.x) / r.lanes;
  std::int64_t index[kRowsInFlight];
  std::int32_t row[kRowsInFlight];
  float rate[kRowsInFlight] = {0};
#pragma unroll
  for (int n = 0; n < kRowsInFlight; ++n) {
    index[n] = first + n * together + group;
    if (index[n] >= count) index[n] = -1;
    row[n] = index[n] < 0 ? 0 : r.tensor.rows[index[n]];
  }
  if constexpr (kRule == Rule::rowwise_adagrad)
    for (int n = 0; n < kRowsInFlight; ++n) rate[n] = rowwise_rate<T>(constants, r, index[n], row[n], lane);
  constexpr int kPart = sizeof(T) / sizeof(float);
  for (int c = lane * kPart; c < r.tensor.width; c += r.lanes * kPart)
    update_columns<kRule, T>(constants, r.tensor, index, row, rate, c);
}

// Every row of the table. A block finds the touched ones among its rows by two bisections, once.
__device__ std::int64_t first_at_least(const std::int32_t* rows, std::int64_t count, std::int64_t row) {
  std::int64_t low = 0, high = count;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (rows[middle] < row)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    update_whole_table(const __grid_constant__ Chunk<Rows> chunk, const OptimizerStep* step, const GradientNorm* norm) {
  if (norm->finite == 0) return;
  const int item = item_of(chunk, blockIdx.x);
  const Rows& r = chunk.items[item];
  const SparseTensor& t = r.tensor;
  const std::int64_t first = (static_cast<std::int64_t>(blockIdx.x) - chunk.first[item]) * kDenseTableRows;
  const auto rows = static_cast<int>(min(std::int64_t{kDenseTableRows}, t.table_rows - first));
  MAL_SHARED(UpdateConstants, constants, );
  MAL_SHARED(std::int32_t, gradient_of, [kDenseTableRows]);  // −1: a row without one
  MAL_SHARED(std::int64_t, range, [2]);
  if (threadIdx.x == 0) constants = update_constants(*step, *norm, true);
  if (threadIdx.x / 32 == 1 && threadIdx.x % 32 < 2)
    range[threadIdx.x % 32] = first_at_least(t.rows, *t.count, first + (threadIdx.x % 32 == 0 ? 0 : rows));
  for (int i = static_cast<int>(threadIdx.x); i < rows; i += kThreads) gradient_of[i] = -1;
  __syncthreads();
  for (std::int64_t i = range[0] + threadIdx.x; i < range[1]; i += kThreads)
    gradient_of[t.rows[i] - first] = static_cast<std::int32_t>(i);
  __syncthreads();
  constexpr int kPart = sizeof(T) / sizeof(float);
  const int lane = static_cast<int>(threadIdx.x) % r.lanes;
  for (int n = static_cast<int>(threadIdx.x) / r.lanes; n < rows; n += kThreads / r.lanes)
    for (int c = lane * kPart; c < t.width; c += r.lanes * kPart) {
      float* data = t.table + (first + n) * t.row_stride + c;
      const std::int64_t at = gradient_of[n];
      T w = load<T>(data), s1 = load<T>(data + t.width), s2 = load<T>(data + 2 * t.width);
      update_weights<Rule::adam>(constants, at < 0 ? T{} : load<T>(t.values + at * t.width + c), w, s1, s2, 0.0F);
      store(data, w);
      store(data + t.width, s1);
      store(data + 2 * t.width, s2);
    }
}

bool wide(const SparseTensor& t) {
  return t.width % 4 == 0 && vectors(t.table, t.row_stride) && vectors(t.values, t.width);
}

Rows rows_of(const SparseTensor& t) {
  const std::int32_t parts = wide(t) ? t.width / 4 : t.width;
  std::int32_t lanes = 1;
  while (lanes < parts && lanes < 32) lanes *= 2;
  return {t, lanes};
}

// Tables that allow 16-byte access and those that do not go into launches of their own.
template <typename Start, typename Blocks>
void start_sparse(const SparseTensor* tensors, std::int32_t count, bool vector, const Blocks& blocks,
                  const Start& start) {
  for_each_chunk<Rows>(
      count, [&](int i) { return rows_of(tensors[i]); },
      [&](int i) { return wide(tensors[i]) == vector ? blocks(rows_of(tensors[i])) : 0; }, start);
}

template <Rule kRule>
void start_rows(const OptimizerStep* step, const GradientNorm* norm, const SparseTensor* tensors, std::int32_t count) {
  const auto blocks = [](const Rows& r) { return (r.tensor.capacity + rows_of_block(r) - 1) / rows_of_block(r); };
  for (const bool vector : {true, false})
    start_sparse(tensors, count, vector, blocks, [&](const Chunk<Rows>& chunk) {
      launch("sparse_update", vector ? update_rows<kRule, float4> : update_rows<kRule, float>, chunk.blocks(), kThreads,
             0, chunk, step, norm);
    });
}

void start_whole_tables(const OptimizerStep* step, const GradientNorm* norm, const SparseTensor* tensors,
                        std::int32_t count) {
  const auto blocks = [](const Rows& r) { return (r.tensor.table_rows + kDenseTableRows - 1) / kDenseTableRows; };
  for (const bool vector : {true, false})
    start_sparse(tensors, count, vector, blocks, [&](const Chunk<Rows>& chunk) {
      launch("sparse_update of every row", vector ? update_whole_table<float4> : update_whole_table<float>,
             chunk.blocks(), kThreads, 0, chunk, step, norm);
    });
}

}  // namespace

void dense_update(DenseRule rule, const OptimizerStep* step, const GradientNorm* norm, const DenseTensor* tensors,
                  std::int32_t count) {
  switch (rule) {
    case DenseRule::sgd:
      return start_dense<Rule::sgd>(step, norm, tensors, count);
    case DenseRule::adagrad:
      return start_dense<Rule::adagrad>(step, norm, tensors, count);
    case DenseRule::adam:
      return start_dense<Rule::adam>(step, norm, tensors, count);
    case DenseRule::adamw:
      return start_dense<Rule::adamw>(step, norm, tensors, count);
  }
}

void sparse_update(SparseRule rule, const OptimizerStep* step, const GradientNorm* norm, const SparseTensor* tensors,
                   std::int32_t count) {
  switch (rule) {
    case SparseRule::sgd:
      return start_rows<Rule::sgd>(step, norm, tensors, count);
    case SparseRule::adagrad:
      return start_rows<Rule::adagrad>(step, norm, tensors, count);
    case SparseRule::rowwise_adagrad:
      return start_rows<Rule::rowwise_adagrad>(step, norm, tensors, count);
    case SparseRule::lazy_adam:
      return start_rows<Rule::adam>(step, norm, tensors, count);
    case SparseRule::ftrl:
      return start_rows<Rule::ftrl>(step, norm, tensors, count);
    case SparseRule::adam_dense:
      return start_whole_tables(step, norm, tensors, count);
  }
}

std::int32_t sparse_state_width(SparseRule rule, std::int32_t width, float momentum) {
  return cpu_kernels().sparse_state_width(rule, width, momentum);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
