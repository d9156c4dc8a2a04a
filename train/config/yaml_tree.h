// What strict_yaml.h stands on: a parsed document as a plain tree. Private to train/config.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

struct YamlValue {
  // absent: somebody asked for a key that the document does not have. null: `key:` or `key: ~`.
  enum class Kind { absent, null, scalar, list, map };

  Kind kind = Kind::absent;
  std::string key;            // of a map's value
  std::string text;           // of a scalar
  bool quoted = false;        // a quoted scalar is text, never a number or a bool
  int line = 0;               // 1-based: of the key for a map's value, else of the value itself
  std::string override_text;  // "train.batch_size=512" where --set made this value
  bool asked = false;
  std::vector<std::unique_ptr<YamlValue>> items;  // of a list or map, in the document's order; owned, never moved

  YamlValue* find(std::string_view name) const;
};

struct YamlDocument {
  std::string name;
  YamlValue root;
};

inline constexpr int kYamlMaxDepth = 32;
inline constexpr std::size_t kYamlMaxBytes = std::size_t{1} << 20;

// Throws Error with exit code 2: "where: message" in one line, whatever the names and values in it hold.
[[noreturn]] void fail_yaml(std::string_view where, std::string_view message);

// Throws Error (exit code 2). location: what stands before a line number, "configs/mal.yaml"; lines: false leaves the
// number out, for text that is not in a file.
void parse_yaml_tree(std::string_view text, const std::string& location, bool lines, YamlValue& root);

}  // namespace mal
