// From a checked container to a State: configurations, then the plan, then every tensor by name and shape. Every tensor
// must be asked for once, every weight must be finite.
#pragma once

#include "model/inference/source/state.h"

namespace mal::infer::detail {

// The symbolic part: what can be known without weights. The exporter calls it too.
inline bool plan_model(const Json& model, const Schema& schema, bool primary_only, State& state, Problem& problem) {
  ConfigReader reader(model, "model", problem);
  state.type = reader.text("type");
  if (!problem.ok() || !state.trunk.parse(reader) || !state.trunk.lay_out(schema, problem)) return false;
  const Trunk& trunk = state.trunk;
  Value z = state.plan.buffer(trunk.width);
  const int input = z.buffer;
  state.plan.fields = trunk.fields;
  if (trunk.senet) z = state.plan.senet(z, trunk.senet_reduction, "senet");
  if (trunk.senet && trunk.layer_norm) z = state.plan.unary(Op::layer_norm, z, {}, z.width);
  Zoo zoo(state.plan, reader, schema.views, z, trunk.senet_reduction);
  if (!problem.ok() || !zoo.build(state.type, state.outputs) || !reader.finish()) return false;
  state.primary = zoo.primary();
  std::vector<Value> outputs = {state.outputs.primary};
  if (primary_only) state.outputs.heads.clear();
  if (state.outputs.knowledge.valid()) outputs.push_back(state.outputs.knowledge);
  for (const Head& head : state.outputs.heads) outputs.push_back(head.logits);
  if (!state.plan.finish(outputs, problem)) return false;
  state.for_primary = state.plan.needed_by(state.outputs.primary);
  for (const Head& head : state.outputs.heads) {
    if (head.logits.width != 1) continue;
    state.views.push_back(head.view);
    state.view_logits.push_back(head.logits);
  }
  state.split = true;
  for (const Step& step : state.plan.steps)
    for (const Value* value : Plan::reads(step))
      if (value->buffer == input && (step.op != Op::linear || value != &step.in || value->width != trunk.width))
        state.split = false;
  return true;
}

class Loader {
 public:
  Loader(State& state, Problem& problem) : state_(state), problem_(problem) {}

  // state.bytes is filled.
  bool load() {
    Json schema, model;
    if (!state_.container.parse(state_.bytes.data(), state_.bytes.size(), problem_)) return false;
    used_.resize(state_.container.tensors().size());
    for (const char* name : {kChecksums, "padding"}) use(state_.container.find(name));
    bool primary_only = false;
    return parse_text("schema", schema) && parse_text("model", model) && state_.schema.parse(schema, problem_) &&
           parse_outputs(primary_only) && plan_model(model, state_.schema, primary_only, state_, problem_) &&
           bind_tables() && bind_trunk() && bind_steps() && bind_calibration() && all_used() && prepare();
  }

 private:
  bool parse_text(const char* key, Json& out) {
    const std::string* text = state_.container.text(key);
    if (text == nullptr) return problem_.fail(Code::damaged, std::string("the metadata has no ") + key);
    return JsonParser(*text, problem_, key).parse(out);
  }

  bool parse_outputs(bool& primary_only) {
    const std::string* outputs = state_.container.text("outputs");
    if (outputs == nullptr || (*outputs != "all" && *outputs != "primary"))
      return problem_.fail("metadata: outputs is neither all nor primary");
    primary_only = *outputs == "primary";
    return true;
  }

  void use(const TensorView* tensor) {
    if (tensor != nullptr) used_[static_cast<std::size_t>(tensor - state_.container.tensors().data())] = true;
  }

  // A tensor of the given shape and one of the given types; null with a problem otherwise.
  const TensorView* find(const std::string& name, const std::vector<std::uint64_t>& shape,
                         std::initializer_list<Type> types) {
    const TensorView* tensor = state_.container.find(name);
    const auto misfit = [&](const char* what) {
      problem_.fail("tensor " + shown(name) + what + "; export the model again");
      return nullptr;
    };
    if (tensor == nullptr) return misfit(" is missing");
    if (tensor->shape != shape) return misfit(" has another shape than the model");
    if (std::find(types.begin(), types.end(), tensor->type) == types.end()) return misfit(" has another type");
    use(tensor);
    return tensor;
  }

