#include "train/data/shard_writer.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "train/data/dataset_layout.h"

namespace mal {

namespace {

constexpr int kCommitThreads = 8;  // they wait, they do not compute

}  // namespace

FileCommitter::FileCommitter() {
  for (int t = 0; t < kCommitThreads; ++t) threads_.emplace_back([this] { work(); });
}

FileCommitter::~FileCommitter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    files_.clear();
  }
  changed_.notify_all();
}

void FileCommitter::add(std::unique_ptr<ColumnWriter> file) {
  {
    const std::lock_guard lock(mutex_);
    files_.push_back(std::move(file));
  }
  changed_.notify_all();
}

void FileCommitter::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return files_.empty() && working_ == 0; });
  if (error_) std::rethrow_exception(error_);
}

void FileCommitter::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !files_.empty(); });
    if (files_.empty()) return;
    std::unique_ptr<ColumnWriter> file = std::move(files_.front());
    files_.pop_front();
    ++working_;
    lock.unlock();
    std::exception_ptr problem;
    try {
      file->commit();
    } catch (...) {
      problem = std::current_exception();
    }
    file.reset();
    lock.lock();
    --working_;
    if (!error_) error_ = problem;
    changed_.notify_all();
  }
}

ColumnShards::ColumnShards(Column column, std::string dataset, Split split, std::int64_t shard_rows,
                           FileCommitter& committer)
    : column_(std::move(column)),
      dataset_(std::move(dataset)),
      split_(split),
      shard_rows_(shard_rows),
      committer_(committer) {}

void ColumnShards::append(const BatchColumn& data, std::int64_t rows) {
  std::int64_t done = 0;
  while (done < rows) {
    const std::int64_t part = std::min(rows - done, shard_rows_ - rows_);
    append_part(data, done, part);
    done += part;
    rows_ += part;
    if (rows_ == shard_rows_) finish();
  }
}

void ColumnShards::append_part(const BatchColumn& data, std::int64_t first, std::int64_t count) {
  if (values_ == nullptr) {
    const std::string folder = shard_folder(dataset_, split_, shard_++);
    std::filesystem::create_directories(folder);
    values_ =
        std::make_unique<ColumnWriter>(values_file(folder, column_), stored_type(column_.kind), stored_width(column_));
    if (has_lengths(column_.kind))
      lengths_ = std::make_unique<ColumnWriter>(lengths_file(folder, column_), ColumnType::int32, 1);
  }
  const auto rows = static_cast<std::uint64_t>(count);
  const std::int64_t at = first * static_cast<std::int64_t>(stored_width(column_));
  switch (stored_type(column_.kind)) {
    case ColumnType::int32:
      values_->append(data.ids.data() + at, rows);
      break;
    case ColumnType::float32:
      values_->append(data.values.data() + at, rows);
      break;
    case ColumnType::int64:
      values_->append(data.keys.data() + at, rows);
      break;
  }
  if (lengths_ != nullptr) lengths_->append(data.lengths.data() + first, rows);
}

void ColumnShards::finish() {
  if (values_ != nullptr) committer_.add(std::move(values_));
  if (lengths_ != nullptr) committer_.add(std::move(lengths_));
  rows_ = 0;
}

ShardWriter::ShardWriter(const std::vector<Column>& columns, const std::string& dataset, Split split,
                         std::int64_t shard_rows) {
  for (const Column& column : columns) columns_.emplace_back(column, dataset, split, shard_rows, committer_);
}

void ShardWriter::append(const Batch& block) {
  for (std::size_t c = 0; c < columns_.size(); ++c) columns_[c].append(block.columns[c], block.rows);
}

void ShardWriter::finish() {
  for (ColumnShards& column : columns_) column.finish();
  committer_.finish();
}

}  // namespace mal
