#!/usr/bin/env bash
# From nothing to a comparison of MAL with its baseline: installs what is missing, builds, simulates an ad platform
# (1.2 M clicks, of which 740 k are trained on), credits its conversions, prepares the data set, trains base and mal, prints one
# table, and what its difference is worth.
#   scripts/demo.sh [SEED]     everything is under build/demo/ and the same for the same seed
set -euo pipefail
cd "$(dirname "$0")/.."
seed=${1:-1}
start=$SECONDS

scripts/setup.sh
echo "demo: building"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ cmake --preset release && cmake --build --preset release --target mal_data mal_gpu_train; } >"$log" 2>&1 ||
  { tail -n 40 "$log" >&2; exit 1; }

out=build/demo
mal_data=build/release/mal_data
mal_gpu_train=build/release/mal_gpu_train
mkdir -p "$out"

echo "demo: seed $seed"
$mal_data simulate --out $out/journeys --days 37 --seed "$seed"
# What the platform could do on the eve of 30 January: no label looks ahead, and none is younger than a week. The week of
# clicks after the test day shows which click was a journey's last.
$mal_data attribute --in $out/journeys/clicks.csv --conversions $out/journeys/conversions.csv \
  --mechanisms last,first,linear,mta --key advertiser --channel channel --test-from 2024-01-30 --test-to 2024-01-31 \
  --train-labels known --gap 7d --out $out/samples
$mal_data prepare --schema simulated --train $out/samples/train.csv --test $out/samples/test.csv --out $out/dataset
$mal_data stats $out/dataset
for model in base mal; do
  $mal_gpu_train train/configs/$model.yaml --set seed="$seed" --overwrite --scores
done
$mal_gpu_train report $out/runs/base $out/runs/mal --out $out/report.html
$mal_gpu_train compare $out/runs/base $out/runs/mal
echo "demo: done in $((SECONDS - start)) s; seed $seed; the report is $out/report.html"
