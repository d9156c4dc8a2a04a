#!/usr/bin/env bash
# Breaks one formula at a time in a copy of the tree, and expects the oracle's tests to fail. Exit code 0: all were noticed.
#   tests/oracle/mutations.sh            every mutation
#   tests/oracle/mutations.sh WORD...    those whose description has one of the words
#   tests/oracle/mutations.sh --check    none: whether each still fits the code
set -euo pipefail
cd "$(dirname "$0")/../.."
wanted=("$@")
targets=(oracle_tests)
run() { build/release/oracle_tests; }
source tests/support/mutations.sh

prepare
kernels=kernels/cpu

# ---- names
mutate "a parameter has another name" model/trunk.cpp '"input_norm")' '"norm")'

# ---- layers
mutate "hidden layers drop their bias" $kernels/layers.h '.bias = c.b,' '.bias = nullptr,'
mutate "logits drop their bias" $kernels/dense.cpp 'finished(sum + bias, activation)' 'finished(sum + 0 * bias, activation)'
mutate "LayerNorm: eps outside the root" $kernels/norm.cpp '1.0F / std::sqrt(square / n + eps)' \
  '1.0F / (std::sqrt(square / n) + eps)'
mutate "LayerNorm: gradient without the variance's part" $kernels/norm.cpp '- mean_g - normal * mean_product' \
  '- mean_g - 0 * normal * mean_product'

# ---- bf16
mutate "bf16: the second of two rows is the first" $kernels/bf16/products.h \
  'load_at_most(row + ldx, r + 1 < rows ? width : 0)' 'load_at_most(row, r + 1 < rows ? width : 0)'
mutate "bf16: operands are cut, not rounded" $kernels/bf16/emulated.h \
  '(bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16' 'bits >> 16'
mutate "bf16: dx reads the panels of the forward pass" $kernels/layers.h \
  '(c.packed == nullptr ? packed_here(c.w, inputs, outputs, true) : c.packed) +
               Products::packed_size(inputs, outputs);' '(c.packed == nullptr ? packed_here(c.w, inputs, outputs, true) : c.packed);'

# ---- embeddings
mutate "sets and sequences: padding is not masked" $kernels/embedding.cpp \
  'const std::int32_t count = valid_positions(f, r);' 'const std::int32_t count = f.length;'
mutate "sqrtn pools like mean" $kernels/embedding.cpp '1.0F / std::sqrt(static_cast<float>(count))' \
  '1.0F / static_cast<float>(count)'
mutate "mean's gradient is not divided by the count" $kernels/embedding_backward.cpp \
  '1.0F / (source.pooling == Pooling::mean ? count : std::sqrt(count))' \
  '(source.pooling == Pooling::mean ? 1.0F : 1.0F / std::sqrt(count))'

mutate "the sort of rows looks at half of their bits" $kernels/embedding_backward.cpp \
  'const std::uint64_t mask = (std::uint64_t{1} << t.digit_bits) - 1;' \
  'const std::uint64_t mask = (std::uint64_t{1} << t.digit_bits / 2) - 1;'
mutate "gradients of a bias: the first block of rows alone" $kernels/dense.cpp \
  'c.db[n] += partial[block * outputs + n];' 'c.db[n] += partial[n];'

# ---- DIN
mutate "DIN: e - t is e + t" $kernels/din.h 'load_first(w + block, lanes) - third' 'load_first(w + block, lanes) + third'
mutate "DIN: e - t is missing in the part of e" $kernels/din.h 'load_first(w, lanes) + third' 'load_first(w, lanes)'
mutate "DIN: e * t learns nothing" $kernels/attention_backward.cpp \
  'gradients.w1[3 * block + to] = w2 * te;' 'gradients.w1[3 * block + to] = 0 * w2 * te;'
mutate "DIN: PReLU's slope learns nothing" $kernels/attention_backward.cpp \
  'gradients.alpha[k] = w2 * of_alpha;' 'gradients.alpha[k] = 0 * w2 * of_alpha;'
