#!/usr/bin/env bash
# The whole job on a small simulated platform, twice, and with 1 and 2 threads: same bytes everywhere.
source "$(dirname "$0")/common.sh"

for run in 1 2; do
  "$bin/mal_data" simulate --out journeys$run --users 400 --days 6 --seed 5 --threads $run >/dev/null
  "$bin/mal_data" attribute --in journeys$run/clicks.csv --conversions journeys$run/conversions.csv --key advertiser \
    --channel channel --mechanisms last,first,linear,mta --test-days 1 --out samples$run >/dev/null
  "$bin/mal_data" prepare --schema simulated --train samples$run/train.csv --test samples$run/test.csv \
    --out dataset$run >/dev/null
done
diff -r journeys1 journeys2 >/dev/null || die "simulate differs between 1 and 2 threads"
diff -r samples1 samples2 >/dev/null || die "attribute differs from run to run"
diff -r dataset1 dataset2 >/dev/null || die "prepare differs from run to run"
"$bin/mal_data" stats dataset1 | grep -q linear || die "stats names no views"

train() {  # train MODEL OUTPUT THREADS
  "$bin/mal_gpu_train" "$source/train/configs/$1.yaml" --device cpu --set data.path=dataset1 --set output="$2" \
    --set train.threads="$3" --set train.batch_size=500 >/dev/null 2>&1
}
for model in base mal; do
  train $model runs/$model-1 1
  train $model runs/$model-2 2
  train $model runs/$model-again 2
  cmp runs/$model-1/model.safetensors runs/$model-2/model.safetensors || die "$model: 1 and 2 threads differ"
  cmp runs/$model-2/model.safetensors runs/$model-again/model.safetensors || die "$model: two runs differ"
  for key in auc gauc logloss pcoc ece rows users; do
    grep '"event": "test"' runs/$model-1/metrics.jsonl | grep -q "\"$key\": " || die "metrics.jsonl has no $key"
  done
  # eval reads the weights back: the same numbers as at the end of training.
  "$bin/mal_gpu_train" eval runs/$model-1 --data dataset1 --device cpu --json eval.json >/dev/null
  expected=$(grep '"event": "test"' runs/$model-1/metrics.jsonl | grep -o '"auc": [0-9.]*' | head -n 1)
  grep -q "$expected" eval.json || die "$model: eval gives another AUC than training: $expected, $(cat eval.json)"
done

"$bin/mal_gpu_train" "$source/train/configs/mal.yaml" --device cpu --set data.path=dataset1 --dry-run >dry.txt
grep -q "aka/cat/logit" dry.txt || die "--dry-run lists no layers"
"$bin/mal_gpu_train" report runs/base-1 runs/mal-1 --out report.html | grep -q GAUC || die "report prints no table"
grep -q "<svg" report.html || die "report.html has no picture"
refuses 2 "runs/mal-1.*--overwrite" "$bin/mal_gpu_train" "$source/train/configs/mal.yaml" --device cpu \
  --set data.path=dataset1 --set output=runs/mal-1
