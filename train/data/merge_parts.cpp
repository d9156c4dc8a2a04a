// The second half of prepare_parts.h.
#include <algorithm>
#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/parallel.h"
#include "train/data/base_dataset.h"
#include "train/data/dataset_layout.h"
#include "train/data/part_files.h"
#include "train/data/prepare_parts.h"
#include "train/data/sample_files.h"
#include "train/data/sample_values.h"
#include "train/data/schema_yaml.h"
#include "train/data/shard_writer.h"
#include "train/data/write_dataset.h"

namespace mal {

namespace {

constexpr std::int64_t kBlockRows = 1 << 16;

std::vector<PartFolder> open_parts(const MergeOptions& options) {
  std::vector<PartFolder> parts;
  if (!options.base.empty()) check_not_replaced(options.base, options.output, true);
  for (const std::string& path : options.parts) check_not_replaced(path, options.output);
  for (const std::string& path : options.parts) parts.push_back(open_part(path));
  if (parts.empty()) fail_usage("--merge needs the folders of all parts");
  std::ranges::sort(parts, {}, &PartFolder::part);
  const auto comparable = [](Schema schema) {
    for (TableSpec& table : schema.tables) table.rows = 0;
    return write_schema(schema);
  };
  for (std::size_t p = 0; p < parts.size(); ++p) {
    const PartFolder& part = parts[p];
    if (part.parts != static_cast<int>(parts.size()) || part.part != static_cast<int>(p) + 1)
      fail_usage("{}: it is part {} of {}, and {} are given; give each of the parts once", part.path, part.part,
                 part.parts, parts.size());
    if (!options.base.empty() && !part.given.empty())
      fail_usage("--base {}: {} was made with --vocabs; both say which number an id has", options.base, part.path);
    if (comparable(part.schema) != comparable(parts.front().schema) || part.given != parts.front().given)
      fail("{} and {}: their schemas or --vocabs are not the same; prepare the parts alike", parts.front().path,
           part.path);
  }
  return parts;
}

// The values of one column of one part and split, shard by shard.
class PartColumn {
 public:
  PartColumn(const PartFolder& part, Split split, const Column& column)
      : part_(part), split_(split), column_(part_column(column)), shards_(part.shards(split)) {}

  // Calls visit(values, lengths, first row of the split, rows) for every block; lengths: null where it has none.
  template <typename T, typename Visit>
  void for_each(const Visit& visit) const {
    std::int64_t done = 0;
    for (std::int64_t shard = 0; shard < shards_; ++shard) {
      const std::string folder = shard_folder(part_.path, split_, shard);
      const ColumnReader values(values_file(folder, column_), stored_type(column_.kind), stored_width(column_));
      values.verify();
      std::optional<ColumnReader> lengths;
      if (has_lengths(column_.kind)) lengths.emplace(lengths_file(folder, column_), ColumnType::int32, 1).verify();
      if (lengths && lengths->rows() != values.rows()) fail("{}: its columns differ in length; prepare again", folder);
      const auto width = static_cast<std::int64_t>(stored_width(column_));
      for (std::int64_t row = 0; row < values.rows(); row += kBlockRows)
        visit(values.values<T>() + row * width, lengths ? lengths->values<std::int32_t>() + row : nullptr, done + row,
              std::min(kBlockRows, values.rows() - row));
      done += values.rows();
    }
    if (done != part_.split(split_).rows)
      fail("{}: its shards hold {} rows, stats.json says {}; prepare again", part_.path, done,
           part_.split(split_).rows);
  }

 private:
  const PartFolder& part_;
  Split split_;
  Column column_;
  std::int64_t shards_;
};

// For a message; called only for that.
auto where(const PartFolder& part, const Column& column, std::int64_t row) {
  return [&part, &column, row] { return fmt::format("{}:{}:{}", part.path, row + 1, column.name); };
}

class Merger {
 public:
  Merger(const MergeOptions& options, std::vector<PartFolder> parts)
      : options_(options), parts_(std::move(parts)), schema_(parts_.front().schema), fitted_(schema_) {}

  DatasetStats run() {
    OutputFolder folder(options_.output, "schema.yaml");
    start_from(options_.base, schema_, fitted_);
    join_vocabularies();
    find_end();
    join_numbers();
    fitted_.finish(schema_);
    find_ids();
    join_slices();
    DatasetStats stats;
    stats.schema = write_fitted(schema_, fitted_, folder.path());
    stats.train = merge_split(Split::train, std::numeric_limits<std::int64_t>::min(), folder.path());
    if (stats.train.rows == 0) fail("{}: there are no training rows in any part", parts_.front().path);
    if (last_ != nullptr && *fitted_.last_time != stats.train.last_time)  // `evict` has gone by it
      fail("{}: its training rows end at time {}, stats.json says {}; prepare again", last_->path,
           stats.train.last_time, *fitted_.last_time);
    const bool timed = !schema_.columns_of(ColumnKind::time).empty();
    stats.test = merge_split(Split::test, timed ? stats.train.last_time : std::numeric_limits<std::int64_t>::min(),
                             folder.path());
    finish_dataset(schema_, fitted_, stats, folder.path());
    folder.commit();
    return stats;
  }

