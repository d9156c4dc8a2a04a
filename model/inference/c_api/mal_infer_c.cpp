#include "model/inference/mal_infer_c.h"

#include <atomic>
#include <mutex>

#include "model/inference/mal_infer.h"

namespace {

using mal::infer::Features;
using mal::infer::Model;
using mal::infer::Scorer;
using mal::infer::Status;

// A C caller may close twice, or use what it closed; both must be an error, not a crash. So a handle is no address but
// a slot with the number of its use: one table for the process, which calls read without a lock.
struct Slot {
  std::atomic<std::uint64_t> handle{0};
  void* object = nullptr;
};
constexpr std::uint64_t kSlots = 1 << 18;
enum class Kind : std::uint64_t { model = 1, scorer = 2, features = 3 };

struct Scoring {
  Scorer scorer;
  std::vector<const Features*> ads;
};

template <typename T>
constexpr Kind kKind = Kind::model;
template <>
constexpr Kind kKind<Scoring> = Kind::scorer;
template <>
constexpr Kind kKind<Features> = Kind::features;

class Handles {
 public:
  // 0: the table is full.
  std::uint64_t open(Kind kind, void* object) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (std::uint64_t tried = 0; tried < kSlots; ++tried) {
      next_ = (next_ + 1) % kSlots;
      Slot& slot = slots_[next_];
      if (slot.handle.load(std::memory_order_relaxed) != 0) continue;
      slot.object = object;
      const std::uint64_t handle = ++uses_ << 20 | static_cast<std::uint64_t>(kind) << 18 | next_;
      slot.handle.store(handle, std::memory_order_release);
      return handle;
    }
    return 0;
  }
  void* find(Kind kind, std::uint64_t handle) const {
    const Slot& slot = slots_[handle % kSlots];
    const bool same = handle != 0 && slot.handle.load(std::memory_order_acquire) == handle;
    return same && (handle >> 18 & 3) == static_cast<std::uint64_t>(kind) ? slot.object : nullptr;
  }
  void* close(Kind kind, std::uint64_t handle) {
    const std::lock_guard<std::mutex> lock(mutex_);
    void* object = find(kind, handle);
    if (object != nullptr) slots_[handle % kSlots].handle.store(0, std::memory_order_release);
    return object;
  }

 private:
  std::mutex mutex_;
  std::uint64_t next_ = 0, uses_ = 0;
  Slot slots_[kSlots];
};

Handles& handles() {
  static Handles table;
  return table;
}

thread_local std::string last_error;

int refuse(int code, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory even for the message
  }
  return code;
}

int finish(const Status& status) noexcept {
  return status.ok() ? static_cast<int>(MAL_OK) : refuse(static_cast<int>(status.code()), status.message().c_str());
}

// Runs `body`, which returns a Status or a code, and keeps every exception in.
template <typename Body>
int guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return refuse(MAL_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return refuse(MAL_FAILED, error.what());
  } catch (...) {
    return refuse(MAL_FAILED, "an unknown failure");
  }
}

template <typename T>
T* find(std::uint64_t handle) {
  return static_cast<T*>(handles().find(kKind<T>, handle));
}

int bad_handle() noexcept {
  return refuse(MAL_BAD_HANDLE, "the handle is closed, of another kind, or was never given out");
}
int null_argument() noexcept {
  return refuse(MAL_BAD_ARGUMENT, "an argument is NULL");
}

template <typename T>
int give(std::unique_ptr<T> object, std::uint64_t* out) {
  const std::uint64_t handle = handles().open(kKind<T>, object.get());
  if (handle == 0) return refuse(MAL_OUT_OF_MEMORY, "too many handles are open; close those that are not used");
  static_cast<void>(object.release());
  *out = handle;
  return MAL_OK;
}

template <typename T>
int close(std::uint64_t handle) noexcept {
  return guarded([&] {
    const std::unique_ptr<T> object(static_cast<T*>(handles().close(kKind<T>, handle)));
    return object == nullptr ? bad_handle() : static_cast<int>(MAL_OK);
  });
}

template <typename... Values>
int set(mal_features handle, int column, Values... values) noexcept {
  return guarded([&] {
    auto* features = find<Features>(handle);
    return features == nullptr ? bad_handle() : finish(features->try_set(mal::infer::Column{column}, values...));
  });
}

// What a model says of itself, into *out.
template <typename T, typename Ask>
int ask(mal_model handle, T* out, Ask&& what) noexcept {
  return guarded([&] {
    const auto* model = find<Model>(handle);
    if (model == nullptr) return bad_handle();
    if (out == nullptr) return null_argument();
    return what(*model);
  });
}

int take(mal::infer::Result<Model> result, mal_model* out) {
  return result.ok() ? give(std::make_unique<Model>(std::move(*result)), out) : finish(result.status());
}

}  // namespace

int mal_infer_version(void) {
  return 1;
}

