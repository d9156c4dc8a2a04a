// Every output of a layer of experts in one launch, a warp a row: its gates' weights go to shared memory (a lane a
// gate), then the lanes walk over the columns. An expert's row comes from memory once and from the first-level cache
// for every further output that mixes it. Backward forms each expert's gradient once and the weights' gradients with
// it.
//
// What lies where comes with the launch, by value: 48 experts, 48 gates, 32 outputs and 256 weights at most.
#include <algorithm>
#include <vector>

#include "kernels/cuda/sums.h"
#include "kernels/kernels.h"

namespace mal::kernels::MAL_CUDA_NAMESPACE {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kExperts = 48, kGates = 48, kOutputs = 32, kWeights = 256;
constexpr int kHeld = 8;  // floats of a row that a lane holds at a time, backward

struct Input {
  const float* data;
  std::int64_t stride;
};

// An expert in an output (forward) or an output of an expert (backward), and the column of its weight.
struct Use {
  std::uint8_t matrix;
  std::uint8_t column;
};
static_assert(kWeights <= 256 && kExperts <= 256);

// Uses of the i-th output or expert: those from first[i] to first[i + 1].
template <int kCount>
struct Uses {
  std::int16_t first[kCount + 1];
  Use of[kWeights];
};

struct GateShape {
  std::uint8_t kind;          // a GateKind: parameters of a kernel are scarce
  bool accumulate;            // backward
  std::int16_t first, count;  // columns of the weights
  __device__ bool is(GateKind other) const { return kind == static_cast<std::uint8_t>(other); }
};

struct ForwardGate {
  GateShape shape;
  std::int32_t stride;  // of logits; 0: a constant gate
  const float* logits;
};

struct Forward {
  Input experts[kExperts];
  MixtureOutput outputs[kOutputs];
  ForwardGate gates[kGates];
  Uses<kOutputs> uses;
  float* weights;
  std::int64_t ldweights, rows;
  int gate_count, output_count, weight_count, width;
};

__device__ void gate_weights(const GateShape& gate, const float* logits, float* weights) {
  if (gate.is(GateKind::softmax)) {
    float top = logits[0], sum = 0;
    for (int k = 1; k < gate.count; ++k) top = fmaxf(top, logits[k]);
    for (int k = 0; k < gate.count; ++k) sum += weights[k] = expf(logits[k] - top);
    for (int k = 0; k < gate.count; ++k) weights[k] /= sum;
  } else {
    for (int k = 0; k < gate.count; ++k) weights[k] = gate.is(GateKind::sigmoid) ? logistic(logits[k]) : logits[k];
  }
}

template <int kCount>
__global__ void __launch_bounds__(kThreads) mixture_forward_kernel(const __grid_constant__ Forward p) {
  MAL_SHARED(float, all_weights, [kWarps][kWeights]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  float* weights = all_weights[warp];
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + warp; row < p.rows;
       row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    __syncwarp();  // who still reads the weights of the row before
    for (int g = lane; g < p.gate_count; g += kWarp)
      gate_weights(p.gates[g].shape, p.gates[g].logits + row * std::int64_t{p.gates[g].stride},
                   weights + p.gates[g].shape.first);
    __syncwarp();
    for (int k = lane; k < p.weight_count; k += kWarp) p.weights[row * p.ldweights + k] = weights[k];
    for (int o = 0; o < p.output_count; ++o)
      for (int c = lane * kCount; c < p.width; c += kWarp * kCount) {
        float sum[kCount] = {};
        for (int u = p.uses.first[o]; u < p.uses.first[o + 1]; ++u) {
          const Use use = p.uses.of[u];
          float values[kCount];
          load(p.experts[use.matrix].data + row * p.experts[use.matrix].stride + c, values);
          for (int i = 0; i < kCount; ++i) sum[i] += weights[use.column] * values[i];
        }
        store(p.outputs[o].data + row * p.outputs[o].stride + c, sum);
      }
  }
}

struct BackwardGate {
  GateShape shape;
  std::int32_t stride;
  float* dlogits;  // null: nobody needs it; of a constant gate always null: its sums go to the workspace
};

struct ExpertGradient {
  float* data;  // null: nobody needs it
  std::int64_t stride;
};

struct Backward {
  Input experts[kExperts];
  ExpertGradient dexperts[kExperts];
  Input doutputs[kOutputs];
  BackwardGate gates[kGates];
  Uses<kExperts> uses;
  std::uint64_t accumulate;  // bit e: into dexperts[e]
  const float* weights;
  std::int64_t ldweights, rows;
  float* partials;  // [blocks, weight_count]; null: no gate is constant
  int gate_count, expert_count, weight_count, width;
};
static_assert(kExperts <= 64);

// A warp's shared memory: weights of a row, their gradients, sums of these over rows; and the lanes' parts of 32
// gradients, which are then added up by a lane each: a fifth of the instructions of 32 sums by shuffles.
constexpr int kPart = kWarp + 1;
struct Memory {
  float *weights, *dweights, *sums;  // [weight_count]
  float* parts;                      // [32, 33]
};
std::int64_t floats_of(std::int64_t weights) {
  return 3 * weights + kWarp * kPart;
}

// Gradients of the weights of the uses from `first`, over the columns from `begin`.
__device__ void add_parts(const Backward& p, const Memory& w, int first, int count, int begin, int lane) {
  __syncwarp();
  if (lane < count) {
    const int column = p.uses.of[first + lane].column;
    float sum = begin == 0 ? 0.0F : w.dweights[column];
    for (int l = 0; l < kWarp; ++l) sum += w.parts[lane * kPart + l];
    w.dweights[column] = sum;
  }
  __syncwarp();
}

// One expert's gradient, and its weights' gradients, over the columns from `begin` of a row.
template <int kCount>
__device__ void expert_backward(const Backward& p, const Memory& w, std::int64_t row, int e, int begin, int lane) {
  constexpr int kSteps = kHeld / kCount;
  float x[kSteps][kCount] = {}, dx[kSteps][kCount] = {};
  const int column = begin + lane * kCount;
  float* out = p.dexperts[e].data == nullptr ? nullptr : p.dexperts[e].data + row * p.dexperts[e].stride;
  const bool accumulate = out != nullptr && (p.accumulate >> e & 1U) != 0;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int c = column + s * kWarp * kCount;
    if (c >= p.width) continue;
    load(p.experts[e].data + row * p.experts[e].stride + c, x[s]);
    if (accumulate) load(out + c, dx[s]);
  }
  for (int u = p.uses.first[e]; u < p.uses.first[e + 1]; ++u) {
    const Use use = p.uses.of[u];
    const float* gradient = p.doutputs[use.matrix].data + row * p.doutputs[use.matrix].stride;
    const float weight = w.weights[use.column];
    float sum = 0;
#pragma unroll
    for (int s = 0; s < kSteps; ++s) {
      const int c = column + s * kWarp * kCount;
      if (c >= p.width) continue;
      float dy[kCount];
      load(gradient + c, dy);
      for (int i = 0; i < kCount; ++i) {
        sum += dy[i] * x[s][i];
        dx[s][i] += weight * dy[i];
      }
    }
    w.parts[u % kWarp * kPart + lane] = sum;
    const int count = u % kWarp + 1;
    if (count == kWarp || u + 1 == p.weight_count) add_parts(p, w, u + 1 - count, count, begin, lane);
  }
  if (out == nullptr) return;
#pragma unroll
  for (int s = 0; s < kSteps; ++s) {
    const int c = column + s * kWarp * kCount;
    if (c < p.width) store(out + c, dx[s]);
  }
}

