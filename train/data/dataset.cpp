#include "train/data/dataset.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/schema_yaml.h"
#include "train/data/vocabulary.h"

namespace mal {

namespace {

struct Shard {
  std::vector<ColumnReader> values;                    // one a column
  std::vector<std::unique_ptr<ColumnReader>> lengths;  // null where a column has none
  std::int64_t rows = 0;
};

Shard open_shard(const Schema& schema, const std::string& folder) {
  Shard shard;
  for (const Column& column : schema.columns) {
    shard.values.emplace_back(values_file(folder, column), stored_type(column.kind), stored_width(column));
    shard.lengths.push_back(has_lengths(column.kind)
                                ? std::make_unique<ColumnReader>(lengths_file(folder, column), ColumnType::int32, 1)
                                : nullptr);
    shard.rows = shard.values.front().rows();
    const bool lengths_differ = shard.lengths.back() && shard.lengths.back()->rows() != shard.rows;
    if (shard.values.back().rows() != shard.rows || lengths_differ)
      fail("{}: it has {} rows, other columns of its shard have {}; prepare again", shard.values.back().path(),
           shard.values.back().rows(), shard.rows);
  }
  return shard;
}

template <typename T>
void copy_rows(const ColumnReader& reader, std::int64_t first, std::int64_t count, std::int64_t width,
               std::vector<T>& out, std::int64_t at) {
  std::memcpy(out.data() + at * width, reader.values<T>() + first * width,
              static_cast<std::size_t>(count * width) * sizeof(T));
}

}  // namespace

struct Dataset::State {
  std::string path;
  Schema schema;
  std::vector<Shard> shards[2];
  std::int64_t rows[2] = {0, 0};
  std::vector<std::vector<std::string>> slices;  // one a column
  std::vector<std::int64_t> id_limits;           // of each column: ids are below; 0 where it has none
  DatasetStats stats;

