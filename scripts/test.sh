#!/usr/bin/env bash
# Installs what is missing, checks format and lint, builds with sanitizers and in release, runs every test.
#   scripts/test.sh            everything
#   scripts/test.sh --quick    the release tests alone
set -euo pipefail
cd "$(dirname "$0")/.."
quick=${1:-}
if (($# > 1)) || [[ -n $quick && $quick != --quick ]]; then
  echo "usage: scripts/test.sh [--quick]" >&2
  exit 2
fi

scripts/setup.sh --test

build() {  # build PRESET [-DOPTION=...]: quiet unless it fails
  local log
  log=$(mktemp)
  echo "test: building build/$1 (minutes, the first time)"
  if ! { cmake --preset "$@" && cmake --build --preset "$1"; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "test: FAILED: build/$1 does not build (above; the whole log: $log)" >&2
    exit 1
  fi
  rm -f "$log"
}

if [[ $quick != --quick ]]; then
  echo "test: clang-format"
  if ! git ls-files '*.h' '*.cpp' '*.cu' | xargs clang-format --dry-run --Werror; then
    echo "test: FAILED: clang-format would change the files above (clang-format -i FILE does it)" >&2
    exit 1
  fi
  build asan
  echo "test: sanitizers"
  if ! ctest --preset asan --output-log build/asan/ctest.log >/dev/null; then
    tail -n 80 build/asan/ctest.log
    echo "test: FAILED: tests with sanitizers (above; the whole log: build/asan/ctest.log)" >&2
    exit 1
  fi
  tail -n 6 build/asan/ctest.log
  if ! scripts/lint.sh build/asan; then
    echo "test: FAILED: clang-tidy (above)" >&2
    exit 1
  fi
fi

build release -DMAL_BENCH=ON
echo "test: release"
ctest --preset release
