#include "engine/graph.h"

#include <algorithm>
#include <utility>

#include "engine/error.h"

namespace mal {

std::int64_t SparseGradient::read_count() const {
  std::int64_t touched = 0;
  counted->download(&touched, sizeof touched);
  return touched;
}

Matrix Run::value(Value value) const {
  return graph.value_in(value, tile);
}

Matrix Run::gradient(Value output) const {
  return graph.gradient_in(output, tile);
}

GradientTarget Run::gradient_of_input(std::size_t i) const {
  const Graph::Step& step = graph.steps_[op];
  if (!step.wanted[i]) return {};
  const Matrix matrix = gradient(graph.infos_[op].inputs[i]);
  return {matrix.data, matrix.stride, step.accumulate[i]};
}

float* Run::gradient_of(Parameter& parameter) const {
  if (tile.gradients == nullptr) return parameter.gradient.data();
  const std::vector<const Parameter*>& learns = graph.infos_[op].learns;
  const auto found = std::ranges::find(learns, &parameter);
  if (found == learns.end()) fail("{}: the gradient of {} is not its own", graph.infos_[op].name, parameter.name);
  return tile.gradients + graph.steps_[op].gradients[static_cast<std::size_t>(found - learns.begin())];
}

InputColumn Run::input(Input input, std::int64_t length) const {
  InputColumn column = graph.inputs_[static_cast<std::size_t>(input.id)].column;
  const std::int64_t first = tile.first_row;
  if (column.ids != nullptr) column.ids += first * length;
  if (column.lengths != nullptr) column.lengths += first;
  if (column.values != nullptr) column.values += first * length * column.stride;
  return column;
}

float* Run::workspace() const {
  const Graph::Step& step = graph.steps_[op];
  return graph.at(backward ? step.workspace_backward : step.workspace_forward, tile, 0);
}

float* Run::prepared() const {
  return graph.at(graph.steps_[op].prepared, tile, 0);
}

double* Run::partial() const {
  auto* const first = reinterpret_cast<double*>(graph.at(graph.steps_[op].partials, tile, 0));
  return first + tile.number * graph.infos_[op].partials;
}

std::int64_t Run::batch_rows() const {
  return graph.rows_;
}

std::int64_t Run::tiles() const {
  return graph.tiles_of(graph.rows_);
}

Graph::Graph(const Device& device, std::int64_t max_rows, bool training)
    : device_(device), max_rows_(max_rows), tile_rows_(device.tile_rows), training_(training) {
  if (max_rows < 1) fail_usage("the batch size is {}; it must be at least 1", max_rows);
}

Value Graph::add_value(std::int64_t width, bool needs_gradient, std::string name) {
  if (planned_) fail("graph: {} is recorded after plan()", name);
  if (width < 1) fail("graph: {} would be {} wide", name, width);
  const auto storage = static_cast<std::int32_t>(storages_.size());
  Storage& added = storages_.emplace_back();
  added.width = width;
  values_.push_back({storage, 0, width, needs_gradient && training_, false, false, std::move(name)});
  return {static_cast<std::int32_t>(values_.size() - 1)};
}

Value Graph::add_view(Value of, std::int64_t first_column, std::int64_t width, bool needs_gradient, std::string name) {
  const ValueInfo& base = values_[static_cast<std::size_t>(of.id)];
  if (first_column < 0 || width < 1 || first_column + width > base.width)
    fail("graph: {} takes columns {} to {} of {}, which has {}", name, first_column, first_column + width, base.name,
         base.width);
  values_.push_back({base.storage, base.column + first_column, width, needs_gradient && base.needs_gradient, false,
                     base.detached, std::move(name)});
  return {static_cast<std::int32_t>(values_.size() - 1)};
}

bool Graph::move_into(Value part, Value whole, std::int64_t first_column) {
  const ValueInfo& child = values_[static_cast<std::size_t>(part.id)];
  Storage& storage = storages_[static_cast<std::size_t>(child.storage)];
  if (storage.parent >= 0 || child.width != storage.width) return false;
  const Place place = resolve(whole);
  if (place.storage == child.storage) return false;
  storage.parent = place.storage;
  storage.parent_column = place.column + first_column;
  return true;
}

bool Graph::show(Value value, const float* data, std::int64_t stride) {
  const ValueInfo& info = values_[static_cast<std::size_t>(value.id)];
  Storage& storage = storages_[static_cast<std::size_t>(info.storage)];
  if (storage.parent >= 0 || info.width != storage.width || info.kept) return false;
  storage.shown = {const_cast<float*>(data), stride};  // nobody writes into what it did not make
  return true;
}

bool Graph::overlap(Value a, Value b) const {
  const Place first = resolve(a), second = resolve(b);
  return first.storage == second.storage && first.column < second.column + width(b) &&
         second.column < first.column + width(a);
}

Input Graph::add_input(std::string name) {
  inputs_.emplace_back();
  input_names_.push_back(std::move(name));
  return {static_cast<std::int32_t>(inputs_.size() - 1)};
}

void Graph::record(std::unique_ptr<Op> op, OpInfo info) {
  if (planned_) fail("graph: {} is recorded after plan()", info.name);
  for (const Parameter* parameter : info.learns) info.parameters += parameter->value.size();
  ops_.push_back(std::move(op));
  infos_.push_back(std::move(info));
}

void Graph::keep(Value value) {
  values_[static_cast<std::size_t>(value.id)].kept = true;
}

Graph::Place Graph::resolve(Value value) const {
  const ValueInfo& info = values_[static_cast<std::size_t>(value.id)];
  Place place{info.storage, info.column};
  while (storages_[static_cast<std::size_t>(place.storage)].parent >= 0) {
    const Storage& storage = storages_[static_cast<std::size_t>(place.storage)];
    place = {storage.parent, place.column + storage.parent_column};
  }
  return place;
}

float* Graph::at(const Address& address, const Tile& tile, std::int64_t stride) const {
  if (address.offset < 0) return nullptr;
  if (address.tiled) return tile.arena + address.offset;
  return arena_.as<float>() + address.offset + tile.first_row * stride;
}

Matrix Graph::value_in(Value value, const Tile& tile) const {
  const Place place = resolve(value);
  const Storage& storage = storages_[static_cast<std::size_t>(place.storage)];
  if (storage.shown.data != nullptr)
    return {storage.shown.data + tile.first_row * storage.shown.stride + place.column, storage.shown.stride};
  return {at(storage.value, tile, storage.stride) + place.column, storage.stride};
}

Matrix Graph::gradient_in(Value value, const Tile& tile) const {
  const Place place = resolve(value);
  const Storage& storage = storages_[static_cast<std::size_t>(place.storage)];
  if (storage.gradient.offset < 0) return {};
  return {at(storage.gradient, tile, storage.stride) + place.column, storage.stride};
}

Matrix Graph::matrix(Value value) const {
  const Storage& storage = storages_[static_cast<std::size_t>(resolve(value).storage)];
  if (!storage.value.tiled) return value_in(value, {});
  if (tiles_of(rows_) > 1) fail("graph: {} is not kept", name(value));
  Tile first;
  first.arena = slots_.front().arena.as<float>();
  return value_in(value, first);
}

std::vector<float> Graph::read(Value value, std::int64_t rows) const {
  const auto columns = static_cast<std::size_t>(width(value));
  std::vector<float> result(static_cast<std::size_t>(rows) * columns);
  if (rows == 0) return result;
  const Matrix from = matrix(value);
  const auto stride = static_cast<std::size_t>(from.stride);
  std::vector<float> wide((static_cast<std::size_t>(rows) - 1) * stride + columns);
  const bool tiled = storages_[static_cast<std::size_t>(resolve(value).storage)].value.tiled;
  const Buffer& arena = tiled ? slots_.front().arena : arena_;
  arena.download(wide.data(), wide.size() * sizeof(float),
                 static_cast<std::size_t>(from.data - arena.as<float>()) * sizeof(float));
  for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r)
    std::copy_n(wide.data() + r * stride, columns, result.data() + r * columns);
  return result;
}

