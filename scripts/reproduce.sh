#!/usr/bin/env bash
# The paper's studies as one command: installs what is missing, builds, simulates an ad platform, credits its
# conversions, prepares the data set, trains every system of the experiment files over several seeds, writes the tables.
#   scripts/reproduce.sh             20,000 users, 24 training days, 5 seeds
#   scripts/reproduce.sh --quick     6,000 users, 11 training days, 3 seeds: at most 15 minutes on 2 cores
#   scripts/reproduce.sh --study when [OPTIONS]   when multi-attribution learning pays: seven worlds × 20,000 to 400,000
#                                    users; more than a day on 2 cores. OPTIONS: scripts/when_mal_helps.py --help
# Interrupted, it goes on where it stopped; what is done is not done again. Everything is under build/reproduce/full or
# build/reproduce/quick, or build/reproduce/when; docs/results/ has what came out, docs/experiments.md says how to study other data.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS

size=full users=20000 days=41 test_from=2024-02-01 test_to=2024-02-04 seeds='[1, 2, 3, 4, 5]'
case ${1:-} in
  '') ;;
  --quick) size=quick users=6000 days=28 test_from=2024-01-19 test_to=2024-01-22 seeds='[1, 2, 3]' ;;
  --study) [[ ${2:-} == when ]] || { echo "reproduce: --study ${2:-}: there is 'when'" >&2; exit 2; }; size=when; shift 2 ;;
  *) echo "reproduce: '$1' is not known; scripts/reproduce.sh [--quick | --study when [OPTIONS]]" >&2; exit 2 ;;
esac

scripts/setup.sh
echo "reproduce: building"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{ cmake --preset release && cmake --build --preset release --target mal_data mal_gpu_train; } >"$log" 2>&1 ||
  { tail -n 40 "$log" >&2; exit 1; }

if [[ $size == when ]]; then
  python3 scripts/when_mal_helps.py "$@"
  exit
fi

out=build/reproduce/$size
mal_data=build/release/mal_data
mkdir -p "$out"

# prepare writes its folder whole or not at all, so a data set that is there is complete.
if [[ ! -e $out/dataset/stats.json ]]; then
  $mal_data simulate --out $out/journeys --users $users --days $days --seed 1
  # What the platform could do on the eve of the test days: no label looks ahead (a model of several attributions could
  # learn from `linear` how journeys end), and none is younger than a week. The clicks of the week after the test days
  # show which click was a journey's last.
  $mal_data attribute --in $out/journeys/clicks.csv --conversions $out/journeys/conversions.csv \
    --mechanisms last,first,linear,mta --key advertiser --channel channel --test-from $test_from --test-to $test_to \
    --train-labels known --gap 7d --out $out/samples
  $mal_data prepare --schema simulated --train $out/samples/train.csv --test $out/samples/test.csv --out $out/dataset
fi

for name in paper precision; do
  echo "reproduce: $name after $((SECONDS - start)) s"
  build/release/mal_gpu_train experiment train/configs/experiments/$name.yaml --set dataset=$out/dataset --set output=$out/$name --set seeds="$seeds"
done
echo "reproduce: done in $((SECONDS - start)) s; tables and pictures are in $out"
