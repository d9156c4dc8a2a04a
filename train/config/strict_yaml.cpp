#include "train/config/strict_yaml.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/file.h"
#include "train/config/suggest.h"
#include "train/config/yaml_tree.h"

namespace mal {

namespace {

using Kind = YamlValue::Kind;

std::string location_of(const YamlDocument& document, const YamlValue& value) {
  if (!value.override_text.empty()) return "--set " + value.override_text;
  return value.line > 0 ? fmt::format("{}:{}", document.name, value.line) : document.name;
}

std::string_view kind_name(const YamlValue& value) {
  switch (value.kind) {
    case Kind::absent:
    case Kind::null:
      return "no value";
    case Kind::list:
      return "a list";
    case Kind::map:
      return "a map";
    case Kind::scalar:
      return "a single value";
  }
  return "";
}

// What the user wrote, short enough for a message.
std::string shown(const YamlValue& value) {
  constexpr std::size_t kMaxShown = 60;
  if (value.kind != Kind::scalar) return std::string(kind_name(value));
  const char quote = value.quoted ? '"' : '\'';
  if (value.text.size() <= kMaxShown) return fmt::format("{}{}{}", quote, value.text, quote);
  std::size_t end = kMaxShown;
  while ((static_cast<unsigned char>(value.text[end]) & 0xC0U) == 0x80) --end;  // not inside a UTF-8 sequence
  return fmt::format("{}{}{}…", quote, value.text.substr(0, end), quote);
}

[[noreturn]] void fail_type(const YamlNode& node, const YamlValue& value, std::string_view wanted) {
  if (value.kind == Kind::null)
    fail_yaml(node.where(), fmt::format("'{}' has no value; expected {}", node.path(), wanted));
  const std::string_view hint = value.kind == Kind::scalar && value.quoted ? " (without the quotes)" : "";
  fail_yaml(node.where(), fmt::format("'{}' must be {}, not {}{}", node.path(), wanted, shown(value), hint));
}

// The whole of `text` as a number; from_chars reads neither "+1" nor " 1", ignores the locale and reports overflow.
template <typename T>
bool parse_number(std::string_view text, T& number) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

template <typename T>
T number_of(const YamlNode& node, const YamlValue& value, std::string_view wanted) {
  T number = 0;
  if (value.kind != Kind::scalar || value.quoted || !parse_number(value.text, number)) fail_type(node, value, wanted);
  return number;
}

bool bool_of(const YamlNode& node, const YamlValue& value) {
  const std::string_view text = value.text;
  const bool yes = text == "true" || text == "True" || text == "TRUE";
  const bool no = text == "false" || text == "False" || text == "FALSE";
  if (value.kind != Kind::scalar || value.quoted || (!yes && !no)) fail_type(node, value, "true or false");
  return yes;
}

template <typename T>
std::vector<T> list_of(const YamlNode& node, const YamlValue& value, std::string_view wanted) {
  if (value.kind != Kind::list) fail_type(node, value, wanted);
  std::vector<T> list;
  for (const YamlNode& item : node.children()) list.push_back(item.as<T>());
  return list;
}

template <typename T>
std::string range_text(T min, T max) {
  constexpr T kMax =
      std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  return max >= kMax ? fmt::format("at least {}", min) : fmt::format("from {} to {}", min, max);
}

template <typename T>
void check_range(const YamlNode& node, T value, T min, T max) {
  if (value < min || value > max)
    fail_yaml(node.where(), fmt::format("'{}' must be {}, not {}", node.path(), range_text(min, max), value));
}

std::string join_path(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

std::string item_path(const YamlValue& parent, const std::string& path, std::size_t index) {
  return parent.kind == Kind::list ? fmt::format("{}[{}]", path, index) : join_path(path, parent.items[index]->key);
}

// Paths of the keys somewhere in the document that were asked for and are called `key`.
void find_known(const YamlValue& value, const std::string& path, std::string_view key,
                std::vector<std::string>& found) {
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    const YamlValue& item = *value.items[i];
    if (!item.asked) continue;
    const std::string below = item_path(value, path, i);
    if (item.key == key) found.push_back(below);
    find_known(item, below, key, found);
  }
}

[[noreturn]] void fail_unknown(const YamlDocument& document, const YamlValue& map, const YamlValue& item,
                               const std::string& path) {
  std::vector<std::string> known;
  for (const auto& other : map.items)
    if (other->asked) known.push_back(other->key);
  std::string hint;
  if (nearest(item.key, known).empty()) {
    std::vector<std::string> elsewhere;
    find_known(document.root, "", item.key, elsewhere);
    if (!elsewhere.empty()) hint = fmt::format("; did you mean '{}'?", elsewhere.front());
  }
  if (hint.empty()) hint = suggestion(item.key, known, "valid keys");
  fail_yaml(location_of(document, item), fmt::format("unknown key '{}'{}", path, hint));
}

void check_known(const YamlDocument& document, const YamlValue& value, const std::string& path) {
  for (std::size_t i = 0; i < value.items.size(); ++i) {
    const YamlValue& item = *value.items[i];
    const std::string below = item_path(value, path, i);
    if (item.kind == Kind::absent) continue;
    if (!item.asked && value.kind == Kind::map) fail_unknown(document, value, item, below);
    if (item.asked) check_known(document, item, below);
  }
}

YamlNode parse(std::string_view text, const std::string& name) {
  auto document = std::make_shared<YamlDocument>();
  document->name = name;
  parse_yaml_tree(text, name, true, document->root);
  YamlValue& root = document->root;
  if (root.kind != Kind::map && root.kind != Kind::null)
    fail_yaml(location_of(*document, root), fmt::format("expected 'key: value' lines, not {}", kind_name(root)));
  return YamlNode(std::move(document), &root, "");
}

}  // namespace

YamlNode::YamlNode(std::shared_ptr<YamlDocument> document, YamlValue* value, std::string path)
    : document_(std::move(document)), value_(value), path_(std::move(path)) {}

std::string YamlNode::key() const {
  return value_->key;
}
int YamlNode::line() const {
  return value_->line;
}
std::string YamlNode::where() const {
  return location_of(*document_, *value_);
}
bool YamlNode::given() const {
  return value_->kind != Kind::absent;
}
bool YamlNode::present() const {
  return given() && value_->kind != Kind::null;
}
bool YamlNode::is_list() const {
  return value_->kind == Kind::list;
}
bool YamlNode::is_map() const {
  return value_->kind == Kind::map;
}

YamlValue& YamlNode::map() const {
  if (value_->kind == Kind::scalar || value_->kind == Kind::list)
    fail_type(*this, *value_, "a map ('key: value' lines)");
  return *value_;
}

bool YamlNode::has(std::string_view key) const {
  const YamlValue* found = map().find(key);
  return found != nullptr && found->kind != Kind::absent;
}

YamlNode YamlNode::child(std::string_view key) const {
  YamlValue& parent = map();
  YamlValue* found = parent.find(key);
  if (found == nullptr) {
    // Remembered as asked for, so that finish() can suggest it.
    parent.items.push_back(std::make_unique<YamlValue>());
    found = parent.items.back().get();
    found->key = key;
  }
  found->asked = true;
  return YamlNode(document_, found, join_path(path_, key));
}

YamlNode YamlNode::require_child(std::string_view key) const {
  YamlNode node = child(key);
  if (node.given()) return node;
  // Most often it is there with a slip of the fingers.
  std::vector<std::string> others;
  for (const auto& item : value_->items)
    if (!item->asked) others.push_back(item->key);
  const std::string near = nearest(key, others);
  if (!near.empty())
    fail_yaml(location_of(*document_, *value_->find(near)),
              fmt::format("unknown key '{}'; did you mean '{}', which is required?", join_path(path_, near), key));
  fail_yaml(where(), fmt::format("'{}' is required and missing", node.path()));
}

std::vector<YamlNode> YamlNode::children() const {
  if (value_->kind == Kind::scalar) fail_type(*this, *value_, "a list or a map");
  std::vector<YamlNode> nodes;
  for (std::size_t i = 0; i < value_->items.size(); ++i) {
    YamlValue& item = *value_->items[i];
    if (item.kind == Kind::absent) continue;
    item.asked = true;
    nodes.emplace_back(document_, &item, item_path(*value_, path_, i));
  }
  return nodes;
}

template <>
std::int64_t YamlNode::as<std::int64_t>() const {
  return number_of<std::int64_t>(*this, *value_, "a whole number");
}

template <>
double YamlNode::as<double>() const {
  const auto number = number_of<double>(*this, *value_, "a number");
  if (!std::isfinite(number)) fail_type(*this, *value_, "a finite number");
  return number;
}

template <>
bool YamlNode::as<bool>() const {
  return bool_of(*this, *value_);
}

template <>
std::string YamlNode::as<std::string>() const {
  if (value_->kind != Kind::scalar) fail_type(*this, *value_, "text");
  // "\n" or "\0" in quotes: no name or path of ours has one, and a NUL would cut a path short.
  if (std::ranges::any_of(value_->text, [](char c) { return (c >= 0 && c < ' ') || c == 0x7F; }))
    fail_type(*this, *value_, "text without control characters");
  return value_->text;
}

template <>
std::vector<std::string> YamlNode::as<std::vector<std::string>>() const {
  return list_of<std::string>(*this, *value_, "a list such as [last, linear]");
}

template <>
std::vector<std::int64_t> YamlNode::as<std::vector<std::int64_t>>() const {
  return list_of<std::int64_t>(*this, *value_, "a list of whole numbers such as [256, 128]");
}

template <>
std::vector<double> YamlNode::as<std::vector<double>>() const {
  return list_of<double>(*this, *value_, "a list of numbers such as [1, 0.5]");
}

std::int64_t YamlNode::integer(std::string_view key, std::int64_t default_value, std::int64_t min,
                               std::int64_t max) const {
  const auto value = get<std::int64_t>(key, default_value);
  check_range(child(key), value, min, max);
  return value;
}

double YamlNode::number(std::string_view key, double default_value, double min, double max) const {
  const auto value = get<double>(key, default_value);
  check_range(child(key), value, min, max);
  return value;
}

std::string YamlNode::choice(std::string_view key, const std::vector<std::string>& choices,
                             std::string_view default_value) const {
  const YamlNode node = default_value.empty() ? require_child(key) : child(key);
  if (!node.given()) return std::string(default_value);
  auto value = node.as<std::string>();
  if (std::ranges::find(choices, value) != choices.end()) return value;
  const std::string near = nearest(value, choices);
  const std::string hint = near.empty() ? "" : fmt::format("; did you mean '{}'?", near);
  fail_yaml(node.where(), fmt::format("'{}' must be one of {}, not {}{}", node.path(), fmt::join(choices, ", "),
                                      shown(*node.value_), hint));
}

void YamlNode::fail_at(std::string_view key, std::string_view message) const {
  const YamlValue* found = key.empty() ? nullptr : value_->find(key);
  const bool in_file = found != nullptr && found->kind != Kind::absent;
  const std::string path = key.empty() ? path_ : join_path(path_, key);
  fail_yaml(location_of(*document_, in_file ? *found : *value_),
            path.empty() ? std::string(message) : fmt::format("'{}': {}", path, message));
}

void YamlNode::finish() const {
  check_known(*document_, document_->root, "");
}

YamlNode parse_yaml_file(const std::string& path) {
  try {
    return parse(read_file(path, kYamlMaxBytes), path);
  } catch (const Error& error) {
    if (error.exit_code() == 2) throw;
    throw Error(error.what(), 2);  // a configuration that cannot be read is a wrong command
  }
}

YamlNode parse_yaml_text(std::string_view text, const std::string& name) {
  return parse(text, name);
}

namespace {

void mark_override(YamlValue& value, const std::string& text) {
  value.override_text = text;
  value.line = 0;
  for (const auto& item : value.items) mark_override(*item, text);
}

YamlValue& descend(YamlValue& map, std::string_view key, std::string_view assignment) {
  if (map.kind == Kind::scalar || map.kind == Kind::list)
    fail_yaml(fmt::format("--set {}", assignment),
              fmt::format("'{}' is {}, it has no key '{}'", map.key, kind_name(map), key));
  if (map.kind != Kind::map) {
    map.kind = Kind::map;
    if (map.line == 0) map.override_text = assignment;
  }
  if (YamlValue* found = map.find(key)) return *found;
  map.items.push_back(std::make_unique<YamlValue>());
  map.items.back()->key = key;
  return *map.items.back();
}

// Brackets and quotes are YAML; anything else is one plain value, so that paths and names need no quoting.
void assign(YamlValue& value, std::string_view text, const std::string& assignment) {
  value.items.clear();
  value.quoted = text.empty();  // `key=` is empty text
  value.kind = Kind::scalar;
  value.text = text;
  constexpr std::string_view kYamlStarts = "[{\"'";
  if (!text.empty() && kYamlStarts.find(text.front()) != std::string_view::npos)
    parse_yaml_tree(text, "--set " + assignment, false, value);
  else if (text == "~" || text == "null")
    value.kind = Kind::null;
  mark_override(value, assignment);
}

}  // namespace

void apply_override(YamlNode& root, std::string_view assignment) {
  root.override_with(assignment);
}

void YamlNode::override_with(std::string_view assignment) {
  const auto equals = assignment.find('=');
  const std::string_view path = assignment.substr(0, equals);
  const bool bad_path = path.empty() || path.front() == '.' || path.back() == '.' || path.find("..") != path.npos;
  if (equals == assignment.npos || bad_path || assignment.size() > kYamlMaxBytes)
    fail_yaml(fmt::format("--set {}", assignment.substr(0, 200)),
              "expected key=value, for example train.batch_size=512");
  YamlValue* value = value_;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('.', begin), path.size());
    value = &descend(*value, path.substr(begin, end - begin), assignment);
    begin = end + 1;
  }
  assign(*value, assignment.substr(equals + 1), std::string(assignment));
}

}  // namespace mal