  bool finite(const TensorView& tensor) {
    bool good = true;
    if (tensor.type == Type::f32) {
      for (std::uint64_t i = 0; i < tensor.count; ++i)
        good &= (load_as<std::uint32_t>(tensor.data + 4 * i) & 0x7F800000U) != 0x7F800000U;
    } else if (tensor.type == Type::bf16) {
      for (std::uint64_t i = 0; i < tensor.count; ++i)
        good &= (load_as<std::uint16_t>(tensor.data + 2 * i) & 0x7F80U) != 0x7F80U;
    }
    return good || problem_.fail("tensor " + shown(tensor.name) + " holds NaN or infinity; train again");
  }

  // Weights as floats. I8 has one scale for each of the last dimension.
  bool dense(const std::string& name, const std::vector<std::uint64_t>& shape, std::vector<float>& out) {
    const TensorView* tensor = find(name, shape, {Type::f32, Type::bf16, Type::i8});
    if (tensor == nullptr || !finite(*tensor)) return false;
    out.resize(static_cast<std::size_t>(tensor->count));
    if (tensor->type == Type::f32) {
      if (!out.empty()) std::memcpy(out.data(), tensor->data, out.size() * sizeof(float));
    } else if (tensor->type == Type::bf16) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = widened(load_as<std::uint16_t>(tensor->data + 2 * i));
    } else {
      const std::size_t channels = static_cast<std::size_t>(shape.back());
      const TensorView* scale = find(name + "/scale", {channels}, {Type::f32});
      if (scale == nullptr || !finite(*scale)) return false;
      for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = load_as<float>(scale->data + 4 * (i % channels)) *
                 static_cast<float>(static_cast<signed char>(tensor->data[i]));
    }
    return true;
  }

  bool bind_tables() {
    for (const TableInfo& info : state_.schema.tables) {
      Table table;
      const std::string name = "embedding/" + info.name;
      const TensorView* tensor = find(name, {info.rows, state_.trunk.dim}, {Type::f32, Type::bf16, Type::i8});
      if (tensor == nullptr || !finite(*tensor)) return false;
      table.type = tensor->type;
      table.data = tensor->data;
      table.rows = info.rows;
      table.hash = info.hash;
      table.row_bytes = state_.trunk.dim * bytes_of(tensor->type);
      if (tensor->type == Type::i8) {
        const TensorView* scale = find(name + "/scale", {info.rows}, {Type::f32});
        if (scale == nullptr || !finite(*scale)) return false;
        table.scale = scale->as<float>();
      }
      if (info.hash == 0 && !bind_vocabulary(info, table.vocabulary)) return false;
      state_.tables.push_back(table);
    }
    return true;
  }

