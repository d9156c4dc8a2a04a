#!/usr/bin/env bash
# Breaks one formula at a time in a copy of the tree, and expects the oracle's tests to fail. Exit code 0: all were noticed.
#   tests/oracle/mutations.sh            every mutation
#   tests/oracle/mutations.sh WORD...    those whose description has one of the words
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
mutate "hidden layers drop their bias" $kernels/linear.cpp 'row[n] += b[n];' 'row[n] += 0 * b[n];'
mutate "logits drop their bias" $kernels/linear.cpp 'y[r * ldy] = sum + bias;' 'y[r * ldy] = sum + 0 * bias;'
mutate "LayerNorm: eps outside the root" $kernels/norm.cpp '1.0F / std::sqrt(square / n + eps)' \
  '1.0F / (std::sqrt(square / n) + eps)'
mutate "LayerNorm: gradient without the variance's part" $kernels/norm.cpp '- mean_g - normal * mean_product' \
  '- mean_g - 0 * normal * mean_product'

# ---- embeddings
mutate "sets and sequences: padding is not masked" $kernels/embedding.cpp \
  'const std::int32_t count = valid_positions(f.lengths, f.length, r);' 'const std::int32_t count = f.length;'
mutate "sqrtn pools like mean" $kernels/embedding.cpp '1.0F / std::sqrt(static_cast<float>(count))' \
  '1.0F / static_cast<float>(count)'
mutate "mean's gradient is not divided by the count" $kernels/embedding.cpp 'out[c] += weight * dout[c];' \
  'out[c] += (weight > 0 ? 1.0F : 0.0F) * dout[c];'

mutate "the sort of rows looks at their lowest byte alone" $kernels/embedding.cpp 'shift += 8) {' 'shift += 64) {'
mutate "gradients of a bias: the first block of rows alone" $kernels/linear.cpp \
  'for (std::int64_t n = 0; n < outputs; ++n) db[n] += workspace[block * outputs + n];' \
  'for (std::int64_t n = 0; n < outputs; ++n) db[n] += workspace[n];'

# ---- DIN
mutate "DIN: e - t is e + t" $kernels/attention.cpp 'a[block] - a[2 * block];' 'a[block] + a[2 * block];'
mutate "DIN: e - t is missing in the part of e" $kernels/attention.cpp 'a[0] + a[2 * block];' 'a[0];'
mutate "DIN: e * t learns nothing" $kernels/attention.cpp 'gradients.w1[3 * block + to] = sums.tm[from];' \
  'gradients.w1[3 * block + to] = 0 * sums.tm[from];'
mutate "DIN: PReLU's slope learns nothing" $kernels/attention.cpp 'positive ? 0.0F : dscore * w2[k] * h[k];' \
  'positive ? 0.0F : 0 * dscore * w2[k] * h[k];'
mutate "DIN: the softmax's gradient without its mean" $kernels/attention.cpp 'scores[j] * (dscores[j] - mean);' \
  'scores[j] * (dscores[j] - 0 * mean);'
mutate "DIN: the target is the column named as the table" model/trunk.cpp '(column.side == Side::ad ? 2 : 0) +' '0 +'

# ---- SimTier
mutate "SimTier: natural in place of binary logarithm" $kernels/simtier.cpp 'count == 0 ? 0.0F : std::log2(1.0F + count)' \
  'count == 0 ? 0.0F : std::log(1.0F + count)'
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
mutate "weight_mean divides by the rows" $kernels/loss.cpp '|| head.kind == HeadKind::cartesian)' \
  '|| head.kind == HeadKind::cartesian || reduction == Reduction::weight_mean)'
mutate "weight_mean: CAT is divided by the first view's weights" $kernels/loss.cpp '|| head.kind == HeadKind::cartesian)' ')'

# ---- optimisers
mutate "Adam: the second moment's bias correction without its root" $kernels/optimizer.cpp \
  'static_cast<float>(std::sqrt(1.0 - std::pow(static_cast<double>(step.beta2), t)))' \
  'static_cast<float>(1.0 - std::pow(static_cast<double>(step.beta2), t))'
mutate "Adam: no bias correction of the first moment" $kernels/optimizer.cpp \
  'static_cast<double>(step.rate) / (1.0 - std::pow(static_cast<double>(step.beta1), t))' \
  'static_cast<double>(step.rate) / (1.0 - 0 * std::pow(static_cast<double>(step.beta1), t))'
mutate "Adam: eps is bias-corrected too" $kernels/optimizer.cpp 'std::sqrt(v[i]) / factors.root + step.eps' \
  '(std::sqrt(v[i]) + step.eps) / factors.root'
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
  'out[k] = 2.0F * gate[static_cast<std::size_t>(k)] * in[k];' 'out[k] = 1.0F * gate[static_cast<std::size_t>(k)] * in[k];'
mutate "HoME: the feature gate's gradient forgets x A" $kernels/feature_gate.cpp 'g[k] += dh * a_column[k];' \
  'g[k] += 0 * dh * a_column[k];'
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
mutate "multi-head: padding is not masked" $kernels/multi_head.cpp 'const std::int32_t valid = lengths[r];' \
  'const auto valid = static_cast<std::int32_t>(lengths[r] == 0 ? 0 : shape.length);'
mutate "multi-head: scores are not scaled by the head's width" $kernels/multi_head.cpp '1.0F / std::sqrt(static_cast<float>(per_head))' \
  '1.0F / std::sqrt(static_cast<float>(s.width + 0 * per_head))'
mutate "multi-head: values drop their bias" $kernels/multi_head.cpp 'std::copy_n(p.value_bias, s.width, scratch.o.data());' \
  'std::fill_n(scratch.o.data(), s.width, 0.0F);'
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
