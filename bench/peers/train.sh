#!/usr/bin/env bash
# mal_gpu_train and PyTorch (eager and compiled, fp32 and bf16 autocast): the same networks, losses and Adam, alternately in one run.
#   bench/compare.sh train [--json FILE] [--rounds N] [--seconds S] [--models mal,base,mmoe,ple,home,adatt,natal,moae] [--batches 4096,1024]
#     [--engines eager:sparse,compile:sparse,compile:dense,compile_bf16:sparse,compile_bf16:dense] [--device cpu|cuda]
#     [--precision fp32,bf16,tf32] [--threads 1,2] [--rows N] [--epochs N]
# --precision and --threads: of ours, each in turn; the peer has all cores, and tf32 where ours has it first. --engines none: ours alone.
# First the peer's network must have as many parameters as ours, its test LogLoss, and a gradient of each. The ceilings are
# measured once a round (cpu_probe); the best of the rounds is what shares are shares of.
# The peer's batches are on its device before its clock starts. Ours reads its data set from disk on the CPU; on a GPU the
# rows stay there (data.on_device), and what is measured begins with the third epoch: 1000 steps or more, in lines of 50.
# PyTorch is the python3's that PEERS_PYTHON names (and MAL_BUILD our binaries), or comes from PyPI into build/peers-venv (about 4 GB: PyPI's torch brings CUDA's libraries).
set -euo pipefail
cd "$(dirname "$0")/../.."
json=() rounds=3 seconds=5 models=mal,base batches=4096,1024 device=cpu precision=fp32 rows=100000 epochs=2
engines=eager:sparse,compile:sparse,compile:dense,compile_bf16:sparse,compile_bf16:dense threads=
while (($#)); do
  case $1 in
    --json) json=(--json "$2") ;;
    --rounds | --seconds | --models | --batches | --engines | --device | --precision | --threads | --rows | --epochs) declare "${1#--}=$2" ;;
    *) echo "train: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done
source bench/options.sh
numbers train rounds batches threads rows epochs
each_of train models "mal|base|mmoe|ple|home|adatt|natal|moae"
each_of train engines "(eager|compile)(_bf16)?:(sparse|dense)|none" "ENGINE:OPTIMIZER of eager, compile, eager_bf16, compile_bf16 and sparse, dense; none"
each_of train precision "fp32|bf16|tf32"
cores=$(nproc)
if [[ $device == cuda* ]]; then threads=$cores
elif [[ -z $threads ]]; then threads=$(((cores > 1)) && echo 1,"$cores" || echo 1); fi
[[ $engines != none ]] || engines=
for list in models batches engines precision threads; do IFS=, read -ra "$list" <<<"${!list}"; done

build=${MAL_BUILD:-build/release}
if [[ -z ${MAL_BUILD:-} ]]; then
  cmake --preset release >/dev/null && cmake --build --preset release --target inference_bench mal_gpu_train mal_data cpu_probe >/dev/null
fi
python=${PEERS_PYTHON:-}
if [[ -z $python ]]; then
  source bench/python_of.sh
  python=$(python_of build/peers-venv bench/peers/torch_requirements.txt)
fi
unset OPENBLAS_CORETYPE
peers=("$python" -W ignore bench/peers/train_peers.py)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }; }

run "$build/inference_bench" data --rows "$rows" --out "$work/samples"
run "$build/mal_data" prepare --schema "$work/samples/schema.yaml" --train "$work/samples/train.csv" \
  --test "$work/samples/test.csv" --out "$work/dataset"
rm -r "$work/samples"

train_ours() {  # train_ours MODEL BATCH PRECISION THREADS
  local options=(--set train.log_every=4 --set "train.epochs=$epochs" --set "train.threads=$4")
  if [[ $device == cuda* ]]; then
    local steps=$(((rows + $2 - 1) / $2))
    options=(--set train.log_every=50 --set data.on_device=true --set "train.epochs=$((from + (1050 + steps - 1) / steps))")
  fi
  run "$build/mal_gpu_train" train/configs/"$1".yaml --device "$device" --overwrite --set data.path="$work/dataset" \
    --set output="$work/run" --set train.batch_size="$2" "${options[@]}" --set train.schedule=constant \
    --set train.checkpoint_minutes=0 --set eval.slices=[] --set train.precision="$3"
}
from=0
[[ $device != cuda* ]] || from=2

ceilings=()
for ((round = 1; round <= rounds; ++round)); do
  if [[ $device == cpu && -x $build/cpu_probe ]]; then
    ceilings=(--ceilings "$work/ceilings")
    for t in "${threads[@]}"; do MAL_THREADS=$t "$build/cpu_probe" --json >>"$work/ceilings"; done
  fi
  for model in "${models[@]}"; do
    if [[ ! -e $work/$model.mal ]]; then
      train_ours "$model" "${batches[0]}" fp32 "${threads[-1]}"
      run "$build/mal_gpu_train" export "$work/run" --out "$work/$model.mal"
      "$build/mal_gpu_train" train/configs/"$model".yaml --dry-run --set data.path="$work/dataset" --set eval.slices=[] >"$work/dry-run" 2>"$work/log"
      "${peers[@]}" check "$work/$model.mal" --run "$work/run" --dataset "$work/dataset" --dry-run "$work/dry-run" --facts "$work/facts"
    fi
    for batch in "${batches[@]}"; do
      for p in "${precision[@]}"; do
        name=ours
        [[ $p != bf16 ]] || name=ours_bf16
        for t in "${threads[@]}"; do
          train_ours "$model" "$batch" "$p" "$t"
          run "${peers[@]}" ours "$work/run" --type "$model" --batch "$batch" --threads "$t" --name $name --from-epoch $from --samples "$work/speeds"
        done
      done
      for engine in "${engines[@]}"; do
        of_peer=fp32
        [[ ${precision[0]} != tf32 ]] || of_peer=tf32
        run "${peers[@]}" run "$work/$model.mal" --engine "${engine%:*}" --optimizer "${engine#*:}" --device "$device" \
          --precision $of_peer --batch "$batch" --threads "$cores" --seconds "$seconds" --samples "$work/speeds"
      done
    done
  done
  echo "train: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
"${peers[@]}" summary "$work/speeds" --facts "$work/facts" "${ceilings[@]}" "${json[@]}"
