#include "train/data/text_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "train/config/suggest.h"
#include "train/data/byte_source.h"
#include "train/data/parquet/parquet_text.h"
#include "train/data/parse_number.h"
#include "train/data/sample_values.h"
#include "train/data/text_dialect.h"

namespace mal {

namespace {

constexpr std::size_t kBlock = 1 << 20, kSmallestBlock = 1 << 14;
constexpr std::size_t kMaxLine = 16 << 20;
constexpr std::size_t kMaxColumns = 1 << 16;
constexpr std::size_t kShownText = 40;  // of a wrong value, in messages

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 30;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, names.size()); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() > kShown ? text + ", …" : text;
}

}  // namespace

struct TextTable::State {
  State(const std::string& file, TextTableOptions given)
      : path(file),
        options(std::move(given)),
        source(file, options.time.utc_offset),
        block(std::clamp(static_cast<std::size_t>(source.total()), kSmallestBlock, kBlock)) {}

  bool read_line();
  void split();
  void unquote(std::size_t& at);
  void add_field(std::size_t begin, std::size_t end) { fields.emplace_back(begin, end); }

  bool is_real(int column) const {
    return source.is_table() && source.table()->type(static_cast<std::size_t>(column)) == SourceType::real;
  }
  bool is_narrow(int column) const { return source.table()->narrow(static_cast<std::size_t>(column)); }

  std::string path;
  TextTableOptions options;
  ByteSource source;
  std::size_t block;  // bytes that are asked for at once: a small file needs no large buffer
  void check_encoding() const;
  void read_header();
  std::string delimiter_hint(std::string_view text) const;
  void index_columns();

  std::vector<std::string> columns;
  std::unordered_map<std::string_view, int> index;  // of the columns, whose text it points to
  std::vector<char> buffer;
  std::size_t next_byte = 0, filled = 0;
  bool at_end = false;
  char* line = nullptr;  // of the current row, in the buffer; quotes are removed in place
  std::size_t length = 0;
  std::int64_t line_number = 0;
  bool quoted = false;      // a field of the current row was
  bool unfinished = false;  // the current row is the last and has no line end
  std::vector<std::pair<std::size_t, std::size_t>> fields;
  char delimiter = ',';
};

// Finds the next line in the buffer, reading more where needed.
bool TextTable::State::read_line() {
  std::size_t searched = next_byte;
  while (true) {
    const void* found = filled > searched ? std::memchr(buffer.data() + searched, '\n', filled - searched) : nullptr;
    if (found != nullptr || (at_end && next_byte < filled)) {
      line = buffer.data() + next_byte;
      const std::size_t end =
          found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data()) : filled;
      length = end - next_byte;
      next_byte = std::min(filled, end + 1);
      unfinished = found == nullptr;
      ++line_number;
      if (length > 0 && line[length - 1] == '\r') --length;
      return true;
    }
    if (at_end) return false;
    if (filled - next_byte > kMaxLine)
      fail("{}:{}: a line is longer than 16 MiB; is this a text table?", path, line_number + 1);
    if (next_byte > 0)
      std::copy(buffer.begin() + static_cast<std::ptrdiff_t>(next_byte),
                buffer.begin() + static_cast<std::ptrdiff_t>(filled), buffer.begin());
    filled -= next_byte;
    searched = filled;
    next_byte = 0;
    if (buffer.size() < filled + block) buffer.resize(filled + block);
    const std::size_t got = source.read(buffer.data() + filled, block, line_number + 1);
    filled += got;
    at_end = got == 0;
  }
}

// A quoted field from its opening quote; moves its text to the left over the quotes.
void TextTable::State::unquote(std::size_t& at) {
  quoted = true;
  const std::size_t begin = at;
  std::size_t out = at;
  for (++at; at < length; ++at) {
    if (line[at] != '"') {
      line[out++] = line[at];
    } else if (at + 1 < length && line[at + 1] == '"') {
      line[out++] = line[at++];
    } else {
      ++at;
      if (at < length && line[at] != delimiter)
        fail("{}:{}: text follows a closing quote; write \"\" for a quote inside a quoted field", path, line_number);
      add_field(begin, out);
      return;
    }
  }
  fail("{}:{}: a quoted field does not end on its line; line breaks inside fields are not supported", path,
       line_number);
}

void TextTable::State::split() {
  fields.clear();
  quoted = false;
  if (std::memchr(line, '\0', length) != nullptr)
    fail("{}:{}: the line holds a zero byte; is this a text table?", path, line_number);
  std::size_t at = 0;
  while (true) {
    if (fields.size() == kMaxColumns)
      fail("{}:{}: the line has more than {} fields; is this a text table?", path, line_number, kMaxColumns);
    if (at < length && line[at] == '"') {
      unquote(at);
    } else {
      const void* found = at < length ? std::memchr(line + at, delimiter, length - at) : nullptr;
      const std::size_t end =
          found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - line) : length;
      add_field(at, end);
      at = end;
    }
    if (at >= length) return;
    ++at;  // the delimiter
  }
}

