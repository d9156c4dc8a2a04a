// Gated mixtures of experts. All outputs of a layer are made in one pass, so that an expert's row is read once and
// stays in the first-level cache for every task that mixes it; backward likewise forms each expert's gradient once, as
// Σ g dy over the gates that use it, instead of adding to it once a task.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/cpu/parallel.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace mal::kernels {

namespace {

// The k-th expert of a gate, whose weight stands in column `column`.
struct Use {
  std::int32_t expert, gate, output;
  std::int64_t column;
};

std::int64_t weight_count(const Mixture& mixture) {
  std::int64_t count = 0;
  for (std::int32_t g = 0; g < mixture.gate_count; ++g) count += mixture.gates[g].count;
  return count;
}

struct Weights;

// On the calling thread, which others may read while it waits for them.
std::vector<Use>& uses_of(const Mixture& mixture) {
  std::vector<Use>& uses = thread_list<Mixture, Use>();
  for (std::int32_t g = 0; g < mixture.gate_count; ++g)
    for (std::int32_t k = 0; k < mixture.gates[g].count; ++k)
      uses.push_back({mixture.gates[g].experts[k], g, mixture.gates[g].output, static_cast<std::int64_t>(uses.size())});
  return uses;
}

// Uses of one output or expert stay in order. (std::stable_sort would allocate.)
void sort_by(std::vector<Use>& uses, std::int32_t Use::*key) {
  std::ranges::sort(uses, {}, [&](const Use& use) { return std::pair(use.*key, use.column); });
}

void gate_weights(const Gate& gate, const float* logits, float* weights) {
  switch (gate.kind) {
    case GateKind::softmax: {
      const float top = *std::max_element(logits, logits + gate.count);
      float sum = 0;
      for (std::int32_t k = 0; k < gate.count; ++k) sum += weights[k] = std::exp(logits[k] - top);
      for (std::int32_t k = 0; k < gate.count; ++k) weights[k] /= sum;
      return;
    }
    case GateKind::sigmoid:
      for (std::int32_t k = 0; k < gate.count; ++k) weights[k] = 1.0F / (1.0F + std::exp(-logits[k]));
      return;
    case GateKind::constant:
      std::copy_n(logits, gate.count, weights);
      return;
  }
}

// From the gradients of a gate's weights to those of its logits.
void gate_gradient(const Gate& gate, const float* weights, const float* dweights, float* dlogits, bool accumulate) {
  float mean = 0;
  if (gate.kind == GateKind::softmax)
    for (std::int32_t k = 0; k < gate.count; ++k) mean += weights[k] * dweights[k];
  for (std::int32_t k = 0; k < gate.count; ++k) {
    const float value = gate.kind == GateKind::softmax ? weights[k] * (dweights[k] - mean)
                                                       : weights[k] * (1.0F - weights[k]) * dweights[k];
    dlogits[k] = accumulate ? dlogits[k] + value : value;
  }
}

// y = w x, or y += w x
void scaled(float w, const float* x, float* y, std::int64_t width, bool accumulate) {
  if (!accumulate) {
#pragma omp simd
    for (std::int64_t c = 0; c < width; ++c) y[c] = w * x[c];
    return;
  }
#pragma omp simd
  for (std::int64_t c = 0; c < width; ++c) y[c] += w * x[c];
}

float dot_row(const float* a, const float* b, std::int64_t width) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t c = 0; c < width; ++c) sum += a[c] * b[c];
  return sum;
}

// One row's gradients of all experts, and of all weights into dweights. `uses` are in order of expert.
void row_backward(const Mixture& mixture, const std::vector<Use>& uses, const MixtureInput* experts,
                  const float* weights, const MixtureInput* doutputs, const MixtureGradient* dexperts, std::int64_t row,
                  float* dweights) {
  auto use = uses.begin();
  for (std::int32_t e = 0; e < mixture.expert_count; ++e) {
    const float* x = experts[e].data + row * experts[e].stride;
    float* dx = dexperts[e].data == nullptr ? nullptr : dexperts[e].data + row * dexperts[e].stride;
    bool accumulate = dexperts[e].accumulate;
    for (; use != uses.end() && use->expert == e; ++use) {
      const MixtureInput& doutput = doutputs[use->output];
      const float* dy = doutput.data + row * doutput.stride;
      dweights[use->column] = dot_row(dy, x, mixture.width);
      if (dx != nullptr) scaled(weights[use->column], dy, dx, mixture.width, accumulate);
      accumulate = true;
    }
    if (dx != nullptr && !accumulate) std::fill_n(dx, mixture.width, 0.0F);  // an expert that nobody mixes
  }
}

}  // namespace

