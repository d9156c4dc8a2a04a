#!/usr/bin/env bash
# mal_infer.h (fp32, and its own file with bf16 weights), ONNX Runtime, and PyTorch eager and jit: the same natal-size
# network with the same weights, one thread, 1, 8, 64 and 200 ads of one user.
#   bench/compare.sh inference [--json FILE] [--rounds N] [--seconds S] [--engines onnxruntime,torch,torch_jit]
# S a batch size and engine, each round.
# The peers come from PyPI into build/peers-venv (about 4 GB: PyPI's torch brings CUDA's libraries).
set -euo pipefail
cd "$(dirname "$0")/../.."
json=() rounds=5 seconds=1 engines=onnxruntime,torch,torch_jit
while (($#)); do
  case $1 in
    --json) json=(--json "$2") ;;
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    --engines) engines=$2 ;;
    *) echo "inference: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done

cmake --preset release >/dev/null && cmake --build --preset release --target inference_bench mal_infer_c >/dev/null
source bench/python_of.sh
python=$(python_of build/peers-venv bench/peers/torch_requirements.txt)

unset OPENBLAS_CORETYPE
peers="$python -W ignore bench/peers/inference_peers.py"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build/release/inference_bench make --out "$work/natal.mal"
build/release/inference_bench make --out "$work/natal16.mal" --weights bf16
$peers check "$work/natal.mal" --library build/release/libmal_infer_c.so
for ((round = 1; round <= rounds; ++round)); do
  build/release/inference_bench run "$work/natal.mal" --seconds "$seconds" --samples "$work/samples" >"$work/ours.txt"
  build/release/inference_bench run "$work/natal16.mal" --seconds "$seconds" --samples "$work/samples" \
    --label ours_bf16 >>"$work/ours.txt"
  for engine in ${engines//,/ }; do
    $peers run "$work/natal.mal" --engine $engine --seconds "$seconds" --samples "$work/samples" 2>"$work/log" ||
      { cat "$work/log" >&2; exit 1; }
  done
  echo "inference: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
$peers summary "$work/samples" "${json[@]}"
