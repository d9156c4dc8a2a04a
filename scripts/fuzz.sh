#!/usr/bin/env bash
# Feeds forged model files to mal_infer.h under AddressSanitizer and UBSan (clang with its runtime: libclang-rt-14-dev).
#   scripts/fuzz.sh [RUNS] [CORPUS]    10,000,000 runs from tests/inference/corpus unless told
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-10000000}
corpus=${2:-tests/inference/corpus}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

command -v clang++ >/dev/null || { echo "fuzz: clang++ is not installed" >&2; exit 77; }
clang++ -std=c++17 -O1 -g -I. -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  tests/inference/fuzz_model.cpp -o "$work/fuzz_model" 2>"$work/log" ||
  { echo "fuzz: clang++ has no fuzzer runtime (libclang-rt-14-dev)" >&2; cat "$work/log" >&2; exit 77; }
mkdir -p "$work/found"
"$work/fuzz_model" -runs="$runs" -max_len=16384 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
  -artifact_prefix="$PWD/fuzz-" "$work/found" "$corpus" 2>"$work/log" ||
  { tail -n 60 "$work/log" >&2; echo "fuzz: a finding; the input is in fuzz-*" >&2; exit 1; }
tail -n 8 "$work/log"