// From the gradients of a gate's weights to those of its logits.
__device__ void gate_gradient(const BackwardGate& gate, std::int64_t row, const float* weights, const float* dweights) {
  float* out = gate.dlogits + row * std::int64_t{gate.stride};
  float mean = 0;
  if (gate.shape.is(GateKind::softmax))
    for (int k = 0; k < gate.shape.count; ++k) mean += weights[k] * dweights[k];
  for (int k = 0; k < gate.shape.count; ++k) {
    const float value = gate.shape.is(GateKind::softmax) ? weights[k] * (dweights[k] - mean)
                                                         : weights[k] * (1.0F - weights[k]) * dweights[k];
    out[k] = gate.shape.accumulate ? out[k] + value : value;
  }
}

template <int kCount>
__global__ void __launch_bounds__(kThreads) mixture_backward_kernel(const __grid_constant__ Backward p) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int floats = 3 * p.weight_count + kWarp * kPart;
  float* memory = dynamic_shared<float>() + warp * floats;
  const Memory w{memory, memory + p.weight_count, memory + 2 * p.weight_count, memory + 3 * p.weight_count};
  for (int k = lane; k < p.weight_count; k += kWarp) w.sums[k] = 0;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * kWarps + warp; row < p.rows;
       row += static_cast<std::int64_t>(gridDim.x) * kWarps) {
    __syncwarp();  // who still reads the weights of the row before
    for (int k = lane; k < p.weight_count; k += kWarp) w.weights[k] = p.weights[row * p.ldweights + k];
    __syncwarp();
    for (int begin = 0; begin < p.width; begin += kHeld * kWarp)
      for (int e = 0; e < p.expert_count; ++e) expert_backward<kCount>(p, w, row, e, begin, lane);
    for (int g = lane; g < p.gate_count; g += kWarp)
      if (p.gates[g].dlogits != nullptr)
        gate_gradient(p.gates[g], row, w.weights + p.gates[g].shape.first, w.dweights + p.gates[g].shape.first);
    if (p.partials != nullptr)
      for (int k = lane; k < p.weight_count; k += kWarp) w.sums[k] += w.dweights[k];
  }
  if (p.partials == nullptr) return;
  __syncthreads();
  const float* sums = dynamic_shared<float>() + 2 * p.weight_count;  // of the first warp
  for (int k = static_cast<int>(threadIdx.x); k < p.weight_count; k += kThreads) {
    float sum = 0;
    for (int v = 0; v < kWarps; ++v) sum += sums[v * floats + k];
    p.partials[static_cast<std::int64_t>(blockIdx.x) * p.weight_count + k] = sum;
  }
}

