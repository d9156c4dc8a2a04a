// The values of one user or one ad, turned into table rows and numbers as the training data was. Encoding happens in
// set(): an ad's Features can be kept and scored for many users.
#pragma once

#include "model/inference/source/state.h"

namespace mal::infer {

// A column found once by name, for hot loops.
struct Column {
  int index = -1;
  bool valid() const noexcept { return index >= 0; }
};

// What set() met that the training data did not have; never an error, never silent.
struct FeatureCounts {
  std::uint64_t unseen = 0;     // ids without a row of their own: they get row 0
  std::uint64_t empty = 0;      // ids given as empty text: row 0 too
  std::uint64_t truncated = 0;  // lists longer than the column; the oldest, first items were dropped
  std::uint64_t clamped = 0;    // scores outside [−1, 1]
  std::uint64_t missing = 0;    // numbers given as NaN, or as text that says so
};

class Features {
 public:
  // One value as text, as in a sample file: an id, a number, or a list with '|' between its items. Empty text is an
  // unknown id or an empty list, and a missing number where the schema says what stands for it (as NA, NULL, nan …
  // are).
  Status try_set(std::string_view column, std::string_view text) { return try_set_named(column, text); }
  Status try_set(Column column, std::string_view text);
  // A whole number: the id with that text, or the value of a number column.
  Status try_set(std::string_view column, std::int64_t value) { return try_set_named(column, value); }
  Status try_set(Column column, std::int64_t value);
  // A number; NaN is a missing one.
  Status try_set(std::string_view column, double value) { return try_set_named(column, value); }
  Status try_set(Column column, double value);
  // Lists: ids as texts or whole numbers, scores as floats; the oldest first.
  Status try_set(Column column, const std::string_view* values, std::size_t count);
  Status try_set(Column column, const std::int64_t* values, std::size_t count);
  Status try_set(Column column, const float* values, std::size_t count);
  // Rows of the column's embedding table, for callers that keep them (row_of).
  Status try_set_rows(Column column, const std::int32_t* rows, std::size_t count);
  // A number that is transformed and standardised already, as a data set stores it; NaN is a missing one.
  Status try_set_scaled(Column column, float value);

  Column find(std::string_view column) const noexcept { return {state_->find_column(column)}; }
  void clear() noexcept {  // as new; keeps its memory
    std::fill(given_.begin(), given_.end(), 0);
    counts_ = {};
    waiting_count_ = 0;
  }
  const FeatureCounts& counts() const noexcept {
    settle();
    return counts_;
  }

#if MAL_INFER_EXCEPTIONS
  template <typename Where, typename Value>
  void set(Where column, const Value& value) {
    set_any(as_column(column), value);
  }
  template <typename Where, typename Value>
  void set(Where column, const Value* values, std::size_t count) {
    detail::raise(try_set(as_column(column), values, count));
  }
#endif

 private:
  friend class Model;
  friend class Scorer;
  using Spec = detail::ColumnSpec;

  explicit Features(std::shared_ptr<const detail::State> state)
      : state_(std::move(state)),
        ids_(state_->schema.id_cells),
        values_(state_->schema.value_cells),
        lengths_(state_->schema.columns.size()),
        given_(state_->required.size()) {}

#if MAL_INFER_EXCEPTIONS
  Column as_column(Column column) const {
    return column;
  }
  Column as_column(std::string_view name) const {
    const Column column = find(name);
    if (!column.valid()) detail::raise(unknown(name));
    return column;
  }
  void set_any(Column column, std::string_view text) {
    detail::raise(try_set(column, text));
  }
  void set_any(Column column, const char* text) {
    detail::raise(try_set(column, std::string_view(text)));
  }
  void set_any(Column column, const std::string& text) {
    detail::raise(try_set(column, std::string_view(text)));
  }
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic<Number>::value>>
  void set_any(Column column, Number value) {
    using Wide = std::conditional_t<std::is_integral<Number>::value, std::int64_t, double>;
    detail::raise(try_set(column, static_cast<Wide>(value)));
  }
  template <typename Item>
  void set_any(Column column, const std::vector<Item>& list) {
    detail::raise(try_set(column, list.data(), list.size()));
  }
#endif

