#!/usr/bin/env bash
# mal_gpu_train and PyTorch (eager and compiled), the same natal-size network, losses and Adam, alternately in one run.
#   bench/compare.sh train [--json FILE] [--rounds N] [--seconds S] [--models mal,base] [--batches 4096,1024]
#     [--engines eager:sparse,compile:sparse,eager:dense] [--device cpu|cuda] [--precision fp32|tf32] [--rows N]
# The peer's batches are on its device before its clock starts. Ours reads its data set from disk on the CPU; on a GPU the
# rows stay there (data.on_device), and what is measured begins with the third epoch: 1000 steps or more, in lines of 50.
# PyTorch is the python3's that PEERS_PYTHON names (and MAL_BUILD our binaries), or comes from PyPI into build/peers-venv (about 4 GB: PyPI's torch brings CUDA's libraries).
set -euo pipefail
cd "$(dirname "$0")/../.."
json=() rounds=3 seconds=5 models=mal,base batches=4096,1024 engines=eager:sparse,eager:dense device=cpu precision=fp32 rows=100000
while (($#)); do
  case $1 in
    --json) json=(--json "$2") ;;
    --rounds | --seconds | --models | --batches | --engines | --device | --precision | --rows) declare "${1#--}=$2" ;;
    *) echo "train: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
IFS=, read -ra models <<<"$models"
IFS=, read -ra batches <<<"$batches"
IFS=, read -ra engines <<<"$engines"

build=${MAL_BUILD:-build/release}
if [[ -z ${MAL_BUILD:-} ]]; then
  cmake --preset release >/dev/null && cmake --build --preset release --target inference_bench mal_gpu_train mal_data >/dev/null
fi
python=${PEERS_PYTHON:-}
if [[ -z $python ]]; then
  source bench/python_of.sh
  python=$(python_of build/peers-venv bench/peers/inference_requirements.txt)
fi
unset OPENBLAS_CORETYPE
peers=("$python" -W ignore bench/peers/train_peers.py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for model in "${models[@]}"; do "$build/inference_bench" make --type "$model" --out "$work/$model.mal" >/dev/null; done
"$build/inference_bench" data --rows "$rows" --out "$work/samples"
"$build/mal_data" prepare --schema "$work/samples/schema.yaml" --train "$work/samples/train.csv" \
  --test "$work/samples/test.csv" --out "$work/dataset" >/dev/null 2>&1
for ((round = 1; round <= rounds; ++round)); do
  for model in "${models[@]}"; do
    for batch in "${batches[@]}"; do
      run() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }; }
      ours=(--set train.log_every=4) from=0
      if [[ $device == cuda* ]]; then
        steps=$(((rows + batch - 1) / batch)) from=2
        ours=(--set train.log_every=50 --set data.on_device=true --set "train.epochs=$((from + (1050 + steps - 1) / steps))")
      fi
      run "$build/mal_gpu_train" train/configs/"$model".yaml --device "$device" --overwrite --set data.path="$work/dataset" \
        --set output="$work/run" --set train.batch_size="$batch" "${ours[@]}" --set train.schedule=constant \
        --set train.checkpoint_minutes=0 --set eval.slices=[] \
        --set train.precision="$precision"
      run "${peers[@]}" ours "$work/run" --type "$model" --batch "$batch" --from-epoch $from --samples "$work/speeds"
      for engine in "${engines[@]}"; do
        run "${peers[@]}" run "$work/$model.mal" --engine "${engine%:*}" --optimizer "${engine#*:}" --device "$device" \
          --precision "$precision" --batch "$batch" --seconds "$seconds" --samples "$work/speeds"
      done
    done
  done
  echo "train: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
"${peers[@]}" summary "$work/speeds" "${json[@]}"
