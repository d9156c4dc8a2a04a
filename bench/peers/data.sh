#!/usr/bin/env bash
# Data: mal_data prepare of a Parquet file of the MAC layout against pandas and numpy doing the same work, in two ways (and
# against cat of the file), the training loader alone, mal_data attribute; channel totals of a click log against polars and
# ChannelAttribution, and of the public paths that ChannelAttribution brings.
#   bench/compare.sh data [--json FILE] [--rounds 3] [--rows 1000000] [--ids text|integers] [--users 200000]
# --ids: as MAC has them (text), or as 64-bit integers. --users: of the simulated log for attribute, 50 clicks each. pandas goes
# into build/peers-data-venv (300 MB), ChannelAttribution and polars into build/peers-channels-venv
# (500 MB). About 8 GB of disk in build/peers-data while it runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
json='' rounds=3 rows=1000000 ids=text users=200000
while (($#)); do
  case $1 in
    --json) json=$2 ;;
    --rounds) rounds=$2 ;;
    --rows) rows=$2 ;;
    --ids) ids=$2 ;;
    --users) users=$2 ;;
    *) echo "data: unknown option $1" >&2; exit 2 ;;
  esac
  shift 2
done

source bench/python_of.sh
{ cmake --preset release && cmake --build --preset release --target mal_data loader_bench; } >/dev/null
python=$(python_of build/peers-data-venv bench/peers/data_requirements.txt)
peers=bench/peers/data_peers.py work=build/peers-data
trap 'rm -rf "$work"' EXIT
mkdir -p $work
$python $peers make --rows "$rows" --ids "$ids" --out $work/mac

measure() {  # measure NAME COMMAND...: its seconds by the clock and of processor time, appended to the samples
  local name=$1 begin end
  shift
  begin=$(date +%s.%N)
  TIMEFORMAT='%U %S'
  { time "$@" >$work/log 2>&1 || touch $work/failed; } 2>$work/times
  end=$(date +%s.%N)
  if [[ -e $work/failed ]]; then cat $work/log >&2; exit 1; fi
  awk -v n="$name" -v a="$begin" -v b="$end" '{ printf "%s %.3f %.3f\n", n, b - a, $1 + $2 }' $work/times >>$work/samples
}
prepare=(build/release/mal_data prepare --schema mac --train $work/mac/train.parquet --test $work/mac/test.parquet)
for ((round = 1; round <= rounds; ++round)); do
  measure cat cat $work/mac/train.parquet $work/mac/test.parquet
  measure prepare_ours "${prepare[@]}" --out $work/dataset
  measure prepare_pandas $python $peers prepare --train $work/mac/train.parquet --test $work/mac/test.parquet --out $work/arrays
  measure prepare_pymal $python $peers pymal --train $work/mac/train.parquet --test $work/mac/test.parquet --out $work/pickles
  build/release/loader_bench $work/dataset >>$work/samples
  echo "data: round $round of $rounds, load $(cut -d' ' -f1 /proc/loadavg)"
done
$python $peers check --dataset $work/dataset --arrays $work/arrays --pickles $work/pickles
rm -rf $work/dataset $work/arrays $work/pickles
if ((users > 0)); then
  build/release/mal_data simulate --out $work/journeys --users "$users" >$work/simulated 2>$work/log
  measure attribute build/release/mal_data attribute --in $work/journeys/clicks.csv --conversions $work/journeys/conversions.csv \
    --mechanisms last,first,linear,mta --test-days 1 --out $work/credited
  # Channel totals alone: ours writes every click with its credits besides.
  channels=$(python_of build/peers-channels-venv bench/peers/channels_requirements.txt)
  peer=bench/peers/channel_peers.py
  for ((round = 1; round <= rounds; ++round)); do
    measure channels_peer $channels $peer log --clicks $work/journeys/clicks.csv --conversions $work/journeys/conversions.csv \
      --out $work/peer.csv
    measure channels_ours build/release/mal_data attribute --in $work/journeys/clicks.csv --conversions $work/journeys/conversions.csv \
      --mechanisms last,first,linear,markov --keep user --out $work/totals
  done
  $channels $peer check --peer $work/peer.csv --ours $work/totals
  paths=$($channels -c 'import cypack; print(cypack.__path__[0])')/data/Data.csv
  for order in 1 2; do
    build/release/mal_data attribute --format paths --in "$paths" --mechanisms last,first,linear,markov --markov-order $order \
      --out $work/paths >/dev/null
    $channels $peer paths --paths "$paths" --order $order --out $work/peer.csv >/dev/null
    $channels $peer check --peer $work/peer.csv --ours $work/paths --paths "$paths" --order $order
  done
  echo "clicks $(head -n 1 $work/simulated | grep -o '^[0-9]*')" >>$work/samples
fi
$python $peers summary --samples $work/samples --rows "$rows" --ids "$ids" --mac $work/mac ${json:+--json "$json"}
