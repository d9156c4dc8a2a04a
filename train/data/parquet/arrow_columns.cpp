#include "train/data/parquet/arrow_columns.h"

#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/utf8.h>

#include <algorithm>

#include "engine/error.h"

namespace mal {

namespace {

using arrow::Type;

constexpr std::int64_t kDayMilliseconds = 86'400'000;

}  // namespace

SourceType source_type(const arrow::DataType& type) {
  switch (type.id()) {
    case Type::NA:
      return SourceType::none;
    case Type::BOOL:
    case Type::INT8:
    case Type::INT16:
    case Type::INT32:
    case Type::INT64:
    case Type::UINT8:
    case Type::UINT16:
    case Type::UINT32:
      return SourceType::integer;
    case Type::UINT64:
      return SourceType::natural;
    case Type::TIMESTAMP:
      return SourceType::time;
    case Type::DATE32:
    case Type::DATE64:
      return SourceType::date;
    case Type::FLOAT:
    case Type::DOUBLE:
      return SourceType::real;
    case Type::STRING:
    case Type::BINARY:
      return SourceType::text;
    default:
      return SourceType::none;
  }
}

std::int64_t units_a_second(const arrow::DataType& timestamp) {
  switch (static_cast<const arrow::TimestampType&>(timestamp).unit()) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1'000;
    case arrow::TimeUnit::MICRO:
      return 1'000'000;
    case arrow::TimeUnit::NANO:
      return 1'000'000'000;
  }
  return 1;
}

bool without_zone(const arrow::DataType& timestamp) {
  return static_cast<const arrow::TimestampType&>(timestamp).timezone().empty();
}

namespace {

// Appends the values of an array that is no list.
class ValueAppender {
 public:
  explicit ValueAppender(SourceColumn& out) : out_(out) {}

  void append(const arrow::Array& array) {
    switch (array.type_id()) {
      case Type::BOOL:
        return append_bools(static_cast<const arrow::BooleanArray&>(array));
      case Type::INT8:
        return append_integers<arrow::Int8Array>(array);
      case Type::INT16:
        return append_integers<arrow::Int16Array>(array);
      case Type::INT32:
        return append_integers<arrow::Int32Array>(array);
      case Type::INT64:
        return append_integers<arrow::Int64Array>(array);
      case Type::UINT8:
        return append_integers<arrow::UInt8Array>(array);
      case Type::UINT16:
        return append_integers<arrow::UInt16Array>(array);
      case Type::UINT32:
        return append_integers<arrow::UInt32Array>(array);
      case Type::UINT64:
        return append_integers<arrow::UInt64Array>(array);
      case Type::TIMESTAMP:
        return append_integers<arrow::TimestampArray>(array);
      case Type::DATE32:
        return append_integers<arrow::Date32Array>(array);
      case Type::DATE64:
        append_integers<arrow::Date64Array>(array);
        return make_days(array.length());
      case Type::FLOAT:
        return append_reals<arrow::FloatArray>(array);
      case Type::DOUBLE:
        return append_reals<arrow::DoubleArray>(array);
      case Type::STRING:
        return append_texts<arrow::StringArray>(array);
      case Type::BINARY:
        return append_texts<arrow::BinaryArray>(array);
      default:
        return;  // NA: there are no values
    }
  }

 private:
  template <typename Array>
  void append_integers(const arrow::Array& array) {
    const auto* values = static_cast<const Array&>(array).raw_values();
    const std::size_t before = out_.integers.size();
    out_.integers.resize(before + static_cast<std::size_t>(array.length()));
    std::transform(values, values + array.length(), out_.integers.begin() + static_cast<std::ptrdiff_t>(before),
                   [](auto value) { return static_cast<std::int64_t>(value); });
  }
  void append_bools(const arrow::BooleanArray& array) {
    for (std::int64_t i = 0; i < array.length(); ++i) out_.integers.push_back(array.Value(i) ? 1 : 0);
  }
  void make_days(std::int64_t count) {
    for (auto i = out_.integers.end() - count; i != out_.integers.end(); ++i)
      *i = *i / kDayMilliseconds - (*i % kDayMilliseconds < 0 ? 1 : 0);
  }
  template <typename Array>
  void append_reals(const arrow::Array& array) {
    const auto* values = static_cast<const Array&>(array).raw_values();
    const std::size_t before = out_.reals.size();
    out_.reals.resize(before + static_cast<std::size_t>(array.length()));
    std::transform(values, values + array.length(), out_.reals.begin() + static_cast<std::ptrdiff_t>(before),
                   [](auto value) { return static_cast<double>(value); });
  }
  template <typename Array>
  void append_texts(const arrow::Array& array) {
    const auto& texts = static_cast<const Array&>(array);
    for (std::int64_t i = 0; i < texts.length(); ++i) out_.texts.push_back(texts.GetView(i));
  }