// Of the header: what an editor or a spreadsheet may have made of the file. split() sees zero bytes.
void TextTable::State::check_encoding() const {
  const std::string_view text(line, length);
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF"))
    fail("{}:1: the file is UTF-16; convert it, for example with iconv -f UTF-16 -t UTF-8", path);
  const auto strange = [](char c) { return c > 0 && c < ' ' && c != '\t' && c != '\r'; };
  if (std::ranges::any_of(text, strange))
    fail("{}:1: the header holds a control character; is this a text table?", path);
  if (text.find('\r') != std::string_view::npos && text.find('\0') == std::string_view::npos)
    fail("{}:1: lines end in a carriage return alone; convert them, for example with tr '\\r' '\\n'", path);
}

void TextTable::State::index_columns() {
  const std::string place = options.columns.empty() ? path + ":1" : "--columns";
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].empty()) fail("{}: column {} of the header has no name", place, c + 1);
    if (!index.emplace(columns[c], static_cast<int>(c)).second)
      fail("{}: column '{}' stands twice in the header", place, columns[c]);
  }
}

// The first line: names, or with `--columns` a row, which is left for next().
void TextTable::State::read_header() {
  if (!read_line()) fail("{}: the file is empty; it needs a header line and rows", path);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (std::string_view(line, length).starts_with(kByteOrderMark)) {
    line += kByteOrderMark.size();
    length -= kByteOrderMark.size();
  }
  delimiter = source.is_table() ? ',' : options.delimiter;
  if (const std::optional<char> separator = excel_separator({line, length}); separator && !source.is_table()) {
    if (delimiter == 0) delimiter = *separator;
    if (!read_line()) fail("{}: there is no header line after '{}'", path, std::string_view(line, length));
  }
  if (options.columns.empty()) check_encoding();
  if (delimiter == 0)
    delimiter = find_delimiter({line, length}, options.columns.size(), fmt::format("{}:{}", path, line_number));
  if (!options.columns.empty()) {
    columns = options.columns;
    next_byte = static_cast<std::size_t>(line - buffer.data());
    --line_number;
  } else {
    split();
    for (const auto& [begin, end] : fields) columns.emplace_back(line + begin, end - begin);
  }
  if (source.is_table()) line_number = 0;  // rows are counted, from 1
}

// For an error that a wrong delimiter may have caused: `text` was not divided where it could be.
std::string TextTable::State::delimiter_hint(std::string_view text) const {
  if (source.is_table() || options.delimiter != 0) return "";
  for (const char other : {'\t', ';', '|'})
    if (other != delimiter && text.find(other) != std::string_view::npos)
      return fmt::format("; columns were divided at {}: if {} separates them, give --delimiter {}",
                         delimiter_name(delimiter), delimiter_name(other),
                         other == '\t' ? "tab" : delimiter_name(other));
  return "";
}

TextTable::TextTable(const std::string& path, TextTableOptions options)
    : state_(std::make_unique<State>(path, std::move(options))) {
  State& s = *state_;
  if (s.source.is_table() && !s.options.columns.empty())
    fail_usage("--columns: {} is Parquet, its columns have names", path);
  s.read_header();
  s.index_columns();
}

TextTable::~TextTable() = default;
TextTable::TextTable(TextTable&&) noexcept = default;
TextTable& TextTable::operator=(TextTable&&) noexcept = default;

const std::string& TextTable::path() const {
  return state_->path;
}
const std::vector<std::string>& TextTable::columns() const {
  return state_->columns;
}

std::optional<int> TextTable::find(std::string_view column) const {
  const auto found = state_->index.find(column);
  if (found == state_->index.end()) return std::nullopt;
  return found->second;
}

int TextTable::require(std::string_view column, std::string_view option) const {
  if (const auto index = find(column)) return *index;
  const std::string near = nearest(column, state_->columns);
  const std::string names = quoted_list(state_->columns);
  fail("{}:1: there is no column '{}'{}; the file has: {}{}{}", state_->path, column,
       near.empty() ? "" : "; did you mean '" + near + "'?", names,
       option.empty() ? "" : fmt::format("; name the column by {}", option), state_->delimiter_hint(names));
}

