#!/usr/bin/env bash
# Installs what is missing, checks format and lint, builds with sanitizers and in release, runs every test.
#   scripts/test.sh            everything
#   scripts/test.sh --quick    the release tests alone
set -euo pipefail
cd "$(dirname "$0")/.."
quick=${1:-}

scripts/setup.sh --test

build() {  # build PRESET [-DOPTION=...]: quiet unless it fails
  local log
  log=$(mktemp)
  echo "test: building build/$1"
  if ! { cmake --preset "$@" && cmake --build --preset "$1"; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    exit 1
  fi
  rm -f "$log"
}

if [[ $quick != --quick ]]; then
  echo "test: clang-format"
  git ls-files '*.h' '*.cpp' '*.cu' | xargs clang-format --dry-run --Werror
  build asan
  echo "test: sanitizers"
  ctest --preset asan --output-log build/asan/ctest.log >/dev/null || { tail -n 80 build/asan/ctest.log; exit 1; }
  tail -n 6 build/asan/ctest.log
  scripts/lint.sh build/asan
fi

build release -DMAL_BENCH=ON
echo "test: release"
ctest --preset release