  SourceColumn& out_;
};

void append_values(const arrow::Array& array, SourceColumn& out) {
  ValueAppender(out).append(array);
  if (array.null_count() == 0) return;
  out.null_value.resize(static_cast<std::size_t>(array.length()));
  for (std::int64_t i = 0; i < array.length(); ++i)
    out.null_value[static_cast<std::size_t>(i)] = array.IsNull(i) ? 1 : 0;
}

// Lists stand one behind the other, and a null one has no values, so that the values of all rows are one slice.
void append_lists(const arrow::ListArray& lists, SourceColumn& out) {
  const std::int64_t first = lists.value_offset(0);
  out.offsets.resize(static_cast<std::size_t>(lists.length()) + 1);
  for (std::size_t r = 0; r < out.offsets.size(); ++r) out.offsets[r] = lists.raw_value_offsets()[r] - first;
  append_values(*lists.values()->Slice(first, out.offsets.back()), out);
}

const arrow::DataType& value_type(const arrow::DataType& type) {
  return type.id() == Type::LIST ? *static_cast<const arrow::ListType&>(type).value_type() : type;
}

}  // namespace

void fail_arrow(const std::string& what, const arrow::Status& status) {
  std::string text = status.message();
  std::ranges::replace(text, '\n', ' ');
  fail("{}: {}", what, text);
}

void check_column_type(const arrow::DataType& type, const std::string& where) {
  const arrow::DataType& inner = value_type(type);
  if (inner.id() == Type::NA || source_type(inner) != SourceType::none) return;
  fail(
      "{}: the column is {}; integers, floating-point numbers, text, timestamps and lists of them can be read, so cast "
      "it",
      where, type.ToString());
}

void convert_column(const std::shared_ptr<arrow::Array>& array, SourceColumn& out) {
  out.type = source_type(value_type(*array->type()));
  out.list = array->type_id() == Type::LIST;
  const arrow::DataType& type = value_type(*array->type());
  out.units_a_second = type.id() == Type::TIMESTAMP ? units_a_second(type) : 1;
  out.local = type.id() == Type::TIMESTAMP && without_zone(type);
  out.narrow = type.id() == Type::FLOAT;
  out.type_name = array->type()->ToString();
  out.offsets.clear();
  out.integers.clear();
  out.reals.clear();
  out.texts.clear();
  out.null_value.clear();
  out.codes.clear();
  out.dictionary = 0;
  out.owner = array;
  if (out.list)
    append_lists(static_cast<const arrow::ListArray&>(*array), out);
  else
    append_values(*array, out);
}

bool all_utf8(const SourceColumn& column) {
  return std::ranges::all_of(column.texts, [](std::string_view text) {
    return arrow::util::ValidateUTF8(reinterpret_cast<const std::uint8_t*>(text.data()),
                                     static_cast<std::int64_t>(text.size()));
  });
}

std::optional<std::int64_t> row_of_wrong_text(const SourceColumn& column) {
  for (std::size_t i = 0; i < column.values(); ++i) {
    if (column.is_null(i)) continue;
    const std::string_view text = column.texts[column.place(i)];
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    if (arrow::util::ValidateUTF8(bytes, static_cast<std::int64_t>(text.size()))) continue;
    if (!column.list) return static_cast<std::int64_t>(i);
    const auto after = std::ranges::upper_bound(column.offsets, static_cast<std::int64_t>(i));
    return after - column.offsets.begin() - 1;
  }
  return std::nullopt;
}

}  // namespace mal
