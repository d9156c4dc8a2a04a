// The two configurations in a model file's metadata: "schema" (what the columns are) and "model" (which network).
// Nothing is believed: every value has a range, every key must be known, because a key that is ignored here would mean
// another prediction.
#pragma once

#include "model/inference/source/container.h"

namespace mal::infer {

enum class Kind { id, ids, sequence, scores, number };
enum class Side { user, ad, context };

namespace detail {

enum class Pooling { sum, mean, sqrtn };

inline constexpr std::uint64_t kMaxColumns = 2048, kMaxLength = 4096, kMaxRows = 0x7FFFFFFF, kMaxDim = 1024;
inline constexpr std::uint64_t kMaxWidth = 65536, kMaxLayers = 64, kMaxViews = 64;
// Of one request and of one row: what a workspace is made of. A file cannot make it larger.
inline constexpr std::uint64_t kMaxFloats = 1 << 22;

// Reads an object key by key; finish() refuses the keys that nobody asked for.
class ConfigReader {
 public:
  ConfigReader(const Json& json, std::string where, Problem& problem)
      : json_(&json), where_(std::move(where)), problem_(&problem), used_(json.keys.size()) {
    if (json.kind != Json::Kind::object) problem_->fail(where_ + " is no object");
  }

  bool has(std::string_view key) const { return json_->find(key) != nullptr; }

  std::uint64_t integer(std::string_view key, std::uint64_t low, std::uint64_t high) {
    const Json* value = take(key, Json::Kind::integer);
    if (value == nullptr) return low;
    if (value->integer < low || value->integer > high) return fail(key, "is out of range"), low;
    return value->integer;
  }
  double number(std::string_view key, double low, double high) {
    const Json* value = take(key, Json::Kind::real);
    if (value == nullptr) return low;
    if (!(value->real >= low && value->real <= high)) return fail(key, "is out of range"), low;
    return value->real;
  }
  bool flag(std::string_view key) {
    const Json* value = take(key, Json::Kind::boolean);
    return value != nullptr && value->flag;
  }
  std::string text(std::string_view key) {
    const Json* value = take(key, Json::Kind::text);
    if (value == nullptr) return {};
    if (value->text.size() > kMaxName) fail(key, "is too long");
    return value->text;
  }
  // The index of the value in `choices`.
  template <std::size_t N>
  std::size_t choice(std::string_view key, const char* const (&choices)[N]) {
    const std::string value = text(key);
    for (std::size_t i = 0; i < N; ++i)
      if (value == choices[i]) return i;
    if (problem_->ok())
      problem_->fail(Code::unsupported, where_ + "." + std::string(key) + ": " + shown(value) +
                                            " is not known to this header; use a newer mal_infer.h");
    return 0;
  }
  std::vector<std::size_t> widths(std::string_view key) {
    std::vector<std::size_t> out;
    const Json* value = take(key, Json::Kind::list);
    if (value == nullptr) return out;
    if (value->items.size() > kMaxLayers) fail(key, "has too many layers");
    for (const Json& item : value->items) {
      const bool possible = item.kind == Json::Kind::integer && item.integer >= 1 && item.integer <= kMaxWidth;
      if (!possible) fail(key, "holds an impossible width");
      out.push_back(possible ? static_cast<std::size_t>(item.integer) : 1);
    }
    return out;
  }
  std::vector<std::string> names(std::string_view key) {
    const Json* value = take(key, Json::Kind::list);
    return value == nullptr ? std::vector<std::string>{} : texts(*value, key);
  }
  // A list of lists of names.
  std::vector<std::vector<std::string>> groups(std::string_view key) {
    std::vector<std::vector<std::string>> out;
    const Json* value = take(key, Json::Kind::list);
    if (value == nullptr) return out;
    for (const Json& item : value->items) out.push_back(texts(item, key));
    return out;
  }
  ConfigReader section(std::string_view key) {
    static const Json kNone;
    const Json* value = take(key, Json::Kind::object);
    return {value == nullptr ? kNone : *value, where_ + "." + std::string(key), *problem_};
  }
  const std::vector<Json>& list(std::string_view key) {
    static const std::vector<Json> kNone;
    const Json* value = take(key, Json::Kind::list);
    return value == nullptr ? kNone : value->items;
  }

  bool finish() {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        return problem_->fail(Code::unsupported, where_ + ": the key " + shown(json_->keys[i]) +
                                                     " is not known to this header; use a newer mal_infer.h");
    return problem_->ok();
  }
  bool fail(std::string_view key, const std::string& what) {
    return problem_->fail(where_ + "." + std::string(key) + " " + what + "; export the model again");
  }
  Problem& problem() { return *problem_; }

 private:
  const Json* take(std::string_view key, Json::Kind kind) {
    for (std::size_t i = 0; i < json_->keys.size(); ++i) {
      if (json_->keys[i] != key) continue;
      used_[i] = true;
      const Json& value = json_->items[i];
      const bool fits = value.kind == kind || (kind == Json::Kind::real && value.kind == Json::Kind::integer);
      return fits ? &value : (fail(key, "is of the wrong kind"), nullptr);
    }
    fail(key, "is missing");
    return nullptr;
  }
  std::vector<std::string> texts(const Json& list, std::string_view key) {
    std::vector<std::string> out;
    if (list.kind != Json::Kind::list || list.items.size() > kMaxColumns) fail(key, "is no list of names");
    for (const Json& item : list.items) {
      if (item.kind != Json::Kind::text || item.text.size() > kMaxName) fail(key, "is no list of names");
      out.push_back(item.text);
    }
    return out;
  }

