// to_yaml: the resolved configuration, every key with its value.
#include <fmt/format.h>

#include <algorithm>

#include "train/config/config_keys.h"

namespace mal {

namespace {

bool is_plain(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/'; };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  if (text.empty() || !letter(text.front()) || !std::ranges::all_of(text, allowed)) return false;
  return text != "null" && text != "Null" && text != "NULL";
}

// Plain where YAML reads it back as the same text, else in double quotes.
std::string yaml_text(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

class ConfigWriter : public ConfigVisitor {
 public:
  ConfigWriter(std::string& out, int depth) : out_(out), depth_(depth) {}

  void section(std::string_view key, const std::function<void(ConfigVisitor&)>& body) override {
    line(key, "");
    ConfigWriter below(out_, depth_ + 1);
    body(below);
  }
  void integer(std::string_view key, std::int64_t& value, std::int64_t, std::int64_t) override {
    line(key, fmt::format(" {}", value));
  }
  // fmt writes the shortest text that reads back as the same double.
  void number(std::string_view key, double& value, double, double) override { line(key, fmt::format(" {}", value)); }
  void numbers(std::string_view key, std::vector<double>& value, double, double) override {
    line(key, fmt::format(" [{}]", fmt::join(value, ", ")));
  }
  void flag(std::string_view key, bool& value) override { line(key, value ? " true" : " false"); }
  void text(std::string_view key, std::string& value) override { line(key, " " + yaml_text(value)); }
  void names(std::string_view key, std::vector<std::string>& value) override {
    std::vector<std::string> texts;
    std::ranges::transform(value, std::back_inserter(texts), yaml_text);
    line(key, fmt::format(" [{}]", fmt::join(texts, ", ")));
  }
  void name_lists(std::string_view key, std::vector<std::vector<std::string>>& value) override {
    std::vector<std::string> lists;
    for (const std::vector<std::string>& names : value) {
      std::vector<std::string> texts;
      std::ranges::transform(names, std::back_inserter(texts), yaml_text);
      lists.push_back(fmt::format("[{}]", fmt::join(texts, ", ")));
    }
    line(key, fmt::format(" [{}]", fmt::join(lists, ", ")));
  }
  void widths(std::string_view key, std::vector<std::int64_t>& value, std::size_t) override {
    line(key, fmt::format(" [{}]", fmt::join(value, ", ")));
  }
  void choice(std::string_view key, std::size_t& index, const std::vector<std::string>& choices) override {
    line(key, " " + choices.at(index));
  }
  void check(bool, std::string_view, const std::string&) override {}
  void refuse(std::string_view, const std::string&) override {}

 private:
  void line(std::string_view key, std::string_view value) {
    out_ += fmt::format("{}{}:{}\n", std::string(static_cast<std::size_t>(2 * depth_), ' '), key, value);
  }

  std::string& out_;
  int depth_;
};

}  // namespace

std::string to_yaml(const RunConfig& config) {
  RunConfig copy = config;  // a visitor may write, this one does not
  std::string text;
  ConfigWriter writer(text, 0);
  visit_config(copy, writer);
  return text;
}

}  // namespace mal
