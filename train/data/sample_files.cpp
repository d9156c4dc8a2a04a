#include "train/data/sample_files.h"

#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "train/data/byte_source.h"

namespace mal {

namespace {

namespace fs = std::filesystem;

constexpr const char* kWildcards = "*?[";

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.starts_with('_') || name.ends_with(".crc");
}

// Spark reads _dt=1, too.
bool is_keyed_folder(const std::string& path) {
  return !fs::path(path).filename().string().starts_with('.') && folder_value(path).has_value();
}

struct Found {
  std::string path;
  FolderValues values;
};

// What is in a folder, and in those below it that are key=value. values: of the folders above.
void search(const std::string& folder, const FolderValues& values, std::vector<Found>& found) {
  std::vector<std::string> others;
  bool keyed = !values.empty();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string path = entry.path().string();
    const bool is_folder = entry.is_directory();
    if (is_folder && is_keyed_folder(path)) {
      keyed = true;
      FolderValues below = values;
      add_folder_value(path, below);
      search(path, below, found);
    } else if (is_hidden(entry.path())) {
      continue;
    } else if (is_folder) {
      others.push_back(path);
    } else {
      found.push_back({path, values});
    }
  }
  if (others.empty()) return;
  const std::string& other = *std::ranges::min_element(others);
  if (keyed)
    fail_usage(
        "{}: the name of this folder is not key=value as that of another here is, so its files would be left "
        "out; move it away, or name files and folders apart",
        other);
  if (found.empty())
    fail_usage(
        "{}: there are no sample files in this folder, only folders; name them (only folders called key=value "
        "are searched)",
        folder);
}

void add_sorted(std::vector<Found>& found, std::vector<std::string>& files, FolderColumns& folders) {
  std::ranges::sort(found, {}, &Found::path);
  for (Found& file : found) {
    folders.set(file.path, std::move(file.values));
    files.push_back(std::move(file.path));
  }
}

void add_folder(const std::string& folder, std::vector<std::string>& files, FolderColumns& folders) {
  std::vector<Found> found;
  search(folder, {}, found);
  if (found.empty()) fail_usage("{}: there are no sample files in this folder", folder);
  add_sorted(found, files, folders);
}

// What the folders of a path that matches say, from the pattern's first wildcard on. Nothing: one of them is hidden, as
// _temporary is, and only a wildcard matches it.
std::optional<FolderValues> values_of_match(const std::string& pattern, const std::string& path) {
  FolderValues values;
  const std::string_view fixed = std::string_view(pattern).substr(0, pattern.find_first_of(kWildcards));
  std::size_t begin = 0;
  for (auto slashes = std::ranges::count(fixed, '/'); slashes > 0; --slashes) begin = path.find('/', begin) + 1;
  for (std::size_t end = path.find('/', begin); end != std::string::npos; end = path.find('/', end + 1))
    if (const std::string folder = path.substr(0, end); is_keyed_folder(folder))
      add_folder_value(folder, values);
    else if (is_hidden(folder) &&
             ("/" + pattern).find("/" + fs::path(folder).filename().string() + "/") == std::string::npos)
      return std::nullopt;
  return values;
}

void add_pattern(const std::string& pattern, std::vector<std::string>& files, FolderColumns& folders) {
  glob_t matches = {};
  const int code = ::glob(pattern.c_str(), 0, nullptr, &matches);
  std::vector<std::string> paths;
  for (std::size_t i = 0; code == 0 && i < matches.gl_pathc; ++i) paths.emplace_back(matches.gl_pathv[i]);
  ::globfree(&matches);
  std::vector<Found> found;
  for (const std::string& path : paths) {
    std::optional<FolderValues> values = values_of_match(pattern, path);
    if (!values) continue;
    if (!fs::is_directory(path)) {
      if (!is_hidden(path)) found.push_back({path, std::move(*values)});
    } else if (is_keyed_folder(path)) {
      add_folder_value(path, *values);
      search(path, *values, found);
    }
  }
  if (found.empty()) fail_usage("{}: no file matches", pattern);
  add_sorted(found, files, folders);
}

