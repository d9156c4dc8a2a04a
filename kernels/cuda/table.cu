// Two lines a kernel: its declaration, which has kernels.h's signature, and its entry.
#include "kernels/cuda/support/launch.h"

namespace mal::kernels {

namespace MAL_CUDA_NAMESPACE {

decltype(kernels::embedding_forward) embedding_forward;
decltype(kernels::embedding_backward) embedding_backward;
decltype(kernels::embedding_backward_workspace) embedding_backward_workspace;
decltype(kernels::multi_view_loss) multi_view_loss;
decltype(kernels::multi_view_loss_workspace) multi_view_loss_workspace;
decltype(kernels::add_forward) add_forward;
decltype(kernels::activation_forward) activation_forward;
decltype(kernels::activation_backward) activation_backward;
decltype(kernels::copy) copy;
decltype(kernels::fill) fill;
decltype(kernels::dot) dot;
decltype(kernels::dot_workspace) dot_workspace;
decltype(kernels::gradient_norm) gradient_norm;
decltype(kernels::gradient_norm_workspace) gradient_norm_workspace;
decltype(kernels::scale_add) scale_add;
decltype(kernels::dense_update) dense_update;
decltype(kernels::sparse_update) sparse_update;
decltype(kernels::sparse_state_width) sparse_state_width;

const KernelTable& kernel_table() {
  static constexpr KernelTable kTable = {
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .embedding_backward_workspace = embedding_backward_workspace,
      .linear_forward = nullptr,
      .linear_backward = nullptr,
      .linear_backward_workspace = nullptr,
      .linear_group_forward = nullptr,
      .linear_group_backward = nullptr,
      .linear_group_backward_workspace = nullptr,
      .layer_norm_forward = nullptr,
      .layer_norm_backward = nullptr,
      .layer_norm_backward_workspace = nullptr,
      .batch_norm_statistics = nullptr,
      .batch_norm_statistics_workspace = nullptr,
      .batch_norm_swish_forward = nullptr,
      .batch_norm_swish_backward = nullptr,
      .batch_norm_swish_backward_workspace = nullptr,
      .batch_norm_update = nullptr,
      .din_forward = nullptr,
      .din_backward = nullptr,
      .din_backward_workspace = nullptr,
      .multi_head_forward = nullptr,
      .multi_head_backward = nullptr,
      .multi_head_backward_workspace = nullptr,
      .mixture_forward = nullptr,
      .mixture_backward = nullptr,
      .mixture_backward_workspace = nullptr,
      .feature_gate_forward = nullptr,
      .feature_gate_backward = nullptr,
      .feature_gate_backward_workspace = nullptr,
      .field_mean_forward = nullptr,
      .field_mean_backward = nullptr,
      .field_scale_forward = nullptr,
      .field_scale_backward = nullptr,
      .simtier_count_forward = nullptr,
      .simtier_embedding_forward = nullptr,
      .simtier_embedding_backward = nullptr,
      .simtier_embedding_backward_workspace = nullptr,
      .multi_view_loss = multi_view_loss,
      .multi_view_loss_workspace = multi_view_loss_workspace,
      .add_forward = add_forward,
      .activation_forward = activation_forward,
      .activation_backward = activation_backward,
      .copy = copy,
      .fill = fill,
      .dot = dot,
      .dot_workspace = dot_workspace,
      .gradient_norm = gradient_norm,
      .gradient_norm_workspace = gradient_norm_workspace,
      .scale_add = scale_add,
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
