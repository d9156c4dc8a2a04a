// cuBLASLt. Row-major c = a b is column-major cᵀ = bᵀ aᵀ: what is our b is the library's first operand. Handles, the
// library's workspace and what its heuristics chose for a shape belong to the calling thread and live as long as it
// does; a step that is to be captured runs once before, so that all of it is there.
#include "kernels/cuda/support/gemm.h"

#include <cublasLt.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;  // what NVIDIA advises for sm_90

thread_local Precision precision_of_thread = Precision::fp32;

void check(const char* name, const Gemm& g, cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw KernelError(std::string("cuBLAS: ") + name + " (" + std::to_string(g.m) + " x " + std::to_string(g.n) + " x " +
                    std::to_string(g.k) + "): " + cublasLtGetStatusString(status));
}
void check_start(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) throw KernelError(std::string(call) + ": " + cublasLtGetStatusString(status));
}

struct Context {
  cublasLtHandle_t lt = nullptr;
  void* workspace = nullptr;

  Context() {
    check_start(cublasLtCreate(&lt), "cublasLtCreate");
    finish_call("cudaMalloc of cuBLAS's workspace", cudaMalloc(&workspace, kWorkspaceBytes), 0, kWorkspaceBytes);
  }
  ~Context() {
    cublasLtDestroy(lt);
    cudaFree(workspace);
  }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};
Context& context() {
  static thread_local Context of_thread;
  return of_thread;
}

cublasComputeType_t compute_type() {
  switch (precision_of_thread) {
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    case Precision::bf16:
      return CUBLAS_COMPUTE_32F_FAST_16BF;
    default:
      return CUBLAS_COMPUTE_32F;
  }
}

cublasLtEpilogue_t epilogue_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::bias:
      return CUBLASLT_EPILOGUE_BIAS;
    case Epilogue::bias_gradient:
      return CUBLASLT_EPILOGUE_BGRADA;
    default:
      return CUBLASLT_EPILOGUE_DEFAULT;
  }
}

std::uint32_t alignment_of(const void* pointer) {
  const auto address = reinterpret_cast<std::uintptr_t>(pointer);
  std::uint32_t alignment = 256;
  while (alignment > 4 && address % alignment != 0) alignment /= 2;
  return alignment;
}

template <typename T, cublasStatus_t (*kDestroy)(T)>
struct Destroy {
  void operator()(T handle) const { kDestroy(handle); }
};
using Layout =
    std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>>;
using Description =
    std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                                   Destroy<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>>;

Layout layout(std::int64_t rows, std::int64_t columns, std::int64_t ld) {
  cublasLtMatrixLayout_t made = nullptr;
  check_start(cublasLtMatrixLayoutCreate(&made, CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                         static_cast<std::uint64_t>(columns), ld),
              "cublasLtMatrixLayoutCreate");
  return Layout(made);
}

// A product as cuBLASLt knows it.
struct Matmul {
  Description description;
  Layout a, b, c;
  bool found = false;
  cublasLtMatmulAlgo_t algorithm{};
};

void set(const Description& description, cublasLtMatmulDescAttributes_t attribute, const auto& value) {
  check_start(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof value),
              "cublasLtMatmulDescSetAttribute");
}
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
  check_start(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value),
              "cublasLtMatmulPreferenceSetAttribute");
}

void choose(Matmul& matmul, const Gemm& g) {
  cublasLtMatmulPreference_t made = nullptr;
  check_start(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate");
  const Preference preference(made);
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment_of(g.b));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment_of(g.a));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment_of(g.c));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment_of(g.c));
  cublasLtMatmulHeuristicResult_t result{};
  int results = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(context().lt, matmul.description.get(), matmul.a.get(), matmul.b.get(),
                                     matmul.c.get(), matmul.c.get(), preference.get(), 1, &result, &results);
  matmul.found = status == CUBLAS_STATUS_SUCCESS && results > 0;
  matmul.algorithm = result.algo;
}

Matmul make(const Gemm& g, cublasComputeType_t type) {
  cublasLtMatmulDesc_t made = nullptr;
  check_start(cublasLtMatmulDescCreate(&made, type, CUDA_R_32F), "cublasLtMatmulDescCreate");
  Matmul matmul;
  matmul.description.reset(made);
  matmul.a = g.b_transposed ? layout(g.k, g.n, g.ldb) : layout(g.n, g.k, g.ldb);
  matmul.b = g.a_transposed ? layout(g.m, g.k, g.lda) : layout(g.k, g.m, g.lda);
  matmul.c = layout(g.n, g.m, g.ldc);
  set(matmul.description, CUBLASLT_MATMUL_DESC_TRANSA, g.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(matmul.description, CUBLASLT_MATMUL_DESC_TRANSB, g.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(matmul.description, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_of(g.epilogue));
  if (g.bias != nullptr) set(matmul.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, g.bias);
  choose(matmul, g);
  return matmul;
}

// tf32 and bf16 only permit the library to round: where it has no such kernel, for odd strides say, fp32 is right too.
Matmul make(const Gemm& g) {
  Matmul matmul = make(g, compute_type());
  if (!matmul.found && g.epilogue != Epilogue::bias_gradient) matmul = make(g, CUBLAS_COMPUTE_32F);
  return matmul;
}

// What the heuristics answer depends on.
using Key = std::array<std::int64_t, 14>;
Matmul& matmul_of(const Gemm& g) {
  static thread_local std::map<Key, Matmul> known;
  const Key key = {g.m,
                   g.n,
                   g.k,
                   g.lda,
                   g.ldb,
                   g.ldc,
                   g.a_transposed,
                   g.b_transposed,
                   g.accumulate,
                   static_cast<std::int64_t>(g.epilogue),
                   static_cast<std::int64_t>(precision_of_thread),
                   alignment_of(g.a),
                   alignment_of(g.b),
                   alignment_of(g.c)};
  const auto found = known.find(key);
  return found != known.end() ? found->second : known.emplace(key, make(g)).first->second;
}

}  // namespace

Precision gemm_precision() {
  return precision_of_thread;
}

bool gemm_exists(const char*, const Gemm& g) {
  return matmul_of(g).found;
}

void gemm(const char* name, const Gemm& g) {
  Matmul& matmul = matmul_of(g);
  if (!matmul.found) check(name, g, CUBLAS_STATUS_NOT_SUPPORTED);
  if (g.bias != nullptr) set(matmul.description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, g.bias);
  const float alpha = 1, beta = g.accumulate ? 1.0F : 0.0F;
  check(name, g,
        cublasLtMatmul(context().lt, matmul.description.get(), &alpha, g.b, matmul.a.get(), g.a, matmul.b.get(), &beta,
                       g.c, matmul.c.get(), g.c, matmul.c.get(), &matmul.algorithm, context().workspace,
                       kWorkspaceBytes, current_stream()));
  finish_call(name, cudaSuccess, 1, g.m, g.n, g.k);
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE

namespace mal::kernels {

void set_cuda_precision(Precision precision) {
  cuda::precision_of_thread = precision;
}

}  // namespace mal::kernels