 private:
  void join_vocabularies() {
    vocabularies_.resize(parts_.size());
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t t = 0; t < schema_.tables.size(); ++t) {
        const TableSpec& table = schema_.tables[t];
        vocabularies_[p].emplace_back();
        if (table.hash_buckets != 0) continue;
        vocabularies_[p][t] = read_vocabulary(vocabulary_file(parts_[p].path, table.name));
        const Vocabulary& vocabulary = vocabularies_[p][t];
        if (parts_[p].is_given(table.name)) {
          if (p == 0) fitted_.give(static_cast<int>(t), vocabulary);
          if (vocabulary.rows() != fitted_.tables[t].rows())
            fail("{}: its vocabulary '{}' is not that of {}; prepare the parts with the same --vocabs", parts_[p].path,
                 table.name, parts_.front().path);
          continue;
        }
        const ColumnReader counts(counts_file(parts_[p].path, table.name), ColumnType::int64, 1);
        counts.verify();
        if (counts.rows() != vocabulary.rows())
          fail("{}: its vocabulary and counts differ; prepare again", counts.path());
        vocabulary.for_each([&](std::string_view text, std::int32_t number) {
          fitted_.tables[t].count(text, counts.values<std::int64_t>()[number]);
        });
      }
  }

  // Of the rows that were counted.
  void find_end() {
    if (schema_.columns_of(ColumnKind::time).empty()) return;
    for (const PartFolder& part : parts_)
      if (part.stats.train.rows > 0) last_ = &part;
    if (last_ != nullptr) fitted_.last_time = last_->stats.train.last_time;
  }

  // One after the other, as one run would: means and deviations are the same bits.
  void join_numbers() {
    for (std::size_t c = 0; c < schema_.columns.size(); ++c) {
      const Column& column = schema_.columns[c];
      if (!column.fitted() || !fitted_.counts(c)) continue;
      for (const PartFolder& part : parts_)
        PartColumn(part, Split::train, column)
            .for_each<std::int64_t>(
                [&](const std::int64_t* bits, const std::int32_t*, std::int64_t first, std::int64_t rows) {
                  for (std::int64_t r = 0; r < rows; ++r)
                    fitted_.add_number(c, std::bit_cast<double>(bits[r]), where(part, column, first + r));
                });
    }
  }

  // ids_[part][table][number of the part] = number of the data set.
  void find_ids() {
    ids_.resize(parts_.size());
    for (std::size_t p = 0; p < parts_.size(); ++p)
      for (std::size_t t = 0; t < schema_.tables.size(); ++t) {
        ids_[p].emplace_back(static_cast<std::size_t>(vocabularies_[p][t].rows()));
        vocabularies_[p][t].for_each([&](std::string_view text, std::int32_t number) {
          ids_[p][t][static_cast<std::size_t>(number)] = fitted_.tables[t].find(text);
        });
      }
    vocabularies_.clear();
  }

  // In the order of their first appearance: on the train rows of all parts, then on the test rows.
  void join_slices() {
    slices_.resize(parts_.size(), std::vector<std::vector<std::int32_t>>(schema_.columns.size()));
    for (const int c : schema_.columns_of(ColumnKind::slice)) {
      const auto index = static_cast<std::size_t>(c);
      std::vector<std::vector<std::string>> names;
      for (const PartFolder& part : parts_)
        names.push_back(read_slice_names(slice_file(part.path, schema_.columns[index].name)));
      const auto add = [&](std::size_t p, std::size_t end) {
        for (std::size_t i = slices_[p][index].size(); i < std::min(end, names[p].size()); ++i) {
          slices_[p][index].push_back(
              stored_slice(schema_.columns[index], fitted_.slices[index], names[p][i], [&] { return parts_[p].path; }));
        }
      };
      for (std::size_t p = 0; p < parts_.size(); ++p) add(p, parts_[p].train_slices[index]);
      for (std::size_t p = 0; p < parts_.size(); ++p) add(p, names[p].size());
    }
  }

  SplitStats merge_split(Split split, std::int64_t not_before, const std::string& folder) {
    FileCommitter committer;
    SplitStats stats;
    stats.columns.resize(schema_.columns.size());
    for (const PartFolder& part : parts_) stats.rows += part.split(split).rows;
    parallel_for(schema_.columns.size(), thread_count(options_.threads), [&](std::size_t c) {
      ColumnShards shards(schema_.columns[c], folder, split, options_.shard_rows, committer);
      for (std::size_t p = 0; p < parts_.size(); ++p) merge_column(p, split, c, not_before, shards, stats);
      shards.finish();
    });
    committer.finish();
    return stats;
  }

