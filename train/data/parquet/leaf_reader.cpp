#include "train/data/parquet/leaf_reader.h"

#include <arrow/type.h>
#include <parquet/column_reader.h>

#include <algorithm>
#include <atomic>
#include <type_traits>
#include <vector>

#include "engine/error.h"
#include "train/data/parquet/arrow_columns.h"

namespace mal {

namespace {

using arrow::Type;

constexpr std::int64_t kLevels = 1 << 15;  // decoded at once
constexpr std::size_t kTextBytes = 1 << 16;

std::uint64_t next_dictionary() {
  static std::atomic<std::uint64_t> last = 0;
  return ++last;
}

// Copies of texts that lie in a page, which goes when the next one comes. What was added stays where it is.
class TextStore {
 public:
  std::string_view add(const parquet::ByteArray& text) {
    if (parts_.empty() || parts_.back().capacity() - parts_.back().size() < text.len)
      parts_.emplace_back().reserve(std::max<std::size_t>(kTextBytes, text.len));
    std::vector<char>& part = parts_.back();
    const std::size_t at = part.size();
    part.insert(part.end(), text.ptr, text.ptr + text.len);
    return {part.data() + at, text.len};
  }

 private:
  std::vector<std::vector<char>> parts_;
};

// How a stored number becomes one of SourceColumn.
struct Meaning {
  SourceType type = SourceType::none;
  bool without_sign = false;        // of 32 bits
  std::int64_t units_a_second = 1;  // of a time
  bool local = false;               // likewise: it has no time zone
  bool list = false;
  std::string type_name;
};

template <typename Physical>
class TypedLeafReader final : public LeafReader {
 public:
  using Value = typename Physical::c_type;
  static constexpr bool kTexts = std::is_same_v<Value, parquet::ByteArray>;
  static constexpr bool kReals = std::is_floating_point_v<Value>;

  TypedLeafReader(int leaf, parquet::internal::LevelInfo levels, Meaning meaning, std::string path)
      : leaf_(leaf), levels_(levels), meaning_(std::move(meaning)), path_(std::move(path)) {
    if (levels_.def_level > 0) defined_.resize(kLevels);
    if (meaning_.list) repeated_.resize(kLevels);
  }

  void open(parquet::RowGroupReader& group, std::int64_t rows) override {
    using Encoding = parquet::ExposedEncoding;
    // Reals are computed with, a code says nothing about them.
    auto reader = group.ColumnWithExposeEncoding(leaf_, kReals ? Encoding::NO_ENCODING : Encoding::DICTIONARY);
    reader_ = std::static_pointer_cast<parquet::TypedColumnReader<Physical>>(reader);
    coded_ = reader_->GetExposedEncoding() == Encoding::DICTIONARY;
    dictionary_ = coded_ ? next_dictionary() : 0;
    dictionary_size_ = -1;
    if (coded_)
      codes_.resize(kLevels);
    else
      values_.resize(kLevels);
    at_ = have_ = value_at_ = 0;
    rows_left_ = rows;
  }

  std::int64_t read(std::int64_t rows, SourceColumn& out) override {
    begin(out);
    rows = std::min(rows, rows_left_);
    const std::int64_t done = meaning_.list ? read_lists(rows, out) : read_flat(rows, out);
    rows_left_ -= done;
    if (rows_left_ == 0 && (at_ < have_ || reader_->HasNext()))
      fail("{}: a column has more rows than the footer says; the file is damaged", path_);
    if (coded_) give_dictionary(out);
    return done;
  }

 private:
  void begin(SourceColumn& out) {
    out.type = meaning_.type;
    out.type_name = meaning_.type_name;
    out.units_a_second = meaning_.units_a_second;
    out.local = meaning_.local;
    out.narrow = std::is_same_v<Value, float>;
    out.list = meaning_.list;
    out.offsets.clear();
    out.null_value.clear();
    out.codes.clear();
    taken_ = 0;
    if (coded_) return;  // the entries may still be the right ones
    out.dictionary = 0;
    out.integers.clear();
    out.reals.clear();
    out.texts.clear();
    if (kTexts) out.owner = store_ = std::make_shared<TextStore>();
  }

  void give_dictionary(SourceColumn& out) const {
    out.dictionary_ends = rows_left_ == 0;
    if (out.dictionary == dictionary_) return;
    out.dictionary = dictionary_;
    out.integers = dictionary_entries_.integers;
    out.texts = dictionary_entries_.texts;
    out.reals.clear();
    out.owner = reader_;
  }

