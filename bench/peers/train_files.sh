#!/usr/bin/env bash
# From Parquet files to saved weights, by the clock: mal_data prepare + mal_gpu_train against research code (pandas, then a torch Dataset,
# DataLoader and training loop), the same samples of the MAC layout, network, batch and number of rows trained, one epoch, alternately in one run.
#   bench/compare.sh train_files [--json FILE] [--rounds 3] [--rows 500000] [--ids text|integers] [--model mal] [--batch 4096] [--workers N]
#     [--ways arrays:eager:sparse,arrays:compile:sparse,pymal:eager:dense] [--precision fp32] [--threads N]
# A way of the peer is STORE:ENGINE:OPTIMIZER. `arrays`: each step the fastest way that pandas and numpy offer; batches are slices of mapped
# arrays, cut by the DataLoader's workers. `pymal`: PyMAL's way, a dictionary of arrays in a pickle, samples taken one at a time and put
# together by torch's default collate. Engine and optimiser as in bench/compare.sh train. Workers: as many as cores; memory is not pinned.
# Ours also tests at the end, inside its time; the peer's test is outside. Both LogLosses are shown: neither way leaves work out.
set -euo pipefail
cd "$(dirname "$0")/../.."
json=() rounds=3 rows=500000 ids=text model=mal batch=4096 workers=$(nproc) precision=fp32 threads=0
ways=arrays:eager:sparse,arrays:compile:sparse,pymal:eager:dense
while (($#)); do
  case $1 in
    --json) json=(--json "$2") ;;
    --rounds | --rows | --ids | --model | --batch | --workers | --ways | --precision | --threads) declare "${1#--}=$2" ;;
    *) echo "train_files: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
source bench/options.sh
numbers train_files rounds rows batch workers
each_of train_files ids "text|integers"
each_of train_files ways "(arrays|pymal):(eager|compile)(_bf16)?:(sparse|dense)" \
  "STORE:ENGINE:OPTIMIZER of arrays, pymal; eager, compile, eager_bf16, compile_bf16; sparse, dense"
IFS=, read -ra ways <<<"$ways"

build=${MAL_BUILD:-build/release}
if [[ -z ${MAL_BUILD:-} ]]; then
  cmake --preset release >/dev/null && cmake --build --preset release --target mal_gpu_train mal_data >/dev/null
fi
python=${PEERS_PYTHON:-}
if [[ -z $python ]]; then
  source bench/python_of.sh
  python=$(python_of build/peers-venv bench/peers/torch_requirements.txt)
fi
unset OPENBLAS_CORETYPE
data=("$python" bench/peers/data_peers.py) peers=("$python" -W ignore bench/peers/train_files_peers.py)
mkdir -p build
work=$(mktemp -d build/train-files.XXXX)
trap 'rm -rf "$work"' EXIT
"${data[@]}" make --rows "$rows" --ids "$ids" --out "$work/mac"
files=(--train "$work/mac/train.parquet" --test "$work/mac/test.parquet")

measure() {  # measure WAY STAGE COMMAND...: its seconds by the clock, appended to the samples
  local way=$1 stage=$2 begin end
  shift 2
  begin=$(date +%s.%N)
  "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
  end=$(date +%s.%N)
  awk -v n="$way $stage" -v a="$begin" -v b="$end" 'BEGIN { printf "%s %.3f\n", n, b - a }' >>"$work/samples"
}
declare -A step=([arrays]=prepare [pymal]=pymal)
for ((round = 1; round <= rounds; ++round)); do
  measure ours prepare "$build/mal_data" prepare --schema mac "${files[@]}" --out "$work/dataset"
  measure ours train "$build/mal_gpu_train" train/configs/mac.yaml --device cpu --overwrite --set model.type="$model" \
    --set data.path="$work/dataset" --set output="$work/run" --set train.batch_size="$batch" --set train.threads="$threads" \
    --set train.schedule=constant --set train.checkpoint_minutes=0 --set train.precision="$precision"
  "$build/mal_gpu_train" export "$work/run" --out "$work/model.mal" >/dev/null  # for the peer: the sizes of the network
  for way in "${ways[@]}"; do
    IFS=: read -r store engine optimizer <<<"$way"
    rm -rf "${work:?}/$store"
    measure "$way" prepare "${data[@]}" "${step[$store]}" "${files[@]}" --out "$work/$store"
    measure "$way" train "${peers[@]}" train "$work/model.mal" --store "$store" --data "$work/$store" --engine "$engine" --optimizer "$optimizer" \
      --batch "$batch" --workers "$workers" --out "$work/weights.pt" --stages "$work/stages"
    sed "s/^/$way /" "$work/stages" >>"$work/samples"
    "${peers[@]}" test "$work/model.mal" --store "$store" --data "$work/$store" --weights "$work/weights.pt" | sed "s/^/$way /" >>"$work/samples"
    rm -rf "${work:?}/$store"
  done
  "$python" -c 'import json, sys; print("ours logloss", [json.loads(l) for l in open(sys.argv[1]) if "\"test\"" in l][-1]["logloss"])' \
    "$work/run/metrics.jsonl" >>"$work/samples"
  echo "train_files: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
"${peers[@]}" summary --samples "$work/samples" --rows "$rows" --ids "$ids" --model "$model" --batch "$batch" --parquet "$work/mac/train.parquet" "${json[@]}"
