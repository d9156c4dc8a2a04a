#include "train/data/text_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "engine/error.h"
#include "train/config/suggest.h"
#include "train/data/line_reader.h"
#include "train/data/pandas_index.h"
#include "train/data/parquet/parquet_text.h"
#include "train/data/parse_number.h"
#include "train/data/sample_values.h"
#include "train/data/text_dialect.h"

namespace mal {

namespace {

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
      : path(file), options(std::move(given)), lines(file, options.time.utc_offset) {}

  bool read_line();
  void split();
  void unquote(std::size_t& at);
  void join_next_line(std::size_t at);
  void check_no_zero(std::size_t from) const;
  void add_field(std::size_t begin, std::size_t end) { fields.emplace_back(begin, end); }

  const ByteSource& source() const { return lines.source(); }
  bool is_table() const { return source().is_table(); }
  std::int64_t row_number() const { return lines.number(); }
  bool of_folder(int column) const { return column >= file_columns; }
  const std::string& folder_text(int column) const {
    return options.folder[static_cast<std::size_t>(column - file_columns)].value;
  }
  std::size_t place(int column) const;
  // Of Parquet.
  SourceType type(int column) const {
    return of_folder(column) ? SourceType::text : source().table()->type(place(column));
  }
  bool is_real(int column) const { return is_table() && type(column) == SourceType::real; }
  bool is_narrow(int column) const { return source().table()->narrow(place(column)); }

  void check_encoding() const;
  void read_header();
  void choose_columns();
  std::string delimiter_hint(std::string_view text) const;
  void index_columns();
  [[noreturn]] void fail_fields() const;

