// A pass over every key of a configuration: reading and writing are two of them, so that the keys are listed once
// (config_keys.cpp). Private to train/config.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mal {

class ConfigVisitor {
 public:
  virtual ~ConfigVisitor() = default;

  // `key:` with the keys that `body` visits below it.
  virtual void section(std::string_view key, const std::function<void(ConfigVisitor&)>& body) = 0;

  // A value: read into `value`, whose content is the default, or written from it.
  virtual void integer(std::string_view key, std::int64_t& value, std::int64_t min, std::int64_t max) = 0;
  virtual void number(std::string_view key, double& value, double min, double max) = 0;
  virtual void numbers(std::string_view key, std::vector<double>& value, double min, double max) = 0;
  virtual void flag(std::string_view key, bool& value) = 0;
  virtual void text(std::string_view key, std::string& value) = 0;  // may be empty
  virtual void names(std::string_view key, std::vector<std::string>& value) = 0;
  virtual void name_lists(std::string_view key, std::vector<std::vector<std::string>>& value) = 0;
  virtual void widths(std::string_view key, std::vector<std::int64_t>& value, std::size_t min_layers) = 0;
  // index into `choices`.
  virtual void choice(std::string_view key, std::size_t& index, const std::vector<std::string>& choices) = 0;

  // What the ranges cannot say. Only reading checks.
  virtual void check(bool ok, std::string_view key, const std::string& message) = 0;
  // A key that would be ignored here: giving it is an error.
  virtual void refuse(std::string_view key, const std::string& why) = 0;
};

}  // namespace mal