// A constant gate's gradients, over the blocks. blockIdx.x: the gate.
struct Constants {
  GateShape shapes[kGates];
  float* dlogits[kGates];
};
__global__ void __launch_bounds__(kThreads)
    mixture_constants_kernel(const __grid_constant__ Constants p, const float* partials, std::int64_t blocks,
                             int weight_count) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const GateShape gate = p.shapes[blockIdx.x];
  for (int k = static_cast<int>(threadIdx.x) / kWarp; k < gate.count; k += kWarps) {
    float sum = 0;
    for (std::int64_t b = lane; b < blocks; b += kWarp) sum += partials[b * weight_count + gate.first + k];
    sum = warp_sum(sum);
    if (lane == 0) p.dlogits[blockIdx.x][k] = sum;
  }
}

std::int64_t weight_count(const Mixture& mixture) {
  std::int64_t count = 0;
  for (std::int32_t g = 0; g < mixture.gate_count; ++g) count += mixture.gates[g].count;
  return count;
}

void check(const char* kernel, const Mixture& m) {
  const std::int64_t weights = weight_count(m);
  if (m.expert_count > kExperts || m.gate_count > kGates || m.output_count > kOutputs || weights > kWeights)
    refuse(kernel, std::to_string(m.expert_count) + " experts, " + std::to_string(m.gate_count) + " gates, " +
                       std::to_string(m.output_count) + " outputs and " + std::to_string(weights) +
                       " weights are more than one launch takes (" + std::to_string(kExperts) + ", " +
                       std::to_string(kGates) + ", " + std::to_string(kOutputs) + " and " + std::to_string(kWeights) +
                       "); use fewer experts a layer");
}

GateShape shape_of(const Gate& gate, std::int64_t first, bool accumulate = false) {
  return {static_cast<std::uint8_t>(gate.kind), accumulate, static_cast<std::int16_t>(first),
          static_cast<std::int16_t>(gate.count)};
}

// add(owner, matrix, column) has collected uses; they are laid out by owner, each owner's in order of column.
template <int kCount>
class Layout {
 public:
  void add(std::int32_t owner, std::int32_t matrix, std::int64_t column) {
    uses_.push_back({owner, {static_cast<std::uint8_t>(matrix), static_cast<std::uint8_t>(column)}});
  }
  void write(Uses<kCount>& uses, int owners) {
    std::ranges::stable_sort(uses_, {}, &Owned::owner);
    std::size_t next = 0;
    for (int owner = 0; owner < owners; ++owner) {
      uses.first[owner] = static_cast<std::int16_t>(next);
      for (; next < uses_.size() && uses_[next].owner == owner; ++next) uses.of[next] = uses_[next].use;
    }
    uses.first[owners] = static_cast<std::int16_t>(next);
  }

 private:
  struct Owned {
    std::int32_t owner;
    Use use;
  };
  std::vector<Owned> uses_;
};

std::int64_t backward_blocks(std::int64_t rows) {
  return grid_of(rows, kWarps, 2 * kPartialBlocks);
}

}  // namespace

