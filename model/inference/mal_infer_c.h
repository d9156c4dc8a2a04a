/* C interface of mal_infer.h, for other languages: libmal_infer_c. docs/serving.md has examples.
 *
 * Every function returns MAL_OK or a code, and never lets an exception out. mal_last_error() says in words what went
 * wrong in the calling thread's last failed call. Handles are numbers: 0, a closed handle and a handle of another kind
 * are refused. A model may be used by many threads, a scorer or features by one at a time. A model may be closed while
 * its scorers and features live on.
 *
 * MIT licence, the text is in mal_infer.h. Copyright (c) 2026 the MAL authors. */
#ifndef MAL_INFER_C_H
#define MAL_INFER_C_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MAL_API __declspec(dllexport)
#elif defined(__GNUC__)
#define MAL_API __attribute__((visibility("default")))
#else
#define MAL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum mal_code {
  MAL_OK = 0,
  MAL_CANNOT_READ = 1,
  MAL_DAMAGED = 2,
  MAL_UNSUPPORTED = 3,
  MAL_BAD_MODEL = 4,
  MAL_BAD_ARGUMENT = 5,
  MAL_OUT_OF_MEMORY = 6,
  MAL_BAD_HANDLE = 7,
  MAL_FAILED = 8 /* anything else */
};

typedef uint64_t mal_model;
typedef uint64_t mal_scorer;
typedef uint64_t mal_features;

/* Of this interface; grows by one when a function changes. */
MAL_API int mal_infer_version(void);

/* The calling thread's last error, "" if there was none. Valid until its next failed call. */
MAL_API const char* mal_last_error(void);

/* map: 0 reads the file into memory, 1 maps it (replace a mapped file by rename, never in place). */
MAL_API int mal_model_load(const char* path, int map, mal_model* out);
MAL_API int mal_model_load_memory(const void* data, size_t size, mal_model* out);
MAL_API int mal_model_close(mal_model model);

/* The index of a column by its name in the schema, for the calls below. */
MAL_API int mal_model_column(mal_model model, const char* name, int* out);
/* Heads beside the primary view: how many, and the name of one; valid until the model is closed. */
MAL_API int mal_model_view_count(mal_model model, size_t* out);
MAL_API int mal_model_view_name(mal_model model, size_t index, const char** out);
MAL_API int mal_model_knowledge_width(mal_model model, size_t* out);

/* The values of one user or one ad. */
MAL_API int mal_features_new(mal_model model, mal_features* out);
MAL_API int mal_features_close(mal_features features);
MAL_API int mal_features_clear(mal_features features);
/* As in a sample file: an id, a number, or a list with '|' between its items. */
MAL_API int mal_features_set_text(mal_features features, int column, const char* text, size_t length);
MAL_API int mal_features_set_integer(mal_features features, int column, int64_t value);
/* NaN: the number is missing (an error unless the schema of the training data says what stands for it). */
MAL_API int mal_features_set_number(mal_features features, int column, double value);
MAL_API int mal_features_set_integers(mal_features features, int column, const int64_t* values, size_t count);
MAL_API int mal_features_set_scores(mal_features features, int column, const float* values, size_t count);
/* Ids without a row of their own since the last clear: unseen in training, or empty. */
MAL_API int mal_features_unseen(mal_features features, uint64_t* out);

MAL_API int mal_scorer_new(mal_model model, mal_scorer* out);
MAL_API int mal_scorer_close(mal_scorer scorer);
MAL_API int mal_scorer_set_user(mal_scorer scorer, mal_features user);
MAL_API int mal_scorer_predict(mal_scorer scorer, const mal_features* ads, size_t count, float* probabilities);
/* Any of the outputs may be NULL. views: [count, view_count]; knowledge: [count, knowledge_width]. */
MAL_API int mal_scorer_predict_all(mal_scorer scorer, const mal_features* ads, size_t count, float* probabilities,
                                   float* logits, float* views, float* knowledge);

#ifdef __cplusplus
}
#endif

#endif