  // Decodes the next levels and their values; false at the end of the row group.
  bool fill() {
    if (!reader_->HasNext()) return false;
    std::int16_t* defined = defined_.empty() ? nullptr : defined_.data();
    std::int16_t* repeated = repeated_.empty() ? nullptr : repeated_.data();
    std::int64_t values = 0;
    if (coded_) {
      const Value* entries = nullptr;
      std::int32_t size = 0;
      have_ = reader_->ReadBatchWithDictionary(kLevels, defined, repeated, codes_.data(), &values, &entries, &size);
      if (have_ > 0) take_dictionary(entries, size);
      check_codes(values);
    } else {
      have_ = reader_->ReadBatch(kLevels, defined, repeated, values_.data(), &values);
    }
    at_ = value_at_ = 0;
    values_read_ = values;
    return have_ > 0;
  }

  void take_dictionary(const Value* entries, std::int32_t size) {
    if (dictionary_size_ == size) return;
    if (dictionary_size_ >= 0) fail("{}: a column has two dictionaries; the file is damaged", path_);
    dictionary_size_ = size;
    dictionary_entries_ = SourceColumn();
    if constexpr (kTexts)
      for (std::int32_t i = 0; i < size; ++i)
        dictionary_entries_.texts.emplace_back(reinterpret_cast<const char*>(entries[i].ptr), entries[i].len);
    else
      append(entries, size, dictionary_entries_);
  }

  void check_codes(std::int64_t count) const {
    bool wrong = false;
    for (std::int64_t i = 0; i < count; ++i)
      wrong |= static_cast<std::uint32_t>(codes_[static_cast<std::size_t>(i)]) >=
               static_cast<std::uint32_t>(std::max(0, dictionary_size_));
    if (wrong) fail("{}: a value is in no dictionary; the file is damaged", path_);
  }

  void append(const Value* values, std::int64_t count, SourceColumn& out) {
    if constexpr (kTexts) {
      for (std::int64_t i = 0; i < count; ++i) out.texts.push_back(store_->add(values[i]));
    } else if constexpr (kReals) {
      out.reals.insert(out.reals.end(), values, values + count);
    } else {
      const std::size_t before = out.integers.size();
      out.integers.resize(before + static_cast<std::size_t>(count));
      std::int64_t* to = out.integers.data() + before;
      for (std::int64_t i = 0; i < count; ++i)
        to[i] = meaning_.without_sign ? static_cast<std::int64_t>(static_cast<std::uint32_t>(values[i]))
                                      : static_cast<std::int64_t>(values[i]);
    }
  }

  void append_null(SourceColumn& out) {
    ++taken_;
    if (coded_) return out.codes.push_back(0);
    if constexpr (kTexts) out.texts.emplace_back();
    if constexpr (kReals) out.reals.push_back(0);
    if constexpr (!kTexts && !kReals) out.integers.push_back(0);
  }

  // The values of the levels at_ to end − 1, `count` elements of which `known` are not null.
  void take_values(std::int64_t end, std::int64_t count, std::int64_t known, SourceColumn& out) {
    if (value_at_ + known > values_read_) fail("{}: a page has fewer values than it says; the file is damaged", path_);
    if (known == count) {
      take_run(count, out);
      if (!out.null_value.empty()) out.null_value.resize(taken_, 0);
    } else {
      out.null_value.resize(taken_, 0);
      for (std::int64_t i = at_; i < end; ++i) {
        const std::int16_t level = defined_[static_cast<std::size_t>(i)];
        if (level < levels_.repeated_ancestor_def_level) continue;
        const bool null = level < levels_.def_level;
        out.null_value.push_back(null ? 1 : 0);
        if (null)
          append_null(out);
        else
          take_run(1, out);
      }
    }
    at_ = end;
  }

  void take_run(std::int64_t count, SourceColumn& out) {
    if (coded_)
      out.codes.insert(out.codes.end(), codes_.begin() + value_at_, codes_.begin() + value_at_ + count);
    else
      append(values_.data() + value_at_, count, out);
    value_at_ += count;
    taken_ += static_cast<std::size_t>(count);
  }

  std::int64_t read_flat(std::int64_t rows, SourceColumn& out) {
    std::int64_t done = 0;
    while (done < rows && (at_ < have_ || fill())) {
      const std::int64_t count = std::min(rows - done, have_ - at_);
      std::int64_t known = count;
      if (!defined_.empty())
        known = std::count(defined_.begin() + at_, defined_.begin() + at_ + count, levels_.def_level);
      take_values(at_ + count, count, known, out);
      done += count;
    }
    return done;
  }

