#include "train/data/parquet/export_parquet.h"

#include <arrow/builder.h>
#include <arrow/io/interfaces.h>
#include <arrow/table.h>
#include <parquet/arrow/writer.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/integer_ids.h"
#include "train/data/parquet/arrow_columns.h"
#include "train/data/vocabulary.h"

namespace mal {

namespace {

constexpr std::int64_t kGroupRows = 65536;

// Arrow writes into a file of ours, which appears when it is complete.
class OutputStream : public arrow::io::OutputStream {
 public:
  explicit OutputStream(const std::string& path) : file_(path) { set_mode(arrow::io::FileMode::WRITE); }
  arrow::Status Write(const void* data, std::int64_t bytes) override {
    try {
      file_.write(data, static_cast<std::size_t>(bytes));
    } catch (const Error& error) {
      return arrow::Status::IOError(error.what());
    }
    return arrow::Status::OK();
  }
  arrow::Result<std::int64_t> Tell() const override { return static_cast<std::int64_t>(file_.position()); }
  arrow::Status Close() override {
    closed_ = true;
    return arrow::Status::OK();
  }
  bool closed() const override { return closed_; }
  void commit() { file_.commit(); }

 private:
  OutputFile file_;
  bool closed_ = false;
};

// The values of a table by their numbers; as integers if all of them are.
struct TableValues {
  bool integers = true;
  std::vector<std::int64_t> whole;
  std::vector<std::string> texts;
};

TableValues read_values(const std::string& dataset, const TableSpec& table) {
  TableValues values;
  if (table.hash_buckets != 0) return values;
  const Vocabulary vocabulary = read_vocabulary(vocabulary_file(dataset, table.name));
  if (vocabulary.rows() != table.rows)
    fail("{}: it has {} values, schema.yaml says {}; prepare again", vocabulary_file(dataset, table.name),
         vocabulary.rows() - 1, table.rows - 1);
  vocabulary.for_each([&](std::string_view text, std::int32_t) { values.integers &= as_integer(text).has_value(); });
  if (values.integers)
    values.whole.resize(static_cast<std::size_t>(table.rows));
  else
    values.texts.resize(static_cast<std::size_t>(table.rows));
  vocabulary.for_each([&](std::string_view text, std::int32_t number) {
    if (values.integers)
      values.whole[static_cast<std::size_t>(number)] = *as_integer(text);
    else
      values.texts[static_cast<std::size_t>(number)] = text;
  });
  return values;
}

// Of the columns that read one field of the files, the first that is no group.
std::vector<std::size_t> exported_columns(const Schema& schema) {
  std::vector<std::size_t> columns;
  const auto taken = [&](const std::string& source) {
    return std::ranges::any_of(columns, [&](std::size_t c) { return schema.columns[c].source == source; });
  };
  for (const bool groups : {false, true})
    for (std::size_t c = 0; c < schema.columns.size(); ++c)
      if ((schema.columns[c].kind == ColumnKind::group) == groups && !taken(schema.columns[c].source))
        columns.push_back(c);
  std::ranges::sort(columns);
  return columns;
}

class ColumnExporter {
 public:
  ColumnExporter(const Dataset& dataset, std::size_t column)
      : column_(dataset.schema().columns[column]), scale_(dataset.scale(static_cast<int>(column))) {
    if (column_.table.empty()) {
      names_ = &dataset.slice_names(static_cast<int>(column));
      return;
    }
    table_ = dataset.schema().tables[static_cast<std::size_t>(dataset.schema().table_index(column_.table))];
    values_ = read_values(dataset.path(), table_);
  }

  std::shared_ptr<arrow::Field> field() const {
    return arrow::field(column_.source, has_lengths(column_.kind) ? arrow::list(value_type()) : value_type());
  }

  // indicator: of a number with `missing: indicator`, where it was null; otherwise null.
  std::shared_ptr<arrow::Array> build(const BatchColumn& data, const BatchColumn* indicator, std::int64_t rows) {
    indicator_ = indicator;
    if (value_type()->id() == arrow::Type::STRING) return build_as<arrow::StringBuilder>(data, rows);
    if (value_type()->id() == arrow::Type::INT64) return build_as<arrow::Int64Builder>(data, rows);
    if (value_type()->id() == arrow::Type::DOUBLE) return build_as<arrow::DoubleBuilder>(data, rows);
    return build_as<arrow::FloatBuilder>(data, rows);
  }

 private:
  bool is_transformed() const { return column_.log1p || column_.standardize; }

