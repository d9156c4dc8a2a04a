#!/usr/bin/env bash
# The data sets of `mal_gpu_train days` from a raw log, one for each test day: its test rows are the clicks of that day,
# its training rows those of the day before it (or of one --lag earlier), with the labels that are known when the test
# day begins. Each goes on from the one before (prepare --base). Days that are there stay: tomorrow the same command with
# one day more adds one.
#   scripts/make_days.sh --out DAYS --schema SCHEMA --first DATE --days N [--lag DAYS] [--history DAYS] [--weight]
#                        [--bin FOLDER] -- OPTIONS OF mal_data attribute
#     --first     the first test day, such as 2024-01-15; --days: how many
#     --lag       days between a training row and the test day, in which its conversions can come [0]
#     --history   days that the first data set trains on [1]
#     --weight    the attribute options have --delay-weights: the loss is weighted by them
#     --bin       where mal_data is [build/release]
# The attribute options say --in, --conversions, --mechanisms, …; --test-from, --test-to, --train-from, --gap,
# --train-labels and --out are this script's.
set -euo pipefail
die() { echo "make_days: $*" >&2; exit 2; }
bin=$(dirname "$0")/../build/release out='' schema='' first='' days='' lag=0 history=1 weight=()
while (($# > 0)); do
  case $1 in
    --weight) weight=(--weight weight) && shift && continue ;;
    --help | -h) sed -n '2,/^set /p' "$0" | sed '$d; s/^# \{0,1\}//' && exit 0 ;;
    --) shift && break ;;
  esac
  (($# > 1)) || die "$1 needs a value"
  case $1 in
    --out) out=$2 ;;
    --schema) schema=$2 ;;
    --first) first=$2 ;;
    --days) days=$2 ;;
    --lag) lag=$2 ;;
    --history) history=$2 ;;
    --bin) bin=$2 ;;
    *) die "unknown option $1; --help says which there are, those of mal_data attribute come after --" ;;
  esac
  shift 2
done
for needed in out schema first days; do
  [[ -n ${!needed} ]] || die "--$needed is missing; --help says what it is"
done
[[ $days =~ ^[1-9][0-9]*$ && $lag =~ ^[0-9]+$ && $history =~ ^[1-9][0-9]*$ ]] || die "--days and --history are whole numbers from 1, --lag from 0"
date -u -d "$first" >/dev/null 2>&1 || die "--first $first is no date"
(($# > 0)) || die "no options of mal_data attribute; they come after --"
for option in "$@"; do
  case $option in
    --test-from* | --test-to* | --test-days* | --train-from* | --train-labels* | --gap | --gap=* | --out | --out=*) die "$option is set by make_days" ;;
  esac
done

after() { date -u -d "$1 $2 days" +%F; }  # after DATE DAYS
first=$(after "$first" 0)
[[ -x $bin/mal_data ]] || die "there is no $bin/mal_data; build it, or say where it is with --bin"
mkdir -p "$out" || die "cannot create --out $out"
samples=$out/.samples
trap 'rm -rf "$samples"' EXIT
eve="the day before"
((lag == 0)) || eve="the day $((lag + 1)) days before"
about="Tested on the clicks of the day that a folder is named after, with final labels. Trained on those of $eve"
about+=" (the first data set: $history days up to then), each click once, with the labels that were known when the test day began"
if ((${#weight[@]} > 0)); then about+=", weighted for those still to come (--delay-weights)"; fi
about+="."
made=("$out"/*/schema.yaml)  # of a call that failed before its first data set nothing is left to agree with
[[ ! -e ${made[0]} || ! -e $out/about.txt || $(<"$out/about.txt") == "$about" ]] ||
  die "$out was made with other options: $(<"$out/about.txt") Choose another --out"
echo "$about" >"$out/about.txt"

gap=()
((lag == 0)) || gap=(--gap "${lag}d")
base=()
for ((d = 0; d < days; ++d)); do
  day=$(after "$first" $d)
  set_of_day=$out/$day
  if [[ ! -e $set_of_day ]]; then
    echo "make_days: $day"
    back=1
    ((d > 0)) || back=$history
    "$bin/mal_data" attribute "$@" --train-from "$(after "$day" -$((lag + back)))" "${gap[@]}" --test-from "$day" \
      --test-to "$(after "$day" 1)" --train-labels known --out "$samples" >/dev/null
    "$bin/mal_data" prepare --schema "$schema" "${weight[@]}" --train "$samples/train.csv" --test "$samples/test.csv" \
      "${base[@]}" --out "$set_of_day" >/dev/null
  fi
  base=(--base "$set_of_day")
done
echo "make_days: $days data sets in $out"
