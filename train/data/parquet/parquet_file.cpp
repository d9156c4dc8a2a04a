#include "train/data/parquet/parquet_file.h"

#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/util/key_value_metadata.h>
#include <arrow/util/utf8.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <algorithm>
#include <utility>

#include "engine/error.h"
#include "train/config/suggest.h"
#include "train/data/folder_columns.h"
#include "train/data/parquet/arrow_columns.h"
#include "train/data/parquet/leaf_reader.h"

namespace mal {

namespace {

constexpr std::int64_t kBufferBytes = 1 << 18;  // of each column, of the file

std::string damaged(const std::string& path) {
  return path + ": it cannot be read as Parquet; is it whole? Arrow says";
}

// Arrow reports most problems as a Status, Parquet below it by exceptions.
template <typename Work>
auto guarded(const std::string& path, const Work& work) {
  try {
    return work();
  } catch (const parquet::ParquetException& error) {
    fail("{}: {}", damaged(path), error.what());
  }
}

// Beside Parquet's schema, a file that Arrow wrote holds Arrow's: which lists are large or of fixed size, what is a
// dictionary. Without it columns have the few types that Parquet itself knows, and lists of dictionaries can be read
// (Arrow cannot make them from several pages).
void forget_arrow_schema(const parquet::FileMetaData& metadata) {
  const auto& notes = metadata.key_value_metadata();
  if (notes != nullptr && notes->Contains("ARROW:schema"))
    check_arrow("ARROW:schema", const_cast<arrow::KeyValueMetadata&>(*notes).Delete("ARROW:schema"));
}

// metadata: null to read the footer.
std::unique_ptr<parquet::arrow::FileReader> open_file(const std::string& path,
                                                      std::shared_ptr<parquet::FileMetaData> metadata) {
  const bool first = metadata == nullptr;
  auto file = value_of("cannot open " + path, arrow::io::ReadableFile::Open(path));
  parquet::ReaderProperties properties;
  properties.enable_buffered_stream();  // or the whole of a column's row group is in memory
  properties.set_buffer_size(kBufferBytes);
  properties.set_page_checksum_verification(true);
  parquet::ArrowReaderProperties arrow_properties;
  arrow_properties.set_batch_size(ParquetColumn::kBlockRows);
  arrow_properties.set_pre_buffer(false);
  arrow_properties.set_use_threads(false);
  parquet::arrow::FileReaderBuilder builder;
  check_arrow(damaged(path), builder.Open(file, properties, std::move(metadata)));
  if (first) forget_arrow_schema(*builder.raw_reader()->metadata());
  return value_of(damaged(path), builder.properties(arrow_properties)->Build());
}

std::vector<std::string> names_of(const parquet::FileMetaData& metadata) {
  const parquet::schema::GroupNode& root = *metadata.schema()->group_node();
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(root.field_count()));
  for (int i = 0; i < root.field_count(); ++i) names.push_back(root.field(i)->name());
  return names;
}

void check_name(const std::string& path, const std::string& column, const std::vector<std::string>& names) {
  const auto count = std::ranges::count(names, column);
  if (count > 1) fail("{}: column '{}' stands twice in the file", path, column);
  if (count == 1) return;
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  const std::string near = nearest(column, names);
  fail("{}: there is no column '{}'{}; the file has: {}{}", path, column,
       near.empty() ? "" : "; did you mean '" + near + "'?", list, folder_hint(path, column));
}

}  // namespace

struct ParquetFile::State {
  std::shared_ptr<parquet::FileMetaData> metadata;
};

ParquetFile::ParquetFile(std::string path) : path_(std::move(path)), state_(std::make_shared<State>()) {
  arrow::util::InitializeUTF8();
  guarded(path_, [&] { state_->metadata = open_file(path_, nullptr)->parquet_reader()->metadata(); });
}

std::int64_t ParquetFile::rows() const {
  return state_->metadata->num_rows();
}

std::vector<std::string> ParquetFile::column_names() const {
  return names_of(*state_->metadata);
}

std::uint64_t ParquetFile::bytes(const std::string& column) const {
  const parquet::FileMetaData& metadata = *state_->metadata;
  check_name(path_, column, names_of(metadata));
  std::int64_t bytes = 0;
  guarded(path_, [&] {
    for (int leaf = 0; leaf < metadata.num_columns(); ++leaf)
      for (int group = 0; group < metadata.num_row_groups(); ++group)
        if (metadata.schema()->GetColumnRoot(leaf)->name() == column)
          bytes += std::max<std::int64_t>(0, metadata.RowGroup(group)->ColumnChunk(leaf)->total_compressed_size());
  });
  return static_cast<std::uint64_t>(bytes);
}

