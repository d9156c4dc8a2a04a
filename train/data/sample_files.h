// Which files a user means by the names on the command line.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "train/data/folder_columns.h"

namespace mal {

// A folder stands for the sample files in it, a pattern with * ? [ for those that match, both in the order of their
// names; other names stay as they are. Files whose names begin with '.' or '_' or end in .crc are none (as Spark's
// _SUCCESS is none). Folders below are searched if their names are key=value, as are such folders that a pattern
// matches: these give columns, those below the named folder or from the pattern's first * on. Throws Error for a folder
// or pattern without any files, and for a folder that has them only further down, in folders of other names.
std::vector<std::string> expand_files(const std::vector<std::string>& names, FolderColumns& folders);

// Takes out the files without content, as Spark writes for a part without rows (.gz and .zst of nothing too), and those
// of line breaks alone, as pandas does; returns how many. Throws Error if nothing is left of several.
std::size_t leave_out_empty(std::vector<std::string>& files);

// Both: the files that are meant by the names, which they replace. Throws Error if the folders of two give different
// columns. Returns how many were empty.
std::size_t find_sample_files(std::vector<std::string>& names, FolderColumns& folders);

// Files by what they are on disk, however they are called: a link, ./, a path from the root.
class FileSet {
 public:
  FileSet() = default;
  explicit FileSet(const std::vector<std::string>& files) {
    for (const std::string& file : files) add(file);
  }
  // Nothing where the file is new, otherwise the path by which it was added first.
  std::optional<std::string> find(const std::string& file) const;
  std::optional<std::string> add(const std::string& file);

 private:
  std::unordered_map<std::string, std::string> paths_;  // by device and inode
};

// Usage Error for a file that is there twice.
void check_given_once(const std::vector<std::string>& files);

// True if the file begins as Parquet does, whatever its name; false too if it cannot be read. Throws Error if it is
// called .parquet and is none.
bool is_parquet(const std::string& path);

// Error if what is at `input` would be lost when a folder (OutputFolder) is written to `output`, which is replaced, or
// cleared away before. A folder that goes on from the one that it replaces is read before that: base.
void check_not_replaced(const std::string& input, const std::string& output, bool base = false);

}  // namespace mal
