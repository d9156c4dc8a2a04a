#include "train/attribution/key_columns.h"

#include <algorithm>

#include "engine/error.h"
#include "train/attribution/click_sink.h"
#include "train/attribution/text.h"

namespace mal {

KeyColumns::KeyColumns(const std::string& names) : option_(names), names_(column_names(names, "--key")) {}

void KeyColumns::open(const TextTable& table) {
  const auto missing = [&](const std::string& name) { return !table.find(name); };
  if (names_.size() > 1 && std::ranges::any_of(names_, missing) && table.find(option_))
    fail("{}: --key {} names {} columns, and there is one with that name; write --key '\"{}\"' for it", table.path(),
         option_, names_.size(), option_);
  columns_.clear();
  for (const std::string& name : names_) columns_.push_back(table.require(name, "--key"));
}

std::string_view KeyColumns::operator()(const TextTable& table, const MissingNames& missing) {
  if (columns_.size() == 1) return checked_name(table, columns_.front(), missing);
  for (const int column : columns_) checked_name(table, column, missing);
  return join(table);
}

std::string_view KeyColumns::text(const TextTable& table) {
  return columns_.size() == 1 ? table.field(columns_.front()) : join(table);
}

std::string_view KeyColumns::join(const TextTable& table) {
  text_.clear();
  for (const int column : columns_) {
    if (column != columns_.front()) text_ += ',';
    append_field(text_, table.field(column));
  }
  return text_;
}

}  // namespace mal
