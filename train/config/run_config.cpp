#include "train/config/run_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "train/config/config_keys.h"
#include "train/config/strict_yaml.h"

namespace mal {

namespace {

constexpr std::size_t kMaxLayers = 16;
constexpr std::int64_t kMaxWidth = 65'536;

class ConfigReader : public ConfigVisitor {
 public:
  explicit ConfigReader(YamlNode node) : node_(std::move(node)) {}

  void section(std::string_view key, const std::function<void(ConfigVisitor&)>& body) override {
    ConfigReader below(node_.child(key));
    body(below);
  }
  void integer(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max) override {
    value = node_.integer(key, value, min, max);
  }
  void number(std::string_view key, double& value, double min, double max) override {
    value = node_.number(key, value, min, max);
  }
  void numbers(std::string_view key, std::vector<double>& value, double min, double max) override {
    value = node_.get(key, value);
    for (const double number : value)
      if (number < min || number > max)
        node_.fail_at(key, fmt::format("each number must be from {} to {}, not {}", min, max, number));
  }
  void flag(std::string_view key, bool& value) override { value = node_.get(key, value); }
  void text(std::string_view key, std::string& value) override { value = node_.get(key, value); }

  void names(std::string_view key, std::vector<std::string>& value) override {
    value = node_.get(key, value);
    for (auto name = value.begin(); name != value.end(); ++name) {
      if (name->empty()) node_.fail_at(key, "an empty name");
      if (std::find(value.begin(), name, *name) != name) node_.fail_at(key, fmt::format("'{}' is named twice", *name));
    }
  }

  void name_lists(std::string_view key, std::vector<std::vector<std::string>>& value) override {
    if (!node_.has(key)) return;
    value.clear();
    std::vector<std::string> all;
    for (const YamlNode& list : node_.child(key).children()) {
      value.push_back(list.as<std::vector<std::string>>());
      if (value.back().empty()) node_.fail_at(key, "an empty list");
      for (const std::string& name : value.back()) {
        if (name.empty()) node_.fail_at(key, "an empty name");
        if (std::ranges::find(all, name) != all.end()) node_.fail_at(key, fmt::format("'{}' is named twice", name));
        all.push_back(name);
      }
    }
  }

  void widths(std::string_view key, std::vector<std::int64_t>& value, std::size_t min_layers) override {
    value = node_.get(key, value);
    if (value.size() < min_layers) node_.fail_at(key, "at least one layer is needed, such as [128]");
    if (value.size() > kMaxLayers)
      node_.fail_at(key, fmt::format("{} layers are too many, the limit is {}", value.size(), kMaxLayers));
    for (const std::int64_t width : value)
      if (width < 1 || width > kMaxWidth)
        node_.fail_at(key, fmt::format("a layer's width must be from 1 to {}, not {}", kMaxWidth, width));
  }

  void choice(std::string_view key, std::size_t& index, const std::vector<std::string>& choices) override {
    const std::string name = node_.choice(key, choices, choices.at(index));
    index = static_cast<std::size_t>(std::ranges::find(choices, name) - choices.begin());
  }

  void check(bool ok, std::string_view key, const std::string& message) override {
    if (!ok) node_.fail_at(key, message);
  }
  void refuse(std::string_view key, const std::string& why) override {
    if (node_.has(key)) node_.fail_at(key, why);
  }

 private:
  YamlNode node_;
};

RunConfig read_config(YamlNode root, const std::vector<std::string>& overrides) {
  for (const std::string& assignment : overrides) apply_override(root, assignment);
  RunConfig config;
  ConfigReader reader(root);
  visit_config(config, reader);
  root.finish();  // before what is missing: `pth:` is a better message than "path is required"
  if (config.data.path.empty())
    root.child("data").fail_at("path", "required: the folder of a data set that `mal_data prepare` wrote");
  if (config.output.empty()) root.fail_at("output", "required: the folder that the run is written to");
  return config;
}

}  // namespace

RunConfig parse_run_config(const std::string& path, const std::vector<std::string>& overrides) {
  return read_config(parse_yaml_file(path), overrides);
}

RunConfig parse_run_config_text(std::string_view text, const std::string& name,
                                const std::vector<std::string>& overrides) {
  return read_config(parse_yaml_text(text, name), overrides);
}

RunConfig without_particulars(RunConfig config) {
  const TrainConfig usual;
  config.name = config.output = "run";
  config.data = {.path = {}, .shuffle_window = config.data.shuffle_window};
  config.eval = {};
  config.train.threads = usual.threads;
  config.train.checkpoint_every = usual.checkpoint_every;
  config.train.checkpoint_minutes = usual.checkpoint_minutes;
  config.train.keep_checkpoint = usual.keep_checkpoint;
  config.vocab = Vocab::same;  // says what is refused
  return config;
}

}  // namespace mal
