// All kernels of the CPU, with dense layers of one precision.
#pragma once

#include "kernels/kernels.h"

namespace mal::kernels {

// Dense: Layers of layers.h.
template <typename Dense>
constexpr KernelTable table_with() {
  return {
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .embedding_backward_workspace = embedding_backward_workspace,
      .linear_forward = Dense::linear_forward,
      .linear_backward = Dense::linear_backward,
      .linear_backward_workspace = Dense::linear_backward_workspace,
      .linear_group_forward = Dense::linear_group_forward,
      .linear_group_backward = Dense::linear_group_backward,
      .linear_group_backward_workspace = Dense::linear_group_backward_workspace,
      .linear_packed_size = Dense::linear_packed_size,
      .linear_pack = Dense::linear_pack,
      .chain_forward = Dense::chain_forward,
      .chain_backward = Dense::chain_backward,
      .chain_backward_workspace = Dense::chain_backward_workspace,
      .chains_layer = Dense::chains_layer,
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
}

}  // namespace mal::kernels
