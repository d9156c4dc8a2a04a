// Columns that the names of folders give, as Hive, Spark and pyarrow write partitions:
// clicks/dt=2024-01-01/channel=search/part-0.parquet.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mal {

struct FolderValue {
  std::string column;
  std::string value;  // empty: __HIVE_DEFAULT_PARTITION__, there is none
  bool operator==(const FolderValue&) const = default;
};

// From the outermost folder on.
using FolderValues = std::vector<FolderValue>;

// Of a folder's name, "%2F" decoded; nothing where it is not key=value. Throws Error for text that no table could hold.
std::optional<FolderValue> folder_value(const std::string& path);

// Adds that of the folder at `path`, if it has one. Throws Error where a folder above says the same column.
void add_folder_value(const std::string& path, FolderValues& values);

// For the error that a file lacks `column`: how a folder of its path would give it; empty where none does.
std::string folder_hint(const std::string& path, std::string_view column);

// Of every file that was found in such folders.
class FolderColumns {
 public:
  void set(const std::string& file, FolderValues values);
  const FolderValues& of(const std::string& file) const;                            // of another file: none
  const std::string* find(const std::string& file, std::string_view column) const;  // null: no folder says it
  void check_same(const std::vector<std::string>& files) const;  // throws Error unless all have the same columns

 private:
  std::unordered_map<std::string, FolderValues> files_;
};

}  // namespace mal
