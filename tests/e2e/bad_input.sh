#!/usr/bin/env bash
# Inputs that are wrong: one clear line with its place, exit code 1 (the data) or 2 (the command, the configuration),
# nothing half-written.
source "$(dirname "$0")/common.sh"

# A small log of clicks and conversions, and a schema for what attribute makes of it.
{
  echo user,time,advertiser,channel,price
  for i in {1..60}; do echo "u$((i % 7)),$((1600000000 + i * 7200)),a$((i % 3)),c$((i % 2)),$i.5"; done
} >clicks.csv
{
  echo user,time,advertiser,conversion_id
  for i in {1..20}; do echo "u$((i % 7)),$((1600003600 + i * 21600)),a$((i % 3)),$i"; done
} >conversions.csv
cat >schema.yaml <<'YAML'
name: small
columns:
  - {name: time, kind: time}
  - {name: user, kind: id, side: user}
  - {name: advertiser, kind: id, side: ad}
  - {name: price, kind: number, log1p: true, standardize: true}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: user_group, kind: group, column: user}
  - {name: channel_slice, kind: slice, column: channel}
YAML

attribute() {  # attribute OUT CLICKS CONVERSIONS OPTIONS...
  "$bin/mal_data" attribute --in "$2" --conversions "$3" --mechanisms last,linear --test-days 1 --out "$1" "${@:4}"
}
prepare() {  # prepare OUT SCHEMA TRAIN TEST
  "$bin/mal_data" prepare --schema "$2" --train "$3" --test "$4" --out "$1"
}
attribute samples clicks.csv conversions.csv >/dev/null
prepare dataset schema.yaml samples/train.csv samples/test.csv >/dev/null 2>&1

bad_clicks() {  # bad_clicks PATTERN SED-SCRIPT: the edited clicks are refused
  sed "$2" clicks.csv >bad.csv
  refuses 1 "$1" attribute bad bad.csv conversions.csv
  absent bad
}
bad_clicks 'bad.csv:1: there is no column .advertiser.; did you mean .advertizer.' '1s/advertiser/advertizer/'
bad_clicks 'bad.csv:5:time: .soon. is not a whole number' '5s/,[0-9]*/,soon/'
bad_clicks 'bad.csv:5: the row has 4 fields, the header has 5' '5s/,c.,/,/'

bad_samples() {  # bad_samples PATTERN SED-SCRIPT: the edited training samples are refused
  sed "$2" samples/train.csv >bad.csv
  refuses 1 "$1" prepare bad schema.yaml bad.csv samples/test.csv
  absent bad
}
bad_samples 'bad.csv:7:linear: credit 1.5 is outside \[0, 1\]' '7s/\(.*\),[^,]*,\([^,]*\)$/\1,1.5,\2/'
bad_samples 'bad.csv:1: there is no column .last.' '1s/last/lost/'

refuses 1 'dataset_not is not a data set' "$bin/mal_data" stats dataset_not
echo "bad input: all refused"
