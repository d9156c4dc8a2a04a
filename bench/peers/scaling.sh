#!/usr/bin/env bash
# Whether the cost of training is linear, ours alone: samples/s with ten times the rows, with ten times the ids as well, and with more threads,
# alternately in one run.
#   bench/compare.sh scaling [--json FILE] [--rounds 3] [--rows 100000] [--ids 20000] [--models mal,base] [--batch 4096]
#     [--threads 1,2] [--precision fp32]
# Three data sets of the natal size: ROWS rows with IDS ids a table, 10 ROWS with IDS, 10 ROWS with 10 IDS (fewer rows would not show all
# of them). Speeds are those of the run's log, in lines of 4 steps, as in bench/compare.sh train.
set -euo pipefail
cd "$(dirname "$0")/../.."
json=() rounds=3 rows=100000 ids=20000 models=mal,base batch=4096 threads= precision=fp32
while (($#)); do
  case $1 in
    --json) json=(--json "$2") ;;
    --rounds | --rows | --ids | --models | --batch | --threads | --precision) declare "${1#--}=$2" ;;
    *) echo "scaling: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
source bench/options.sh
numbers scaling rounds rows ids batch threads
each_of scaling precision "fp32|bf16|tf32"
cores=$(nproc)
if [[ -z $threads ]]; then threads=$(((cores > 1)) && echo 1,"$cores" || echo 1); fi
IFS=, read -ra models <<<"$models"
IFS=, read -ra threads <<<"$threads"

build=${MAL_BUILD:-build/release}
if [[ -z ${MAL_BUILD:-} ]]; then
  cmake --preset release >/dev/null && cmake --build --preset release --target inference_bench mal_gpu_train mal_data >/dev/null
fi
unset OPENBLAS_CORETYPE
mkdir -p build
work=$(mktemp -d build/scaling.XXXX)
trap 'rm -rf "$work"' EXIT
run() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }; }

sets=("$rows $ids" "$((10 * rows)) $ids" "$((10 * rows)) $((10 * ids))")
for set in "${sets[@]}"; do
  read -r n of <<<"$set"
  run "$build/inference_bench" data --rows "$n" --ids "$of" --out "$work/samples"
  run "$build/mal_data" prepare --schema "$work/samples/schema.yaml" --train "$work/samples/train.csv" \
    --test "$work/samples/test.csv" --out "$work/$n.$of"
  rm -r "$work/samples"
done
for ((round = 1; round <= rounds; ++round)); do
  for model in "${models[@]}"; do
    for t in "${threads[@]}"; do
      for set in "${sets[@]}"; do
        read -r n of <<<"$set"
        run "$build/mal_gpu_train" train/configs/"$model".yaml --device cpu --overwrite --set data.path="$work/$n.$of" --set output="$work/run" \
          --set train.batch_size="$batch" --set train.threads="$t" --set train.epochs=$((n == rows ? 3 : 1)) --set train.log_every=4 \
          --set train.schedule=constant --set train.checkpoint_minutes=0 --set eval.slices=[] --set train.precision="$precision"
        python3 bench/peers/scaling_summary.py add "$work/run" --model "$model" --rows "$n" --ids "$of" --threads "$t" --samples "$work/speeds"
      done
    done
  done
  echo "scaling: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
python3 bench/peers/scaling_summary.py summary --samples "$work/speeds" "${json[@]}"
