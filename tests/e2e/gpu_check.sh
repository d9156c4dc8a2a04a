#!/usr/bin/env bash
# scripts/gpu_check.sh where there is no GPU: its commands name what there is, and its report reads what they write.
source "$(dirname "$0")/common.sh" "$@"

plan=$("$source/scripts/gpu_check.sh" --dry-run out) || die "--dry-run failed"
[[ ! -e out ]] || die "--dry-run wrote something"
for word in -DMAL_CUDA=ON kernels_tests device_tests memcheck racecheck data.on_device=true train.precision=bf16 compile:sparse; do
  grep -q -- "$word" <<<"$plan" || die "--dry-run does not show $word"
done
for program in $(grep -o 'build/gpu/[a-z_]*' <<<"$plan" | sort -u); do
  grep -rqE "(add_executable|mal_add_test)\($(basename "$program") " "$source" --include=CMakeLists.txt ||
    [[ -e $source/bench/$(basename "$program").cpp ]] || die "--dry-run runs $program, which nothing builds"
done
for file in $(grep -oE '(scripts|bench|train)/[a-z_/]*\.(py|yaml)' <<<"$plan" | sort -u); do
  [[ -e $source/$file ]] || die "--dry-run names $file, which does not exist"
done
# Every setting that it makes is one.
sets=()
for set in $(grep -oE -- '--set [a-z_.]+=[a-z0-9]+' <<<"$plan" | sed 's/--set //' | sort -u | grep -v '^output\|^data.path'); do
  sets+=(--set "$set")
done
"$bin/mal_gpu_train" "$source/train/configs/mal.yaml" "${sets[@]}" --device cpu --dry-run >out.txt 2>&1 && die "no data set, and no error"
grep -q "is not a data set" out.txt || die "a setting is refused: $(cat out.txt)"
# A test case that the sanitizers are pointed at and that does not exist would be no check.
for name in "a step that is not finite" "evaluation on" "attention of every kind"; do
  grep -q "$name" <<<"$plan" || die "the sanitizers do not run '$name'"
  grep -q "TEST_CASE(\"$name" "$source"/tests/device/*.cpp || die "there is no test case '$name'"
done
if "$source/scripts/gpu_check.sh" --nonsense >/dev/null 2>&1; then die "--nonsense is taken"; fi

# The report of logs as the programs write them.
mkdir -p out/runs/cpu out/runs/gpu
echo "build ok 90" >out/steps.txt
echo "memcheck FAILED 3" >>out/steps.txt
for run in cpu gpu; do
  for step in 1 2 3; do
    echo "{\"step\": $step, \"epoch\": 0, \"loss\": 0.$((500 + step)), \"samples_per_second\": ${step}000}"
  done >out/runs/$run/metrics.jsonl
done
echo '{"benchmarks": [{"name": "copy/B:512", "B/s": 2.5e12, "flop/s": 0, "of_ceiling": 0.9}]}' >out/elementwise_bench.json
echo '{"train": {"mal": {"4096": {"ours": 4096000, "torch_eager_sparse": 2048000, "theirs": 2048000, "ratio": 2}}}}' >out/beside_torch_tf32.json
python3 "$source/scripts/gpu_report.py" losses out/runs/cpu out/runs/gpu | tee out/losses.log | grep -q '"steps": 3' || die "equal losses"
if [[ -z $(command -v nvidia-smi) ]]; then  # the report asks it for the GPU's name
  printf '#!/bin/sh\necho "a GPU, 1.0"\n' >nvidia-smi && chmod +x nvidia-smi && export PATH=$PWD:$PATH
fi
python3 "$source/scripts/gpu_report.py" report out || die "no report"
for line in "| memcheck | FAILED | 3 |" "| MAL, gpu | 3000.00 |" "| copy/B:512 | 2500.00 | 0.00 | 0.90 |" "ours, tf32, batch 4096 | 4096000.00" "torch_eager_sparse, tf32, batch 4096 | 2048000.00"; do
  grep -qF "$line" out/report.md || die "the report lacks '$line': $(cat out/report.md)"
done
sed -i 's/0.502/0.512/' out/runs/gpu/metrics.jsonl
if python3 "$source/scripts/gpu_report.py" losses out/runs/cpu out/runs/gpu >out.txt 2>&1; then die "a loss that is off is not seen"; fi
grep -q "step 2" out.txt || die "which step is off: $(cat out.txt)"
