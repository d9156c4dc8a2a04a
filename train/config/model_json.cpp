#include "train/config/model_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "train/config/config_keys.h"

namespace mal {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kTrainingOnly[] = {"embedding_init_std", "lambda_view",  "lambda_cat",
                                              "view_labels",        "view_weights", "detach_knowledge"};

class JsonWriter : public ConfigVisitor {
 public:
  explicit JsonWriter(Json& out) : out_(out) {}

  void section(std::string_view key, const std::function<void(ConfigVisitor&)>& body) override {
    Json& below = out_[std::string(key)] = Json::object();
    JsonWriter writer(below);
    body(writer);
  }
  void integer(std::string_view key, std::int64_t& value, std::int64_t, std::int64_t) override { put(key, value); }
  void number(std::string_view key, double& value, double, double) override { put(key, value); }
  void flag(std::string_view key, bool& value) override { put(key, value); }
  void text(std::string_view key, std::string& value) override { put(key, value); }
  void names(std::string_view key, std::vector<std::string>& value) override { put(key, value); }
  void numbers(std::string_view key, std::vector<double>& value, double, double) override { put(key, value); }
  void widths(std::string_view key, std::vector<std::int64_t>& value, std::size_t) override { put(key, value); }
  void name_lists(std::string_view key, std::vector<std::vector<std::string>>& value) override { put(key, value); }
  void choice(std::string_view key, std::size_t& index, const std::vector<std::string>& choices) override {
    put(key, choices.at(index));
  }
  void check(bool, std::string_view, const std::string&) override {}
  void refuse(std::string_view, const std::string&) override {}

 private:
  template <typename Value>
  void put(std::string_view key, const Value& value) {
    if (std::ranges::find(kTrainingOnly, key) == std::end(kTrainingOnly)) out_[std::string(key)] = value;
  }
  Json& out_;
};

}  // namespace

std::string model_json(const RunConfig& config) {
  RunConfig copy = config;  // a visitor may write, this one does not
  Json all = Json::object();
  JsonWriter writer(all);
  visit_config(copy, writer);
  Json& model = all.at("model");
  // A section that nothing reads there is left out: the header refuses what it does not know.
  if (!config.model.senet.enabled && config.model.type != "moae") model.erase("senet");
  return model.dump();
}

}  // namespace mal
