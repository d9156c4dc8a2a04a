#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine with a GPU, in under ten minutes and without a network: builds, runs
# the whole GPU test suite, compute-sanitizer over a short one, trains the demo's model on CPU and GPU and compares their
# losses step by step, runs the micro-benchmarks and whole training steps beside PyTorch. Installs nothing.
#   scripts/gpu_check.sh [--dry-run] [OUT]    OUT: folder of the results, build/gpu_check unless given
# Needs CUDA (nvcc, compute-sanitizer), CMake ≥ 3.25, a C++20 compiler, and a Python with PyTorch (PYTHON=…) for the
# comparison. The headers and libraries of scripts/setup.sh come from the system, or from MAL_BUNDLE=DIR, a folder that
# `scripts/setup.sh --bundle DIR` filled on a machine with a network. --dry-run prints the commands and runs none.
set -euo pipefail
cd "$(dirname "$0")/.."
usage() { echo "usage: scripts/gpu_check.sh [--dry-run] [OUT]" >&2; exit 2; }

dry=0
if [[ ${1:-} == --dry-run ]]; then dry=1; shift; fi
(($# <= 1)) && [[ ${1:-} != -* ]] || usage
out=${1:-build/gpu_check}
build=build/gpu
python=${PYTHON:-python3}
failed=()

# run NAME COMMAND...: a step with its time and a log of its own; a failure is remembered, and the others still run.
run() {
  local name=$1 start=$SECONDS
  shift
  if ((dry)); then
    printf '%-12s %s\n' "$name" "$*"
    return 0
  fi
  echo "gpu_check: $name"
  if "$@" >"$out/$name.log" 2>&1; then
    echo "$name ok $((SECONDS - start))" >>"$out/steps.txt"
  else
    echo "$name FAILED $((SECONDS - start))" >>"$out/steps.txt"
    failed+=("$name")
    tail -n 15 "$out/$name.log" >&2
    echo "gpu_check: $name FAILED (above; the whole log: $out/$name.log)" >&2
  fi
}

need() { command -v "$1" >/dev/null || { echo "gpu_check: $1 is not found: $2" >&2; exit 1; }; }
if ((!dry)); then
  need nvcc "install CUDA, or put its bin folder on PATH"
  need cmake "version 3.25 or later is needed"
  nvidia-smi >/dev/null 2>&1 || { echo "gpu_check: no GPU: nvidia-smi does not find one" >&2; exit 1; }
  rm -rf "$out"
  mkdir -p "$out"
fi

options=(-DCMAKE_BUILD_TYPE=Release -DMAL_CUDA=ON -DMAL_BENCH=ON -DMAL_PARQUET=OFF "-DMAL_CUDA_ARCHITECTURES=${MAL_CUDA_ARCHITECTURES:-native}")
if command -v ninja >/dev/null; then options+=(-G Ninja); fi
if [[ -n ${MAL_BUNDLE:-} ]]; then
  bundle=$(cd "$MAL_BUNDLE" && pwd)
  options+=("-DCMAKE_PREFIX_PATH=$bundle/usr" "-DCMAKE_BUILD_RPATH=$bundle/usr/lib/$(uname -m)-linux-gnu;$bundle/usr/lib/$(uname -m)-linux-gnu/openblas-pthread")
fi
benches=()
for source in bench/*_bench.cpp; do benches+=("$(basename "$source" .cpp)"); done

run configure cmake -S . -B $build "${options[@]}"
run build cmake --build $build -j "$(nproc)" --target kernels_tests device_tests mal_data mal_gpu_train inference_bench "${benches[@]}"

run kernels env MAL_TEST_DEVICE=cuda $build/kernels_tests "~*number of threads*"
run device env MAL_TEST_DEVICE=cuda $build/device_tests

# Every kernel once, in small shapes: a training of each model.
for tool in memcheck racecheck; do
  run $tool env MAL_TEST_DEVICE=cuda timeout 150 compute-sanitizer --tool $tool --error-exitcode 9 \
    $build/device_tests "a step that is not finite*,evaluation on*,attention of every kind*"
done

data=$out/data
run simulate $build/mal_data simulate --out "$data/journeys" --days 10 --seed 1
run attribute $build/mal_data attribute --in "$data/journeys/clicks.csv" --conversions "$data/journeys/conversions.csv" \
  --mechanisms last,first,linear,mta --key advertiser --channel channel --test-days 1 --out "$data/samples"
run prepare $build/mal_data prepare --schema simulated --train "$data/samples/train.csv" --test "$data/samples/test.csv" \
  --out "$data/dataset"
train() {  # train NAME DEVICE SETTINGS...
  local name=$1 device=$2
  shift 2
  run "train_$name" $build/mal_gpu_train train/configs/mal.yaml --device "$device" --overwrite --set "data.path=$data/dataset" \
    --set "output=$out/runs/$name" --set train.log_every=1 "$@"
}
train cpu cpu
train gpu cuda
train gpu_tf32 cuda --set train.precision=tf32
train gpu_bf16 cuda --set train.precision=bf16
train gpu_large cuda --set train.precision=tf32 --set train.batch_size=4096 --set train.epochs=4 \
  --set train.log_every=20 --set data.on_device=true
run losses "$python" scripts/gpu_report.py losses "$out/runs/cpu" "$out/runs/gpu"

for bench in "${benches[@]}"; do
  run "$bench" env MAL_BENCH_DEVICE=cuda $build/"$bench" --benchmark_min_time=0.05 \
    --benchmark_out="$out/$bench.json" --benchmark_out_format=json
done
for precision in fp32 tf32; do
  run "train_beside_torch_$precision" env MAL_BUILD=$build PEERS_PYTHON="$python" bench/compare.sh train --device cuda \
    --precision $precision --models mal --batches 4096 --engines eager:sparse,compile:sparse --rounds 1 --seconds 3 \
    --rows 200000 --json "$out/beside_torch_$precision.json"
done

run report "$python" scripts/gpu_report.py report "$out"
if ((dry)); then exit 0; fi
cat "$out/report.md"
if ((${#failed[@]})); then
  echo "gpu_check: FAILED: ${failed[*]}; results in $out" >&2
  exit 1
fi
echo "gpu_check: all passed in $SECONDS s; $out/report.md, $out/report.json"
