#include "model/inference/export.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>

#include "engine/error.h"
#include "model/inference/mal_infer.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;
using infer::detail::ParameterSpec;
using Sink = FileTensor::Sink;

std::string schema_json(const ExportSource& source) {
  constexpr const char* kSides[] = {"user", "ad", "context"};
  constexpr const char* kPoolings[] = {"sum", "mean", "sqrtn"};
  const Schema& schema = source.schema;
  Json json = {{"name", schema.name}, {"views", schema.views()}, {"tables", Json::array()}, {"columns", Json::array()}};
  for (const TableSpec& table : schema.tables)
    json["tables"].push_back({{"name", table.name}, {"rows", table.rows}, {"hash", table.hash_buckets}});
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    const bool embedded = !column.table.empty();
    if (!embedded && column.kind != ColumnKind::scores && column.kind != ColumnKind::number) continue;
    if (column.of_missing) continue;  // a second input of the number before it
    Json item = {{"name", column.name},
                 {"kind", to_string(column.kind)},
                 {"side", kSides[static_cast<std::size_t>(column.side)]}};
    if (embedded) item["table"] = column.table;
    if (column.kind != ColumnKind::id && column.kind != ColumnKind::number) item["length"] = column.length;
    if (column.kind == ColumnKind::ids) item["pooling"] = kPoolings[static_cast<std::size_t>(column.pooling)];
    if (column.kind == ColumnKind::number) {
      const bool scaled = column.standardize || column.may_be_missing();
      const ExportSource::Scale scale = scaled ? source.scale(static_cast<int>(c)) : ExportSource::Scale{};
      item["log1p"] = column.log1p;
      item["mean"] = scale.mean;
      item["deviation"] = scale.deviation;
      if (column.may_be_missing()) item.update({{"fill", scale.fill}, {"indicator", column.indicator}});
    }
    json["columns"].push_back(std::move(item));
  }
  return json.dump();
}

[[noreturn]] void refuse(const infer::detail::Problem& problem) {
  fail_usage("export: {}", problem.status().message());
}

// What the network reads, in the header's words; tables apart.
std::vector<ParameterSpec> needed_parameters(const std::string& schema_text, const std::string& model_text,
                                             bool only_primary) {
  namespace d = infer::detail;
  d::Problem problem;
  d::Json schema_tree, model_tree;
  d::State state;
  if (!d::JsonParser(schema_text, problem, "schema").parse(schema_tree) ||
      !d::JsonParser(model_text, problem, "model").parse(model_tree) || !state.schema.parse(schema_tree, problem) ||
      !d::plan_model(model_tree, state.schema, only_primary, state, problem))
    refuse(problem);
  std::vector<ParameterSpec> list = state.trunk.parameters(state.schema);
  for (const d::Step& step : state.plan.steps) {
    const std::vector<ParameterSpec> own = d::Plan::parameters(step);
    list.insert(list.end(), own.begin(), own.end());
  }
  return list;
}

std::uint16_t to_bf16(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1U)) >> 16);  // to nearest, ties to even
}

std::int8_t to_int8(float value, float scale) {
  return scale == 0 ? std::int8_t{0}
                    : static_cast<std::int8_t>(std::clamp(std::nearbyint(value / scale), -127.0F, 127.0F));
}

constexpr float kInt8Limit = 127.0F;

struct Rows {
  const float* data;
  std::int64_t rows, width, stride;
  const float* row(std::int64_t r) const { return data + r * stride; }
};

void write_fp32(const Rows& rows, const Sink& sink) {
  for (std::int64_t r = 0; r < rows.rows; ++r) sink(rows.row(r), static_cast<std::size_t>(rows.width) * sizeof(float));
}

void write_bf16(const Rows& rows, const Sink& sink) {
  std::vector<std::uint16_t> out(static_cast<std::size_t>(rows.width));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    std::transform(rows.row(r), rows.row(r) + rows.width, out.begin(), to_bf16);
    sink(out.data(), out.size() * sizeof(std::uint16_t));
  }
}

// scale(r, c) of each element.
template <typename Scale>
void write_int8(const Rows& rows, const Sink& sink, const Scale& scale) {
  std::vector<std::int8_t> out(static_cast<std::size_t>(rows.width));
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (std::int64_t c = 0; c < rows.width; ++c)
      out[static_cast<std::size_t>(c)] = to_int8(rows.row(r)[c], scale(r, c));
    sink(out.data(), out.size());
  }
}