  std::string path;
  TextTableOptions options;
  LineReader lines;
  std::vector<std::string> columns;
  int file_columns = 0;                             // the first of them; the folder's follow
  std::unordered_map<std::string_view, int> index;  // of the columns, whose text it points to
  std::vector<std::size_t> left_out;                // places in the file of columns that are ignored
  std::vector<std::string> ignored, replaced;       // their names, of those that a folder replaces
  bool has_gap() const { return !left_out.empty() && left_out.front() >= left_out.size(); }  // between columns
  std::size_t row_fields = 0;                                                                // that a row has to have
  char* line = nullptr;  // of the current row; quotes are removed in place
  std::size_t length = 0;
  bool quoted = false;  // a field of the current row was
  std::vector<std::pair<std::size_t, std::size_t>> fields;
  char delimiter = ',';
};

bool TextTable::State::read_line() {
  if (!lines.next()) return false;
  line = lines.text();
  length = lines.size();
  return true;
}

// A quoted field from its opening quote; moves its text to the left over the quotes.
void TextTable::State::unquote(std::size_t& at) {
  quoted = true;
  const std::size_t begin = at;
  std::size_t out = at;
  for (++at;; ++at) {
    if (at >= length) join_next_line(at);
    if (line[at] != '"') {
      line[out++] = line[at];
    } else if (at + 1 < length && line[at + 1] == '"') {
      line[out++] = line[at++];
    } else {
      ++at;
      if (at < length && line[at] != delimiter)
        fail("{}:{}: text follows a closing quote; write \"\" for a quote inside a quoted field", path, row_number());
      add_field(begin, out);
      return;
    }
  }
}

// A line break inside quotes is text: the row goes on at `at`, where its line ended.
void TextTable::State::join_next_line(std::size_t at) {
  if (!lines.extend())
    fail("{}:{}: a quoted field that begins in this row does not end; write \"\" for a quote inside a quoted field",
         path, row_number());
  line = lines.text();
  length = lines.size();
  check_no_zero(at);
}

void TextTable::State::check_no_zero(std::size_t from) const {
  if (std::memchr(line + from, '\0', length - from) != nullptr)
    fail("{}:{}: the line holds a zero byte; is this a text table?", path, row_number());
}

void TextTable::State::split() {
  fields.clear();
  quoted = false;
  check_no_zero(0);
  std::size_t at = 0;
  while (true) {
    if (fields.size() == kMaxColumns)
      fail("{}:{}: the line has more than {} fields; is this a text table?", path, row_number(), kMaxColumns);
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
  const std::string where = options.columns.empty() ? path + ":1" : "--columns";
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (columns[c].empty())
      fail(
          "{}: column {} of the header has no name; name it, or take it out (only first columns may lack one, as "
          "pandas' "
          "row numbers do, and are ignored)",
          where, place(static_cast<int>(c)) + 1);
    if (!index.emplace(columns[c], static_cast<int>(c)).second)
      fail("{}: column '{}' stands twice in the header", where, columns[c]);
  }
}

// The first line: names, or with `--columns` a row, which is left for next().
void TextTable::State::read_header() {
  if (!read_line()) fail("{}: the file is empty; it needs a header line and rows", path);
  if (std::string_view(line, length).starts_with(kByteOrderMark)) {
    lines.skip(kByteOrderMark.size());
    line = lines.text();
    length = lines.size();
  }
  delimiter = is_table() ? ',' : options.delimiter;
  if (const std::optional<char> separator = excel_separator({line, length}); separator && !is_table()) {
    if (delimiter == 0) delimiter = *separator;
    if (!read_line()) fail("{}: there is no header line after '{}'", path, std::string_view(line, length));
  }
  if (options.columns.empty() && length == 0)
    fail("{}:{}: the first line is empty; a header line belongs there, with the names of the columns", path,
         row_number());
  if (options.columns.empty()) check_encoding();
  if (delimiter == 0)
    delimiter = find_delimiter({line, length}, options.columns.size(), fmt::format("{}:{}", path, row_number()));
  if (!options.columns.empty()) {
    columns = options.columns;
    lines.unread();
  } else {
    split();
    for (const auto& [begin, end] : fields) columns.emplace_back(line + begin, end - begin);
  }
  row_fields = columns.size();
  choose_columns();
}

// Of the file's columns, all but row numbers and those of the folder's names; then the folder's.
void TextTable::State::choose_columns() {
  if (is_table())
    ignored = source().table()->ignored();  // ParquetText has left them out
  else if (options.columns.empty())
    left_out = pandas_index(columns);
  const auto of_folder_too = [&](const std::string& name) {
    return std::ranges::find(options.folder, name, &FolderValue::column) != options.folder.end();
  };
  for (std::size_t c = 0; !options.folder.empty() && c < columns.size(); ++c)
    if (of_folder_too(columns[c]) && std::ranges::find(left_out, c) == left_out.end()) left_out.push_back(c);
  std::ranges::sort(left_out, std::ranges::greater());  // as they are taken out of a row
  for (const std::size_t place : left_out) {
    (of_folder_too(columns[place]) ? replaced : ignored).push_back(columns[place]);
    columns.erase(columns.begin() + static_cast<std::ptrdiff_t>(place));
  }
  file_columns = static_cast<int>(columns.size());
  for (const FolderValue& value : options.folder) columns.push_back(value.column);
}

std::size_t TextTable::State::place(int column) const {
  auto place = static_cast<std::size_t>(column);
  for (auto other = left_out.rbegin(); other != left_out.rend(); ++other) place += *other <= place ? 1 : 0;
  return place;
}

// For an error that a wrong delimiter may have caused: `text` was not divided where it could be.
std::string TextTable::State::delimiter_hint(std::string_view text) const {
  if (is_table() || options.delimiter != 0) return "";
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
  if (s.is_table() && !s.options.columns.empty()) fail_usage("--columns: {} is Parquet, its columns have names", path);
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
  const bool left_out = std::ranges::find(state_->ignored, column) != state_->ignored.end();
  fail("{}:1: there is no column '{}'{}; the file has: {}{}{}{}", state_->path, column,
       left_out       ? " (it looks like row numbers of pandas, which are ignored; give it a name of its own)"
       : near.empty() ? ""
                      : "; did you mean '" + near + "'?",
       names, option.empty() ? "" : fmt::format("; name the column by {}", option), state_->delimiter_hint(names),
       folder_hint(state_->path, column));
}

bool TextTable::next() {
  State& s = *state_;
  do {
    if (!s.read_line()) return false;
  } while (s.length == 0 && s.row_fields > 1);
  s.split();
  if (s.fields.size() != s.row_fields) s.fail_fields();
  for (const std::size_t place : s.left_out) s.fields.erase(s.fields.begin() + static_cast<std::ptrdiff_t>(place));
  return true;
}

void TextTable::State::fail_fields() const {
  if (fields.size() < row_fields && lines.unfinished())
    fail("{}:{}: the file ends within this row, after {} of {} fields; fetch it again, or drop the row (head -n {})",
         path, row_number(), fields.size(), row_fields, row_number() - 1);
  const auto& [begin, end] = fields.front();
  fail("{}:{}: the row has {} fields, {} {}; quote fields that contain the delimiter{}", path, row_number(),
       fields.size(), options.columns.empty() ? "the header has" : "--columns names", row_fields,
       fields.size() == 1 ? delimiter_hint({line + begin, end - begin}) : "");
}

std::string_view TextTable::field(int column) const {
  if (state_->of_folder(column)) return state_->folder_text(column);
  const auto& [begin, end] = state_->fields[static_cast<std::size_t>(column)];
  return {state_->line + begin, end - begin};
}

std::string_view TextTable::unquoted(int first, int last) const {
  const State& s = *state_;
  if (s.quoted || s.delimiter != ',' || s.has_gap() || s.of_folder(last)) return {};
  const std::size_t begin = s.fields[static_cast<std::size_t>(first)].first;
  const std::string_view text(s.line + begin, s.fields[static_cast<std::size_t>(last)].second - begin);
  // A quote or a carriage return within a field is its text, and needs quotes where it is written.
  const auto holds = [&](char c) { return std::memchr(text.data(), c, text.size()) != nullptr; };
  return holds('"') || holds('\r') ? std::string_view() : text;
}

std::int64_t TextTable::line() const {
  return state_->row_number();
}
std::uint64_t TextTable::bytes_read() const {
  return state_->source().position();
}
std::uint64_t TextTable::bytes_total() const {
  return state_->source().total();
}

const std::vector<std::string>& TextTable::ignored() const {
  return state_->ignored;
}

const std::vector<std::string>& TextTable::replaced() const {
  return state_->replaced;
}

bool TextTable::of_folder(int column) const {
  return state_->of_folder(column);
}

int TextTable::place(int column) const {
  return static_cast<int>(state_->place(column)) + 1;
}

char TextTable::delimiter() const {
  return state_->delimiter;
}

bool TextTable::compressed() const {
  return state_->source().compressed();
}

std::string TextTable::where(int column) const {
  std::string name = state_->columns[static_cast<std::size_t>(column)];
  std::ranges::replace(name, '\n', ' ');  // a message is one line
  return fmt::format("{}:{}:{}", state_->path, state_->row_number(), name);
}

bool TextTable::flag(int column) const {
  const std::optional<bool> flag = parse_flag(field(column));
  if (!flag)
    fail("{}: '{}' where 0 or 1 is wanted (or True, False)", where(column), field(column).substr(0, kShownText));
  return *flag;
}

double TextTable::number(int column) const {
  const std::string_view text = field(column);
  const std::optional<double> value = parse_number(text);
  if (!value && text.empty()) fail("{}: the field is empty, a number belongs there", where(column));
  if (!value) fail("{}: {}", where(column), why_no_number(text));
  if (!std::isfinite(*value)) fail("{}: {} is not a finite number", where(column), text.substr(0, kShownText));
  return *value;
}

std::int64_t TextTable::integer(int column) const {
  std::string_view text = without_blanks(id(column));
  if (text.empty()) fail("{}: the field is empty, a whole number belongs there", where(column));
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
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
  if (!s.is_table()) {
    const std::optional<std::int64_t> time = time_of_text(text, s.options.time);
    if (!time) fail("{}: {}", where(column), why_no_time(text, s.options.time));
    return *time;
  }
  TimeFormat format = s.options.time;
  if (s.type(column) == SourceType::time) set_time_unit(format, "s", {});  // ParquetText wrote seconds
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
