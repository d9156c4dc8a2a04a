#!/usr/bin/env bash
# Every model that has a preset of its own, and every option of the trunk and of the losses, trained on a small data set:
# 1 and 2 threads give the same bytes, eval reads them back, --dry-run lists the layers.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 120 --days 4 --seed 5 >/dev/null
"$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 1 --out samples >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset >/dev/null

check() {  # check NAME PRESET LAYER [--set ...]
  local name=$1 preset=$source/train/configs/$2.yaml layer=$3
  shift 3
  local run=("$bin/mal_gpu_train" "$preset" --device cpu --set data.path=dataset --set train.batch_size=300 "$@")
  "${run[@]}" --set output=runs/x --dry-run >dry.txt || die "$name: --dry-run"
  grep -q "^$layer " dry.txt || die "$name: --dry-run lists no layer $layer"
  for threads in 1 2; do
    "${run[@]}" --set train.threads=$threads --set output="runs/$name-$threads" >/dev/null 2>log.txt ||
      die "$name: $(tail -n 1 log.txt)"
  done
  cmp "runs/$name-1/model.safetensors" "runs/$name-2/model.safetensors" || die "$name: 1 and 2 threads differ"
  "$bin/mal_gpu_train" eval "runs/$name-1" --device cpu --json eval.json >/dev/null || die "$name: eval"
  local expected
  expected=$(grep '"event": "test"' "runs/$name-1/metrics.jsonl" | grep -o '"auc": [0-9.]*' | head -n 1)
  grep -q "$expected" eval.json || die "$name: eval gives another AUC than training: $expected"
  echo "ok: $name"
}

check shared_bottom shared_bottom tower/mta/logit
check mmoe mmoe mmoe/gate/first
check ple ple ple/1/gate/linear
check home home home/view/self/mta
check adatt adatt adatt/1/gate/last
check natal natal natal/inject/2
check moae moae moae/private/primary/0
for aka in mmoe ple home; do check mal_$aka mal aka/cat/logit --set model.mal.aka=$aka; done
check mha mal attention/item_seq/query --set model.interaction.attention=mha
check senet base senet/1 --set model.senet.enabled=true
check pcgrad mmoe loss --set train.multi_task=pcgrad
check gcs mal loss --set train.multi_task=gcs --set model.view_weights=[1,0.5,0.5,2]
