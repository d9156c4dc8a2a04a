// What a sample consists of. Read from YAML by train/data/schema_yaml.h, stored with every dataset, and all that a
// model knows about its input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

enum class ColumnKind { id, ids, sequence, scores, number, credit, group, slice, time, weight };
enum class SetPooling { sum, mean, sqrtn };
enum class Side { user, ad, context };

struct Column {
  std::string name;    // unique in the schema
  std::string source;  // the column of the input file; the name unless given
  ColumnKind kind = ColumnKind::id;
  Side side = Side::context;  // whose property it is: known once a request (user), or one an ad
  std::string table;          // id, ids, sequence: the embedding table; columns that name the same table share it
  int length = 1;             // ids, sequence, scores: positions stored (padded or cut, the newest, i.e. last, kept)
  SetPooling pooling = SetPooling::sum;  // ids
  bool log1p = false;                    // number: log(1 + x) first
  bool standardize = false;              // number: then (x − mean) / std, fitted on train
  std::optional<double> default_value;   // number: stands for one that is missing
  bool indicator = false;                // number: the next column says where it is missing
  bool of_missing = false;               // number: 1 where the number column before it is missing, else 0

  bool may_be_missing() const { return default_value.has_value() || indicator; }
  bool filled_by_mean() const { return indicator && !default_value; }
  bool fitted() const { return standardize || filled_by_mean(); }  // number: its mean on train is needed
};

// One embedding table: row 0 is "unseen", rows 1.. are the vocabulary, or all rows are hash buckets.
struct TableSpec {
  std::string name;
  std::int64_t rows = 0;          // filled by prepare; 0 in a schema file
  std::int64_t hash_buckets = 0;  // 0: a vocabulary built on train; otherwise a power of two
  std::int64_t min_count = 1;     // values seen less often on train are "unseen"
  std::int64_t evict = 0;         // a value that so many data sets of a chain did not have loses its row; 0: none does
  bool evict_by_time = false;     // `evict` is of seconds, not of data sets
};

struct Schema {
  std::string name;
  std::vector<Column> columns;
  std::vector<TableSpec> tables;

  std::vector<std::string> views() const;                  // names of the credit columns, in order
  std::vector<int> columns_of(ColumnKind kind) const;      // indices into columns, in order
  std::optional<int> find(std::string_view column) const;  // index by name
  int table_index(std::string_view table) const;           // index into tables; throws Error if there is none
};

std::string_view to_string(ColumnKind kind);

}  // namespace mal