void Graph::prepare(std::int64_t rows) {
  if (!planned_ || rows < 0 || rows > max_rows_)
    fail("graph: forward of {} rows, at most {} are planned", rows, planned_ ? max_rows_ : 0);
  rows_ = rows;
  for (std::size_t i = 0; i < ops_.size(); ++i) ops_[i]->prepare(run_of(i, false, rows));
}

void Graph::forward(std::int64_t rows) {
  prepare(rows);
  run_times(0, times() - 1, rows);
}

void Graph::backward(std::int64_t rows) {
  if (!planned_ || !training_) fail("graph: backward() of a graph that was not planned for training");
  if (rows != rows_) fail("graph: backward() of {} rows after forward() of {}", rows, rows_);
  device_.kernels->begin_sums();
  run_times(times(), 2 * times() - 1, rows);
  device_.kernels->finish_sums();
}

void Graph::train(std::int64_t rows) {
  if (passes_ != Passes::together) {
    forward(rows);
    return backward(rows);
  }
  prepare(rows);
  device_.kernels->begin_sums();
  run_times(0, 2 * times() - 1, rows);
  device_.kernels->finish_sums();
}

void Graph::commit(const kernels::GradientNorm* norm) const {
  for (std::size_t i = 0; i < ops_.size(); ++i) {
    ops_[i]->commit(run_of(i, false, rows_), norm);
  }
}