void mixture_forward(const Mixture& mixture, const MixtureInput* experts, const MixtureOutput* outputs, float* weights,
                     std::int64_t ldweights) {
  std::vector<Use>& uses = uses_of(mixture);
  sort_by(uses, &Use::output);
  parallel_ranges(mixture.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      float* row_weights = weights + r * ldweights;
      float* next = row_weights;
      for (std::int32_t g = 0; g < mixture.gate_count; ++g) {
        const Gate& gate = mixture.gates[g];
        const std::int64_t offset = gate.kind == GateKind::constant ? 0 : r * gate.ldlogits;
        gate_weights(gate, gate.logits + offset, next);
        next += gate.count;
      }
      auto use = uses.begin();
      for (std::int32_t o = 0; o < mixture.output_count; ++o) {
        float* y = outputs[o].data + r * outputs[o].stride;
        bool accumulate = false;
        for (; use != uses.end() && use->output == o; ++use) {
          const MixtureInput& expert = experts[use->expert];
          scaled(row_weights[use->column], expert.data + r * expert.stride, y, mixture.width, accumulate);
          accumulate = true;
        }
        if (!accumulate) std::fill_n(y, mixture.width, 0.0F);
      }
    }
  });
}

void mixture_backward(const Mixture& mixture, const MixtureInput* experts, const float* weights, std::int64_t ldweights,
                      const MixtureInput* doutputs, const MixtureGradient* dexperts, const MixtureGradient* dlogits,
                      float* workspace) {
  std::vector<Use>& uses = uses_of(mixture);
  sort_by(uses, &Use::expert);
  const std::int64_t total = weight_count(mixture);
  parallel_ranges(mixture.rows, kRowBlock, [&](std::int64_t first, std::int64_t last) {
    float* const dweights = thread_floats<Weights>(total);
    float* sums = workspace + first / kRowBlock * total;
    std::fill_n(sums, total, 0.0F);
    for (std::int64_t r = first; r < last; ++r) {
      const float* row_weights = weights + r * ldweights;
      row_backward(mixture, uses, experts, row_weights, doutputs, dexperts, r, dweights);
      std::int64_t column = 0;
      for (std::int32_t g = 0; g < mixture.gate_count; ++g) {
        const Gate& gate = mixture.gates[g];
        const float* gradient = dweights + column;
        if (gate.kind == GateKind::constant)
          for (std::int32_t k = 0; k < gate.count; ++k) sums[column + k] += gradient[k];
        else if (dlogits[g].data != nullptr)
          gate_gradient(gate, row_weights + column, gradient, dlogits[g].data + r * dlogits[g].stride,
                        dlogits[g].accumulate);
        column += gate.count;
      }
    }
  });
  std::int64_t column = 0;
  for (std::int32_t g = 0; g < mixture.gate_count; ++g) {
    const Gate& gate = mixture.gates[g];
    if (gate.kind == GateKind::constant) {
      std::fill_n(dlogits[g].data, gate.count, 0.0F);
      for (std::int64_t block = 0; block < (mixture.rows + kRowBlock - 1) / kRowBlock; ++block)
        for (std::int32_t k = 0; k < gate.count; ++k) dlogits[g].data[k] += workspace[block * total + column + k];
    }
    column += gate.count;
  }
}

std::int64_t mixture_backward_workspace(const Mixture& mixture) {
  return (mixture.rows + kRowBlock - 1) / kRowBlock * weight_count(mixture);
}

}  // namespace mal::kernels