  template <typename Value>
  Status try_set_named(std::string_view name, Value value) {
    const Column column = find(name);
    return column.valid() ? try_set(column, value) : unknown(name);
  }
  static Status unknown(std::string_view name) {
    return detail::refuse("the model reads no column ", name, "; Model::columns() lists them");
  }
  Status wrong(Column column, const char* what) const {
    if (!in_range(column)) return detail::refuse("the model does not read such a column; Model::columns() lists them");
    return detail::refuse("column ", spec(column).name, what);
  }
  bool in_range(Column column) const {
    return column.index >= 0 && static_cast<std::size_t>(column.index) < lengths_.size();
  }
  const Spec& spec(Column column) const {
    return state_->schema.columns[static_cast<std::size_t>(column.index)];
  }
  bool is(Column column, Kind kind) const {
    return in_range(column) && spec(column).kind == kind;
  }
  bool is_id_list(Column column) const {
    return in_range(column) && (spec(column).kind == Kind::ids || spec(column).kind == Kind::sequence);
  }

  struct Digits {
    char text[24];
  };
  static std::string_view as_text(std::string_view value, Digits&) {
    return value;
  }
  static std::string_view as_text(std::int64_t value, Digits& digits) {
    const auto end = std::to_chars(digits.text, digits.text + sizeof(digits.text), value).ptr;
    return {digits.text, static_cast<std::size_t>(end - digits.text)};
  }
  const detail::Table& table_of(const Spec& column) const {
    return state_->tables[static_cast<std::size_t>(column.table)];
  }
  static std::int32_t hashed(const detail::Table& table, std::string_view value) {
    return static_cast<std::int32_t>(detail::xxh3_64(value) & (table.hash - 1));
  }
  static bool is_missing(std::string_view text);
  Status set_number(Column column, float stored);
  void set_id(Column column, std::string_view value);
  void settle_waiting() const;
  void settle() const {
    if (waiting_count_ > 0) settle_waiting();
  }
  // At most Lookup::kTogether values.
  void find_rows(const Spec& column, const std::string_view* values, std::size_t n, std::int32_t* out) const {
    const detail::Table& table = table_of(column);
    detail::Lookup lookups[detail::Lookup::kTogether];
    if (table.hash == 0) {
      for (std::size_t i = 0; i < n; ++i) lookups[i].start(table.vocabulary, values[i]);
      detail::Lookup::finish(lookups, n);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const bool empty = values[i].empty();
      out[i] = empty ? 0 : table.hash != 0 ? hashed(table, values[i]) : lookups[i].row;
      detail::prefetch(table.row(out[i]));  // the scorer reads it soon
      counts_.empty += empty ? 1 : 0;
      counts_.unseen += !empty && table.hash == 0 && out[i] == 0 ? 1 : 0;
    }
  }
  void done(Column column, std::size_t length) {
    const auto c = static_cast<std::size_t>(column.index);
    lengths_[c] = static_cast<std::int32_t>(length);
    given_[c / 64] |= std::uint64_t{1} << c % 64;
  }
  void forget(Column column) {  // until done(): a value that fails halfway is no value
    const auto c = static_cast<std::size_t>(column.index);
    given_[c / 64] &= ~(std::uint64_t{1} << c % 64);
  }
  // The first item that is kept: a list that is too long loses its oldest.
  std::size_t newest(const Spec& column, std::size_t count) {
    if (count <= column.length) return 0;
    ++counts_.truncated;
    return count - column.length;
  }
  bool add_score(const Spec& column, std::size_t at, double score) {
    if (!std::isfinite(score)) return false;
    counts_.clamped += score < -1 || score > 1 ? 1 : 0;
    values_[column.cells + at] = static_cast<float>(std::min(1.0, std::max(-1.0, score)));
    return true;
  }
  template <typename T>
  Status set_ids(Column column, const T* values, std::size_t count);
  Status set_list_text(Column column, std::string_view text);