std::vector<std::uint64_t> shape_of(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

FileTensor floats(const std::string& name, std::vector<float> values) {
  const std::uint64_t count = values.size();
  auto kept = std::make_shared<std::vector<float>>(std::move(values));
  return {name, "F32", {count}, [kept](const Sink& sink) { sink(kept->data(), kept->size() * sizeof(float)); }};
}

// Matrices in the chosen type (int8: one scale an output channel); vectors stay fp32.
void add_dense(const std::string& name, const Tensor& tensor, WeightType type, std::vector<FileTensor>& out) {
  const std::vector<std::uint64_t> shape = shape_of(tensor.shape());
  const std::int64_t width = shape.size() < 2 ? tensor.size() : static_cast<std::int64_t>(shape.back());
  const Rows rows{tensor.data(), width == 0 ? 0 : tensor.size() / width, width, width};
  if (type == WeightType::fp32 || shape.size() < 2) {
    out.push_back({name, "F32", shape, [rows](const Sink& sink) { write_fp32(rows, sink); }});
  } else if (type == WeightType::bf16) {
    out.push_back({name, "BF16", shape, [rows](const Sink& sink) { write_bf16(rows, sink); }});
  } else {
    std::vector<float> scales(static_cast<std::size_t>(width));
    for (std::int64_t r = 0; r < rows.rows; ++r)
      for (std::int64_t c = 0; c < width; ++c) {
        float& scale = scales[static_cast<std::size_t>(c)];
        scale = std::max(scale, std::abs(rows.row(r)[c]) / kInt8Limit);
      }
    out.push_back({name, "I8", shape, [rows, scales](const Sink& sink) {
                     write_int8(rows, sink,
                                [&](std::int64_t, std::int64_t c) { return scales[static_cast<std::size_t>(c)]; });
                   }});
    out.push_back(floats(name + "/scale", std::move(scales)));
  }
}

// A parameter or a running statistic; null if there is none of that name.
const Tensor* find_dense(const Parameters& parameters, const std::string& name) {
  const auto parameter = std::ranges::find(parameters.all_dense(), name, &Parameter::name);
  if (parameter != parameters.all_dense().end()) return &parameter->value;
  const auto state = std::ranges::find(parameters.all_states(), name, &State::name);
  return state == parameters.all_states().end() ? nullptr : &state->value;
}

// Tables in the chosen type; int8: one scale a row.
void add_table(const EmbeddingTable& table, WeightType type, std::vector<FileTensor>& out) {
  const Rows rows{table.data(), table.rows(), table.width(), table.row_stride()};
  const std::vector<std::uint64_t> shape = shape_of({table.rows(), table.width()});
  if (type == WeightType::fp32) {
    out.push_back({table.name(), "F32", shape, [rows](const Sink& sink) { write_fp32(rows, sink); }});
  } else if (type == WeightType::bf16) {
    out.push_back({table.name(), "BF16", shape, [rows](const Sink& sink) { write_bf16(rows, sink); }});
  } else {
    std::vector<float> scales;
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      float largest = 0;
      for (std::int64_t c = 0; c < rows.width; ++c) largest = std::max(largest, std::abs(rows.row(r)[c]));
      scales.push_back(largest / kInt8Limit);
    }
    out.push_back({table.name(), "I8", shape, [rows, scales](const Sink& sink) {
                     write_int8(rows, sink,
                                [&](std::int64_t r, std::int64_t) { return scales[static_cast<std::size_t>(r)]; });
                   }});
    out.push_back(floats(table.name() + "/scale", std::move(scales)));
  }
}

template <typename T>
FileTensor numbers(const std::string& name, const char* type, std::vector<T> values) {
  const std::uint64_t count = values.size();
  auto kept = std::make_shared<std::vector<T>>(std::move(values));
  return {name, type, {count}, [kept](const Sink& sink) { sink(kept->data(), kept->size() * sizeof(T)); }};
}

// Sorted by hash, so that the header searches it where it lies.
void add_vocabulary(const TableSpec& table, std::vector<std::string> values, std::vector<FileTensor>& out) {
  if (static_cast<std::int64_t>(values.size()) != table.rows - 1)
    fail("the vocabulary of table '{}' has {} values for {} rows; prepare the data set again", table.name,
         values.size(), table.rows);
  std::vector<std::uint64_t> hashes;
  hashes.reserve(values.size());
  for (const std::string& value : values) hashes.push_back(XXH3_64bits(value.data(), value.size()));
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  const auto hash = [&](std::int32_t i) { return hashes[static_cast<std::size_t>(i)]; };
  std::ranges::sort(order,
                    [&](std::int32_t a, std::int32_t b) { return hash(a) != hash(b) ? hash(a) < hash(b) : a < b; });
  std::vector<std::uint64_t> keys, offsets = {0};
  std::vector<std::int32_t> rows;
  std::vector<char> text;
  for (const std::int32_t i : order) {
    const std::string& value = values[static_cast<std::size_t>(i)];
    keys.push_back(hash(i));
    rows.push_back(i + 1);
    text.insert(text.end(), value.begin(), value.end());
    offsets.push_back(text.size());
  }
  const std::string name = "vocabulary/" + table.name;
  out.push_back(numbers(name + "/keys", "U64", std::move(keys)));
  out.push_back(numbers(name + "/offsets", "U64", std::move(offsets)));
  out.push_back(numbers(name + "/rows", "I32", std::move(rows)));
  out.push_back(numbers(name + "/text", "U8", std::move(text)));
}

}  // namespace

void export_model(const ExportSource& source, const ExportOptions& options, const std::string& path) {
  const std::string schema = schema_json(source);
  std::vector<FileTensor> tensors;
  for (const TableSpec& spec : source.schema.tables) {
    const auto& tables = source.parameters.all_tables();
    const auto table = std::ranges::find(tables, "embedding/" + spec.name, &EmbeddingTable::name);
    if (table == tables.end())
      fail("export: the run has no table embedding/{}; was it trained on another data set?", spec.name);
    add_table(*table, options.weights, tensors);
    if (spec.hash_buckets == 0) add_vocabulary(spec, source.vocabulary(spec.name), tensors);
  }
  for (const ParameterSpec& spec : needed_parameters(schema, source.model, options.only_primary)) {
    const Tensor* tensor = find_dense(source.parameters, spec.name);
    if (tensor == nullptr || shape_of(tensor->shape()) != spec.shape)
      fail("export: mal_infer.h expects weights {} that this model does not have; their formulas differ", spec.name);
    add_dense(spec.name, *tensor, options.weights, tensors);
  }
  FileMetadata metadata = source.metadata;
  metadata["schema"] = schema;
  metadata["model"] = source.model;
  metadata["outputs"] = options.only_primary ? "primary" : "all";
  write_model_file(path, metadata, std::move(tensors));
}

}  // namespace mal