  bool bind_vocabulary(const TableInfo& info, Vocabulary& vocabulary) {
    const std::string name = "vocabulary/" + info.name;
    const std::uint64_t count = info.rows - 1;
    const TensorView* keys = find(name + "/keys", {count}, {Type::u64});
    const TensorView* rows = find(name + "/rows", {count}, {Type::i32});
    const TensorView* offsets = find(name + "/offsets", {count + 1}, {Type::u64});
    const TensorView* text = state_.container.find(name + "/text");
    if (keys == nullptr || rows == nullptr || offsets == nullptr) return false;
    if (text == nullptr || text->type != Type::u8 || text->shape.size() != 1)
      return problem_.fail("tensor " + shown(name + "/text") + " is missing or has another shape");
    use(text);
    vocabulary.keys = keys->data;
    vocabulary.rows = rows->data;
    vocabulary.offsets = offsets->data;
    vocabulary.text = text->data;
    vocabulary.count = count;
    bool good = vocabulary.offset(0) == 0 && vocabulary.offset(count) == text->count;
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto row = load_as<std::uint32_t>(rows->data + 4 * i);
      good &= row >= 1 && row < info.rows && vocabulary.offset(i) <= vocabulary.offset(i + 1);
      good &= i == 0 || vocabulary.key(i - 1) <= vocabulary.key(i);
    }
    return good || problem_.fail("vocabulary " + shown(info.name) + " is not in order; export the model again");
  }

  bool bind_trunk();
  bool bind_din(const std::string& column, DinWeights& din);
  bool bind_multi_head(const std::string& column, MultiHeadWeights& attention);
  bool bind_steps();
  bool bind_linear(Step& step);
  bool fold_batch_norm(const std::string& name, std::size_t out, std::vector<float>& weight, std::vector<float>& bias);
  void fold_shift(std::size_t out, const std::vector<float>& weight, std::vector<float>& bias) const;
  static void pack(const std::vector<float>& weight, const std::vector<float>& bias, std::size_t in, std::size_t out,
                   bool halves, Weights& packed);
  bool is_bf16(const std::string& name) const {
    const TensorView* tensor = state_.container.find(name);
    return tensor != nullptr && tensor->type == Type::bf16;
  }

  bool bind_calibration() {
    Calibration& calibration = state_.calibration;
    const std::string* kind = state_.container.text("calibration");
    if (kind == nullptr) return true;
    const auto wrong = [&] { return problem_.fail("the calibration is no rising curve; calibrate again"); };
    if (*kind == "platt") {
      std::vector<float> line;
      if (!dense("calibration/platt", {2}, line)) return false;
      if (!(line[0] >= 0)) return wrong();
      calibration.kind = Calibration::Kind::platt;
      calibration.slope = line[0];
      calibration.shift = line[1];
      return true;
    }
    if (*kind != "isotonic")
      return problem_.fail(Code::unsupported, "calibration " + shown(*kind) + " is not known to this header");
    const TensorView* x = state_.container.find("calibration/x");
    if (x == nullptr || x->shape.size() != 1 || x->count == 0 || x->count > kMaxWidth) return wrong();
    if (!dense("calibration/x", {x->count}, calibration.x) || !dense("calibration/y", {x->count}, calibration.y))
      return false;
    for (std::size_t i = 0; i < calibration.x.size(); ++i) {
      if (!(calibration.y[i] >= 0 && calibration.y[i] <= 1)) return wrong();
      if (i > 0 && !(calibration.x[i - 1] < calibration.x[i] && calibration.y[i - 1] <= calibration.y[i]))
        return wrong();
    }
    calibration.kind = Calibration::Kind::isotonic;
    return true;
  }

  bool all_used() {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        return problem_.fail("tensor " + shown(state_.container.tensors()[i].name) +
                             " belongs to no part of the model; export the model again");
    return true;
  }

  bool prepare() {
    // The activations of a tile stay in the second-level cache, with room for the panels that pass by.
    constexpr std::size_t kTileFloats = 96 * 1024, kLargest = 96, kUnit = 6;
    const std::size_t fits = kTileFloats / state_.plan.row_floats;
    state_.tile = fits >= kUnit ? std::min(kLargest, fits / kUnit * kUnit) : 1;
    state_.kernels = &kernels();
    const std::vector<ColumnSpec>& columns = state_.schema.columns;
    state_.required.resize((columns.size() + 63) / 64);
    const auto require = [&](std::size_t c) { state_.required[c / 64] |= std::uint64_t{1} << c % 64; };
    for (const Part& part : state_.trunk.parts) {
      require(part.column);
      if (part.kind == PartKind::attention && state_.trunk.attention == Attention::din) require(part.target);
    }
    for (std::size_t c = 0; c < columns.size(); ++c) state_.by_name.push_back(c);
    std::sort(state_.by_name.begin(), state_.by_name.end(),
              [&](std::size_t a, std::size_t b) { return columns[a].name < columns[b].name; });
    return true;
  }

  State& state_;
  Problem& problem_;
  std::vector<bool> used_;
};

}  // namespace mal::infer::detail