mutate "DIN: the softmax's gradient without its mean" $kernels/attention_backward.cpp \
  'load(room.scores + j) * (load(delta + j) - mean)' 'load(room.scores + j) * (load(delta + j) - 0.0F * mean)'
mutate "DIN: the target is the column named as the table" model/trunk.cpp '(column.side == Side::ad ? 2 : 0) +' '0 +'

# ---- SimTier
mutate "SimTier: natural in place of binary logarithm" $kernels/simtier.cpp 'std::log2(1.0F + static_cast<float>(n))' \
  'std::log(1.0F + static_cast<float>(n))'
mutate "SimTier: tiers of twice the width" $kernels/simtier.cpp 'static_cast<float>(tiers) / 2.0F' \
  'static_cast<float>(tiers) / 4.0F'

# ---- losses
mutate "losses: the first block of rows alone" $kernels/loss.cpp 'losses[h] += partial[block * head_count + h];' \
  'losses[h] += block == 0 ? partial[h] : 0.0;'
mutate "CAT's bits in the reverse order" $kernels/loss.cpp 'label |= std::int64_t{1} << k;' \
  'label |= std::int64_t{1} << (head.view_count - 1 - k);'
mutate "the credit is no weight" $kernels/loss.cpp 'Label{1.0, credit}' 'Label{1.0, 1.0}'
mutate "gradients without lambda" $kernels/loss.cpp 'heads[h].scale / divisors[h]' '1.0 / divisors[h]'
mutate "gradients without 1/B" $kernels/loss.cpp 'heads[h].scale / divisors[h]' 'heads[h].scale'
mutate "the loss without 1/B" $kernels/loss.cpp 'losses[h] /= divisors[h];' 'losses[h] /= 1.0;'
mutate "weight_mean divides by the rows" $kernels/loss.cpp 'if (reduction == Reduction::mean)' \
  'if (reduction != Reduction::sum)'
mutate "weight_mean: CAT is divided by the first view's weights" $kernels/loss.cpp '(cartesian ? 1.0 :' '(false ? 1.0 :'
mutate "the rows' weights are not in the loss" $kernels/loss.cpp 'sums[h] += weight * row(' 'sums[h] += row('
mutate "the rows' weights are not in the gradient" $kernels/loss.cpp 'weight * (heads[h].scale / divisors[h])' \
  '(heads[h].scale / divisors[h])'
mutate "weight_mean does not see the rows' weights" $kernels/loss.cpp 'sum += weights.of(r) * (' 'sum += ('
mutate "the rows' weights are not divided by their mean" $kernels/loss.cpp 'data[row * stride]) / mean' 'data[row * stride])'

# ---- optimisers
mutate "Adam: the second moment's bias correction without its root" $kernels/optimizer.cpp \
  '1.0 / std::sqrt(1.0 - std::pow(static_cast<double>(step.beta2), t))' \
  '1.0 / (1.0 - std::pow(static_cast<double>(step.beta2), t))'
mutate "Adam: no bias correction of the first moment" $kernels/optimizer.cpp \
  'static_cast<double>(step.rate) / (1.0 - std::pow(static_cast<double>(step.beta1), t))' \
  'static_cast<double>(step.rate) / (1.0 - 0 * std::pow(static_cast<double>(step.beta1), t))'
mutate "Adam: eps is bias-corrected too" $kernels/optimizer.cpp \
  '(std::sqrt(v[i]) * factors.inverse_root + step.eps)' '((std::sqrt(v[i]) + step.eps) * factors.inverse_root)'
mutate "AdamW: the decay enters the moments" $kernels/optimizer.cpp 'decoupled ? 0.0F : step.l2' 'step.l2'
mutate "momentum is dampened" $kernels/optimizer.cpp 'step.momentum * velocity[i] + g[i] * scale' \
  'step.momentum * velocity[i] + (1 - step.momentum) * g[i] * scale'