Flow Graph::reached_from(Value value) const {
  // As the planner follows gradients: by columns of the storages that values are parts of.
  std::vector<std::vector<bool>> reached(storages_.size());
  for (std::size_t s = 0; s < storages_.size(); ++s) reached[s].resize(static_cast<std::size_t>(storages_[s].width));
  const auto columns = [&](Value of) {
    const Place place = resolve(of);
    return reached[static_cast<std::size_t>(place.storage)].begin() + place.column;
  };
  const auto mark = [&](Value of) {
    if (needs_gradient(of)) std::fill_n(columns(of), width(of), true);
  };
  const auto is_marked = [&](Value of) {
    const auto first = columns(of);
    return needs_gradient(of) && std::find(first, first + width(of), true) != first + width(of);
  };
  Flow all;
  mark(value);
  for (std::size_t i = ops_.size(); i-- > 0;) {
    const OpInfo& info = infos_[i];
    if (!info.has_backward) continue;
    const Flow whole{info.inputs, info.learns, {}};
    for (std::size_t o = 0; o < info.outputs.size(); ++o) {
      if (!is_marked(info.outputs[o])) continue;
      const Flow& flow = info.flows.empty() ? whole : info.flows[o];
      std::ranges::for_each(flow.inputs, mark);
      all.learns.insert(all.learns.end(), flow.learns.begin(), flow.learns.end());
      all.tables.insert(all.tables.end(), flow.tables.begin(), flow.tables.end());
    }
  }
  return all;
}

void Graph::run_forward_of(std::size_t c, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members) {
  const std::vector<std::size_t>& call = calls_[c];
  if (!chains_[c].empty()) return run_chains(call, chains_[c], rows);
  members.clear();
  for (const std::size_t i : call) members.push_back({ops_[i].get(), run_of(i, false, rows, tile)});
  if (members.size() == 1)
    members.front().op->forward(members.front().run);
  else
    members.front().op->forward_group(members);
}

void Graph::run_backward_of(std::size_t c, std::int64_t rows, const Tile& tile, std::vector<Op::Member>& members) {
  const std::vector<std::size_t>& call = calls_[c];
  members.clear();
  for (std::size_t m = call.size(); m-- > 0;) {
    const Step& step = steps_[call[m]];
    if (!step.backward) continue;
    for (const Fill& fill : step.fills) {
      const Storage& storage = storages_[static_cast<std::size_t>(fill.storage)];
      device_.kernels->fill(at(storage.gradient, tile, storage.stride) + fill.column, storage.stride, rows, fill.width,
                            0.0F);
    }
    members.push_back({ops_[call[m]].get(), run_of(call[m], true, rows, tile)});
  }
  if (!chains_[c].empty())
    run_chains_backward(call, chains_[c], rows);
  else if (members.size() == 1)
    members.front().op->backward(members.front().run);
  else if (!members.empty())
    members.front().op->backward_group(members);
}

}  // namespace mal
