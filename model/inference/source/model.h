// The loaded model as a user holds it: a handle that can be copied, shared between threads and dropped while others
// still score with it.
#pragma once

#include "model/inference/source/loader_network.h"
#include "model/inference/source/scorer_input.h"
#include "model/inference/source/scorer_steps.h"

namespace mal::infer {

struct ColumnInfo {
  std::string name;
  Kind kind;
  Side side;           // as the schema says; scoring does not depend on it
  std::size_t length;  // of lists: the positions that are kept
};

class Model {
 public:
  enum class Access {
    copy,  // read into memory
    map,   // mapped: pages are shared with other processes and come in when they are used
  };

  static Result<Model> try_load(const std::string& path, Access access = Access::copy) {
    return make(path, [&](detail::Bytes& bytes, detail::Problem& problem) {
      return access == Access::map ? bytes.map(path, problem) : bytes.read(path, problem);
    });
  }
  static Result<Model> try_load_memory(const void* data, std::size_t size) {
    return make("memory",
                [&](detail::Bytes& bytes, detail::Problem& problem) { return bytes.copy(data, size, problem); });
  }

  Result<Scorer> try_scorer() const { return make_one<Scorer>(); }
  Result<Features> try_features() const { return make_one<Features>(); }

#if MAL_INFER_EXCEPTIONS
  static Model load(const std::string& path, Access access = Access::copy) {
    Result<Model> result = try_load(path, access);
    detail::raise(result.status());
    return std::move(*result);
  }
  static Model load_memory(const void* data, std::size_t size) {
    Result<Model> result = try_load_memory(data, size);
    detail::raise(result.status());
    return std::move(*result);
  }
  Scorer scorer() const {
    return Scorer(state_);
  }
  Features features() const {
    return Features(state_);
  }
#endif

  const std::string& type() const noexcept {
    return state_->type;
  }
  const std::string& primary() const noexcept {
    return state_->primary;
  }
  // Heads beside the primary, in the order of Predictions::views. Empty in a file exported with --only-primary.
  const std::vector<std::string>& views() const noexcept {
    return state_->views;
  }
  std::size_t knowledge_width() const noexcept {
    return state_->outputs.knowledge.width;
  }
  bool calibrated() const noexcept {
    return state_->calibration.kind != detail::Calibration::Kind::none;
  }
  const char* instructions() const noexcept {
    return state_->kernels->name;
  }  // "avx2", "neon", "portable"

  std::vector<ColumnInfo> columns() const {
    std::vector<ColumnInfo> list;
    for (const detail::ColumnSpec& column : state_->schema.columns)
      list.push_back({column.name, column.kind, column.side, column.length});
    return list;
  }
  Column column(std::string_view name) const noexcept {
    return {state_->find_column(name)};
  }
  // A metadata value of the file, such as "run" or "primary"; empty if there is none.
  std::string metadata(std::string_view key) const {
    const std::string* text = state_->container.text(key);
    return text == nullptr ? std::string() : *text;
  }

 private:
  explicit Model(std::shared_ptr<const detail::State> state) : state_(std::move(state)) {}

  template <typename T>
  Result<T> make_one() const {
    std::optional<T> made;
    Status status = detail::guarded([&]() -> Status {
      made = T(state_);
      return {};
    });
    if (!status.ok()) return Result<T>(std::move(status));
    return Result<T>(std::move(*made));
  }

  template <typename Fill>
  static Result<Model> make(const std::string& name, Fill&& fill) {
    std::shared_ptr<const detail::State> state;
    Status status = detail::guarded([&]() -> Status {
      auto loaded = std::make_shared<detail::State>();
      detail::Problem problem;
      if (!fill(loaded->bytes, problem) || !detail::Loader(*loaded, problem).load()) {
        const Status& why = problem.status();
        const bool named = why.code() == Code::cannot_read;
        return {why.code(), named ? why.message() : name + ": " + why.message()};
      }
      state = std::move(loaded);
      return {};
    });
    if (!status.ok()) return Result<Model>(std::move(status));
    return Result<Model>(Model(std::move(state)));
  }

  std::shared_ptr<const detail::State> state_;
};

}  // namespace mal::infer
