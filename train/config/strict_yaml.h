// Reading YAML strictly: every key that nobody asked for is an error, and every error says file:line and what to do.
//
//   YamlNode root = parse_yaml_file("configs/mal.yaml");
//   apply_override(root, "train.batch_size=512");
//   YamlNode train = root.child("train");
//   config.batch_size = train.integer("batch_size", 1024, 1, 1 << 20);
//   root.finish();  // configs/mal.yaml:12: unknown key 'train.bach_size'; did you mean 'batch_size'?
//
// All errors are mal::Error with exit code 2. Refused as well: duplicate keys, tags, anchors and aliases, several
// documents, keys that are not plain text, nesting over 32 levels, files over 1 MiB, text that is not UTF-8.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

struct YamlValue;     // train/config/yaml_tree.h
struct YamlDocument;  // train/config/yaml_tree.h

// A place in a document: a map, a list, a scalar, or nothing at all (then every key of it has its default). Copies are
// cheap and refer to the same document, which lives as long as any of them.
class YamlNode {
 public:
  YamlNode(std::shared_ptr<YamlDocument> document, YamlValue* value, std::string path);

  const std::string& path() const { return path_; }  // "model.mal.cat", "columns[3]"; "" is the whole document
  std::string key() const;                           // the last part of it
  int line() const;                                  // 1-based; 0: not in the file
  std::string where() const;                         // "configs/mal.yaml:12", or "--set train.batch_size=512"
  bool present() const;                              // false: not in the file, or `key:` with nothing after it
  bool is_list() const;
  bool is_map() const;

  // Of a map. Asking for a key is what makes it a known one.
  bool has(std::string_view key) const;  // does not count as asking
  YamlNode child(std::string_view key) const;
  YamlNode require_child(std::string_view key) const;  // absent is an error

  // Items of a list, or values of a map whose keys are free names (see key()). Absent: none.
  std::vector<YamlNode> children() const;

  // T: std::int64_t, double, bool, std::string, or a std::vector of std::string, std::int64_t or double.
  template <typename T>
  T as() const;  // this node itself, e.g. an item of a list
  template <typename T>
  T get(std::string_view key, const T& default_value) const {
    const YamlNode node = child(key);
    return node.given() ? node.as<T>() : default_value;
  }
  template <typename T>
  T require(std::string_view key) const {
    return require_child(key).as<T>();
  }

  // In [min, max], or an error that says so.
  std::int64_t integer(std::string_view key, std::int64_t default_value, std::int64_t min, std::int64_t max) const;
  double number(std::string_view key, double default_value, double min, double max) const;
  // One of `choices`, or an error with the nearest of them. default_value "" makes the key required.
  std::string choice(std::string_view key, const std::vector<std::string>& choices,
                     std::string_view default_value) const;

  // "configs/mal.yaml:12: 'model.primary': message", or of this node where the key is "" (or absent in the file).
  [[noreturn]] void fail_at(std::string_view key, std::string_view message) const;

  // Every key of the whole document that nobody asked for is an error (the first one). Call it on the root, last.
  void finish() const;

 private:
  friend void apply_override(YamlNode& root, std::string_view assignment);
  void override_with(std::string_view assignment);
  bool given() const;  // present, or there without a value: `key:` is not a default but a mistake
  std::string child_path(std::string_view key) const;
  YamlValue& map() const;

  std::shared_ptr<YamlDocument> document_;
  YamlValue* value_;
  std::string path_;
};

YamlNode parse_yaml_file(const std::string& path);
YamlNode parse_yaml_text(std::string_view text, const std::string& name);  // name: shown in messages as the file

// Puts "train.batch_size=512" over what the file says. The value is text, a number, true/false, or YAML in brackets or
// quotes: [64, 32]. Errors (now, or later in get and finish) name --set. The last of several for one key wins.
void apply_override(YamlNode& root, std::string_view assignment);

}  // namespace mal
