// The steps of the plan over the rows of a tile.
#pragma once

#include "model/inference/source/scorer.h"

namespace mal::infer {

inline void Scorer::run_linear(const detail::Step& step, std::size_t index, std::size_t rows) {
  detail::Product product = Scorer::product(step.weights);
  product.x = at(step.in);
  product.ldx = stride(step.in);
  product.inputs = step.in.width;
  product.segments = step.all.data();
  product.segment_count = step.all.size();
  if (!extra_[index].empty() && user_width_ > 0) {
    product.segments = ad_segments_.data();
    product.segment_count = ad_segments_.size();
    product.extra = extra_[index].data();
    product.ldextra = extra_[index].size() / detail::kExtras;
    product.coefficients = coefficients_.data();
  }
  if (step.add.valid()) {
    product.add = at(step.add);
    product.ldadd = stride(step.add);
  }
  product.y = at(step.out);
  product.ldy = stride(step.out);
  product.rows = rows;
  product.outputs = step.out.width;
  product.activation = step.activation;
  state_->kernels->product(product);
}

inline void Scorer::run_mix(const detail::Step& step, std::size_t rows) {
  const std::size_t count = step.parts.size();
  for (std::size_t r = 0; r < rows; ++r) {
    float* weights = scratch_.data();
    std::copy_n(at(step.gates) + r * stride(step.gates), count, weights);
    detail::softmax(weights, count);
    if (step.self_kind == detail::SelfGate::native)
      for (std::size_t j = 0; j < step.self_count; ++j) weights[step.self_first + j] += step.native_weights[j];
    if (step.self_kind == detail::SelfGate::sigmoid || step.self_kind == detail::SelfGate::softmax) {
      float* self = at(step.self) + r * stride(step.self);
      if (step.self_kind == detail::SelfGate::softmax) detail::softmax(self, step.self_count);
      for (std::size_t j = 0; j < step.self_count; ++j)
        weights[step.self_first + j] +=
            step.self_kind == detail::SelfGate::softmax ? self[j] : 1.0F / (1.0F + std::exp(-self[j]));
    }
    float* out = at(step.out) + r * stride(step.out);
    std::fill_n(out, step.out.width, 0.0F);
    for (std::size_t e = 0; e < count; ++e) {
      const float* part = at(step.parts[e]) + r * stride(step.parts[e]);
      for (std::size_t i = 0; i < step.out.width; ++i) out[i] += weights[e] * part[i];
    }
  }
}

inline void Scorer::run_fields(const detail::Step& step, std::size_t rows) {
  const std::vector<detail::Field>& fields = plan().fields;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* in = at(step.in) + r * stride(step.in);
    float* out = at(step.out) + r * stride(step.out);
    for (std::size_t f = 0; f < fields.size(); ++f) {
      if (step.op == detail::Op::field_means) {
        out[f] = state_->kernels->sum(in + fields[f].first, fields[f].width) / static_cast<float>(fields[f].width);
        continue;
      }
      const float logit = at(step.add)[r * stride(step.add) + f], factor = 2.0F / (1.0F + std::exp(-logit));
      for (std::size_t i = 0; i < fields[f].width; ++i) out[fields[f].first + i] = in[fields[f].first + i] * factor;
    }
  }
}

inline void Scorer::run(std::size_t rows, bool all) {
  for (std::size_t i = 0; i < plan().steps.size(); ++i) {
    if (!all && !state_->for_primary[i]) continue;
    const detail::Step& step = plan().steps[i];
    switch (step.op) {
      case detail::Op::linear:
        run_linear(step, i, rows);
        break;
      case detail::Op::mix:
        run_mix(step, rows);
        break;
      case detail::Op::field_means:
      case detail::Op::field_scale:
        run_fields(step, rows);
        break;
      case detail::Op::layer_norm:
        for (std::size_t r = 0; r < rows; ++r) {
          float* out = at(step.out) + r * stride(step.out);
          std::copy_n(at(step.in) + r * stride(step.in), step.out.width, out);
          layer_norm(out);
        }
        break;
      case detail::Op::gate:
      case detail::Op::copy:
        for (std::size_t r = 0; r < rows; ++r) {
          const float* in = at(step.in) + r * stride(step.in);
          float* out = at(step.out) + r * stride(step.out);
          if (step.op == detail::Op::copy) {
            std::copy_n(in, step.out.width, out);
            continue;
          }
          const float* gate = at(step.add) + r * stride(step.add);
          for (std::size_t c = 0; c < step.out.width; ++c) out[c] = in[c] * 2.0F / (1.0F + std::exp(-gate[c]));
        }
        break;
    }
  }
}

}  // namespace mal::infer
