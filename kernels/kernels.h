// Every kernel's signature, once: by family in kernels/families/, and all together in the KernelTable. A device fills
// one table with its own functions of these names; nothing above this floor ever calls a kernel except through it.
//
// Conventions
//   B rows of a batch, K inputs and N outputs of a layer, d embedding width, L positions, T tiers, H heads, V views.
//   Matrices are row-major fp32 with a row stride in floats ("ldx"), so that a layer can read and write a slice of a
//   wider matrix. Parameters are contiguous. Nothing here allocates: `workspace` holds at least the floats that the
//   function of the same name with `_workspace` returns (0: may be null).
//   What is computed on (numbers, ids, lengths, counts, losses, OptimizerStep, GradientNorm, workspaces) lies in the
//   device's memory, and a call may return before it is done, in the order of the calls. What describes a call (arrays
//   of structs, Gate::experts, field offsets) lies in the host's and is read before the call returns.
//   `accumulate`: add to the gradient that is there already; otherwise overwrite it.
//   Sums over rows have a fixed tree (blocks of kRowBlock rows, added in order), never one that depends on the number
//   of threads: the result is the same bits for any number of them. B = 0 is valid everywhere and does nothing
//   (parameter gradients are then zero).
#pragma once

#include <cstdint>

#include "kernels/families/attention.h"
#include "kernels/families/chain.h"
#include "kernels/families/elementwise.h"
#include "kernels/families/embedding.h"
#include "kernels/families/fields.h"
#include "kernels/families/gate.h"
#include "kernels/families/linear.h"
#include "kernels/families/loss.h"
#include "kernels/families/norm.h"
#include "kernels/families/optimizer.h"
#include "kernels/families/simtier.h"

namespace mal::kernels {

inline constexpr std::int64_t kRowBlock = 128;

struct KernelTable {
  decltype(&kernels::embedding_forward) embedding_forward;
  decltype(&kernels::embedding_backward) embedding_backward;
  decltype(&kernels::embedding_backward_workspace) embedding_backward_workspace;
  decltype(&kernels::linear_forward) linear_forward;
  decltype(&kernels::linear_backward) linear_backward;
  decltype(&kernels::linear_backward_workspace) linear_backward_workspace;
  decltype(&kernels::linear_group_forward) linear_group_forward;
  decltype(&kernels::linear_group_backward) linear_group_backward;
  decltype(&kernels::linear_group_backward_workspace) linear_group_backward_workspace;
  decltype(&kernels::linear_packed_size) linear_packed_size;
  decltype(&kernels::linear_pack) linear_pack;
  decltype(&kernels::chain_forward) chain_forward;
  decltype(&kernels::chain_backward) chain_backward;
  decltype(&kernels::chain_backward_workspace) chain_backward_workspace;
  decltype(&kernels::chains_layer) chains_layer;
  decltype(&kernels::layer_norm_forward) layer_norm_forward;
  decltype(&kernels::layer_norm_backward) layer_norm_backward;
  decltype(&kernels::layer_norm_backward_workspace) layer_norm_backward_workspace;
  decltype(&kernels::batch_norm_statistics) batch_norm_statistics;
  decltype(&kernels::batch_norm_statistics_workspace) batch_norm_statistics_workspace;
  decltype(&kernels::batch_norm_swish_forward) batch_norm_swish_forward;
  decltype(&kernels::batch_norm_swish_backward) batch_norm_swish_backward;
  decltype(&kernels::batch_norm_swish_backward_workspace) batch_norm_swish_backward_workspace;
  decltype(&kernels::batch_norm_update) batch_norm_update;
  decltype(&kernels::din_forward) din_forward;
  decltype(&kernels::din_backward) din_backward;
  decltype(&kernels::din_backward_workspace) din_backward_workspace;
  decltype(&kernels::din_kept) din_kept;
  decltype(&kernels::multi_head_forward) multi_head_forward;
  decltype(&kernels::multi_head_backward) multi_head_backward;
  decltype(&kernels::multi_head_backward_workspace) multi_head_backward_workspace;
  decltype(&kernels::mixture_forward) mixture_forward;
  decltype(&kernels::mixture_backward) mixture_backward;
  decltype(&kernels::mixture_backward_workspace) mixture_backward_workspace;
  decltype(&kernels::feature_gate_forward) feature_gate_forward;
  decltype(&kernels::feature_gate_backward) feature_gate_backward;
  decltype(&kernels::feature_gate_backward_workspace) feature_gate_backward_workspace;
  decltype(&kernels::field_mean_forward) field_mean_forward;
  decltype(&kernels::field_mean_backward) field_mean_backward;
  decltype(&kernels::field_scale_forward) field_scale_forward;
  decltype(&kernels::field_scale_backward) field_scale_backward;
  decltype(&kernels::simtier_count_forward) simtier_count_forward;
  decltype(&kernels::simtier_embedding_forward) simtier_embedding_forward;
  decltype(&kernels::simtier_embedding_backward) simtier_embedding_backward;
  decltype(&kernels::simtier_embedding_backward_workspace) simtier_embedding_backward_workspace;
  decltype(&kernels::multi_view_loss) multi_view_loss;
  decltype(&kernels::multi_view_loss_workspace) multi_view_loss_workspace;
  decltype(&kernels::add_forward) add_forward;
  decltype(&kernels::add_backward) add_backward;
  decltype(&kernels::activation_forward) activation_forward;
  decltype(&kernels::activation_backward) activation_backward;
  decltype(&kernels::copy) copy;
  decltype(&kernels::fill) fill;
  decltype(&kernels::dot) dot;
  decltype(&kernels::dot_workspace) dot_workspace;
  decltype(&kernels::gradient_norm) gradient_norm;
  decltype(&kernels::gradient_norm_workspace) gradient_norm_workspace;
  decltype(&kernels::scale_add) scale_add;
  decltype(&kernels::defers_sums) defers_sums;
  decltype(&kernels::begin_sums) begin_sums;
  decltype(&kernels::finish_sums) finish_sums;
  decltype(&kernels::dense_update) dense_update;
  decltype(&kernels::sparse_update) sparse_update;
  decltype(&kernels::sparse_state_width) sparse_state_width;
};

// How the products of dense layers are computed: in fp32, or with operands rounded to tf32 or bf16 and sums in fp32.
// Matrices in memory stay fp32.
enum class Precision : std::int32_t { fp32, tf32, bf16 };

// Of the widest instruction set that this build and this processor have; the environment variable MAL_CPU names another
// (kernels/cpu/variants.h). Throws CpuError where there is none, or none with this precision.
const KernelTable& cpu_kernels(Precision precision = Precision::fp32);

// The number of threads of every CPU kernel from now on, 0 = all cores. Rows are split in blocks that do not
// depend on it.
void set_cpu_threads(int threads);
int cpu_threads();

}  // namespace mal::kernels
