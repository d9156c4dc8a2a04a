// Two lines a kernel: its declaration, which has kernels.h's signature, and its entry.
#include "kernels/cuda/support/launch.h"

namespace mal::kernels {

namespace MAL_CUDA_NAMESPACE {

decltype(kernels::embedding_forward) embedding_forward;
decltype(kernels::embedding_backward) embedding_backward;
decltype(kernels::embedding_backward_workspace) embedding_backward_workspace;
decltype(kernels::linear_forward) linear_forward;
decltype(kernels::linear_backward) linear_backward;
decltype(kernels::linear_backward_workspace) linear_backward_workspace;
decltype(kernels::linear_group_forward) linear_group_forward;
decltype(kernels::linear_group_backward) linear_group_backward;
decltype(kernels::linear_group_backward_workspace) linear_group_backward_workspace;
decltype(kernels::linear_packed_size) linear_packed_size;
decltype(kernels::linear_pack) linear_pack;
decltype(kernels::chain_forward) chain_forward;
decltype(kernels::chain_backward) chain_backward;
decltype(kernels::chain_backward_workspace) chain_backward_workspace;
decltype(kernels::chains_layer) chains_layer;
decltype(kernels::layer_norm_forward) layer_norm_forward;
decltype(kernels::layer_norm_backward) layer_norm_backward;
decltype(kernels::layer_norm_backward_workspace) layer_norm_backward_workspace;
decltype(kernels::batch_norm_statistics) batch_norm_statistics;
decltype(kernels::batch_norm_statistics_workspace) batch_norm_statistics_workspace;
decltype(kernels::batch_norm_swish_forward) batch_norm_swish_forward;
decltype(kernels::batch_norm_swish_backward) batch_norm_swish_backward;
decltype(kernels::batch_norm_swish_backward_workspace) batch_norm_swish_backward_workspace;
decltype(kernels::batch_norm_update) batch_norm_update;
decltype(kernels::din_forward) din_forward;
decltype(kernels::din_backward) din_backward;
decltype(kernels::din_backward_workspace) din_backward_workspace;
decltype(kernels::din_kept) din_kept;
decltype(kernels::multi_head_forward) multi_head_forward;
decltype(kernels::multi_head_backward) multi_head_backward;
decltype(kernels::multi_head_backward_workspace) multi_head_backward_workspace;
decltype(kernels::mixture_forward) mixture_forward;
decltype(kernels::mixture_backward) mixture_backward;
decltype(kernels::mixture_backward_workspace) mixture_backward_workspace;
decltype(kernels::feature_gate_forward) feature_gate_forward;
decltype(kernels::feature_gate_backward) feature_gate_backward;
decltype(kernels::feature_gate_backward_workspace) feature_gate_backward_workspace;
decltype(kernels::field_mean_forward) field_mean_forward;
decltype(kernels::field_mean_backward) field_mean_backward;
decltype(kernels::field_scale_forward) field_scale_forward;
decltype(kernels::field_scale_backward) field_scale_backward;
decltype(kernels::simtier_count_forward) simtier_count_forward;
decltype(kernels::simtier_embedding_forward) simtier_embedding_forward;
decltype(kernels::simtier_embedding_backward) simtier_embedding_backward;
decltype(kernels::simtier_embedding_backward_workspace) simtier_embedding_backward_workspace;
decltype(kernels::multi_view_loss) multi_view_loss;
decltype(kernels::multi_view_loss_workspace) multi_view_loss_workspace;
decltype(kernels::add_forward) add_forward;
decltype(kernels::add_backward) add_backward;
decltype(kernels::activation_forward) activation_forward;
decltype(kernels::activation_backward) activation_backward;
decltype(kernels::copy) copy;
decltype(kernels::fill) fill;
decltype(kernels::dot) dot;
decltype(kernels::dot_workspace) dot_workspace;
decltype(kernels::gradient_norm) gradient_norm;
decltype(kernels::gradient_norm_workspace) gradient_norm_workspace;
decltype(kernels::scale_add) scale_add;
decltype(kernels::defers_sums) defers_sums;
decltype(kernels::begin_sums) begin_sums;
decltype(kernels::finish_sums) finish_sums;
decltype(kernels::dense_update) dense_update;
decltype(kernels::sparse_update) sparse_update;
decltype(kernels::sparse_state_width) sparse_state_width;

const KernelTable& kernel_table() {
  static constexpr KernelTable kTable = {
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .embedding_backward_workspace = embedding_backward_workspace,
      .linear_forward = linear_forward,
      .linear_backward = linear_backward,
      .linear_backward_workspace = linear_backward_workspace,
      .linear_group_forward = linear_group_forward,
      .linear_group_backward = linear_group_backward,
      .linear_group_backward_workspace = linear_group_backward_workspace,
      .linear_packed_size = linear_packed_size,
      .linear_pack = linear_pack,
      .chain_forward = chain_forward,
      .chain_backward = chain_backward,
      .chain_backward_workspace = chain_backward_workspace,
      .chains_layer = chains_layer,
      .layer_norm_forward = layer_norm_forward,
      .layer_norm_backward = layer_norm_backward,
      .layer_norm_backward_workspace = layer_norm_backward_workspace,
      .batch_norm_statistics = batch_norm_statistics,
      .batch_norm_statistics_workspace = batch_norm_statistics_workspace,
      .batch_norm_swish_forward = batch_norm_swish_forward,
      .batch_norm_swish_backward = batch_norm_swish_backward,
      .batch_norm_swish_backward_workspace = batch_norm_swish_backward_workspace,
      .batch_norm_update = batch_norm_update,
      .din_forward = din_forward,
      .din_backward = din_backward,
      .din_backward_workspace = din_backward_workspace,
      .din_kept = din_kept,
      .multi_head_forward = multi_head_forward,
      .multi_head_backward = multi_head_backward,
      .multi_head_backward_workspace = multi_head_backward_workspace,
      .mixture_forward = mixture_forward,
      .mixture_backward = mixture_backward,
      .mixture_backward_workspace = mixture_backward_workspace,
      .feature_gate_forward = feature_gate_forward,
      .feature_gate_backward = feature_gate_backward,
      .feature_gate_backward_workspace = feature_gate_backward_workspace,
      .field_mean_forward = field_mean_forward,
      .field_mean_backward = field_mean_backward,
      .field_scale_forward = field_scale_forward,
      .field_scale_backward = field_scale_backward,
      .simtier_count_forward = simtier_count_forward,
      .simtier_embedding_forward = simtier_embedding_forward,
      .simtier_embedding_backward = simtier_embedding_backward,
      .simtier_embedding_backward_workspace = simtier_embedding_backward_workspace,
      .multi_view_loss = multi_view_loss,
      .multi_view_loss_workspace = multi_view_loss_workspace,
      .add_forward = add_forward,
      .add_backward = add_backward,
      .activation_forward = activation_forward,
      .activation_backward = activation_backward,
      .copy = copy,
      .fill = fill,
      .dot = dot,
      .dot_workspace = dot_workspace,
      .gradient_norm = gradient_norm,
      .gradient_norm_workspace = gradient_norm_workspace,
      .scale_add = scale_add,
      .defers_sums = defers_sums,
      .begin_sums = begin_sums,
      .finish_sums = finish_sums,
      .dense_update = dense_update,
      .sparse_update = sparse_update,
      .sparse_state_width = sparse_state_width,
  };
  return kTable;
}

}  // namespace MAL_CUDA_NAMESPACE

#ifdef MAL_CUDA_EMULATION
const KernelTable& emulated_kernels() {
  return emulated::kernel_table();
}
#else
const KernelTable& cuda_kernels() {
  return cuda::kernel_table();
}
#endif

}  // namespace mal::kernels
