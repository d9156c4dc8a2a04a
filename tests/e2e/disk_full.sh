#!/usr/bin/env bash
# A disk that is full (here: files may not grow): one clear line, exit code 1, nothing half-written.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 300 --days 4 --seed 5 >/dev/null
attribute=("$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser
  --channel channel --mechanisms last,first,linear,mta --test-days 1)
"${attribute[@]}" --out samples >/dev/null
prepare=("$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv)
"${prepare[@]}" --out dataset >/dev/null

full() { (trap '' XFSZ; ulimit -f 16; "$@"); }  # no file above 16 KiB

refuses 1 "full_journeys.*(space|folder)" full "$bin/mal_data" simulate --out full_journeys --users 300 --days 4
absent full_journeys
refuses 1 "full_samples.*(space|folder)" full "${attribute[@]}" --out full_samples
absent full_samples
# A part of the log is a file of its own. (UBSan needs a file to look at an object, and takes the error for none.)
few_open() { (ulimit -n 100; "$@"); }
if ! grep -q __ubsan "$bin/mal_data"; then
  refuses 1 "full_samples.*Too many open files; .*ulimit -n" few_open "${attribute[@]}" --memory 1KiB --out full_samples
  absent full_samples
fi
refuses 1 "full_dataset.*(space|folder)" full "${prepare[@]}" --out full_dataset
absent full_dataset
bytes_of() { find "$1" -type f | sort | xargs cat | cksum; }
# An earlier data set survives a failed one at its place.
before=$(bytes_of dataset)
refuses 1 "dataset.*(space|folder)" full "${prepare[@]}" --out dataset
[[ $(bytes_of dataset) == "$before" ]] || die "the earlier data set was harmed"
refuses 1 "model.safetensors.*space" full "$bin/mal_gpu_train" "$source/train/configs/mal.yaml" --device cpu \
  --set data.path=dataset --set output=run
absent run/model.safetensors
