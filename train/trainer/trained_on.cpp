#include "train/trainer/trained_on.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "engine/error.h"
#include "engine/file.h"
#include "train/data/dataset_layout.h"
#include "train/data/dataset_stats.h"
#include "train/data/schema_yaml.h"
#include "train/data/vocabulary.h"
#include "train/trainer/run_directory.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

// The columns that a model reads, one a line, without what it does not know of them.
std::string columns_of_model(Schema schema) {
  std::erase_if(schema.columns, [](const Column& column) {
    return column.kind == ColumnKind::group || column.kind == ColumnKind::slice || column.kind == ColumnKind::time;
  });
  for (Column& column : schema.columns) column.source = column.name;
  for (TableSpec& table : schema.tables) {
    table.rows = 0;
    table.min_count = 1;
    table.evict = 0;
    table.evict_by_time = false;
  }
  schema.name.clear();
  return write_schema(schema);
}

void check_columns(const std::string& run, const Schema& before, const Dataset& dataset) {
  std::istringstream then(columns_of_model(before)), now(columns_of_model(dataset.schema()));
  std::string old_line, new_line;
  for (;;) {
    const bool old_one = static_cast<bool>(std::getline(then, old_line));
    const bool new_one = static_cast<bool>(std::getline(now, new_line));
    if (!old_one && !new_one) return;
    if (old_one && new_one && old_line == new_line) continue;
    const auto shown = [](bool there, const std::string& line) {
      return there ? line.substr(std::min(line.find('{'), line.size())) : "nothing more";
    };
    fail("{} has other columns than {} was trained on: {} in place of {}; training goes on with the same schema",
         dataset.path(), run, shown(new_one, new_line), shown(old_one, old_line));
  }
}

void check_scales(const std::string& run, const Schema& before, const DatasetStats& stats, const Dataset& dataset) {
  for (std::size_t c = 0; c < before.columns.size(); ++c) {
    const Column& column = before.columns[c];
    if (!column.standardize) continue;
    const NumberScale &then = stats.numbers[c], &now = dataset.scale(*dataset.schema().find(column.name));
    if (then.mean != now.mean || then.deviation != now.deviation)
      fail(
          "column '{}' has mean {} and deviation {} in {}, and {} and {} where {} was trained: its numbers mean "
          "something else; prepare it with --base (the data set of that run)",
          column.name, now.mean, now.deviation, dataset.path(), then.mean, then.deviation, run);
  }
}

// Vocabulary::write has one value a line, {"first": 1,<newline>"second": 2 and so on: whether one goes on from another
// is a comparison of bytes. Without what stands after the last value.
std::string_view body_of(const MappedFile& file, const std::string& path) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (!text.starts_with('{') || !text.ends_with("}\n")) fail("{}: it is not a vocabulary; prepare again", path);
  return text.substr(0, text.size() - 2);
}

// The value of the line that begins there, as JSON has it; "nothing" beyond the end.
std::string value_at(std::string_view body, std::size_t line) {
  if (line >= body.size()) return "nothing";
  const std::string_view entry = body.substr(line, body.find('\n', line) - line);
  return printable(entry.substr(0, entry.rfind(':')));
}

// Of each row of a table whose ids may have lost theirs: the row that its id had in the run, −1 for none.
std::vector<std::int32_t> rows_before(const std::string& old_path, const std::string& new_path) {
  const Vocabulary then = read_vocabulary(old_path), now = read_vocabulary(new_path);
  std::vector<std::int32_t> before(static_cast<std::size_t>(now.rows()), -1);
  before[0] = 0;
  now.for_each([&](std::string_view value, std::int32_t row) {
    if (const std::int32_t old = then.find(value); old != 0) before[static_cast<std::size_t>(row)] = old;
  });
  return before;
}

// True if the rows are where they were, with or without new ones; false if they may have moved, because the table has
// `evict`.
bool check_vocabulary(const std::string& run, const std::string& kept, const TableSpec& table, const Dataset& dataset,
                      Vocab vocab) {
  const std::string& column = table.name;
  const std::string old_path = vocabulary_file(kept, column), new_path = vocabulary_file(dataset.path(), column);
  const MappedFile old_file(old_path), new_file(new_path);
  const std::string_view then = body_of(old_file, old_path), now = body_of(new_file, new_path);
  const bool begins =
      now.starts_with(then) && (then.size() == 1 || now.size() == then.size() || now[then.size()] == ',');
  if (begins && (vocab == Vocab::grow || now.size() == then.size())) return true;
  if (table.evict > 0 && vocab == Vocab::grow) return false;
  auto at = static_cast<std::size_t>(std::ranges::mismatch(then, now).in1 - then.begin());
  // Where one ends the difference is what follows in the other.
  const std::string_view longer = then.size() > now.size() ? then : now;
  if (at == std::min(then.size(), now.size()) && longer[at] == ',') at = longer.find('\n', at) + 1;
  const std::size_t line_break = longer.rfind('\n', at == 0 ? 0 : at - 1);
  const std::size_t line = line_break == std::string_view::npos ? 1 : line_break + 1;
  const auto row = 1 + std::ranges::count(longer.substr(0, line), '\n');
  const std::string which = fmt::format("column '{}': row {} of its table is {} in {}, and {} where {} was trained",
                                        column, row, value_at(now, line), dataset.path(), value_at(then, line), run);
  if (begins) fail("{}: there are new ids; set vocab: grow to go on with them", which);
  if (table.evict > 0) fail("{}: with `evict` rows move; set vocab: grow, and each id finds its own", which);
  fail("{}: its rows would mean other ids; prepare it with --base (the data set of that run), which keeps them", which);
}