bool TextTable::next() {
  State& s = *state_;
  do {
    if (!s.read_line()) return false;
  } while (s.length == 0 && s.columns.size() > 1);
  s.split();
  if (s.fields.size() < s.columns.size() && s.unfinished)
    fail("{}:{}: the file ends within this row, after {} of {} fields; fetch it again, or drop the row (head -n {})",
         s.path, s.line_number, s.fields.size(), s.columns.size(), s.line_number - 1);
  if (s.fields.size() != s.columns.size())
    fail("{}:{}: the row has {} fields, {} {}; quote fields that contain the delimiter{}", s.path, s.line_number,
         s.fields.size(), s.options.columns.empty() ? "the header has" : "--columns names", s.columns.size(),
         s.fields.size() == 1 ? s.delimiter_hint(field(0)) : "");
  return true;
}

std::string_view TextTable::field(int column) const {
  const auto& [begin, end] = state_->fields[static_cast<std::size_t>(column)];
  return {state_->line + begin, end - begin};
}

std::string_view TextTable::unquoted(int first, int last) const {
  const State& s = *state_;
  if (s.quoted || s.delimiter != ',') return {};
  const std::size_t begin = s.fields[static_cast<std::size_t>(first)].first;
  const std::string_view text(s.line + begin, s.fields[static_cast<std::size_t>(last)].second - begin);
  // A quote or a carriage return within a field is its text, and needs quotes where it is written.
  const auto holds = [&](char c) { return std::memchr(text.data(), c, text.size()) != nullptr; };
  return holds('"') || holds('\r') ? std::string_view() : text;
}

std::int64_t TextTable::line() const {
  return state_->line_number;
}
std::uint64_t TextTable::bytes_read() const {
  return state_->source.position();
}
std::uint64_t TextTable::bytes_total() const {
  return state_->source.total();
}

char TextTable::delimiter() const {
  return state_->delimiter;
}

bool TextTable::compressed() const {
  return state_->source.compressed();
}

std::string TextTable::where(int column) const {
  return fmt::format("{}:{}:{}", state_->path, state_->line_number, state_->columns[static_cast<std::size_t>(column)]);
}

double TextTable::number(int column) const {
  const std::string_view text = field(column);
  const std::optional<double> value = parse_number(text);
  if (!value && text.empty()) fail("{}: the field is empty, a number belongs there", where(column));
  if (!value) fail("{}: '{}' is not a number", where(column), text.substr(0, kShownText));
  if (!std::isfinite(*value)) fail("{}: {} is not a finite number", where(column), text.substr(0, kShownText));
  return *value;
}

std::int64_t TextTable::integer(int column) const {
  const std::string_view text = id(column);
  if (text.empty()) fail("{}: the field is empty, a whole number belongs there", where(column));
  std::int64_t value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size())
    fail("{}: '{}' is not a whole number{}", where(column), text.substr(0, kShownText),
         code == std::errc::result_out_of_range ? " of 64 bits" : "");
  return value;
}

std::int64_t TextTable::time(int column) const {
  const State& s = *state_;
  const std::string_view text = field(column);
  if (!s.source.is_table()) {
    const std::optional<std::int64_t> time = time_of_text(text, s.options.time);
    if (!time) fail("{}: {}", where(column), why_no_time(text, s.options.time));
    return *time;
  }
  TimeFormat format = s.options.time;
  if (s.source.table()->type(static_cast<std::size_t>(column)) == SourceType::time)
    set_time_unit(format, "s", {});  // ParquetText wrote seconds
  if (s.is_real(column) && !is_exact_time(text, s.is_narrow(column)))
    fail("{}: {}", where(column), why_no_exact_time(text));
  const std::optional<std::int64_t> time = time_of_text(text, format);
  if (!time) fail("{}: {}", where(column), why_no_time(text, format));
  return *time;
}

const TimeFormat& TextTable::time_format() const {
  return state_->options.time;
}

std::string_view TextTable::id(int column) const {
  const State& s = *state_;
  const std::string_view text = field(column);
  if (s.is_real(column) && !text.empty() && !is_exact_whole(text, s.is_narrow(column)))
    fail("{}: {}", where(column), why_no_id(text, s.columns[static_cast<std::size_t>(column)], s.is_narrow(column)));
  return text;
}

bool TextTable::row_is_utf8() const {
  const std::string_view row(state_->line, state_->length);
  // Text in quotes was moved within the row: then each field has to be asked.
  return state_->quoted ? is_ascii(row) : is_utf8(row);
}

void TextTable::check_utf8(int column) const {
  mal::check_utf8(field(column), [&] { return where(column); });
}

void append_quoted(std::string& row, std::string_view field) {
  row += '"';
  for (const char c : field) {
    if (c == '"') row += '"';
    row += c;
  }
  row += '"';
}

}  // namespace mal
