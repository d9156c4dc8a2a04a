#include "kernels/kernels.h"

namespace mal::kernels {

const KernelTable& cpu_kernels() {
  static constexpr KernelTable kTable = {
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .linear_forward = linear_forward,
      .linear_backward = linear_backward,
      .linear_backward_workspace = linear_backward_workspace,
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
      .activation_forward = activation_forward,
      .activation_backward = activation_backward,
      .copy = copy,
      .fill = fill,
      .sum_of_squares = sum_of_squares,
      .dot = dot,
      .scale_add = scale_add,
      .dense_update = dense_update,
      .sparse_update = sparse_update,
      .sparse_state_width = sparse_state_width,
  };
  return kTable;
}

}  // namespace mal::kernels
