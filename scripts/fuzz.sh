#!/usr/bin/env bash
# Feeds forged input to what reads files of others, under AddressSanitizer and UBSan (clang with its runtime:
# libclang-rt-14-dev).
#   scripts/fuzz.sh [RUNS] [TARGET...]    10,000,000 runs of every target unless told
# Targets: model (mal_infer.h: a model file), csv (text tables, plain and gzip), column (a column file of a data set),
# schema (YAML).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-10000000}
shift || true
targets=("$@")
seed=0  # another one each time; a short run, as the tests have it, is the same each time
((runs > 100000)) || seed=1
((${#targets[@]})) || targets=(model csv column schema)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v clang++ >/dev/null || { echo "fuzz: clang++ is not installed" >&2; exit 77; }

for target in "${targets[@]}"; do
  standard=c++20 corpus=tests/fuzz/corpus/$target libraries=(-lfmt)
  case $target in
    model) standard=c++17 corpus=tests/inference/corpus libraries=() sources=(tests/inference/fuzz_model.cpp) ;;
    csv)
      libraries+=(-lz)
      sources=(tests/fuzz/fuzz_csv.cpp train/data/{text_table,byte_source,sample_files,sample_values,parse_number,vocabulary}.cpp
        train/data/parquet/parquet_{absent,samples,text}.cpp train/config/{suggest,parallel}.cpp engine/file.cpp) ;;
    column) sources=(tests/fuzz/fuzz_column.cpp train/data/column_file.cpp engine/file.cpp) ;;
    schema)
      libraries+=(-lyaml-cpp)
      sed 's/@schema_entries@//' train/data/builtin_schemas.cpp.in >"$work/builtin_schemas.cpp"
      sources=(tests/fuzz/fuzz_schema.cpp "$work/builtin_schemas.cpp" train/data/schema_yaml.cpp
        train/config/{strict_yaml,yaml_tree,suggest}.cpp model/schema.cpp engine/file.cpp) ;;
    *) echo "fuzz: there is no target '$target'; there are model csv column schema" >&2; exit 2 ;;
  esac
  clang++ -std=$standard -O1 -g -I. -DXXH_INLINE_ALL -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
    "${sources[@]}" "${libraries[@]}" -o "$work/fuzz" 2>"$work/log" ||
    { grep -q 'cannot find.*clang_rt' "$work/log" && { echo "fuzz: clang++ has no fuzzer runtime (libclang-rt-14-dev)" >&2; exit 77; }
      cat "$work/log" >&2; exit 1; }
  mkdir -p "$work/found-$target"
  "$work/fuzz" -runs="$runs" -seed=$seed -max_len=16384 -rss_limit_mb=2048 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="$PWD/fuzz-$target-" "$work/found-$target" "$corpus" 2>"$work/log" ||
    { tail -n 60 "$work/log" >&2; echo "fuzz: a finding; the input is in fuzz-$target-*" >&2; exit 1; }
  echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log") runs, $(sed -n 's/^stat::average_exec_per_sec: *//p' "$work/log") a second, no finding"
done