  const Json* json_;
  std::string where_;
  Problem* problem_;
  std::vector<bool> used_;
};

struct ColumnSpec {
  std::string name;
  Kind kind = Kind::id;
  Side side = Side::context;
  int table = -1;          // id, ids, sequence
  std::size_t length = 1;  // ids, sequence, scores
  Pooling pooling = Pooling::sum;
  bool log1p = false;              // number
  double mean = 0, deviation = 1;  // number: (x − mean) / deviation
  bool fillable = false;           // number: it may be missing, and is then
  float fill = 0;                  // this, as the network gets it
  bool indicator = false;          // number: beside it a cell that is 1 where it is missing
  std::size_t cells = 0;           // where its ids, or values, begin in a row of features
  std::size_t width() const { return length + (indicator ? 1 : 0); }
  bool embedded() const { return kind == Kind::id || kind == Kind::ids || kind == Kind::sequence; }
  bool listed() const { return kind == Kind::ids || kind == Kind::sequence || kind == Kind::scores; }
};

struct TableInfo {
  std::string name;
  std::uint64_t rows = 0, hash = 0;  // hash: buckets, a power of two; 0: a vocabulary
};

struct Schema {
  std::vector<ColumnSpec> columns;
  std::vector<TableInfo> tables;
  std::vector<std::string> views;
  std::size_t id_cells = 0, value_cells = 0;  // of a row of features

  bool parse(const Json& json, Problem& problem);

 private:
  bool parse_column(ConfigReader reader);
  bool check(Problem& problem);
};

inline bool Schema::parse(const Json& json, Problem& problem) {
  ConfigReader reader(json, "schema", problem);
  reader.text("name");
  views = reader.names("views");
  if (views.empty() || views.size() > kMaxViews) reader.fail("views", "has an impossible length");
  for (const Json& item : reader.list("tables")) {
    ConfigReader table(item, "schema.tables", problem);
    TableInfo info;
    info.name = table.text("name");
    info.rows = table.integer("rows", 1, kMaxRows);
    info.hash = table.integer("hash", 0, kMaxRows);
    if (info.hash != 0 && (info.hash != info.rows || (info.hash & (info.hash - 1)) != 0))
      table.fail("hash", "is no power of two that is the number of rows");
    if (!table.finish()) return false;
    tables.push_back(std::move(info));
  }
  const std::vector<Json>& list = reader.list("columns");
  if (list.size() > kMaxColumns || tables.size() > kMaxColumns) reader.fail("columns", "is too long");
  for (const Json& item : list)
    if (!problem.ok() || !parse_column(ConfigReader(item, "schema.columns", problem))) return false;
  return reader.finish() && check(problem);
}

inline bool Schema::parse_column(ConfigReader reader) {
  static constexpr const char* kKinds[] = {"id", "ids", "sequence", "scores", "number"};
  static constexpr const char* kSides[] = {"user", "ad", "context"};
  static constexpr const char* kPoolings[] = {"sum", "mean", "sqrtn"};
  ColumnSpec column;
  column.name = reader.text("name");
  column.kind = static_cast<Kind>(reader.choice("kind", kKinds));
  column.side = static_cast<Side>(reader.choice("side", kSides));
  if (column.embedded()) {
    const std::string table = reader.text("table");
    for (std::size_t t = 0; t < tables.size(); ++t)
      if (tables[t].name == table) column.table = static_cast<int>(t);
    if (column.table < 0) return reader.fail("table", "names no table");
  }
  if (column.listed()) column.length = static_cast<std::size_t>(reader.integer("length", 1, kMaxLength));
  if (column.kind == Kind::ids) column.pooling = static_cast<Pooling>(reader.choice("pooling", kPoolings));
  if (column.kind == Kind::number) {
    constexpr double kHuge = 1e300, kLargest = static_cast<double>(std::numeric_limits<float>::max());
    column.log1p = reader.flag("log1p");
    column.mean = reader.number("mean", -kHuge, kHuge);
    column.deviation = reader.number("deviation", 1e-300, kHuge);
    if (reader.has("fill")) {  // only files with numbers that may be missing have these two
      column.fillable = true;
      column.fill = static_cast<float>(reader.number("fill", -kLargest, kLargest));
      column.indicator = reader.flag("indicator");
    }
  }
  std::size_t& cells = column.embedded() ? id_cells : value_cells;
  column.cells = cells;
  cells += column.width();
  columns.push_back(column);
  return reader.finish();
}

inline bool Schema::check(Problem& problem) {
  if (columns.empty()) return problem.fail("schema: there are no columns");
  if (id_cells + value_cells > kMaxFloats) return problem.fail("schema: the columns are absurdly long");
  std::vector<std::string_view> names, table_names;
  for (const ColumnSpec& column : columns) names.push_back(column.name);
  for (const TableInfo& table : tables) table_names.push_back(table.name);
  for (auto* list : {&names, &table_names}) {
    std::sort(list->begin(), list->end());
    if (std::adjacent_find(list->begin(), list->end()) != list->end() || (!list->empty() && list->front().empty()))
      return problem.fail("schema: a name is empty or there twice");
  }
  return true;
}

}  // namespace detail
}  // namespace mal::infer
