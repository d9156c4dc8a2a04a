#!/usr/bin/env bash
# The header alone, as others use it: both compilers where there are two, every warning, with and without exceptions,
# with and without -march, twice in one program, and the examples of docs/serving.md.
set -euo pipefail
source=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$source/model/inference/mal_infer.h" "$source/model/inference/mal_infer_c.h" "$work"
cp "$source"/docs/examples/serving/* "$work"
cd "$work"

cat >one.cpp <<'CODE'
#include "mal_infer.h"
int other();
int main() { return mal::infer::Model::try_load("none").ok() || other() == 0 ? 1 : 0; }
CODE
cat >two.cpp <<'CODE'
#include "mal_infer.h"
int other() {
  const auto result = mal::infer::Model::try_load_memory("", 0);
  return static_cast<int>(result.status().code());
}
CODE

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
for compiler in g++ clang++; do
  command -v $compiler >/dev/null || { echo "skipped: no $compiler"; continue; }
  for flags in "-O0" "-O2 -march=native" "-O1 -fno-exceptions" "-O1 -DMAL_INFER_PORTABLE" "-O0 -std=c++20"; do
    # shellcheck disable=SC2086
    $compiler -std=c++17 $flags "${warnings[@]}" -c one.cpp -o one.o
    $compiler -std=c++17 -O0 "${warnings[@]}" -c two.cpp -o two.o
    $compiler one.o two.o -o both
    ./both
    echo "ok: $compiler $flags"
  done
  $compiler -std=c++17 -O0 "${warnings[@]}" minimal.cpp -o minimal
  $compiler -std=c++17 -O0 -pthread "${warnings[@]}" server_threads.cpp -o server_threads
  echo "ok: $compiler examples"
done
cc -std=c99 -Wall -Wextra -Wpedantic -Werror -c caller.c -o caller.o
echo "ok: C99"