// Line breaks, and what pandas writes for a frame without rows and columns.
bool is_nothing(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const std::size_t begin = std::min(text.find_first_not_of("\r\n"), text.size());
  text = text.substr(begin, text.find_last_not_of("\r\n") + 1 - begin);
  return text.empty() || text == "\"\"";
}

bool is_empty(const std::string& path) {
  constexpr std::uintmax_t kMostOfNothing = 1024;  // what a file of nothing may have
  if (!fs::is_regular_file(path)) return false;
  const std::uintmax_t size = fs::file_size(path);
  if (size == 0 || size > kMostOfNothing || is_parquet(path)) return size == 0;
  try {
    ByteSource source(path);
    std::string text(kMostOfNothing + 1, 0);
    std::size_t length = 0;
    for (std::size_t got = 1; got > 0 && length < text.size(); length += got)
      got = source.read(text.data() + length, text.size() - length, 1);
    return length <= kMostOfNothing && is_nothing(std::string_view(text).substr(0, length));
  } catch (const Error&) {
    return false;  // whoever reads it says what is wrong, and where
  }
}

// A file that is not there is nobody's twin but its own: that it is missing is said where it is opened.
std::string identity_of(const std::string& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) return file;
  return fmt::format("{}:{}", status.st_dev, status.st_ino);
}

}  // namespace

std::optional<std::string> FileSet::find(const std::string& file) const {
  const auto found = paths_.find(identity_of(file));
  return found == paths_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> FileSet::add(const std::string& file) {
  const auto [entry, is_new] = paths_.try_emplace(identity_of(file), file);
  return is_new ? std::nullopt : std::optional(entry->second);
}

void check_given_once(const std::vector<std::string>& files) {
  FileSet seen;
  for (const std::string& file : files)
    if (const std::optional<std::string> earlier = seen.add(file))
      fail_usage("{} is given twice{}; its rows would count twice", file,
                 *earlier == file ? "" : fmt::format(" ({} is the same file)", *earlier));
}

std::vector<std::string> expand_files(const std::vector<std::string>& names, FolderColumns& folders) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (fs::is_directory(name))
      add_folder(name, files, folders);
    else if (!fs::exists(name) && name.find_first_of(kWildcards) != std::string::npos)
      add_pattern(name, files, folders);
    else
      files.push_back(name);
  }
  return files;
}

std::size_t leave_out_empty(std::vector<std::string>& files) {
  const std::size_t before = files.size();
  std::vector<std::string> left;
  for (const std::string& file : files)
    if (!is_empty(file)) left.push_back(file);
  if (left.empty() && before > 1) fail("{} and {} more: all files are empty", files.front(), before - 1);
  if (!left.empty()) files = std::move(left);
  return before - files.size();
}

std::size_t find_sample_files(std::vector<std::string>& names, FolderColumns& folders) {
  names = expand_files(names, folders);
  const std::size_t empty = leave_out_empty(names);
  folders.check_same(names);
  return empty;
}

void check_not_replaced(const std::string& input, const std::string& output, bool base) {
  std::string target = output;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  const std::string here = fs::weakly_canonical(input).string() + "/";
  for (const char* beside : {"", ".tmp", ".old"}) {
    const std::string folder = fs::weakly_canonical(target + beside).string() + "/";
    if (!here.starts_with(folder) || (base && *beside == 0 && here == folder)) continue;
    const std::string which = here == folder ? "" : fmt::format(" lies in {}{}, which", target, beside);
    fail_usage("{}{} would be {}; choose another --out", input, which, *beside == 0 ? "replaced" : "removed");
  }
}

bool is_parquet(const std::string& path) {
  constexpr std::string_view kMagic = "PAR1";
  if (!fs::is_regular_file(path)) return false;  // opening a pipe would wait for its writer
  std::array<char, 4> magic = {};
  std::ifstream file(path, std::ios::binary);
  const bool open = file.is_open();
  if (file.read(magic.data(), magic.size()) && std::string_view(magic.data(), magic.size()) == kMagic) return true;
  if (open && path.ends_with(".parquet"))
    fail("{}: it is called .parquet, but does not begin with {}; {}", path, kMagic,
         fs::file_size(path) == 0 ? "the file is empty" : "is it another format, or encrypted?");
  return false;
}

}  // namespace mal