mutate "rowwise_adagrad: the sum in place of the mean" $kernels/optimizer.cpp '*s += square / static_cast<float>(size);' \
  '*s += square;'
mutate "FTRL: z forgets the weight" $kernels/optimizer.cpp '(std::sqrt(next) - std::sqrt(n[i])) / step.rate * w[i]' \
  '0 * (std::sqrt(next) - std::sqrt(n[i])) / step.rate * w[i]'
mutate "FTRL: the initial accumulator goes into z" engine/optimizer.cpp 'SparseRule::ftrl ? table.width() : 0;' \
  'SparseRule::ftrl ? 0 : 0;'
mutate "adam_dense: rows outside the batch stay" $kernels/optimizer.cpp \
  'if (rule == SparseRule::adam_dense)
      adam_dense_table' 'if (false)
      adam_dense_table'
mutate "clipping forgets the embeddings" engine/optimizer.cpp \
  'table.width(), gradient->count}' '0 * table.width(), gradient->count}'
mutate "the warm-up begins at 0" engine/optimizer.cpp 'return at / warmup;' 'return (at - 0.999) / warmup;'
mutate "the cosine is a step early" engine/optimizer.cpp '(at - 1.0 - warmup) / length' '(at - warmup) / length'

# ---- MAL
mutate "MAL: the last layer from knowledge to v_a is not linear" model/zoo/mal.cpp '{config.activation, true}' \
  '{config.activation, false}'
mutate "MAL: CAT has the views' lambda" model/zoo/mal.cpp 'cat.scale = config.mal.lambda_cat;' 'cat.scale = config.mal.lambda_view;'
mutate "MAL: detach_knowledge does nothing" model/zoo/mal.cpp 'if (config.mal.detach_knowledge)' \
  'if (config.mal.detach_knowledge && config.mal.ptp.empty())'
mutate "MAL: view_labels: primary is ignored" model/zoo/mal.cpp \
  'labels.push_back(config.mal.view_labels == ViewLabels::primary ? context.primary : views[k]);' 'labels.push_back(views[k]);'

# ---- ways of sharing
mutate "gates: the softmax's gradient without its mean" $kernels/gate.cpp 'weights[k] * (dweights[k] - mean)' \
  'weights[k] * (dweights[k] - 0 * mean)'
mutate "PLE: gates number the shared experts first" model/zoo/ple.cpp 'x[t], joined(own[t], shared))' \
  'x[t], joined(shared, own[t]))'
mutate "PLE: every level's shared experts read z" model/zoo/ple.cpp 'experts(x_shared, config.shared_experts' \
  'experts(context.z, config.shared_experts'
mutate "PLE: gates read z" model/zoo/ple.cpp 'name + "/gate/" + tasks.names[t], x[t],' \
  'name + "/gate/" + tasks.names[t], context.z,'
mutate "towers of views: view_weights do nothing" model/zoo/view_towers.cpp 'context.view_weight(v)' \
  '0 * context.view_weight(v) + 1'

mutate "HoME: groups do not see the global experts below" model/zoo/home.cpp \
  'layer.softmax(fmt::format("{}/gate/group{}", name, g), z, joined(of_group[g], global));' \
  'layer.softmax(fmt::format("{}/gate/group{}", name, g), z, joined(of_group[g], of_group[g]));'
mutate "HoME: the gates of level 2 read the group alone" model/zoo/home.cpp '{m[g], m_global}, fmt' '{m[g], m[g]}, fmt'
mutate "HoME: a task's experts read the global mixture" model/zoo/home.cpp \
  'experts_of(context, m[g], fmt::format("{}/{}", name, task))' 'experts_of(context, m_global, fmt::format("{}/{}", name, task))'
mutate "HoME: the default groups are one" model/zoo/home.cpp 'view == "last" || view == "first" ? 0 : 1' \
  'view == "last" || view == "first" ? 1 : 1'
