// Shapes that a CUDA kernel cannot take are refused before anything runs, with a message that names them.
#include "tests/kernels/kernel_test.h"

namespace mal::test::cuda_limits {

using Catch::Matchers::Contains;

TEST_CASE("CUDA kernels refuse what does not fit a block or a launch, by name", "[kernels][cuda_limits]") {
  const KernelTable& kernels = kernels::emulated_kernels();
  float x[4] = {};
  CHECK_THROWS_WITH(kernels.layer_norm_backward(x, 1, x, x, x, x, 1, x, 1, false, x, x, 1, 1 << 20, x),
                    Contains("layer_norm_backward") && Contains("1048576 columns"));
  CHECK_THROWS_WITH(kernels.simtier_count_forward(x, 1, nullptr, x, 1, 1, 100000, false),
                    Contains("simtier_count_forward") && Contains("100000 tiers"));
  CHECK_THROWS_WITH(kernels.feature_gate_backward(x, 1, x, x, x, x, 1, x, 1, false, x, x, 1, 100000, 7, x),
                    Contains("feature_gate_backward") && Contains("100000 columns") && Contains("rank 7"));
  CHECK_THROWS_WITH(kernels.feature_gate_forward(x, 1, x, x, x, 1, x, 1, 1, 100000),
                    Contains("feature_gate_forward") && Contains("rank 100000"));
  const kernels::DinInput input{{x, x, x, x, x}, x, 1, x, 1, nullptr};
  const kernels::DinForward din{input, x, 1, x};
  CHECK_THROWS_WITH(kernels.din_forward({1, 1000000, 16, 8, false}, &din, 1),
                    Contains("din_forward") && Contains("1000000 positions of 16"));
  const kernels::DinBackward back{input, x, x, 1, x, 1, false, x, 1, false, {x, x, x, x, x}};
  CHECK_THROWS_WITH(kernels.din_backward({1, 4, 10000, 8, false}, &back, 1, x),
                    Contains("din_backward") && Contains("4 positions of 10000"));
  CHECK_THROWS_WITH(kernels.multi_head_forward({1, 1000000, 16, 4}, {x, x, x, x, x}, x, 1, x, 1, nullptr, x, 1, x),
                    Contains("multi_head_forward") && Contains("4 heads over 1000000 positions"));
  CHECK_THROWS_WITH(kernels.multi_head_backward({1, 1000000, 16, 4}, {x, x, x, x, x}, x, 1, x, 1, nullptr, x, x, 1, x,
                                                1, false, x, 1, false, {x, x, x, x, x}, x),
                    Contains("multi_head_backward") && Contains("4 heads over 1000000 positions"));
  const std::int32_t expert = 0;
  const kernels::Gate gate{kernels::GateKind::softmax, 0, 1, &expert, x, 1};
  const kernels::Mixture many{&gate, 1, 49, 1, 1, 1};
  CHECK_THROWS_WITH(kernels.mixture_forward(many, nullptr, nullptr, x, 1),
                    Contains("mixture_forward") && Contains("49 experts"));
  CHECK_THROWS_WITH(kernels.mixture_backward(many, nullptr, x, 1, nullptr, nullptr, nullptr, x),
                    Contains("mixture_backward") && Contains("49 experts"));
}

}  // namespace mal::test::cuda_limits
