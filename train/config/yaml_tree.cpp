#include "train/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <unordered_map>

#include "engine/error.h"

namespace mal {

namespace {

struct Location {
  const std::string& name;
  bool lines;
  std::string at(int line) const { return lines ? fmt::format("{}:{}", name, line) : name; }
};

[[noreturn]] void fail_parse(const Location& location, int line, std::string_view message) {
  fail_yaml(location.at(line), message);
}

// Bytes that one UTF-8 sequence at `text` takes; 0: not UTF-8.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t length = first < 0x80 ? 1U : first < 0xC2 ? 0U : first < 0xE0 ? 2U : first < 0xF0 ? 3U : 4U;
  if (length == 0 || length > text.size() || first > 0xF4) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  const bool overlong = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool surrogate_or_beyond = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return overlong || surrogate_or_beyond ? 0 : length;
}

// yaml-cpp guesses UTF-16 and UTF-32, stops at byte 4 as if the file ended, and takes some tabs for spaces: all of that
// is refused before it sees the text.
void check_text(std::string_view text, const Location& location) {
  if (text.size() > kYamlMaxBytes)
    fail_yaml(location.name, fmt::format("{} bytes are too many, the limit is 1 MiB", text.size()));
  int line = 1;
  bool indentation = true;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) fail_parse(location, line, "not UTF-8 text; save the file as UTF-8");
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
    if (control && c != '\t' && c != '\n' && c != '\r')
      fail_parse(location, line,
                 fmt::format("control character 0x{:02x}; is this a text file?", static_cast<unsigned>(c)));
    if (c == '\t' && indentation) fail_parse(location, line, "a tab in the indentation; YAML wants spaces");
    if (c == '\n') ++line;
    indentation = c == '\n' || (indentation && c == ' ');
    i += length;
  }
}

// yaml-cpp's own node tree forgets duplicate keys, so the tree is built from the parser's events.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, const Location& location, YamlValue& root)
      : text_(text), location_(location), root_(root) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    fail_parse(location_, mark.line + 1,
               location_.lines ? "a second YAML document ('---'); keep one a file" : "text after the end of the value");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    if (expects_key()) fail_parse(location_, mark.line + 1, "a key without a name");
    add(mark, YamlValue::Kind::null);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    check(mark, tag, anchor);
    const bool quoted = tag == "!";
    if (quoted) check_quotes(mark);
    if (expects_key()) return take_key(mark, text);
    YamlValue& value = add(mark, YamlValue::Kind::scalar);
    value.text = text;
    value.quoted = quoted;
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    open(mark, YamlValue::Kind::list);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check(mark, tag, anchor);
    open(mark, YamlValue::Kind::map);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Level {
    YamlValue* value;
    YamlValue* pending = nullptr;               // a map's key that waits for its value
    std::unordered_map<std::string, int> keys;  // of a map: the line of each
  };

  [[noreturn]] void refuse_anchor(const YAML::Mark& mark) const {
    fail_parse(location_, mark.line + 1, "anchors and aliases (& and *) are not read; write the value out");
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) const {
    if (anchor != 0) refuse_anchor(mark);
    if (!tag.empty() && tag != "?" && tag != "!")
      fail_parse(location_, mark.line + 1, fmt::format("tags ('{}') are not read; write the plain value", tag));
  }

  // yaml-cpp 0.7 lets the end of the file close a quote, so a file that was cut short would pass.
  void check_quotes(const YAML::Mark& mark) const {
    auto at = static_cast<std::size_t>(mark.pos);
    const char quote = at < text_.size() ? text_[at] : '\0';
    if (quote != '\'' && quote != '"') fail_parse(location_, mark.line + 1, "tags ('!') are not read");
    // '' stands for one ' and reads here as the end of one text and the start of another: the same in the end.
    bool open = true;
    for (++at; at < text_.size() && (open || text_[at] == quote); ++at) {
      if (quote == '"' && text_[at] == '\\')
        ++at;
      else if (text_[at] == quote)
        open = !open;
    }
    if (open) fail_parse(location_, mark.line + 1, fmt::format("the quote {} is not closed", quote));
  }

  bool expects_key() const {
    return !open_.empty() && open_.back().value->kind == YamlValue::Kind::map && open_.back().pending == nullptr;
  }

  void take_key(const YAML::Mark& mark, const std::string& key) {
    Level& level = open_.back();
    const int line = mark.line + 1;
    if (key.empty()) fail_parse(location_, line, "a key without a name");
    const auto [first, added] = level.keys.emplace(key, line);
    if (!added)
      fail_parse(location_, line,
                 fmt::format("key '{}{}' is given twice, first on line {}", prefix(), key, first->second));
    auto value = std::make_unique<YamlValue>();
    value->key = key;
    value->line = line;
    level.pending = value.get();
    level.value->items.push_back(std::move(value));
  }

  // "model.mal." or "columns[3]." of the maps and lists that are open.
  std::string prefix() const {
    std::string path;
    for (std::size_t i = 0; i + 1 < open_.size(); ++i) {
      const YamlValue& value = *open_[i].value;
      if (value.kind == YamlValue::Kind::list)
        path += fmt::format("[{}]", value.items.size() - 1);
      else
        path += (path.empty() ? "" : ".") + value.items.back()->key;
    }
    return path.empty() ? path : path + ".";
  }

  YamlValue& add(const YAML::Mark& mark, YamlValue::Kind kind) {
    YamlValue* value = &root_;
    if (!open_.empty()) {
      Level& level = open_.back();
      if (level.value->kind == YamlValue::Kind::list) level.value->items.push_back(std::make_unique<YamlValue>());
      value = level.pending != nullptr ? level.pending : level.value->items.back().get();
      level.pending = nullptr;
    }
    value->kind = kind;
    if (value->line == 0) value->line = mark.line + 1;
    return *value;
  }

  void open(const YAML::Mark& mark, YamlValue::Kind kind) {
    if (expects_key())
      fail_parse(location_, mark.line + 1,
                 "a key must be plain text, not a list or a map (or a bracket is not closed)");
    if (open_.size() >= kYamlMaxDepth)
      fail_parse(location_, mark.line + 1, fmt::format("nested deeper than {} levels", kYamlMaxDepth));
    open_.push_back({&add(mark, kind), nullptr, {}});
  }

  std::string_view text_;  // what the parser reads; marks are byte offsets into it
  const Location& location_;
  YamlValue& root_;
  std::vector<Level> open_;
  int documents_ = 0;
};

// A stream over memory that is not copied.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf wants char*; a buffer without overrides never writes
    setg(begin, begin, begin + text.size());
  }
};

}  // namespace

void fail_yaml(std::string_view where, std::string_view message) {
  std::string line = fmt::format("{}: {}", where, message);
  std::ranges::replace_if(
      line, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }, ' ');
  throw Error(line, 2);
}

YamlValue* YamlValue::find(std::string_view name) const {
  const auto found = std::ranges::find_if(items, [&](const auto& item) { return item->key == name; });
  return found == items.end() ? nullptr : found->get();
}

void parse_yaml_tree(std::string_view text, const std::string& name, bool lines, YamlValue& root) {
  const Location location{name, lines};
  check_text(text, location);
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  root.kind = YamlValue::Kind::null;
  TreeBuilder builder(text, location, root);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    fail_parse(location, std::max(error.mark.line, 0) + 1, fmt::format("not valid YAML: {}", error.msg));
  }
}

}  // namespace mal
