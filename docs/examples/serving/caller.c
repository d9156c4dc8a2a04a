/* Calls the C interface the way cgo does: plain C, handles, codes.
 *   cc -std=c99 caller.c -I. -L. -lmal_infer_c -o caller
 *   ./caller model.mal user=u17 ad_item=4 ... */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mal_infer_c.h"

static void must(int code, const char* what) {
  if (code == MAL_OK) return;
  fprintf(stderr, "caller: %s: %s (code %d)\n", what, mal_last_error(), code);
  exit(1);
}

int main(int argc, char** argv) {
  mal_model model = 0;
  mal_features row = 0;
  mal_scorer scorer = 0;
  float probability = 0;
  int i = 0;
  if (argc < 2) return fprintf(stderr, "usage: caller MODEL [COLUMN=VALUE]...\n"), 2;
  must(mal_model_load(argv[1], 1, &model), "load");
  must(mal_features_new(model, &row), "features");
  must(mal_scorer_new(model, &scorer), "scorer");
  for (i = 2; i < argc; ++i) {
    char* equals = strchr(argv[i], '=');
    int column = -1;
    if (equals == NULL) return fprintf(stderr, "caller: no '=' in %s\n", argv[i]), 2;
    *equals = '\0';
    must(mal_model_column(model, argv[i], &column), argv[i]);
    must(mal_features_set_text(row, column, equals + 1, strlen(equals + 1)), argv[i]);
  }
  must(mal_model_close(model), "close"); /* its scorers and features live on */
  must(mal_scorer_predict(scorer, &row, 1, &probability), "predict");
  printf("%.9g\n", (double)probability);
  must(mal_scorer_close(scorer), "close");
  must(mal_features_close(row), "close");
  return 0;
}