  void open_shards(Split split, std::int64_t expected);
  void copy_column(const Shard& shard, std::size_t column, std::int64_t first, std::int64_t count, BatchColumn& out,
                   std::int64_t at) const;
  void check(const Batch& batch, const Shard& shard, std::size_t column, std::int64_t first, std::int64_t at,
             std::int64_t count) const;
};

void Dataset::State::open_shards(Split split, std::int64_t expected) {
  const auto s = static_cast<std::size_t>(split);
  for (std::int64_t shard = 0;; ++shard) {
    const std::string folder = shard_folder(path, split, shard);
    if (!std::filesystem::is_directory(folder)) break;
    shards[s].push_back(open_shard(schema, folder));
    if (__builtin_add_overflow(rows[s], shards[s].back().rows, &rows[s])) fail("{}: too many rows", folder);
  }
  if (rows[s] != expected)
    fail("{}: {} shards hold {} rows, stats.json says {}; files are missing, prepare again",
         shard_folder(path, split, 0), shards[s].size(), rows[s], expected);
}

Dataset::Dataset(std::unique_ptr<State> state) : state_(std::move(state)) {}
Dataset::Dataset(Dataset&&) noexcept = default;
Dataset& Dataset::operator=(Dataset&&) noexcept = default;
Dataset::~Dataset() = default;

Dataset Dataset::open(const std::string& path) {
  if (!std::filesystem::exists(path + kSchemaFile))
    fail("{} is not a data set: it has no schema.yaml; make one with mal_data prepare", path);
  auto state = std::make_unique<State>();
  state->path = path;
  const std::string schema = read_file(path + kSchemaFile);
  state->schema = parse_schema(schema, path + kSchemaFile);
  state->stats = read_stats(path + kStatsFile, state->schema);
  for (const TableSpec& table : state->schema.tables)
    if (table.rows < 1) fail("{}{}: table '{}' has no rows; prepare again", path, kSchemaFile, table.name);
  // Its numbers of rows say how much memory the tables of a model take.
  if (schema_checksum(schema) != state->stats.schema)
    fail("{}{}: it was changed since prepare wrote it; prepare again", path, kSchemaFile);
  for (const Column& column : state->schema.columns) {
    state->slices.emplace_back();
    if (column.kind == ColumnKind::slice) state->slices.back() = read_slice_names(slice_file(path, column.name));
    std::int64_t limit = static_cast<std::int64_t>(state->slices.back().size());
    if (!column.table.empty())
      limit = state->schema.tables[static_cast<std::size_t>(state->schema.table_index(column.table))].rows;
    state->id_limits.push_back(limit);
  }
  state->open_shards(Split::train, state->stats.train.rows);
  state->open_shards(Split::test, state->stats.test.rows);
  return Dataset(std::move(state));
}

const std::string& Dataset::path() const {
  return state_->path;
}
const Schema& Dataset::schema() const {
  return state_->schema;
}
std::int64_t Dataset::rows(Split split) const {
  return state_->rows[static_cast<std::size_t>(split)];
}

const std::vector<std::string>& Dataset::slice_names(int column) const {
  return state_->slices.at(static_cast<std::size_t>(column));
}

const SplitStats& Dataset::stats(Split split) const {
  return split == Split::train ? state_->stats.train : state_->stats.test;
}

const NumberScale& Dataset::scale(int column) const {
  return state_->stats.numbers.at(static_cast<std::size_t>(column));
}

void Dataset::verify() const {
  for (const auto& split : state_->shards)
    for (const Shard& shard : split) {
      for (const ColumnReader& reader : shard.values) reader.verify();
      for (const auto& reader : shard.lengths)
        if (reader) reader->verify();
    }
}

void Dataset::State::copy_column(const Shard& shard, std::size_t column, std::int64_t first, std::int64_t count,
                                 BatchColumn& out, std::int64_t at) const {
  const Column& spec = schema.columns[column];
  const auto width = static_cast<std::int64_t>(stored_width(spec));
  switch (stored_type(spec.kind)) {
    case ColumnType::int32:
      copy_rows(shard.values[column], first, count, width, out.ids, at);
      break;
    case ColumnType::float32:
      copy_rows(shard.values[column], first, count, width, out.values, at);
      break;
    case ColumnType::int64:
      copy_rows(shard.values[column], first, count, width, out.keys, at);
      break;
  }
  if (shard.lengths[column]) copy_rows(*shard.lengths[column], first, count, 1, out.lengths, at);
}

// Nothing that the kernels index with, and no number that would spoil a model, passes unchecked. One pass without a
// branch on the data says whether all is well; only where it is not, a second one finds the place.
void Dataset::State::check(const Batch& batch, const Shard& shard, std::size_t column, std::int64_t first,
                           std::int64_t at, std::int64_t count) const {
  const Column& spec = schema.columns[column];
  const BatchColumn& data = batch.columns[column];
  const auto width = static_cast<std::int64_t>(stored_width(spec));
  const auto check_cells = [&](const ColumnReader& file, const auto* cells, std::int64_t a_row, std::string_view what,
                               auto low, auto high) {
    const auto outside = [low, high](auto value) { return !(value >= low && value <= high); };  // NaN is outside
    bool any = false;
    for (std::int64_t i = 0; i < count * a_row; ++i) any |= outside(cells[i]);
    if (!any) return;
    const auto* wrong = std::find_if(cells, cells + count * a_row, outside);
    fail("{}: row {}: {} {} is not in [{}, {}]; the file is damaged, prepare again", file.path(),
         first + (wrong - cells) / a_row, what, *wrong, low, high);
  };
  if (stored_type(spec.kind) == ColumnType::int32)
    check_cells(shard.values[column], data.ids.data() + at * width, width, "id", 0,
                static_cast<std::int32_t>(id_limits[column] - 1));
  if (shard.lengths[column])
    check_cells(*shard.lengths[column], data.lengths.data() + at, 1, "length", 0, static_cast<std::int32_t>(width));
  constexpr float kLargest = std::numeric_limits<float>::max();
  const bool weight = spec.kind == ColumnKind::weight;
  const float low = spec.kind == ColumnKind::credit || weight ? 0.0F
                    : spec.kind == ColumnKind::scores         ? -1.0F
                                                              : -kLargest;
  const float high = spec.kind == ColumnKind::number || weight ? kLargest : 1.0F;
  if (stored_type(spec.kind) == ColumnType::float32)
    check_cells(shard.values[column], data.values.data() + at * width, width, to_string(spec.kind), low, high);
}

void Dataset::read(Split split, std::int64_t first, std::int64_t count, Batch& batch) const {
  const State& s = *state_;
  if (first < 0 || count < 0 || first > rows(split) - count)
    fail("{}: {} rows from {} on are asked for, there are {}", s.path, count, first, rows(split));
  batch.rows = count;
  batch.first_row = first;
  batch.columns.resize(s.schema.columns.size());
  for (std::size_t c = 0; c < s.schema.columns.size(); ++c) resize_column(s.schema.columns[c], count, batch.columns[c]);
  std::int64_t done = 0;
  for (const Shard& shard : s.shards[static_cast<std::size_t>(split)]) {
    if (first >= shard.rows) {
      first -= shard.rows;
      continue;
    }
    if (done == count) return;
    const std::int64_t part = std::min(count - done, shard.rows - first);
    for (std::size_t c = 0; c < s.schema.columns.size(); ++c) {
      s.copy_column(shard, c, first, part, batch.columns[c], done);
      s.check(batch, shard, c, first, done, part);
    }
    done += part;
    first = 0;
  }
}

}  // namespace mal
