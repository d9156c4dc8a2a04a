#include "train/data/folder_columns.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "engine/error.h"
#include "train/data/sample_values.h"
#include "train/data/vocabulary.h"

namespace mal {

namespace {

constexpr std::string_view kNoValue = "__HIVE_DEFAULT_PARTITION__";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char small = static_cast<char>(c | 0x20);
  return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

// What is no %XX stays as it is.
std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_digit(text[i + 2]);
    out += low < 0 ? text[i] : static_cast<char>(high << 4 | low);
    if (low >= 0) i += 2;
  }
  return out;
}

std::string column_list(const FolderValues& values) {
  std::vector<std::string> names;
  for (const FolderValue& value : values) names.push_back(value.column);
  return names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", "));
}

std::vector<std::string> sorted_columns(const FolderValues& values) {
  std::vector<std::string> names;
  for (const FolderValue& value : values) names.push_back(value.column);
  std::ranges::sort(names);
  return names;
}

}  // namespace

std::optional<FolderValue> folder_value(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  const std::size_t equals = name.find('=');
  if (equals == 0 || equals == std::string::npos) return std::nullopt;
  const std::string_view text = std::string_view(name).substr(equals + 1);
  FolderValue value = {decoded(std::string_view(name).substr(0, equals)), text == kNoValue ? "" : decoded(text)};
  for (const std::string* part : {&value.column, &value.value}) {
    check_utf8(*part, [&] { return path; });
    if (part->find('\0') != std::string::npos) fail("{}: the folder's name holds a zero byte (%00); rename it", path);
  }
  return value;
}

void add_folder_value(const std::string& path, FolderValues& values) {
  std::optional<FolderValue> value = folder_value(path);
  if (!value) return;
  if (std::ranges::find(values, value->column, &FolderValue::column) != values.end())
    fail("{}: a folder above this one is called {}=…, too; a column has one value", path, value->column);
  values.push_back(std::move(*value));
}

std::string folder_hint(const std::string& path, std::string_view column) {
  for (std::filesystem::path folder = std::filesystem::path(path).parent_path(); folder.has_filename();
       folder = folder.parent_path()) {
    const std::string name = folder.filename().string();
    if (name.size() > column.size() && name.starts_with(column) && name[column.size()] == '=')
      return fmt::format(
          "; the folder {} gives it where a folder above that one is named, or a pattern in quotes that says {}=*",
          name, column);
  }
  return "";
}

void FolderColumns::set(const std::string& file, FolderValues values) {
  if (!values.empty()) files_.insert_or_assign(file, std::move(values));
}

const FolderValues& FolderColumns::of(const std::string& file) const {
  static const FolderValues kNone;
  const auto found = files_.find(file);
  return found == files_.end() ? kNone : found->second;
}

const std::string* FolderColumns::find(const std::string& file, std::string_view column) const {
  const FolderValues& values = of(file);
  const auto found = std::ranges::find(values, column, &FolderValue::column);
  return found == values.end() ? nullptr : &found->value;
}

void FolderColumns::check_same(const std::vector<std::string>& files) const {
  if (files_.empty() || files.empty()) return;
  const std::vector<std::string> first = sorted_columns(of(files.front()));
  for (const std::string& file : files)
    if (sorted_columns(of(file)) != first)
      fail_usage(
          "the folders of {} give other columns ({}) than those of {} ({}); all files need the same key=value folders "
          "below the folder or from the first * of the pattern that is named",
          file, column_list(of(file)), files.front(), column_list(of(files.front())));
}

}  // namespace mal
