#!/usr/bin/env bash
# From two public files that are not part of the project to the tables of docs/results/real-data.md. Either file may be
# left out by "-".
#   scripts/real_data.sh UserBehavior.csv.gz touchpoints.csv.gz [OUT]
# UserBehavior: user, item, category, behaviour, time, without a header (Taobao). touchpoints: a row a touch, with the
# columns journey, user, timestamp, campaign, conversion, cost, cat1 … cat9 (journeys derived from Criteo's data).
# Needs build/release/mal_data and mal_gpu_train; everything is written below OUT (build/real).
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -ge 2 ]] || { sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2; }
taobao=$1
criteo=$2
out=${3:-build/real}
mal_data=build/release/mal_data
mal_gpu_train=build/release/mal_gpu_train
seeds="1 2 3"
mechanisms=last,first,linear,time_decay,position,mta
mkdir -p "$out"

say() { printf '\n$ %s\n' "$*"; "$@" 2>>"$out/log.txt"; }

# dataset NAME SCHEMA ATTRIBUTE_OPTIONS...: raw file → samples → data set
dataset() {
  local name=$1 schema=$2
  shift 2
  say $mal_data attribute "$@" --mechanisms $mechanisms --out "$out/$name/samples"
  say $mal_data prepare --schema "$schema" --train "$out/$name/samples/train.csv" --test "$out/$name/samples/test.csv" \
    --out "$out/$name/dataset"
  say $mal_data stats "$out/$name/dataset" --verify --json "$out/$name/stats.json"
}

# without_user NAME SCHEMA: the same samples in a data set whose models do not see who the user is
without_user() {
  sed '/name: user, /d' "train/configs/schemas/$2.yaml" >"$out/$2_without_user.yaml"
  $mal_data prepare --schema "$out/$2_without_user.yaml" --train "$out/$1/samples/train.csv" \
    --test "$out/$1/samples/test.csv" --out "$out/$1/dataset_without_user" >/dev/null 2>>"$out/log.txt"
}

# value FILE EVENT KEY: a number of that event's line
value() { grep -m 1 "\"event\": \"$2\"" "$1" | grep -o "\"$3\": [-0-9.e]*" | head -n 1 | cut -d' ' -f2; }

# row FOLDER MODEL EVENT: mean and range over the seeds
row() {
  local key
  printf '%-8s' "$2"
  for key in auc gauc logloss pcoc; do
    for seed in $seeds; do value "$1-${4:-$2}-$seed/metrics.jsonl" "$3" $key; done |
      awk '{ s += $1; if (NR == 1 || $1 < a) a = $1; if (NR == 1 || $1 > b) b = $1 }
           END { printf "  %.4f (%.4f to %.4f)", s / NR, a, b }'
  done
  printf '\n'
}

# compare TITLE CONFIG DATASET PRIMARY: base and mal over the seeds, beside the average rate of the ad
compare() {
  local folder=$out/runs/$2-$(basename "$(dirname "$3")")-$(basename "$3")-$4 model seed
  for seed in $seeds; do
    for model in base mal; do
      $mal_gpu_train "train/configs/$2.yaml" --device cpu --overwrite --set data.path="$3" --set model.type=$model \
        --set model.primary="$4" --set seed="$seed" --set train.threads=1 \
        --set output="$folder-$model-$seed" >/dev/null 2>>"$out/log.txt"
    done
  done
  local first=$folder-base-1/metrics.jsonl
  printf '\n%s (primary %s; %s test rows, %s positives, %s users in GAUC)\n' "$1" "$4" "$(value "$first" test rows)" \
    "$(value "$first" test positives)" "$(value "$first" test users)"
  printf '%-8s  %-25s %-25s %-25s %s\n' "" AUC GAUC LogLoss PCOC
  row "$folder" "average" baseline base
  row "$folder" base test
  row "$folder" mal test
}

if [[ $taobao != - ]]; then
  options=(--in "$taobao" --columns user,item,category,behaviour,time --event behaviour --click-event pv
    --conversion-event buy --key category --utc-offset 8 --from 2017-11-25 --test-days 1 --history item,category
    --derive hour)
  dataset taobao taobao "${options[@]}" --train-labels known
  dataset taobao_final taobao "${options[@]}" >/dev/null
  without_user taobao taobao
  compare "Taobao, labels as known when the last day began" taobao "$out/taobao/dataset" last
  compare "Taobao, the same" taobao "$out/taobao/dataset" linear
  compare "Taobao, the same without the user's id" taobao "$out/taobao/dataset_without_user" last
  compare "Taobao, final labels: those of train.csv look into the last day" taobao "$out/taobao_final/dataset" last
fi

if [[ $criteo != - ]]; then
  # Journeys without conversion begin on day 5 of the file, and are as many as later only from day 10 on.
  options=(--in "$criteo" --format journeys --truncate 3d --channel cat8 --from 864000 --test-days 1)
  dataset criteo criteo_journeys "${options[@]}" --train-labels known
  dataset criteo_final criteo_journeys "${options[@]}" >/dev/null
  dataset criteo_day27 criteo_journeys "${options[@]}" --to 2419200 --train-labels known
  without_user criteo criteo_journeys
  without_user criteo_day27 criteo_journeys
  compare "Criteo journeys, labels as known when the last day began" criteo_journeys "$out/criteo/dataset" last
  compare "Criteo journeys, the same" criteo_journeys "$out/criteo/dataset" linear
  compare "Criteo journeys, the same without the user's id" criteo_journeys "$out/criteo/dataset_without_user" last
  compare "Criteo journeys, final labels: those of train.csv look into the last day" criteo_journeys \
    "$out/criteo_final/dataset" last
  compare "Criteo journeys, day 27 in place of day 30" criteo_journeys "$out/criteo_day27/dataset" last
  compare "Criteo journeys, day 27 without the user's id" criteo_journeys "$out/criteo_day27/dataset_without_user" last
fi
