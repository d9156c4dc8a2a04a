// Element-wise kernels over slices: memory-bound, so 16 bytes a thread and access where strides and pointers allow it,
// otherwise 4. Threads of a block are columns × rows; blocks stride over what is left.
#include "kernels/cuda/support/launch.h"
#include "kernels/cuda/support/vector.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

decltype(kernels::copy) copy;

namespace {

constexpr int kThreads = 256;

// y = f(a, b) or y += f(a, b). An unused input is null.
struct Slices {
  const float* a;
  std::int64_t lda;
  const float* b;
  std::int64_t ldb;
  float* y;
  std::int64_t ldy;
  std::int64_t rows, width;
};

struct Add {
  __device__ float operator()(float a, float b) const { return a + b; }
};
struct Identity {
  __device__ float operator()(float a, float) const { return a; }
};
struct Relu {
  __device__ float operator()(float a, float) const { return a < 0 ? 0.0F : a; }
};
struct ReluGradient {  // a = y, b = dy
  __device__ float operator()(float a, float b) const { return a > 0 ? b : 0.0F; }
};
struct Constant {
  float value;
  __device__ float operator()(float, float) const { return value; }
};
struct Scaled {
  float scale;
  __device__ float operator()(float a, float) const { return scale * a; }
};

template <typename Function>
__device__ float result_of(const Function& f, float a, float b, float before, bool accumulate) {
  return accumulate ? before + f(a, b) : f(a, b);
}
template <typename Function>
__device__ float4 result_of(const Function& f, float4 a, float4 b, float4 before, bool accumulate) {
  return {result_of(f, a.x, b.x, before.x, accumulate), result_of(f, a.y, b.y, before.y, accumulate),
          result_of(f, a.z, b.z, before.z, accumulate), result_of(f, a.w, b.w, before.w, accumulate)};
}

template <typename T>
__device__ T load_or_zero(const float* data, std::int64_t at) {
  return data == nullptr ? T{} : load<T>(data + at);
}

// body(row, first column) for what is this thread's of a matrix, one T at a time.
template <typename T, typename Body>
__device__ void for_each_place(std::int64_t rows, std::int64_t width, const Body& body) {
  constexpr int kLanes = sizeof(T) / sizeof(float);
  const std::int64_t columns = width / kLanes;
  for (std::int64_t r = std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y; r < rows;
       r += std::int64_t{gridDim.y} * blockDim.y)
    for (std::int64_t c = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; c < columns;
         c += std::int64_t{gridDim.x} * blockDim.x)
      body(r, c * kLanes);
}

template <typename T, typename Function>
__global__ void __launch_bounds__(kThreads) map_elements(Slices s, Function f, bool accumulate) {
  for_each_place<T>(s.rows, s.width, [&](std::int64_t r, std::int64_t c) {
    float* y = s.y + r * s.ldy + c;
    const T a = load_or_zero<T>(s.a, r * s.lda + c), b = load_or_zero<T>(s.b, r * s.ldb + c);
    store<T>(y, result_of(f, a, b, accumulate ? load<T>(y) : T{}, accumulate));
  });
}

// Rows that lie one after the other without gaps are one long row.
Slices flattened(Slices s) {
  const auto whole = [&](const float* data, std::int64_t stride) { return data == nullptr || stride == s.width; };
  if (whole(s.a, s.lda) && whole(s.b, s.ldb) && whole(s.y, s.ldy)) return {s.a, 0, s.b, 0, s.y, 0, 1, s.rows * s.width};
  return s;
}

struct Extent {
  dim3 grid, block;
};
Extent extent_of(std::int64_t rows, std::int64_t columns) {
  unsigned across = 1;
  while (across < columns && across < kThreads) across *= 2;
  const unsigned down = kThreads / across;
  return {dim3(grid_of(columns, across), grid_of(rows, down)), dim3(across, down)};
}

// One gradient for both terms of a sum.
struct Fork {
  const float* from;
  std::int64_t ldfrom;
  float* a;
  std::int64_t lda;
  float* b;
  std::int64_t ldb;
  std::int64_t rows, width;
  bool accumulate_a, accumulate_b;
};

template <typename T>
__global__ void __launch_bounds__(kThreads) copy_to_both(Fork f) {
  for_each_place<T>(f.rows, f.width, [&](std::int64_t r, std::int64_t c) {
    const T value = load<T>(f.from + r * f.ldfrom + c);
    float *a = f.a + r * f.lda + c, *b = f.b + r * f.ldb + c;
    store<T>(a, result_of(Identity{}, value, T{}, f.accumulate_a ? load<T>(a) : T{}, f.accumulate_a));
    store<T>(b, result_of(Identity{}, value, T{}, f.accumulate_b ? load<T>(b) : T{}, f.accumulate_b));
  });
}

template <typename Function>
void map(const char* name, const Slices& slices, const Function& f, bool accumulate) {
  if (slices.rows == 0 || slices.width == 0) return;
  const Slices s = flattened(slices);
  const bool wide = s.width % 4 == 0 && vectors(s.a, s.lda) && vectors(s.b, s.ldb) && vectors(s.y, s.ldy);
  const Extent extent = extent_of(s.rows, wide ? s.width / 4 : s.width);
  launch(name, wide ? map_elements<float4, Function> : map_elements<float, Function>, extent.grid, extent.block, 0, s,
         f, accumulate);
}

}  // namespace