  // A row is complete where the next one begins, or at the end of the row group.
  std::int64_t read_lists(std::int64_t rows, SourceColumn& out) {
    out.offsets.resize(static_cast<std::size_t>(rows) + 1);
    std::int64_t begun = 0, elements = 0;
    while (at_ < have_ || fill()) {
      std::int64_t i = at_, known = 0;
      const std::int64_t before = elements;
      for (; i < have_; ++i) {
        if (repeated_[static_cast<std::size_t>(i)] == 0) {
          if (begun == rows) break;
          out.offsets[static_cast<std::size_t>(begun++)] = elements;
        }
        const std::int16_t level = defined_[static_cast<std::size_t>(i)];
        elements += level >= levels_.repeated_ancestor_def_level ? 1 : 0;
        known += level == levels_.def_level ? 1 : 0;
      }
      if (begun == 0) fail("{}: a row group begins within a row; the file is damaged", path_);
      take_values(i, elements - before, known, out);
      if (at_ < have_) break;
    }
    out.offsets.resize(static_cast<std::size_t>(begun) + 1);
    out.offsets.back() = elements;
    return begun;
  }

  int leaf_;
  parquet::internal::LevelInfo levels_;
  Meaning meaning_;
  std::string path_;
  std::shared_ptr<parquet::TypedColumnReader<Physical>> reader_;
  std::vector<std::int16_t> defined_, repeated_;
  std::vector<std::int32_t> codes_;
  std::vector<Value> values_;
  std::shared_ptr<TextStore> store_;
  bool coded_ = false;
  std::uint64_t dictionary_ = 0;
  std::int32_t dictionary_size_ = -1;  // −1: not yet seen
  SourceColumn dictionary_entries_;
  std::int64_t at_ = 0, have_ = 0;               // of the decoded levels
  std::int64_t value_at_ = 0, values_read_ = 0;  // of their values
  std::int64_t rows_left_ = 0;                   // of the row group
  std::size_t taken_ = 0;                        // values of the block, nulls too
};

// Integers, whose physical type may be wider than they are, and times.
bool is_plain_integer(Type::type type) {
  return arrow::is_integer(type) || type == Type::TIMESTAMP;
}

bool is_text(Type::type type) {
  return type == Type::STRING || type == Type::BINARY;
}

}  // namespace

std::unique_ptr<LeafReader> make_leaf_reader(const parquet::arrow::SchemaField& field,
                                             const parquet::SchemaDescriptor& schema, const std::string& path) {
  Meaning meaning;
  meaning.list = field.field->type()->id() == Type::LIST;
  if (meaning.list && field.children.size() != 1) return nullptr;
  const parquet::arrow::SchemaField& leaf = meaning.list ? field.children.front() : field;
  if (!leaf.is_leaf()) return nullptr;
  const parquet::ColumnDescriptor& column = *schema.Column(leaf.column_index);
  if (column.max_repetition_level() != (meaning.list ? 1 : 0)) return nullptr;
  const arrow::DataType& type = *leaf.field->type();
  meaning.type = source_type(type);
  meaning.type_name = field.field->type()->ToString();
  meaning.without_sign = type.id() == Type::UINT32;
  if (type.id() == Type::TIMESTAMP) {
    meaning.units_a_second = units_a_second(type);
    meaning.local = without_zone(type);
  }
  const auto make = [&]<typename Physical>(bool wanted) -> std::unique_ptr<LeafReader> {
    if (!wanted) return nullptr;
    return std::make_unique<TypedLeafReader<Physical>>(leaf.column_index, leaf.level_info, meaning, path);
  };
  switch (column.physical_type()) {
    case parquet::Type::INT32:
      return make.operator()<parquet::Int32Type>(is_plain_integer(type.id()));
    case parquet::Type::INT64:
      return make.operator()<parquet::Int64Type>(is_plain_integer(type.id()));
    case parquet::Type::FLOAT:
      return make.operator()<parquet::FloatType>(type.id() == Type::FLOAT);
    case parquet::Type::DOUBLE:
      return make.operator()<parquet::DoubleType>(type.id() == Type::DOUBLE);
    case parquet::Type::BYTE_ARRAY:
      return make.operator()<parquet::ByteArrayType>(is_text(type.id()));
    default:
      return nullptr;
  }
}

}  // namespace mal