// Not of a run that an earlier version kept, which moved no rows.
bool has_all_vocabularies(const std::string& kept) {
  if (!fs::exists(kept + kSchemaFile)) return false;
  const Schema schema = parse_schema(read_file(kept + kSchemaFile), kept + kSchemaFile);
  return std::ranges::all_of(schema.columns_of(ColumnKind::slice), [&](int column) {
    return fs::exists(slice_file(kept, schema.columns[static_cast<std::size_t>(column)].name));
  });
}

}  // namespace

void link_or_copy(const std::string& from, const std::string& to) {
  std::error_code cannot;
  fs::create_hard_link(from, to, cannot);
  if (!cannot) return;
  const MappedFile content(from);
  OutputFile file(to);
  file.write(content.data(), content.size());
  file.commit();
}

void keep_trained_on(const std::string& run, const std::string& dataset, const char* name) {
  OutputFolder folder(run + name, kSchemaFile + 1);
  const std::string& path = folder.path();
  link_or_copy(dataset + kSchemaFile, path + kSchemaFile);
  link_or_copy(dataset + kStatsFile, path + kStatsFile);
  std::error_code error;
  fs::create_directory(path + "/vocab", error);
  if (error) fail("cannot create {}/vocab: {}", path, error.message());
  const Schema schema = parse_schema(read_file(path + kSchemaFile), dataset + kSchemaFile);
  for (const TableSpec& table : schema.tables)
    if (table.hash_buckets == 0) link_or_copy(vocabulary_file(dataset, table.name), vocabulary_file(path, table.name));
  // And the others, so that their fingerprint is that of the data set.
  for (const auto& file : fs::directory_iterator(dataset + "/vocab", error))
    if (const std::string to = path + "/vocab/" + file.path().filename().string(); !fs::exists(to))
      link_or_copy(file.path().string(), to);
  folder.commit();
}

const char* kept_of(const std::string& run, const std::string& file, const std::string& vocabularies) {
  if (vocabularies.empty()) return kTrainedOn;
  for (const char* folder : {kTrainedOn, kNextTrainedOn})
    if (fs::exists(run + folder + kSchemaFile) && vocabulary_fingerprint(run + folder) == vocabularies) return folder;
  // An earlier version knew of no next one.
  if (!has_all_vocabularies(run + kTrainedOn) && !fs::exists(run + kNextTrainedOn)) return kTrainedOn;
  fail(
      "{}: trained_on/ is of other data, so that nothing says which ids its rows are; if {} goes on with new data, "
      "finish that first (--resume), or train again",
      file, run);
}

GoesOn check_goes_on(const std::string& run, const Dataset& dataset, Vocab vocab, const char* folder) {
  const std::string kept = run + folder;
  if (!fs::exists(kept + kSchemaFile))
    fail("{} does not say what its ids mean, it has no trained_on/schema.yaml: train it again with this version", run);
  const Schema before = parse_schema(read_file(kept + kSchemaFile), kept + kSchemaFile);
  check_columns(run, before, dataset);
  check_scales(run, before, read_stats(kept + kStatsFile, before), dataset);
  GoesOn how{{.grown = vocab == Vocab::grow}, "", {}};
  for (const TableSpec& old : before.tables) {
    if (old.hash_buckets != 0) continue;
    const std::string& name = old.name;
    const TableSpec& table = dataset.schema().tables[static_cast<std::size_t>(dataset.schema().table_index(name))];
    how.rows_before[name] = old.rows;
    std::int64_t added = table.rows - old.rows, lost = 0;
    if (!check_vocabulary(run, kept, table, dataset, vocab)) {
      std::vector<std::int32_t>& moved = how.rows.moved["embedding/" + name];
      moved = rows_before(vocabulary_file(kept, name), vocabulary_file(dataset.path(), name));
      added = std::ranges::count(moved, -1);
      lost = old.rows + added - table.rows;
    }
    if (added == 0 && lost == 0) continue;
    how.new_ids += fmt::format("{}{} {}", how.new_ids.empty() ? "" : ", ", name, added);
    if (lost > 0) how.new_ids += fmt::format(" ({} lost their rows)", lost);
  }
  if (how.new_ids.empty()) how.new_ids = "none";
  return how;
}

TableRows new_ids_unseen(const GoesOn& how, const Schema& schema) {
  TableRows rows = how.rows;
  for (const auto& [name, before] : how.rows_before) {
    const std::int64_t now = schema.tables[static_cast<std::size_t>(schema.table_index(name))].rows;
    std::vector<std::int32_t>& of = rows.moved["embedding/" + name];
    if (of.empty()) {  // old rows are where they were
      of.resize(static_cast<std::size_t>(now));
      for (std::int64_t row = 0; row < std::min(before, now); ++row)
        of[static_cast<std::size_t>(row)] = static_cast<std::int32_t>(row);
    }
    std::ranges::replace(of, -1, 0);
  }
  return rows;
}

std::string data_identity(const Dataset& dataset, const std::string& vocabularies) {
  const std::string stats = read_file(dataset.path() + kStatsFile);
  return fmt::format("{} rows, vocabularies {}, statistics {:016x}", dataset.rows(Split::train), vocabularies,
                     XXH3_64bits(stats.data(), stats.size()));
}

}  // namespace mal