void mixture_forward(const Mixture& mixture, const MixtureInput* experts, const MixtureOutput* outputs, float* weights,
                     std::int64_t ldweights) {
  check("mixture_forward", mixture);
  Forward p{};
  Layout<kOutputs> layout;
  bool vector = mixture.width % 4 == 0;
  std::int64_t column = 0;
  for (std::int32_t g = 0; g < mixture.gate_count; ++g) {
    const Gate& gate = mixture.gates[g];
    p.gates[g] = {shape_of(gate, column),
                  gate.kind == GateKind::constant ? 0 : static_cast<std::int32_t>(gate.ldlogits), gate.logits};
    for (std::int32_t k = 0; k < gate.count; ++k) layout.add(gate.output, gate.experts[k], column++);
  }
  layout.write(p.uses, mixture.output_count);
  for (std::int32_t e = 0; e < mixture.expert_count; ++e) {
    p.experts[e] = {experts[e].data, experts[e].stride};
    vector = vector && vectors(experts[e].data, experts[e].stride);
  }
  for (std::int32_t o = 0; o < mixture.output_count; ++o) {
    p.outputs[o] = outputs[o];
    vector = vector && vectors(outputs[o].data, outputs[o].stride);
  }
  p.weights = weights;
  p.ldweights = ldweights;
  p.rows = mixture.rows;
  p.gate_count = mixture.gate_count;
  p.output_count = mixture.output_count;
  p.weight_count = static_cast<int>(column);
  p.width = static_cast<int>(mixture.width);
  launch("mixture_forward", vector ? mixture_forward_kernel<4> : mixture_forward_kernel<1>,
         grid_of(mixture.rows, kWarps, kMostBlocks), kThreads, 0, p);
}

void mixture_backward(const Mixture& mixture, const MixtureInput* experts, const float* weights, std::int64_t ldweights,
                      const MixtureInput* doutputs, const MixtureGradient* dexperts, const MixtureGradient* dlogits,
                      float* workspace) {
  check("mixture_backward", mixture);
  Backward p{};
  Constants constants{};
  Layout<kExperts> layout;
  bool vector = mixture.width % 4 == 0;
  unsigned constant_count = 0;
  std::int64_t column = 0;
  for (std::int32_t g = 0; g < mixture.gate_count; ++g) {
    const Gate& gate = mixture.gates[g];
    const bool constant = gate.kind == GateKind::constant;
    p.gates[g] = {shape_of(gate, column, dlogits[g].accumulate), static_cast<std::int32_t>(dlogits[g].stride),
                  constant ? nullptr : dlogits[g].data};
    if (constant) {
      constants.shapes[constant_count] = p.gates[g].shape;
      constants.dlogits[constant_count++] = dlogits[g].data;
    }
    for (std::int32_t k = 0; k < gate.count; ++k) layout.add(gate.experts[k], gate.output, column++);
  }
  layout.write(p.uses, mixture.expert_count);
  for (std::int32_t e = 0; e < mixture.expert_count; ++e) {
    p.experts[e] = {experts[e].data, experts[e].stride};
    p.dexperts[e] = {dexperts[e].data, dexperts[e].stride};
    p.accumulate |= static_cast<std::uint64_t>(dexperts[e].accumulate) << e;
    vector = vector && vectors(experts[e].data, experts[e].stride) && vectors(dexperts[e].data, dexperts[e].stride);
  }
  for (std::int32_t o = 0; o < mixture.output_count; ++o) {
    p.doutputs[o] = {doutputs[o].data, doutputs[o].stride};
    vector = vector && vectors(doutputs[o].data, doutputs[o].stride);
  }
  p.weights = weights;
  p.ldweights = ldweights;
  p.rows = mixture.rows;
  p.partials = constant_count == 0 ? nullptr : workspace;
  p.gate_count = mixture.gate_count;
  p.expert_count = mixture.expert_count;
  p.weight_count = static_cast<int>(column);
  p.width = static_cast<int>(mixture.width);
  const std::int64_t blocks = backward_blocks(mixture.rows);
  launch("mixture_backward", vector ? mixture_backward_kernel<4> : mixture_backward_kernel<1>,
         static_cast<unsigned>(blocks), kThreads, static_cast<std::size_t>(kWarps * floats_of(column)) * sizeof(float),
         p);
  launch("mixture_backward: constant gates", mixture_constants_kernel, constant_count, kThreads, 0, constants,
         static_cast<const float*>(workspace), blocks, p.weight_count);
}

std::int64_t mixture_backward_workspace(const Mixture& mixture) {
  for (std::int32_t g = 0; g < mixture.gate_count; ++g)
    if (mixture.gates[g].kind == GateKind::constant) return backward_blocks(mixture.rows) * weight_count(mixture);
  return 0;
}

}  // namespace mal::kernels::MAL_CUDA_NAMESPACE
