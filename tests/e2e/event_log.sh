#!/usr/bin/env bash
# An event log without a header, clicks and conversions in one file (the layout of Taobao's), through attribute → prepare →
# train → eval. Credits and histories are worked out by hand; days begin at midnight in China.
source "$(dirname "$0")/common.sh"

log=$source/tests/data/event_log.csv
attribute=("$bin/mal_data" attribute --columns user,item,category,behaviour,time --event behaviour --click-event pv
  --conversion-event buy --key category --utc-offset 8 --history item,category --history-length 3 --derive hour
  --mechanisms last,first,linear,time_decay --half-life 1d --test-days 1)

# A negative time, as public logs have some: refused, and --from leaves it out.
refuses 1 "event_log.csv:18:time.*negative.*--from" "${attribute[@]}" --in "$log" --out samples
absent samples
# A file that was cut off in its last row.
head -c -14 "$log" >cut.csv
refuses 1 "cut.csv:18: the file ends within this row, after 4 of 5 fields.*head -n 17" "${attribute[@]}" --in cut.csv \
  --from 2017-11-25 --out samples
absent samples

attribute() {  # attribute FOLDER OPTIONS...: its samples are the text on standard input, and its summary in summary.txt
  local folder=$1
  shift
  "${attribute[@]}" --in "$log" --from 2017-11-25 --out "$folder" "$@" >summary.txt 2>/dev/null
  { cat "$folder/train.csv"; echo; cat "$folder/test.csv"; } >samples.txt
  diff samples.txt - || die "other samples than those worked out by hand: $folder $*"
}
said() { grep -qF -- "$1" summary.txt || die "the summary does not say '$1': $(cat summary.txt)"; }

# User 1 buys of c1 on days 3 and 4: journeys i1 i2 and i1 i2 i4. linear 1/2 + 1/3; time_decay 1 : 2 → 1/3 2/3, and
# 1 : 2 : 8 → 1/11 2/11 8/11. User 2's click of the second of its purchase came before it; on the last day that click and
# the one two days later share, 1 : 4 → 1/5 4/5. i3 of user 1 is bought on the last day.
attribute samples <<'END'
user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511539200,0,5,,,0,1,0.8333333,0.42424244,3
1,i2,c1,1511625600,0,6,i1,c1,1,0,0.8333333,0.8484849,3
1,i3,c2,1511625600,0,6,i1,c1,1,1,1,1,1
2,i3,c2,1511712000,0,0,,,1,1,1,1,2
1,i4,c1,1511798400,0,1,i1|i2|i3,c1|c1|c2,1,0,0.33333334,0.72727275,3

user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511884800,0,2,i2|i3|i4,c1|c2|c1,0,0,0,0,0
2,i9,c2,1511884800,0,2,i3,c2,1,0,0.5,0.8,2
1,i2,c3,1511888500,1,2,i3|i4|i1,c2|c1|c1,0,0,0,0,0
END
said "8 clicks of 2 users"
said "6 conversions, 1 of them without a click in the window"
said "2 clicks of train.csv are in journeys that convert in the test period, credited for it"

# What was known when the last day began: nobody had bought i3 in user 1's journey of c2.
attribute known --train-labels known <<'END'
user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511539200,0,5,,,0,1,0.8333333,0.42424244,3
1,i2,c1,1511625600,0,6,i1,c1,1,0,0.8333333,0.8484849,3
1,i3,c2,1511625600,0,6,i1,c1,0,0,0,0,0
2,i3,c2,1511712000,0,0,,,1,1,1,1,1
1,i4,c1,1511798400,0,1,i1|i2|i3,c1|c1|c2,1,0,0.33333334,0.72727275,3

user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511884800,0,2,i2|i3|i4,c1|c2|c1,0,0,0,0,0
2,i9,c2,1511884800,0,2,i3,c2,1,0,0.5,0.8,2
1,i2,c3,1511888500,1,2,i3|i4|i1,c2|c1|c1,0,0,0,0,0
END
said "2 clicks of train.csv are in journeys that convert in the test period, not credited for it"

# Every journey starts anew after a purchase.
attribute restart --restart <<'END'
user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511539200,0,5,,,0,1,0.5,0.33333334,2
1,i2,c1,1511625600,0,6,i1,c1,1,0,0.5,0.6666667,2
1,i3,c2,1511625600,0,6,i1,c1,1,1,1,1,1
2,i3,c2,1511712000,0,0,,,1,1,1,1,1
1,i4,c1,1511798400,0,1,i1|i2|i3,c1|c1|c2,1,1,1,1,1

user,item,category,time,hour,weekday,item_seq,category_seq,last,first,linear,time_decay,path_length
1,i1,c1,1511884800,0,2,i2|i3|i4,c1|c2|c1,0,0,0,0,0
2,i9,c2,1511884800,0,2,i3,c2,1,1,1,1,1
1,i2,c3,1511888500,1,2,i3|i4|i1,c2|c1|c1,0,0,0,0,0
END

"$bin/mal_data" prepare --schema taobao --train samples/train.csv --test samples/test.csv --out dataset >/dev/null 2>&1
"$bin/mal_data" stats dataset | grep -q time_decay || die "stats names no views"
for model in base mal; do
  "$bin/mal_gpu_train" "$source/train/configs/taobao.yaml" --device cpu --set data.path=dataset --set model.type=$model \
    --set output=run_$model --set train.batch_size=4 --set train.threads=1 >/dev/null 2>&1 || die "training $model"
  "$bin/mal_gpu_train" eval run_$model --data dataset --device cpu | grep -q "rows *3" || die "eval $model"
done