  std::shared_ptr<const detail::State> state_;
  // Single ids wait with a copy of their text until several can be looked up together, at the latest when somebody
  // asks: what is mutable is what that settles.
  struct Waiting {
    detail::Lookup lookup;
    Digits digits;
    std::size_t size = 0, cell = 0;
    const detail::Table* table = nullptr;
  };
  mutable std::vector<std::int32_t> ids_;
  std::vector<float> values_;
  std::vector<std::int32_t> lengths_;
  std::vector<std::uint64_t> given_;
  mutable FeatureCounts counts_;
  mutable std::array<Waiting, 12> waiting_;
  mutable std::size_t waiting_count_ = 0;
};

inline void Features::set_id(Column column, std::string_view value) {
  const Spec& s = spec(column);
  const detail::Table& table = table_of(s);
  Digits digits;
  if (value.empty() || table.hash != 0 || value.size() > sizeof(digits.text)) {
    settle();  // an older value of this column must not come later
    find_rows(s, &value, 1, ids_.data() + s.cells);
  } else {
    if (waiting_count_ == waiting_.size()) settle();
    Waiting& waiting = waiting_[waiting_count_++];
    std::copy(value.begin(), value.end(), waiting.digits.text);
    waiting.size = value.size();
    waiting.cell = s.cells;
    waiting.table = &table;
    waiting.lookup.start(table.vocabulary, value);
  }
  done(column, 1);
}

inline void Features::settle_waiting() const {
  detail::Lookup lookups[std::tuple_size<decltype(waiting_)>::value];
  for (std::size_t i = 0; i < waiting_count_; ++i) {
    lookups[i] = waiting_[i].lookup;
    lookups[i].value = {waiting_[i].digits.text, waiting_[i].size};
  }
  detail::Lookup::finish(lookups, waiting_count_);
  for (std::size_t i = 0; i < waiting_count_; ++i) {
    ids_[waiting_[i].cell] = lookups[i].row;
    detail::prefetch(waiting_[i].table->row(lookups[i].row));
    counts_.unseen += lookups[i].row == 0 ? 1 : 0;
  }
  waiting_count_ = 0;
}

inline Status Features::try_set(Column column, std::string_view text) {
  if (!in_range(column)) return wrong(column, "");
  forget(column);
  const Spec& s = spec(column);
  if (s.kind == Kind::id) {
    set_id(column, text);
    return {};
  }
  if (s.kind != Kind::number) return set_list_text(column, text);
  double value = 0;
  if (detail::JsonParser::parse_real(text.data(), text.data() + text.size(), value)) return try_set(column, value);
  if (!is_missing(text)) return wrong(column, ": this text is no number");
  return set_number(column, std::numeric_limits<float>::quiet_NaN());
}

// What mal_data prepare takes for a missing number.
inline bool Features::is_missing(std::string_view text) {
  constexpr std::string_view kTexts[] = {"",     "\\N", "NULL", "null", "nan",  "NaN",       "NAN",
                                         "None", "NaT", "<NA>", "N/A",  "#N/A", "undefined", "NA"};
  return std::find(std::begin(kTexts), std::end(kTexts), text) != std::end(kTexts);
}

// As the network gets it; NaN: missing.
inline Status Features::set_number(Column column, float stored) {
  const Spec& s = spec(column);
  const bool missing = std::isnan(stored);
  if (missing && !s.fillable)
    return wrong(column, ": the number is missing, and the schema has no `default` or `missing: indicator` for it");
  values_[s.cells] = missing ? s.fill : stored;
  if (s.indicator) values_[s.cells + 1] = missing ? 1.0F : 0.0F;
  counts_.missing += missing ? 1 : 0;
  done(column, 1);
  return {};
}

inline Status Features::try_set(Column column, std::int64_t value) {
  if (is(column, Kind::number)) return try_set(column, static_cast<double>(value));
  if (!is(column, Kind::id)) return wrong(column, ": one whole number is no value of this kind of column");
  Digits digits;
  set_id(column, as_text(value, digits));
  return {};
}

inline Status Features::try_set(Column column, double value) {
  if (!is(column, Kind::number)) return wrong(column, ": a real number is a value of number columns alone");
  forget(column);
  const Spec& s = spec(column);
  if (std::isnan(value)) return set_number(column, std::numeric_limits<float>::quiet_NaN());
  if (std::isinf(value)) return wrong(column, ": infinity is no value");
  if (s.log1p && value <= -1) return wrong(column, ": log(1 + x) is not defined at or below -1");
  const auto stored = static_cast<float>(((s.log1p ? std::log1p(value) : value) - s.mean) / s.deviation);
  if (!std::isfinite(stored)) return wrong(column, ": the value is too large");
  return set_number(column, stored);
}

template <typename T>
Status Features::set_ids(Column column, const T* values, std::size_t count) {
  if (!is_id_list(column)) return wrong(column, ": a list of ids is a value of ids and sequence columns alone");
  if (values == nullptr && count > 0) return wrong(column, ": the list is null");
  forget(column);
  const Spec& s = spec(column);
  const std::size_t first = newest(s, count);
  constexpr std::size_t kTogether = detail::Lookup::kTogether;
  Digits digits[kTogether];
  std::string_view texts[kTogether];
  for (std::size_t i = first; i < count; i += kTogether) {
    const std::size_t n = std::min(kTogether, count - i);
    for (std::size_t k = 0; k < n; ++k) texts[k] = as_text(values[i + k], digits[k]);
    find_rows(s, texts, n, ids_.data() + s.cells + i - first);
  }
  done(column, count - first);
  return {};
}
inline Status Features::try_set(Column column, const std::string_view* values, std::size_t count) {
  return set_ids(column, values, count);
}
inline Status Features::try_set(Column column, const std::int64_t* values, std::size_t count) {
  return set_ids(column, values, count);
}

inline Status Features::try_set(Column column, const float* values, std::size_t count) {
  if (!is(column, Kind::scores)) return wrong(column, ": a list of floats is a value of scores columns alone");
  if (values == nullptr && count > 0) return wrong(column, ": the list is null");
  forget(column);
  const Spec& s = spec(column);
  const std::size_t first = newest(s, count);
  for (std::size_t i = first; i < count; ++i)
    if (!add_score(s, i - first, static_cast<double>(values[i]))) return wrong(column, ": a score is NaN or infinite");
  done(column, count - first);
  return {};
}

inline Status Features::try_set_rows(Column column, const std::int32_t* rows, std::size_t count) {
  if (!is_id_list(column) && !is(column, Kind::id)) return wrong(column, ": it has no embedding table");
  const Spec& s = spec(column);
  const std::uint64_t limit = state_->tables[static_cast<std::size_t>(s.table)].rows;
  if ((rows == nullptr && count > 0) || count > s.length || (s.kind == Kind::id && count != 1))
    return wrong(column, ": so many rows do not fit");
  for (std::size_t i = 0; i < count; ++i)
    if (rows[i] < 0 || static_cast<std::uint64_t>(rows[i]) >= limit)
      return wrong(column, ": a row is not in its table");
  settle();  // an older value of this column must not come later
  if (count > 0) std::copy_n(rows, count, ids_.begin() + static_cast<std::ptrdiff_t>(s.cells));
  done(column, count);
  return {};
}

inline Status Features::try_set_scaled(Column column, float value) {
  if (!is(column, Kind::number) || std::isinf(value)) return wrong(column, ": it takes one finite number");
  forget(column);
  return set_number(column, value);
}

// '|' between items; an empty field is an empty list, an empty item an unknown id.
inline Status Features::set_list_text(Column column, std::string_view text) {
  const Spec& s = spec(column);
  const auto items = static_cast<std::size_t>(std::count(text.begin(), text.end(), '|')) + (text.empty() ? 0 : 1);
  const std::size_t first = newest(s, items);
  constexpr std::size_t kTogether = detail::Lookup::kTogether;
  std::string_view texts[kTogether];
  for (std::size_t i = 0; i < items; ++i) {
    const std::size_t end = std::min(text.size(), text.find('|'));
    const std::string_view item = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    if (i < first) continue;
    const std::size_t at = i - first;
    if (s.kind != Kind::scores) {
      texts[at % kTogether] = item;
      if (at % kTogether == kTogether - 1 || i + 1 == items)
        find_rows(s, texts, at % kTogether + 1, ids_.data() + s.cells + at / kTogether * kTogether);
      continue;
    }
    double score = 0;
    if (!detail::JsonParser::parse_real(item.data(), item.data() + item.size(), score) || !add_score(s, at, score))
      return wrong(column, ": an item is no number");
  }
  done(column, items - first);
  return {};
}

}  // namespace mal::infer