  void merge_column(std::size_t p, Split split, std::size_t c, std::int64_t not_before, ColumnShards& shards,
                    SplitStats& stats) {
    const Column& column = schema_.columns[c];
    const PartFolder& part = parts_[p];
    ColumnStats& sums = stats.columns[c];
    const ColumnStats& counted = part.split(split).columns[c];
    const PartColumn values(part, split, column);
    sums.missing += counted.missing;
    sums.clamped += counted.clamped;
    sums.truncated += counted.truncated;
    if (column.kind != ColumnKind::number && column.kind != ColumnKind::weight) sums.values += counted.values;
    if (part.is_given(column.table)) sums.unseen += counted.unseen;
    BatchColumn out;
    const auto lengths_to = [&](const std::int32_t* lengths, std::int64_t rows) {
      if (lengths != nullptr) out.lengths.assign(lengths, lengths + rows);
    };
    switch (column.kind) {
      case ColumnKind::id:
      case ColumnKind::ids:
      case ColumnKind::sequence:
      case ColumnKind::slice:
        return values.for_each<std::int32_t>(
            [&](const auto* ids, const auto* lengths, std::int64_t first, std::int64_t rows) {
              lengths_to(lengths, rows);
              merge_ids(p, c, ids, lengths, first, rows, sums, out);
              shards.append(out, rows);
            });
      case ColumnKind::scores:
      case ColumnKind::credit:
      case ColumnKind::weight:
        return values.for_each<float>(
            [&](const auto* data, const auto* lengths, std::int64_t first, std::int64_t rows) {
              lengths_to(lengths, rows);
              out.values.assign(data, data + rows * static_cast<std::int64_t>(stored_width(column)));
              for (std::int64_t r = 0; r < rows && column.kind == ColumnKind::credit; ++r)
                stored_credit(static_cast<double>(data[r]), sums, where(part, column, first + r));
              for (std::int64_t r = 0; r < rows && column.kind == ColumnKind::weight; ++r)
                stored_weight(static_cast<double>(data[r]), sums, where(part, column, first + r));
              shards.append(out, rows);
            });
      case ColumnKind::number:
        return values.for_each<std::int64_t>([&](const auto* bits, const auto*, std::int64_t first, std::int64_t rows) {
          out.values.resize(static_cast<std::size_t>(rows));
          for (std::int64_t r = 0; r < rows; ++r)
            out.values[static_cast<std::size_t>(r)] = stored_number(
                column, fitted_.numbers[c], std::bit_cast<double>(bits[r]), sums, where(part, column, first + r));
          shards.append(out, rows);
        });
      case ColumnKind::group:
      case ColumnKind::time:
        return values.for_each<std::int64_t>([&](const auto* keys, const auto*, std::int64_t first, std::int64_t rows) {
          out.keys.assign(keys, keys + rows);
          if (column.kind == ColumnKind::time) {
            std::int64_t before = first;
            for (std::size_t earlier = 0; earlier < p; ++earlier) before += parts_[earlier].split(split).rows;
            for (std::int64_t r = 0; r < rows; ++r)
              check_time(keys[r], before + r, not_before, stats, where(part, column, first + r),
                         [] { return "give the parts the files in the order of time"; });
          }
          shards.append(out, rows);
        });
    }
  }

  void merge_ids(std::size_t p, std::size_t c, const std::int32_t* ids, const std::int32_t* lengths, std::int64_t first,
                 std::int64_t rows, ColumnStats& sums, BatchColumn& out) {
    const Column& column = schema_.columns[c];
    const bool slice = column.kind == ColumnKind::slice;
    const std::size_t table = slice ? 0 : static_cast<std::size_t>(schema_.table_index(column.table));
    const auto width = static_cast<std::int64_t>(stored_width(column));
    out.ids.assign(ids, ids + rows * width);
    if (!slice && schema_.tables[table].hash_buckets != 0) return;
    const std::vector<std::int32_t>& numbers = slice ? slices_[p][c] : ids_[p][table];
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int32_t* row = out.ids.data() + r * width;
      const std::int64_t count = lengths != nullptr ? std::clamp<std::int64_t>(lengths[r], 0, width) : 1;
      for (std::int64_t i = 0; i < count; ++i) {
        if (static_cast<std::uint32_t>(row[i]) >= numbers.size())
          fail("{}: {} is no id of the part; it is damaged, prepare it again", where(parts_[p], column, first + r)(),
               row[i]);
        // 0 of the part is a missing value, or with given numbers an unseen one.
        const std::int32_t id = numbers[static_cast<std::size_t>(row[i])];
        sums.unseen += !slice && id == 0 && row[i] != 0 ? 1 : 0;
        row[i] = id;
      }
    }
  }

  const MergeOptions& options_;
  std::vector<PartFolder> parts_;
  const PartFolder* last_ = nullptr;  // that has training rows, where there is a time column
  Schema schema_;
  FittedColumns fitted_;
  std::vector<std::vector<Vocabulary>> vocabularies_;                 // [part][table]
  std::vector<std::vector<std::vector<std::int32_t>>> ids_, slices_;  // [part][table or column][number of the part]
};

}  // namespace

DatasetStats merge_parts(const MergeOptions& options) {
  return Merger(options, open_parts(options)).run();
}

}  // namespace mal
