#include "train/data/schema_yaml.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/duration.h"
#include "train/config/strict_yaml.h"
#include "train/config/suggest.h"

namespace mal {

namespace {

constexpr std::int64_t kMaxLength = 4096, kMaxColumns = 2048;
constexpr std::int64_t kMaxRows = std::numeric_limits<std::int32_t>::max();

// In the order of the enumerations of model/schema.h.
const std::vector<std::string>& kinds() {
  static const std::vector<std::string> kNames = {"id",     "ids",   "sequence", "scores", "number",
                                                  "credit", "group", "slice",    "time",   "weight"};
  return kNames;
}
const std::vector<std::string>& sides() {
  static const std::vector<std::string> kNames = {"user", "ad", "context"};
  return kNames;
}
const std::vector<std::string>& poolings() {
  static const std::vector<std::string> kNames = {"sum", "mean", "sqrtn"};
  return kNames;
}

std::size_t index_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

bool has_table(ColumnKind kind) {
  return kind == ColumnKind::id || kind == ColumnKind::ids || kind == ColumnKind::sequence;
}
bool has_length(ColumnKind kind) {
  return kind == ColumnKind::ids || kind == ColumnKind::sequence || kind == ColumnKind::scores;
}

// Names of columns become names of files: <name>.bin, <name>.length.bin, vocab/<name>.json, vocab/slice.<name>.json.
void check_name(const YamlNode& node, const std::string& name) {
  const auto forbidden = [](char c) { return c == '/' || c == '\x7f' || (c >= 0 && c < ' '); };
  if (name.empty() || name.size() > 200 || name.front() == '.' || std::ranges::any_of(name, forbidden))
    node.fail_at("name",
                 "a column's name has 1 to 200 bytes, none of them '/' or a control character, and does not begin with "
                 "'.'; `column:` may be any name");
  if (name.ends_with(".length") || name.starts_with("slice."))
    node.fail_at("name", "a column's name must not end in '.length' or begin with 'slice.'; use `column:`");
}

// What stands for a number that is missing; without either of these keys it is an error.
void parse_missing(const YamlNode& node, Column& column) {
  if (node.has("default")) {
    column.default_value = node.require<double>("default");
    if (!std::isfinite(*column.default_value)) node.fail_at("default", "it must be a finite number");
    if (column.log1p && *column.default_value <= -1)
      node.fail_at("default", fmt::format("log1p of {} is not defined; give a default above -1, or set log1p: false",
                                          *column.default_value));
  }
  if (node.has("missing")) column.indicator = node.choice("missing", {"indicator"}, "") == "indicator";
}

Column parse_column(const YamlNode& node) {
  Column column;
  column.name = node.require<std::string>("name");
  check_name(node, column.name);
  column.kind = static_cast<ColumnKind>(index_of(kinds(), node.choice("kind", kinds(), "")));
  column.source = node.get<std::string>("column", column.name);
  column.side = static_cast<Side>(index_of(sides(), node.choice("side", sides(), "context")));
  // Keys that a kind does not have are asked for only where they mean something, so that elsewhere they are unknown
  // keys.
  if (has_table(column.kind)) column.table = node.get<std::string>("table", column.name);
  if (has_length(column.kind)) column.length = static_cast<int>(node.integer("length", 0, 0, kMaxLength));
  if (column.kind == ColumnKind::ids)
    column.pooling = static_cast<SetPooling>(index_of(poolings(), node.choice("pooling", poolings(), "sum")));
  if (column.kind == ColumnKind::number) {
    column.log1p = node.get<bool>("log1p", false);
    column.standardize = node.get<bool>("standardize", false);
    parse_missing(node, column);
  }
  return column;
}

// What `missing: indicator` adds to the network's input.
Column indicator_of(const Column& number) {
  Column column;
  column.name = number.name + ".missing";
  column.source = number.source;
  column.kind = ColumnKind::number;
  column.side = number.side;
  column.of_missing = true;
  return column;
}

// A number of data sets, or a length of time.
void parse_evict(const YamlNode& node, TableSpec& table) {
  const auto text = node.get<std::string>("evict", "0");
  table.evict_by_time = !text.empty() && text.back() > '9';
  if (!table.evict_by_time) {
    table.evict = node.integer("evict", 0, 0, kMaxRows);
    return;
  }
  const std::optional<std::int64_t> seconds = duration_of(text);
  if (!seconds)
    node.fail_at("evict", fmt::format("'{}' is no number of data sets, such as 30, and no length of time of at least a "
                                      "second, such as 30d, 12h, 90m or 45s",
                                      text.substr(0, 40)));
  table.evict = *seconds;
}

// The table's own settings stand at the column that it is named after.
void add_table(Schema& schema, const YamlNode& node, const Column& column) {
  if (!has_table(column.kind) || column.table != column.name) return;
  TableSpec table;
  table.name = column.name;
  table.hash_buckets = node.integer("hash", 0, 0, kMaxRows);
  if (table.hash_buckets != 0 && !std::has_single_bit(static_cast<std::uint64_t>(table.hash_buckets)))
    node.fail_at("hash", "the number of buckets must be a power of two, such as 1048576");
  table.min_count = node.integer("min_count", 1, 1, kMaxRows);
  if (table.hash_buckets != 0 && table.min_count != 1)
    node.fail_at("min_count",
                 "a hashed column has no vocabulary whose rare values could be left out; leave out hash or min_count");
  parse_evict(node, table);
  if (table.hash_buckets != 0 && table.evict != 0)
    node.fail_at("evict",
                 "a hashed column has no vocabulary whose values could lose their rows; leave out hash or evict");
  table.rows = node.integer("rows", table.hash_buckets, 0, kMaxRows);
  schema.tables.push_back(table);
}

void check(const Schema& schema, const YamlNode& root, const std::vector<YamlNode>& nodes) {
  std::vector<std::string> seen;
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const Column& column = schema.columns[c];
    if (std::ranges::find(seen, column.name) != seen.end())
      nodes[c].fail_at("name",
                       fmt::format("there are two columns '{}'; use `column:` to read one field twice", column.name));
    seen.push_back(column.name);
    // After unknown keys: `lenth:` is a better message.
    if (has_length(column.kind) && column.length < 1)
      nodes[c].fail_at(
          "length", fmt::format("a column of kind {} needs a length of 1 to {}", to_string(column.kind), kMaxLength));
    const bool shared = has_table(column.kind) &&
                        std::ranges::find(schema.tables, column.table, &TableSpec::name) == schema.tables.end();
    if (shared && schema.find(column.table))
      nodes[c].fail_at(
          "table",
          fmt::format("column '{}' is no id, ids or sequence that has a table of its own to share", column.table));
    if (shared)
      nodes[c].fail_at("table", fmt::format("there is no id, ids or sequence column '{}' whose table this could share",
                                            column.table));
  }
  for (std::size_t c = 0; c < schema.columns.size(); ++c) {
    const auto table = std::ranges::find(schema.tables, schema.columns[c].name, &TableSpec::name);
    if (table != schema.tables.end() && table->evict_by_time && schema.columns_of(ColumnKind::time).empty())
      nodes[c].fail_at("evict",
                       "a length of time needs a column of kind time, which says when a value was there; add one, or "
                       "give a number of data sets, such as 30");
  }
  if (schema.views().empty()) root.fail_at("columns", "a schema needs at least one column of kind credit");
  for (const ColumnKind single : {ColumnKind::group, ColumnKind::time, ColumnKind::weight})
    if (const auto found = schema.columns_of(single); found.size() > 1)
      nodes[static_cast<std::size_t>(found[1])].fail_at(
          "kind", fmt::format("a schema can have one column of kind {}", to_string(single)));
}

Schema parse(const YamlNode& root) {
  Schema schema;
  schema.name = root.require<std::string>("name");
  const std::vector<YamlNode> given = root.require_child("columns").children();
  if (given.empty() || static_cast<std::int64_t>(given.size()) > kMaxColumns)
    root.fail_at("columns", fmt::format("a schema has 1 to {} columns", kMaxColumns));
  std::vector<YamlNode> nodes;  // of each column of the schema
  for (const YamlNode& node : given) {
    Column column = parse_column(node);
    add_table(schema, node, column);
    const bool indicator = column.indicator;
    schema.columns.push_back(std::move(column));
    nodes.push_back(node);
    if (!indicator) continue;
    schema.columns.push_back(indicator_of(schema.columns.back()));
    nodes.push_back(node);
  }
  root.finish();
  check(schema, root, nodes);
  return schema;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string write_column(const Schema& schema, const Column& column) {
  std::string text = fmt::format("  - {{name: {}, kind: {}, side: {}", quoted(column.name), to_string(column.kind),
                                 sides()[static_cast<std::size_t>(column.side)]);
  if (column.source != column.name) text += fmt::format(", column: {}", quoted(column.source));
  if (has_length(column.kind)) text += fmt::format(", length: {}", column.length);
  if (column.kind == ColumnKind::ids)
    text += fmt::format(", pooling: {}", poolings()[static_cast<std::size_t>(column.pooling)]);
  if (column.kind == ColumnKind::number)
    text += fmt::format(", log1p: {}, standardize: {}", column.log1p, column.standardize);
  if (column.default_value) text += fmt::format(", default: {}", *column.default_value);
  if (column.indicator) text += ", missing: indicator";
  if (has_table(column.kind)) {
    text += fmt::format(", table: {}", quoted(column.table));
    if (column.table == column.name) {
      const TableSpec& table = schema.tables[static_cast<std::size_t>(schema.table_index(column.table))];
      text += fmt::format(", hash: {}, min_count: {}, rows: {}", table.hash_buckets, table.min_count, table.rows);
      if (table.evict != 0) text += fmt::format(", evict: {}{}", table.evict, table.evict_by_time ? "s" : "");
    }
  }
  return text + "}\n";
}

}  // namespace

Schema parse_schema(const std::string& text, const std::string& path) {
  return parse(parse_yaml_text(text, path));
}

Schema read_schema(const std::string& name_or_path) {
  for (const BuiltinSchema& schema : builtin_schemas())
    if (schema.name == name_or_path) return parse_schema(schema.text, schema.name);
  if (!std::filesystem::exists(name_or_path)) {
    std::vector<std::string> names;
    for (const BuiltinSchema& schema : builtin_schemas()) names.push_back(schema.name);
    fail_usage("--schema {}: there is no such file and no such built-in schema{}", name_or_path,
               suggestion(name_or_path, names, "built-in"));
  }
  return parse(parse_yaml_file(name_or_path));
}

void add_weight_column(Schema& schema, const std::string& column) {
  if (const auto found = schema.columns_of(ColumnKind::weight); !found.empty())
    fail_usage("--weight {}: the schema has a column of kind weight, '{}'; leave the option out", column,
               schema.columns[static_cast<std::size_t>(found.front())].name);
  if (schema.find(column))
    fail_usage("--weight {}: the schema reads that column as {}; leave the option out, or change the schema", column,
               to_string(schema.columns[static_cast<std::size_t>(*schema.find(column))].kind));
  // As a line more of the schema, so that the name is checked as any other.
  schema = parse_schema(write_schema(schema) + fmt::format("  - {{name: {}, kind: weight}}\n", quoted(column)),
                        fmt::format("--weight {}", column));
}

std::string write_schema(const Schema& schema) {
  std::string text = fmt::format("name: {}\ncolumns:\n", quoted(schema.name));
  for (const Column& column : schema.columns)
    if (!column.of_missing) text += write_column(schema, column);
  return text;
}

}  // namespace mal