mutate "HoME: the feature gate is not doubled" $kernels/feature_gate.cpp \
  'out[k] = 2.0F * fast_sigmoid' 'out[k] = 1.0F * fast_sigmoid'
mutate "HoME: the feature gate's gradient forgets x A" $kernels/feature_gate.cpp \
  'combine<kRows, true>(f.dh, f.at, n, f.gate);' ''
mutate "BatchNorm: eps outside the root" $kernels/batch_norm.cpp '1.0F / std::sqrt(variance[c] + eps)' \
  '1.0F / (std::sqrt(variance[c]) + eps)'
mutate "BatchNorm: the running variance is biased" $kernels/batch_norm.cpp 'momentum * unbiased * variance[c]' \
  'momentum * (0 * unbiased + 1) * variance[c]'
mutate "BatchNorm: the gradient without the statistics' part" $kernels/batch_norm.cpp \
  '(gradient[c] - share * (dbeta[c] + normal * dgamma[c]))' '(gradient[c] - 0 * share * (dbeta[c] + normal * dgamma[c]))'
mutate "BatchNorm: swish is the logistic function" $kernels/batch_norm.cpp 'out[c] = n * fast_sigmoid(n);' \
  'out[c] = fast_sigmoid(n);'
mutate "AdaTT: native weights learn from the last row of a block alone" $kernels/gate.cpp 'sums[column + k] += gradient[k];' \
  'sums[column + k] = gradient[k];'
mutate "AdaTT: every level reads z" model/zoo/adatt.cpp 'context.parameters, x[v], config.experts' \
  'context.parameters, context.z, config.experts'
mutate "NATAL: nothing of h is added to what is injected" model/zoo/injection.cpp 'ops::add(graph, taken, h, inject' \
  'ops::add(graph, taken, taken, inject'
mutate "NATAL: another depth is injected" model/zoo/injection.cpp 'other.hidden[k]' 'other.hidden[0]'
mutate "MoAE: the private experts come first" model/zoo/moae.cpp '{shared, gated_expert(context, name)}' \
  '{gated_expert(context, name), shared}'

# ---- the trunk's options
mutate "multi-head: padding is not masked" $kernels/multi_head.cpp 'const std::int64_t valid = lengths[r];' \
  'const std::int64_t valid = lengths[r] == 0 ? 0 : n.length;'
mutate "multi-head: scores are not scaled by the head's width" $kernels/multi_head.cpp \
  'const float scale = 1.0F / std::sqrt(static_cast<float>(n.per_head));
    pack_heads' 'const float scale = 1.0F / std::sqrt(static_cast<float>(n.width));
    pack_heads'
mutate "multi-head: values drop their bias" $kernels/multi_head.cpp 'copy_padded(p.value_bias, n.width, n.row, value_bias);' \
  'std::fill_n(value_bias, n.row, 0.0F);'
mutate "SENet: the scale is not doubled" $kernels/fields.cpp 'const float scale = 2.0F *' 'const float scale = 1.0F *'
mutate "SENet: the sum in place of the mean" $kernels/fields.cpp \
  'mean[r * ldmean + f] = sum / static_cast<float>(offsets[f + 1] - offsets[f]);' 'mean[r * ldmean + f] = sum;'

# ---- several losses at once
mutate "pcgrad: agreeing gradients are projected too" engine/multi_task.cpp 'product < 0 && gram' 'product != 0 && gram'
mutate "pcgrad: divided by the norm, not its square" engine/multi_task.cpp 'product / gram[j][j];' 'product / std::sqrt(gram[j][j]);'
mutate "gcs: opposed gradients count too" engine/multi_task.cpp 'std::max(0.0, gram[i][0] / norms)' 'gram[i][0] / norms'
mutate "pcgrad, gcs: unshared parameters are weighted too" engine/multi_task.cpp 'piece.shared ? static_cast<float>(weights[head]) : 1.0F' \
  'static_cast<float>(weights[head])'

finish
