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

bool is_hidden(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with('.') || name.starts_with('_') || name.ends_with(".crc");
}

void add_folder(const std::string& folder, std::vector<std::string>& files) {
  std::vector<std::string> found;
  bool folders = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_hidden(entry.path())) continue;
    if (entry.is_directory())
      folders = true;
    else
      found.push_back(entry.path().string());
  }
  if (found.empty())
    fail_usage("{}: there are no sample files in this folder{}", folder,
               folders ? ", only folders; name them (a folder is not searched further down)" : "");
  std::ranges::sort(found);
  files.insert(files.end(), found.begin(), found.end());
}

void add_pattern(const std::string& pattern, std::vector<std::string>& files) {
  glob_t matches = {};
  const int code = ::glob(pattern.c_str(), 0, nullptr, &matches);
  std::vector<std::string> found;
  for (std::size_t i = 0; code == 0 && i < matches.gl_pathc; ++i)
    if (!fs::is_directory(matches.gl_pathv[i]) && !is_hidden(matches.gl_pathv[i]))
      found.emplace_back(matches.gl_pathv[i]);
  ::globfree(&matches);
  if (found.empty()) fail_usage("{}: no file matches", pattern);
  std::ranges::sort(found);
  files.insert(files.end(), found.begin(), found.end());
}

bool is_empty(const std::string& path) {
  constexpr std::uintmax_t kMostOfNothing = 1024;  // what a compressed file of nothing may have
  if (!fs::is_regular_file(path)) return false;
  const std::uintmax_t size = fs::file_size(path);
  if (size == 0 || size > kMostOfNothing || is_parquet(path)) return size == 0;
  try {
    ByteSource source(path);
    char byte = 0;
    return source.compressed() && source.read(&byte, 1, 1) == 0;
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

std::vector<std::string> expand_files(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (fs::is_directory(name))
      add_folder(name, files);
    else if (!fs::exists(name) && name.find_first_of("*?[") != std::string::npos)
      add_pattern(name, files);
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