void add_forward(const float* a, std::int64_t lda, const float* b, std::int64_t ldb, float* y, std::int64_t ldy,
                 std::int64_t rows, std::int64_t width) {
  map("add_forward", {a, lda, b, ldb, y, ldy, rows, width}, Add{}, false);
}

void add_backward(const float* dy, std::int64_t lddy, float* da, std::int64_t ldda, bool accumulate_a, float* db,
                  std::int64_t lddb, bool accumulate_b, std::int64_t rows, std::int64_t width) {
  const bool tangled = da != db && overlap(da, db, width);
  if (da == nullptr || db == nullptr || tangled) {
    if (da != nullptr) MAL_CUDA_NAMESPACE::copy(dy, lddy, da, ldda, rows, width, accumulate_a);
    if (db != nullptr) MAL_CUDA_NAMESPACE::copy(dy, lddy, db, lddb, rows, width, accumulate_b);
    return;
  }
  if (rows == 0 || width == 0) return;
  const Fork fork{dy, lddy, da, ldda, db, lddb, rows, width, accumulate_a, accumulate_b};
  const bool wide = width % 4 == 0 && vectors(dy, lddy) && vectors(da, ldda) && vectors(db, lddb);
  const Extent extent = extent_of(rows, wide ? width / 4 : width);
  launch("add_backward", wide ? copy_to_both<float4> : copy_to_both<float>, extent.grid, extent.block, 0, fork);
}

void activation_forward(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows,
                        std::int64_t width, Activation activation) {
  const Slices slices{x, ldx, nullptr, 0, y, ldy, rows, width};
  if (activation == Activation::relu)
    map("activation_forward", slices, Relu{}, false);
  else
    map("activation_forward", slices, Identity{}, false);
}

void activation_backward(const float* y, std::int64_t ldy, const float* dy, std::int64_t lddy, float* dx,
                         std::int64_t lddx, bool accumulate, std::int64_t rows, std::int64_t width,
                         Activation activation) {
  if (activation == Activation::relu)
    map("activation_backward", {y, ldy, dy, lddy, dx, lddx, rows, width}, ReluGradient{}, accumulate);
  else
    map("activation_backward", {dy, lddy, nullptr, 0, dx, lddx, rows, width}, Identity{}, accumulate);
}

void copy(const float* x, std::int64_t ldx, float* y, std::int64_t ldy, std::int64_t rows, std::int64_t width,
          bool accumulate) {
  map("copy", {x, ldx, nullptr, 0, y, ldy, rows, width}, Identity{}, accumulate);
}

void fill(float* x, std::int64_t ldx, std::int64_t rows, std::int64_t width, float value) {
  map("fill", {nullptr, 0, nullptr, 0, x, ldx, rows, width}, Constant{value}, false);
}

void scale_add(const float* x, float scale, float* y, std::int64_t size, bool accumulate) {
  map("scale_add", {x, size, nullptr, 0, y, size, 1, size}, Scaled{scale}, accumulate);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
