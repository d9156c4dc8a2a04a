#include "train/data/parquet/parquet_samples.h"

#include <arrow/io/file.h>
#include <arrow/record_batch.h>
#include <arrow/util/key_value_metadata.h>
#include <arrow/util/thread_pool.h>
#include <arrow/util/utf8.h>
#include <parquet/arrow/reader.h>
#include <parquet/exception.h>

#include <algorithm>

#include "engine/error.h"
#include "train/config/parallel.h"
#include "train/config/suggest.h"
#include "train/data/parquet/arrow_columns.h"

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
void forget_arrow_schema(parquet::ParquetFileReader& reader) {
  const auto& notes = reader.metadata()->key_value_metadata();
  if (notes != nullptr && notes->Contains("ARROW:schema"))
    check_arrow("ARROW:schema", const_cast<arrow::KeyValueMetadata&>(*notes).Delete("ARROW:schema"));
}

std::unique_ptr<parquet::arrow::FileReader> open_file(const std::string& path) {
  return guarded(path, [&] {
    auto file = value_of("cannot open " + path, arrow::io::ReadableFile::Open(path));
    parquet::ReaderProperties properties;
    properties.enable_buffered_stream();  // or the whole of a column's row group is in memory
    properties.set_buffer_size(kBufferBytes);
    properties.set_page_checksum_verification(true);
    parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_batch_size(ParquetSamples::kBlockRows);
    arrow_properties.set_pre_buffer(false);
    arrow_properties.set_use_threads(true);
    parquet::arrow::FileReaderBuilder builder;
    check_arrow(damaged(path), builder.Open(file, properties));
    forget_arrow_schema(*builder.raw_reader());
    return value_of(damaged(path), builder.properties(arrow_properties)->Build());
  });
}

std::vector<std::string> names_of(const parquet::arrow::FileReader& reader) {
  const parquet::SchemaDescriptor& schema = *reader.parquet_reader()->metadata()->schema();
  std::vector<std::string> names;
  names.reserve(static_cast<std::size_t>(schema.group_node()->field_count()));
  for (int i = 0; i < schema.group_node()->field_count(); ++i) names.push_back(schema.group_node()->field(i)->name());
  return names;
}

void check_names(const std::string& path, const std::vector<std::string>& wanted,
                 const std::vector<std::string>& names) {
  for (const std::string& column : wanted) {
    const auto count = std::ranges::count(names, column);
    if (count > 1) fail("{}: column '{}' stands twice in the file", path, column);
    if (count == 1) continue;
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
    const std::string near = nearest(column, names);
    fail("{}: there is no column '{}'{}; the file has: {}", path, column,
         near.empty() ? "" : "; did you mean '" + near + "'?", list);
  }
}

}  // namespace

struct ParquetSamples::State {
  std::string path;
  std::vector<std::string> columns;
  std::unique_ptr<parquet::arrow::FileReader> file;
  std::unique_ptr<arrow::RecordBatchReader> batches;
  std::vector<int> place;  // of each column, in a record batch
  std::int64_t rows = 0, done = 0;
  int threads = 1;

  void open();
};

void ParquetSamples::State::open() {
  arrow::util::InitializeUTF8();
  file = open_file(path);
  check_names(path, columns, names_of(*file));
  const parquet::FileMetaData& metadata = *file->parquet_reader()->metadata();
  rows = metadata.num_rows();
  std::vector<int> leaves, groups;
  for (int leaf = 0; leaf < metadata.schema()->num_columns(); ++leaf)
    if (std::ranges::find(columns, metadata.schema()->GetColumnRoot(leaf)->name()) != columns.end())
      leaves.push_back(leaf);
  for (int group = 0; group < file->num_row_groups(); ++group) groups.push_back(group);
  batches = value_of(damaged(path), file->GetRecordBatchReader(groups, leaves));
  for (const std::string& column : columns) {
    place.push_back(batches->schema()->GetFieldIndex(column));
    check_column_type(*batches->schema()->field(place.back())->type(), path + ":" + column);
  }
}

ParquetSamples::ParquetSamples(const std::string& path, const std::vector<std::string>& columns, int threads)
    : state_(std::make_unique<State>()) {
  state_->threads = thread_count(threads);
  if (arrow::GetCpuThreadPoolCapacity() != state_->threads)
    check_arrow("threads", arrow::SetCpuThreadPoolCapacity(state_->threads));
  state_->path = path;
  state_->columns = columns;
  guarded(path, [&] { state_->open(); });
}

ParquetSamples::~ParquetSamples() = default;

std::vector<std::string> ParquetSamples::column_names(const std::string& path) {
  return names_of(*open_file(path));
}

std::int64_t ParquetSamples::rows() const {
  return state_->rows;
}

bool ParquetSamples::next(SourceBlock& block) {
  State& s = *state_;
  std::shared_ptr<arrow::RecordBatch> batch;
  do {
    guarded(s.path, [&] { check_arrow(damaged(s.path), s.batches->ReadNext(&batch)); });
  } while (batch != nullptr && batch->num_rows() == 0);
  if (batch == nullptr) {
    if (s.done != s.rows)
      fail("{}: it ends after {} rows, its footer says {}; the file is damaged", s.path, s.done, s.rows);
    return false;
  }
  block.path = s.path;
  block.first_row = s.done;
  block.rows = batch->num_rows();
  block.columns.resize(s.columns.size());
  parallel_for(s.columns.size(), s.threads, [&](std::size_t c) {
    convert_column(batch->column(s.place[c]), block.columns[c]);
    if (const auto row = row_of_wrong_text(block.columns[c]))
      fail("{}: the text is not UTF-8; write the column as UTF-8, for example with .decode('latin1') in Python",
           block.where(*row, s.columns[c]));
  });
  s.done += block.rows;
  return true;
}

}  // namespace mal