  std::shared_ptr<arrow::DataType> value_type() const {
    switch (column_.kind) {
      case ColumnKind::id:
      case ColumnKind::ids:
      case ColumnKind::sequence:
        return values_.integers ? arrow::int64() : arrow::utf8();
      case ColumnKind::scores:
      case ColumnKind::credit:
      case ColumnKind::weight:
        return arrow::float32();
      case ColumnKind::number:
        return is_transformed() ? arrow::float64() : arrow::float32();
      case ColumnKind::slice:
        return arrow::utf8();
      case ColumnKind::group:
      case ColumnKind::time:
        return arrow::int64();
    }
    return arrow::null();
  }

  template <typename Builder>
  std::shared_ptr<arrow::Array> build_as(const BatchColumn& data, std::int64_t rows) const {
    const auto values = std::make_shared<Builder>();
    const auto width = static_cast<std::int64_t>(stored_width(column_));
    std::shared_ptr<arrow::Array> array;
    if (!has_lengths(column_.kind)) {
      for (std::int64_t r = 0; r < rows; ++r) append(*values, data, static_cast<std::size_t>(r));
      check_arrow(column_.name, values->Finish(&array));
      return array;
    }
    arrow::ListBuilder lists(arrow::default_memory_pool(), values, arrow::list(value_type()));
    for (std::int64_t r = 0; r < rows; ++r) {
      check_arrow(column_.name, lists.Append());
      for (std::int64_t i = 0; i < data.lengths[static_cast<std::size_t>(r)]; ++i)
        append(*values, data, static_cast<std::size_t>(r * width + i));
    }
    check_arrow(column_.name, lists.Finish(&array));
    return array;
  }

  void append(arrow::StringBuilder& out, const BatchColumn& data, std::size_t place) const {
    const auto id = static_cast<std::size_t>(data.ids[place]);
    if (column_.kind == ColumnKind::slice) return check_arrow(column_.name, out.Append((*names_)[id]));
    check_arrow(column_.name, id == 0 ? out.AppendNull() : out.Append(values_.texts[id]));
  }
  void append(arrow::Int64Builder& out, const BatchColumn& data, std::size_t place) const {
    if (column_.table.empty()) return check_arrow(column_.name, out.Append(data.keys[place]));
    const std::int32_t id = data.ids[place];
    if (table_.hash_buckets != 0) return check_arrow(column_.name, out.Append(id));
    check_arrow(column_.name, id == 0 ? out.AppendNull() : out.Append(values_.whole[static_cast<std::size_t>(id)]));
  }
  bool was_null(std::size_t place) const { return indicator_ != nullptr && indicator_->values[place] != 0; }
  void append(arrow::FloatBuilder& out, const BatchColumn& data, std::size_t place) const {
    if (was_null(place)) return check_arrow(column_.name, out.AppendNull());
    check_arrow(column_.name, out.Append(data.values[place]));
  }
  void append(arrow::DoubleBuilder& out, const BatchColumn& data, std::size_t place) const {
    if (was_null(place)) return check_arrow(column_.name, out.AppendNull());
    const double value = static_cast<double>(data.values[place]) * scale_.deviation + scale_.mean;
    check_arrow(column_.name, out.Append(column_.log1p ? std::expm1(value) : value));
  }

  Column column_;
  NumberScale scale_;
  TableSpec table_;
  TableValues values_;
  const std::vector<std::string>* names_ = nullptr;
  const BatchColumn* indicator_ = nullptr;
};

}  // namespace

std::int64_t export_parquet(const std::string& path, Split split, const std::string& output) {
  const Dataset dataset = Dataset::open(path);
  std::vector<ColumnExporter> exporters;
  std::vector<std::shared_ptr<arrow::Field>> fields;
  const std::vector<std::size_t> columns = exported_columns(dataset.schema());
  for (const std::size_t c : columns) {
    exporters.emplace_back(dataset, c);
    fields.push_back(exporters.back().field());
  }
  const auto schema = arrow::schema(fields);
  const auto stream = std::make_shared<OutputStream>(output);
  const std::string what = "cannot write " + output;
  const auto properties = parquet::WriterProperties::Builder().compression(parquet::Compression::SNAPPY)->build();
  auto writer =
      value_of(what, parquet::arrow::FileWriter::Open(*schema, arrow::default_memory_pool(), stream, properties));
  Batch batch;
  const std::int64_t rows = dataset.rows(split);
  for (std::int64_t first = 0; first < rows; first += kGroupRows) {
    dataset.read(split, first, std::min(kGroupRows, rows - first), batch);
    std::vector<std::shared_ptr<arrow::Array>> arrays;
    for (std::size_t e = 0; e < exporters.size(); ++e)
      arrays.push_back(exporters[e].build(
          batch.columns[columns[e]],
          dataset.schema().columns[columns[e]].indicator ? &batch.columns[columns[e] + 1] : nullptr, batch.rows));
    check_arrow(what, writer->WriteTable(*arrow::Table::Make(schema, arrays, batch.rows), batch.rows));
  }
  check_arrow(what, writer->Close());
  stream->commit();
  return rows;
}

}  // namespace mal
