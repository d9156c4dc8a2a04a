#!/usr/bin/env bash
# Feeds forged input to what reads files of others, under AddressSanitizer and UBSan (clang with its runtime:
# libclang-rt-14-dev).
#   scripts/fuzz.sh [--jobs N] [--keep FOLDER] [RUNS] [TARGET...]
# RUNS of each target, 10,000,000 unless told, shared by N processes (1). Inputs that reach something new are put into
# FOLDER/TARGET, and the next run with that folder begins with them.
# Targets: model (mal_infer.h: a model file), csv (text tables, plain, gzip and zstd), column (a column file of a data set),
# schema (YAML).
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=1 keep=
while [[ ${1:-} == --* ]]; do
  case $1 in
    --jobs) jobs=$2 ;;
    --keep) keep=$(realpath -m "$2") ;;
    *) echo "fuzz: there is no option $1; there are --jobs --keep" >&2; exit 2 ;;
  esac
  shift 2
done
runs=${1:-10000000}
shift || true
targets=("$@")
((${#targets[@]})) || targets=(model csv column schema)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v clang++ >/dev/null || { echo "fuzz: clang++ is not installed" >&2; exit 77; }
# Speed: freed memory is used again while it is still in the cache; stacks of allocations are not kept (a finding's input
# shows them, run again without this); memory that no model, table or schema may ask for is a finding (the largest
# window of zstd is 128 MiB).
export ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
limits=(-timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=136)

compile() {  # compile TARGET
  local standard=c++20 libraries=(-lfmt) options=() sources
  case $1 in
    model)  # its own mutator knows the file, so that recording all comparisons brings nothing and takes a third
      standard=c++17 libraries=() options=(-fno-sanitize-coverage=trace-cmp) sources=(tests/inference/fuzz_model.cpp) ;;
    csv)
      libraries+=(-lz -lzstd)
      sources=(tests/fuzz/fuzz_csv.cpp train/data/{text_table,text_dialect,line_reader,pandas_index,byte_source,decompressor,gunzip,unzstd,folder_columns,sample_files,sample_values,parse_number,source_block,time_text,vocabulary}.cpp
        train/data/parquet/parquet_{absent,samples,text}.cpp train/config/{suggest,parallel}.cpp model/schema.cpp engine/file.cpp) ;;
    column) sources=(tests/fuzz/fuzz_column.cpp train/data/column_file.cpp engine/file.cpp) ;;
    schema)
      libraries+=(-lyaml-cpp)
      sed 's/@schema_entries@//' train/data/builtin_schemas.cpp.in >"$work/builtin_schemas.cpp"
      sources=(tests/fuzz/fuzz_schema.cpp "$work/builtin_schemas.cpp" train/data/schema_yaml.cpp
        train/config/{duration,strict_yaml,suggest,yaml_tree}.cpp model/schema.cpp engine/file.cpp) ;;
    *) echo "fuzz: there is no target '$1'; there are model csv column schema" >&2; exit 2 ;;
  esac
  clang++ -std=$standard -O2 -g1 -I. -DXXH_INLINE_ALL -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "${options[@]}" "${sources[@]}" "${libraries[@]}" -o "$work/$1" 2>"$work/log" ||
    { grep -q 'cannot find.*clang_rt' "$work/log" && { echo "fuzz: clang++ has no fuzzer runtime (libclang-rt-14-dev)" >&2; exit 77; }
      cat "$work/log" >&2; exit 1; }
}

run() {  # run TARGET JOB: its share of the runs
  local seed=0  # another one each time; a short run, as the tests have it, is the same each time
  ((runs > 100000)) || seed=$(($2 + 1))
  "$work/$1" -runs=$(((runs + jobs - 1) / jobs)) -seed=$seed -max_len="$longest" -print_final_stats=1 \
    "${limits[@]}" -artifact_prefix="$PWD/fuzz-$1-" "$found" "tests/fuzz/corpus/$1" 2>"$work/log-$2"
}

stat() { sed -n "s/^stat::$1: *//p" "$work"/log-* | awk '{sum += $1} END {print sum}'; }

for target in "${targets[@]}"; do
  compile "$target"
  case $target in
    model) longest=10240 ;;
    csv) longest=1024 ;;  # a table's lines and fields are short; long ones cost only time
    *) longest=2048 ;;
  esac
  found=${keep:-$work}/found-$target
  mkdir -p "$found"
  rm -f "$work"/log-*
  processes=()
  for ((job = 0; job < jobs; ++job)); do
    run "$target" "$job" &
    processes+=($!)
  done
  failed=
  for job in "${!processes[@]}"; do
    wait "${processes[$job]}" || { failed=1; tail -n 60 "$work/log-$job" >&2; }
  done
  [[ -z $failed ]] || { echo "fuzz: a finding; the input is in fuzz-$target-*" >&2; exit 1; }
  echo "$target: $(stat number_of_executed_units) runs, $(stat average_exec_per_sec) a second, no finding"
done
