#!/usr/bin/env bash
# scripts/gpu_check.sh where there is no GPU: its commands name what there is. gpu_report_test.py tests what it reads out of
# their output, scripts/gpu_rehearsal.sh runs what of it can run.
source "$(dirname "$0")/common.sh" "$@"

plan=$("$source/scripts/gpu_check.sh" --dry-run out) || die "--dry-run failed"
[[ ! -e out && ! -e $source/out ]] || die "--dry-run wrote something"
for word in gpu_probe kernels_tests device_tests memcheck racecheck "kernel-name kns=3mal7kernels" data.on_device=true \
  train.precision=bf16 train.batch_size=65536 "--clock-control none" compile:sparse kernels_bench; do
  grep -qe "$word" <<<"$plan" || die "--dry-run does not show $word"
done
built=$("$source/scripts/gpu_check.sh" --dry-run --build --steps benches out)
for word in -DMAL_CUDA=ON -DMAL_WERROR=OFF -Wl,--disable-new-dtags "build/gpu_work/build/kernels_bench --benchmark_min_time"; do
  grep -qe "$word" <<<"$built" || die "--build does not show $word"
done
grep -q throughput: <<<"$built" && die "--steps benches shows other steps"
for program in $(grep -o 'bundle/bin/[a-z_]*' <<<"$plan" | sort -u); do
  program=$(basename "$program")
  grep -rqE "(add_executable|mal_add_test)\($program " "$source" --include=CMakeLists.txt || die "--dry-run runs $program, which nothing builds"
  grep -qE "^programs=\(.*\b$program\b" "$source/scripts/gpu_prepare.sh" || die "$program is not packed"
done
for file in $(grep -oE '(scripts|bench|train)/[a-z_/]*\.(py|yaml|sh)' <<<"$plan" | sort -u); do
  [[ -e $source/$file ]] || die "--dry-run names $file, which does not exist"
done
# Every setting that it makes is one. A precision of GPUs is none of the CPU that reads them here.
sets=()
for set in $(grep -oE -- '--set [a-z_.]+=[a-z0-9]+' <<<"$plan" | sed 's/--set //' | sort -u | grep -v '^output\|^data.path\|^train.precision'); do
  sets+=(--set "$set")
done
"$bin/mal_gpu_train" "$source/train/configs/mal.yaml" "${sets[@]}" --device cpu --dry-run >out.txt 2>&1 && die "no data set, and no error"
grep -q "is not a data set" out.txt || die "a setting is refused: $(cat out.txt)"
# A test case that the sanitizers are pointed at and that does not exist would be no check.
for name in "a step that is not finite" "evaluation on" "attention of every kind"; do
  grep -q "$name" <<<"$plan" || die "the sanitizers do not run '$name'"
  grep -q "TEST_CASE(\"$name" "$source"/tests/device/*.cpp || die "there is no test case '$name'"
done
# The kernels of an update end a step in what ncu lists.
grep -q 'update_' "$source/kernels/cuda/optimizer.cu" || die "no kernel is called update_…"
for wrong in "--nonsense" "--steps nonsense" "--prepare a b"; do
  # shellcheck disable=SC2086
  if "$source/scripts/gpu_check.sh" $wrong >/dev/null 2>&1; then die "$wrong is taken"; fi
done