struct ParquetColumn::State {
  std::string path, column;
  std::unique_ptr<parquet::arrow::FileReader> file;
  std::unique_ptr<LeafReader> leaf;                   // null: batches are read
  std::unique_ptr<arrow::RecordBatchReader> batches;  // of the row group
  std::vector<int> leaves;
  int group = -1;
  std::int64_t rows = 0, done = 0;              // of the file
  std::int64_t group_rows = 0, group_done = 0;  // of the row group
  std::uint64_t right_dictionary = 0;           // whose texts are UTF-8

  void open(const std::shared_ptr<parquet::FileMetaData>& metadata);
  bool open_group();
  std::int64_t read_batch(SourceColumn& out);
};

void ParquetColumn::State::open(const std::shared_ptr<parquet::FileMetaData>& metadata) {
  file = open_file(path, metadata);
  rows = metadata->num_rows();
  const auto& fields = file->manifest().schema_fields;
  const auto field = std::ranges::find(fields, column, [](const auto& f) { return f.field->name(); });
  check_column_type(*field->field->type(), path + ":" + column);
  leaf = make_leaf_reader(*field, *metadata->schema(), path);
  for (int i = 0; i < metadata->num_columns(); ++i)
    if (metadata->schema()->GetColumnRoot(i)->name() == column) leaves.push_back(i);
}

bool ParquetColumn::State::open_group() {
  while (group_done == group_rows) {
    if (++group >= file->num_row_groups()) return false;
    group_rows = file->parquet_reader()->metadata()->RowGroup(group)->num_rows();
    group_done = 0;
    if (group_rows == 0) continue;
    if (leaf != nullptr)
      leaf->open(*file->parquet_reader()->RowGroup(group), group_rows);
    else
      batches = value_of(damaged(path), file->GetRecordBatchReader({group}, leaves));
  }
  return true;
}

std::int64_t ParquetColumn::State::read_batch(SourceColumn& out) {
  std::shared_ptr<arrow::RecordBatch> batch;
  check_arrow(damaged(path), batches->ReadNext(&batch));
  if (batch == nullptr) return 0;
  convert_column(batch->column(0), out);
  // Spark's and Impala's old type of 96 bits: a point in time, though Arrow gives it no zone.
  if (file->parquet_reader()->metadata()->schema()->Column(leaves.front())->physical_type() == parquet::Type::INT96)
    out.local = false;
  return batch->num_rows();
}

ParquetColumn::ParquetColumn(const ParquetFile& file, const std::string& column) : state_(std::make_unique<State>()) {
  check_name(file.path(), column, file.column_names());
  state_->path = file.path();
  state_->column = column;
  guarded(file.path(), [&] { state_->open(file.state_->metadata); });
}

ParquetColumn::~ParquetColumn() = default;
ParquetColumn::ParquetColumn(ParquetColumn&&) noexcept = default;

bool ParquetColumn::next(SourceBlock& block) {
  State& s = *state_;
  block.columns.resize(1);
  SourceColumn& column = block.columns.front();
  block.path = s.path;
  block.first_row = s.done;
  if (!guarded(s.path, [&] { return s.open_group(); })) {
    if (s.done != s.rows)
      fail("{}: it ends after {} rows, its footer says {}; the file is damaged", s.path, s.done, s.rows);
    return false;
  }
  const std::int64_t wanted = std::min(kBlockRows, s.group_rows - s.group_done);
  block.rows = guarded(s.path, [&] { return s.leaf != nullptr ? s.leaf->read(wanted, column) : s.read_batch(column); });
  if (block.rows != wanted)
    fail("{}: column {} of a row group has {} rows, the footer says {}; the file is damaged", s.path, s.column,
         s.group_done + block.rows, s.group_rows);
  s.done += block.rows;
  s.group_done += block.rows;
  const bool checked = column.dictionary != 0 && column.dictionary == s.right_dictionary;
  if (checked || column.type != SourceType::text) return true;
  if (all_utf8(column)) {
    s.right_dictionary = column.dictionary;
  } else if (const auto row = row_of_wrong_text(column)) {
    fail("{}: the text is not UTF-8; write the column as UTF-8, for example with .decode('latin1') in Python",
         block.where(*row, s.column));
  }
  return true;
}

}  // namespace mal
