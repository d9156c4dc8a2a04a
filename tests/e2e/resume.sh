#!/usr/bin/env bash
# A run that is killed, again and again, and resumed ends with the bytes of one that was not: weights, scores and, but for
# speeds, the log. Several models and optimisers, across the end of an epoch, with another number of threads.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 400 --days 5 --seed 3 >/dev/null
"$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 1 --out samples >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset >/dev/null

common=(--device cpu --scores --set data.path=dataset --set train.batch_size=32 --set train.epochs=6
  --set train.log_every=7 --set train.checkpoint_every=10 --set model.embedding_dim=4)
same_log() { diff <(sed 's/, "samples_per_second": [0-9.]*//' "$1/metrics.jsonl") \
  <(sed 's/, "samples_per_second": [0-9.]*//' "$2/metrics.jsonl") >/dev/null; }

# check NAME CONFIG OPTIONS...
check() {
  local name=$1 config=$source/train/configs/$2.yaml kills=0 threads
  shift 2
  "$bin/mal_gpu_train" "$config" "${common[@]}" "$@" --set output=whole --overwrite >out.txt 2>&1 || die "$name: $(cat out.txt)"
  rm -rf parts
  while ((kills < 4)); do
    threads=$((kills % 2 + 1))
    rm -f moved
    "$bin/mal_gpu_train" "$config" "${common[@]}" "$@" --set output=parts --set train.threads=$threads --resume >out.txt 2>&1 &
    local job=$! before
    before=$(stat -c %Y.%i parts/checkpoint.safetensors 2>/dev/null || true)
    while kill -0 $job 2>/dev/null; do  # until it has written a checkpoint of its own
      [[ $(stat -c %Y.%i parts/checkpoint.safetensors 2>/dev/null || true) != "$before" ]] && break
      sleep 0.01
    done
    sleep 0.0$((RANDOM % 10))
    kill -9 $job 2>/dev/null || true
    wait $job 2>/dev/null || true
    kills=$((kills + 1))
    ((kills == 1)) || grep -q "goes on after step" out.txt || [[ ! -s out.txt || -e parts/scores.bin ]] ||
      die "$name: did not resume: $(cat out.txt)"
    [[ -e parts/checkpoint.safetensors ]] || break
  done
  if [[ -e parts/checkpoint.safetensors ]]; then
    "$bin/mal_gpu_train" "$config" "${common[@]}" "$@" --set output=parts --resume >out.txt 2>&1 || die "$name: $(cat out.txt)"
    grep -q "note: parts goes on after step" out.txt || die "$name: did not say where it goes on: $(cat out.txt)"
  fi
  cmp whole/model.safetensors parts/model.safetensors || die "$name: other weights after $kills kills"
  cmp whole/scores.bin parts/scores.bin || die "$name: other scores"
  same_log whole parts || die "$name: another log: $(diff whole/metrics.jsonl parts/metrics.jsonl)"
  absent parts/checkpoint.safetensors
}

check base base
check mal mal --set train.clip_norm=1 --set train.warmup_steps=20
check home home --set optimizer.dense.type=adamw
check pcgrad shared_bottom --set train.multi_task=pcgrad --set optimizer.dense.type=sgd --set optimizer.dense.momentum=0.9
check ftrl natal --set optimizer.sparse.type=ftrl --set optimizer.dense.type=adagrad
check shuffled base --set data.shuffle_window=300
check adam_dense mmoe --set optimizer.sparse.type=adam_dense
check rowwise ple --set optimizer.sparse.type=rowwise_adagrad

# SIGTERM: a checkpoint at once, exit code 1, one line.
rm -rf parts
"$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${common[@]}" --set train.epochs=200 --set train.checkpoint_every=0 \
  --set output=parts >out.txt 2>&1 &
job=$!
until grep -q '"step": 7,' parts/metrics.jsonl 2>/dev/null; do kill -0 $job || die "ended early: $(cat out.txt)"; sleep 0.02; done
kill -TERM $job
if wait $job; then die "SIGTERM: exit code 0"; fi
grep -q "interrupted after step [0-9]* of [0-9]*; --resume" out.txt || die "SIGTERM: $(cat out.txt)"
[[ -e parts/checkpoint.safetensors ]] || die "SIGTERM: no checkpoint"

# Going on where bits are others is said, and stands in the log.
cp -r parts elsewhere
device=$(grep -o '"device": "[^"]*"' parts/metrics.jsonl)
sed -i '1s/"device": "[^"]*"/"device": "cpu (another)"/' elsewhere/metrics.jsonl
"$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${common[@]}" --set train.epochs=200 --set train.checkpoint_every=0 \
  --set output=elsewhere --resume >out.txt 2>&1 &
job=$!
until grep -q '"event": "resume"' elsewhere/metrics.jsonl; do kill -0 $job || die "ended early: $(cat out.txt)"; sleep 0.02; done
kill -TERM $job
if wait $job; then die "SIGTERM: exit code 0"; fi
grep -q "it was trained on cpu (another) until here and goes on on cpu" out.txt || die "another device: $(cat out.txt)"
grep '"event": "resume"' elsewhere/metrics.jsonl | grep -qF "$device" || die "the log does not name $device"

resume=("$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${common[@]}" --set output=parts --resume)
refuses 2 "begun with 'epochs: 200'.*'epochs: 6'" "${resume[@]}"
# What was harmed is refused; nothing is lost.
cp -r parts harmed
printf 'x' | dd of=harmed/checkpoint.safetensors bs=1 seek=$(($(stat -c %s harmed/checkpoint.safetensors) - 50)) conv=notrunc status=none
refuses 1 "checkpoint.safetensors.*(damaged|changed)" "${resume[@]}" --set output=harmed --set train.epochs=200 \
  --set train.checkpoint_every=0
refuses 2 "whole is finished" "${resume[@]}" --set output=whole
head -n 2000 samples/train.csv >fewer.csv
"$bin/mal_data" prepare --schema simulated --train fewer.csv --test samples/test.csv --out other >/dev/null
cp -r parts moved
sed -i 's/path: dataset/path: other/' moved/config.yaml
refuses 1 "(belongs to another data set|another model or dataset used)" "${resume[@]}" --set output=moved --set train.epochs=200 --set data.path=other
refuses 2 "excludes" "${resume[@]}" --overwrite
