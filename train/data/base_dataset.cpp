#include "train/data/base_dataset.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "train/data/dataset.h"
#include "train/data/dataset_layout.h"
#include "train/data/id_memory.h"
#include "train/data/vocabulary.h"

namespace mal {

namespace {

// What the base remembers of a table, on the clock of the schema.
IdMemory base_memory(const Dataset& base, const TableSpec& table, const Vocabulary& known) {
  const std::string path = memory_file(base.path(), table.name);
  IdMemory memory = std::filesystem::exists(path) ? read_memory(path) : memory_of(known);
  bool same = static_cast<std::int64_t>(memory.rows.size()) + 1 == known.rows();
  for (std::size_t r = 0; same && r < memory.rows.size(); ++r)
    same = known.find(memory.rows[r].value) == static_cast<std::int32_t>(r) + 1;
  if (!same)
    fail("{}: its ids are not those of {}; prepare the base again", path, vocabulary_file(base.path(), table.name));
  if (memory.by_time == table.evict_by_time) return memory;
  if (table.evict_by_time && base.schema().columns_of(ColumnKind::time).empty())
    fail_usage("--base {}: it has no column of kind time, and `evict: {}s` of table '{}' counts from its end",
               base.path(), table.evict, table.name);
  set_clock(memory, table.evict_by_time, table.evict_by_time ? base.stats(Split::train).last_time : 0);
  return memory;
}

}  // namespace

void start_from(const std::string& base, const Schema& schema, FittedColumns& fitted) {
  if (base.empty()) return;
  const Dataset dataset = Dataset::open(base);
  for (std::size_t t = 0; t < schema.tables.size(); ++t) {
    const TableSpec& table = schema.tables[t];
    const auto earlier = std::ranges::find(dataset.schema().tables, table.name, &TableSpec::name);
    if (earlier == dataset.schema().tables.end() || earlier->hash_buckets != table.hash_buckets)
      fail_usage("--base {}: its schema has no table '{}' {}; the base is a data set of the same schema", base,
                 table.name,
                 table.hash_buckets != 0 ? fmt::format("of {} buckets", table.hash_buckets) : "with a vocabulary");
    if (table.hash_buckets != 0) continue;
    Vocabulary known = read_vocabulary(vocabulary_file(base, table.name));
    if (known.rows() != earlier->rows)
      fail("{}: it holds {} values, and schema.yaml says {}; prepare the base again", vocabulary_file(base, table.name),
           known.rows() - 1, earlier->rows - 1);
    if (table.evict == 0)
      fitted.start(static_cast<int>(t), std::move(known));
    else
      fitted.remember(static_cast<int>(t), base_memory(dataset, table, known));
  }
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (!column.fitted()) continue;
    const std::optional<int> earlier = dataset.schema().find(column.name);
    const Column* known = earlier ? &dataset.schema().columns[static_cast<std::size_t>(*earlier)] : nullptr;
    if (known == nullptr || known->standardize != column.standardize)
      fail_usage("--base {}: it has no {}standardized column '{}'; the base is a data set of the same schema", base,
                 column.standardize ? "" : "not ", column.name);
    if (column.filled_by_mean() && !known->filled_by_mean())
      fail_usage(
          "--base {}: its column '{}' has no `missing: indicator` that gives the mean to missing numbers; the "
          "base is a data set of the same schema",
          base, column.name);
    fitted.give_scale(c, dataset.scale(*earlier));
  }
}

}  // namespace mal