const char* mal_last_error(void) {
  return last_error.c_str();
}

int mal_model_load(const char* path, int map, mal_model* out) {
  if (path == nullptr || out == nullptr) return null_argument();
  return guarded([&] { return take(Model::try_load(path, map != 0 ? Model::Access::map : Model::Access::copy), out); });
}

int mal_model_load_memory(const void* data, size_t size, mal_model* out) {
  if (data == nullptr || out == nullptr) return null_argument();
  return guarded([&] { return take(Model::try_load_memory(data, size), out); });
}

int mal_model_close(mal_model model) {
  return close<Model>(model);
}

int mal_model_column(mal_model model, const char* name, int* out) {
  return ask(model, out, [&](const Model& m) -> int {
    if (name == nullptr) return null_argument();
    const mal::infer::Column column = m.column(name);
    if (!column.valid()) return refuse(MAL_BAD_ARGUMENT, "the model reads no column of this name");
    *out = column.index;
    return MAL_OK;
  });
}

int mal_model_view_count(mal_model model, size_t* out) {
  return ask(model, out, [&](const Model& m) -> int { return *out = m.views().size(), MAL_OK; });
}

int mal_model_view_name(mal_model model, size_t index, const char** out) {
  return ask(model, out, [&](const Model& m) -> int {
    if (index >= m.views().size()) return refuse(MAL_BAD_ARGUMENT, "the model has fewer views");
    *out = m.views()[index].c_str();
    return MAL_OK;
  });
}

int mal_model_knowledge_width(mal_model model, size_t* out) {
  return ask(model, out, [&](const Model& m) -> int { return *out = m.knowledge_width(), MAL_OK; });
}

int mal_features_new(mal_model model, mal_features* out) {
  return ask(model, out, [&](const Model& m) { return give(std::make_unique<Features>(m.features()), out); });
}

int mal_features_close(mal_features features) {
  return close<Features>(features);
}

int mal_features_clear(mal_features features) {
  auto* found = find<Features>(features);
  if (found == nullptr) return bad_handle();
  found->clear();
  return MAL_OK;
}

int mal_features_set_text(mal_features features, int column, const char* text, size_t length) {
  if (text == nullptr && length > 0) return null_argument();
  return set(features, column, std::string_view(text == nullptr ? "" : text, length));
}
int mal_features_set_integer(mal_features features, int column, int64_t value) {
  return set(features, column, std::int64_t{value});
}
int mal_features_set_number(mal_features features, int column, double value) {
  return set(features, column, value);
}
int mal_features_set_integers(mal_features features, int column, const int64_t* values, size_t count) {
  return set(features, column, static_cast<const std::int64_t*>(values), count);
}
int mal_features_set_scores(mal_features features, int column, const float* values, size_t count) {
  return set(features, column, values, count);
}

int mal_features_unseen(mal_features features, uint64_t* out) {
  const auto* found = find<Features>(features);
  if (found == nullptr) return bad_handle();
  if (out == nullptr) return null_argument();
  *out = found->counts().unseen + found->counts().empty;
  return MAL_OK;
}

int mal_scorer_new(mal_model model, mal_scorer* out) {
  return ask(model, out, [&](const Model& m) { return give(std::make_unique<Scoring>(Scoring{m.scorer(), {}}), out); });
}

int mal_scorer_close(mal_scorer scorer) {
  return close<Scoring>(scorer);
}

int mal_scorer_set_user(mal_scorer scorer, mal_features user) {
  return guarded([&] {
    auto* scoring = find<Scoring>(scorer);
    const auto* features = find<Features>(user);
    return scoring == nullptr || features == nullptr ? bad_handle() : finish(scoring->scorer.try_set_user(*features));
  });
}

int mal_scorer_predict(mal_scorer scorer, const mal_features* ads, size_t count, float* probabilities) {
  if (probabilities == nullptr && count > 0) return null_argument();
  return mal_scorer_predict_all(scorer, ads, count, probabilities, nullptr, nullptr, nullptr);
}

int mal_scorer_predict_all(mal_scorer scorer, const mal_features* ads, size_t count, float* probabilities,
                           float* logits, float* views, float* knowledge) {
  return guarded([&]() -> int {
    auto* scoring = find<Scoring>(scorer);
    if (scoring == nullptr) return bad_handle();
    if (ads == nullptr && count > 0) return null_argument();
    if (count > kSlots) return refuse(MAL_BAD_ARGUMENT, "so many ads cannot exist");
    scoring->ads.resize(count);
    for (size_t i = 0; i < count; ++i) {
      scoring->ads[i] = find<Features>(ads[i]);
      if (scoring->ads[i] == nullptr) return bad_handle();
    }
    mal::infer::Predictions out;
    out.probability = probabilities;
    out.logit = logits;
    out.views = views;
    out.knowledge = knowledge;
    return finish(scoring->scorer.try_predict(scoring->ads.data(), count, out));
  });
}
