#include "train/data/folder_blocks.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/error.h"
#include "train/data/missing_names.h"
#include "train/data/parse_number.h"
#include "train/data/sample_values.h"

namespace mal {

namespace {

double number_of_text(std::string_view text, const std::string& place) {
  if (const std::optional<double> value = parse_number(text)) return *value;
  if (MissingNames("NA").has(without_blanks(text))) return std::numeric_limits<double>::quiet_NaN();
  fail("{}: {}", place, why_no_number(text));
}

bool is_list(ColumnKind kind) {
  return kind == ColumnKind::ids || kind == ColumnKind::sequence || kind == ColumnKind::scores;
}

bool is_number(ColumnKind kind) {
  return kind == ColumnKind::scores || kind == ColumnKind::number || kind == ColumnKind::credit ||
         kind == ColumnKind::weight;
}

template <typename Value>
void repeat(const std::vector<Value>& row, std::int64_t rows, std::vector<Value>& out) {
  out.clear();
  out.reserve(row.size() * static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows; ++r) out.insert(out.end(), row.begin(), row.end());
}

}  // namespace

FolderBlocks::FolderBlocks(const ParquetFile& file, const Column& column, const std::string& text)
    : file_(file), list_(is_list(column.kind)) {
  if (text.empty()) return;
  const std::string place = file.path() + ":" + column.source;
  if (list_)
    split_checked_list(text, texts_, [&]() -> const std::string& { return place; });
  else
    texts_.push_back(text);
  type_ = SourceType::text;
  if (!is_number(column.kind)) return;
  type_ = SourceType::real;
  for (const std::string_view item : texts_) reals_.push_back(number_of_text(item, place));
  texts_.clear();
}

bool FolderBlocks::next(SourceBlock& block) {
  block.columns.assign(1, {});
  block.path = file_.path();
  block.first_row = done_;
  block.rows = std::min(ParquetColumn::kBlockRows, file_.rows() - done_);
  if (block.rows == 0) return false;
  done_ += block.rows;
  SourceColumn& column = block.columns.front();
  column.type = type_;
  column.list = list_;
  if (type_ == SourceType::none) return true;
  repeat(texts_, block.rows, column.texts);
  repeat(reals_, block.rows, column.reals);
  const auto items = static_cast<std::int64_t>(texts_.size() + reals_.size());
  for (std::int64_t r = 0; list_ && r <= block.rows; ++r) column.offsets.push_back(r * items);
  return true;
}

}  // namespace mal
