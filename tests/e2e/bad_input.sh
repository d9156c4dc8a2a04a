#!/usr/bin/env bash
# Inputs that are wrong: one clear line with its place, exit code 1 (the data) or 2 (the command, the configuration),
# nothing half-written, no crash, no hang, no memory beyond the file's worth.
source "$(dirname "$0")/common.sh"

# A small log of clicks and conversions, and a schema of what attribute makes of it.
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
  - {name: scores, kind: scores, length: 3}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: user_group, kind: group, column: user}
  - {name: channel_slice, kind: slice, column: channel}
YAML
mal_data() { timeout 120 "$bin/mal_data" "$@"; }
mal_gpu_train() { timeout 120 "$bin/mal_gpu_train" "$@"; }
attribute() {  # attribute OUT CLICKS CONVERSIONS OPTIONS...
  mal_data attribute --in "$2" --conversions "$3" --mechanisms last,linear --out "$1" "${@:4}"
}
prepare() {  # prepare OUT SCHEMA TRAIN TEST
  mal_data prepare --schema "$2" --train "$3" --test "$4" --out "$1"
}
attribute samples clicks.csv conversions.csv --test-days 1 >/dev/null
for file in samples/train.csv samples/test.csv; do sed -i '1s/$/,scores/;2,$s/$/,0.1|-0.5/' $file; done
prepare dataset schema.yaml samples/train.csv samples/test.csv >/dev/null 2>&1
mkfifo pipe
mkdir folder
echo mine >folder/mine

flip() {  # flip FILE OFFSET: the lowest bit of one byte; a negative offset counts from the end
  local at=$2
  ((at >= 0)) || at=$(($(stat -c %s "$1") + at))
  local byte
  byte=$(od -An -tu1 -j "$at" -N 1 "$1")
  printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# ---- attribute: what is in the files
reads() { refuses 1 "$1" attribute bad bad.csv conversions.csv && absent bad; }  # reads PATTERN: of bad.csv as clicks
clicks() { sed "$2" clicks.csv >bad.csv && reads "$1"; }                          # clicks PATTERN SED-SCRIPT
clicks "bad.csv:1: there is no column 'advertiser'; did you mean 'advertizer'.*--key" '1s/advertiser/advertizer/'
clicks "bad.csv:2: the row has 1 fields, the header has 2;.*if ';' separates them, give --delimiter ';'" \
  's/,/;/g;1s/price/price,EUR/'
clicks "bad.csv:1: ';' and '|' could both separate the columns; say which by --delimiter" '1s/,/;/;1s/,/|/g'
clicks "bad.csv:1: column 'user' stands twice" '1s/channel/user/'
clicks "bad.csv:1: column 4 of the header has no name; name it, or take it out" '1s/channel//'
sed '1s/user/Unnamed: 0/' clicks.csv >bad.csv
refuses 1 "bad.csv:1: there is no column 'Unnamed: 0' .it looks like row numbers of pandas" \
  attribute bad bad.csv conversions.csv --user 'Unnamed: 0'
clicks "bad.csv:5:time: 'soon' is not a time" '5s/,[0-9]*/,soon/'
clicks "bad.csv:5:time: time '1.6e9' has an exponent" '5s/,[0-9]*/,1.6e9/'
clicks "bad.csv:5:time: '1 6' is not a time" '5s/,[0-9]*/,1 6/'
clicks "bad.csv:5:time: '9223372036854775808' is not a time" '5s/,[0-9]*/,9223372036854775808/'
clicks "bad.csv:5:time: time 9223372036854775807 is after the year 2100" '5s/,[0-9]*/,9223372036854775807/'
clicks "bad.csv:5:time: .*in milliseconds it is [0-9-]* .*--time-unit ms" '5s/,[0-9]*/&000/'
clicks "bad.csv:5:time: time -5 is negative" '5s/,[0-9]*/,-5/'
clicks "bad.csv:5:time: the field is empty" '5s/,[0-9]*/,/'
clicks "bad.csv:5:user: the field is empty" '5s/^u[0-9]//'
clicks "bad.csv:5: the row has 3 fields, the header has 5" '5s/,c.*//'
clicks "bad.csv:5: the row has 6 fields, the header has 5" '5s/$/,more/'
clicks "bad.csv:5: a quoted field that begins in this row does not end" '5s/u/"u\n/'
clicks "bad.csv:5: text follows a closing quote" '5s/u/"u\n/;9s/u/"u/'
clicks "bad.csv:11:time: 'soon' is not a time" '5s/c./"&\n\n"/;9s/,[0-9]*/,soon/'  # the line, not the row
clicks "bad.csv:5: text follows a closing quote" '5s/^u[0-9]/"u"x/'
clicks "bad.csv:5: the line holds a zero byte" '5s/u/\x00/'
clicks "bad.csv: there are no rows, only a header" '2,$d'
clicks "bad.csv: the file is empty" 'd'
clicks "bad.csv:1: the header holds a control character" '1s/user/\x1b[31m/'
iconv -t utf-16 clicks.csv >bad.csv && reads "bad.csv:1: the file is UTF-16; convert it"
tr '\n' '\r' <clicks.csv >bad.csv && reads "bad.csv:1: lines end in a carriage return alone"
head -c 100000 "$bin/mal_data" >bad.csv && reads "bad.csv:1: "
seq -s, 100000 >bad.csv && reads "bad.csv:1: the line has more than 65536 fields"
head -c 64M /dev/zero | tr '\0' a >bad.csv && reads "bad.csv:1: a line is longer than 16 MiB"
head -c 1G /dev/zero | gzip -1 >bad.csv && reads "bad.csv:1: a line is longer than 16 MiB"
gzip -c clicks.csv >clicks.gz
for bytes in 2 10 200; do head -c $bytes clicks.gz >bad.csv && reads "bad.csv:[0-9]+: the gzip data is cut short here"; done
cp clicks.gz bad.csv && flip bad.csv -6 && reads "bad.csv:[0-9]+: the gzip data is damaged here"
{ cat clicks.gz && echo more; } >bad.csv && reads "bad.csv:62: bytes that are not gzip follow"
python3 "$source/tests/e2e/zstd_frames.py" <clicks.csv >clicks.zst
for bytes in 2 10 200; do
  head -c $bytes clicks.zst >bad.csv && reads "bad.csv:[0-9]+: the zstd data is cut short here: the file ends within a frame"
done
cp clicks.zst bad.csv && flip bad.csv 6 && reads "bad.csv:[0-9]+: the zstd data is damaged here"
{ cat clicks.zst && echo more; } >bad.csv && reads "bad.csv:62: bytes that are not zstd follow"
printf '\x28\xb5\x2f\xfd\x00\xa8\x09\x00\x00a' >bad.csv  # 2 GiB
reads "bad.csv:1: the zstd data needs a window of more than 128 MiB .*zstd -dc --long=31 bad.csv"
refuses 1 "cannot read pipe: it is not a regular file" attribute bad pipe conversions.csv
refuses 1 "folder/mine:1: there is no column 'user'" attribute bad folder conversions.csv  # a folder stands for its files
refuses 1 "cannot read /dev/null: it is not a regular file" attribute bad /dev/null conversions.csv
refuses 1 "cannot open nothing.csv: No such file" attribute bad nothing.csv conversions.csv
conversions() {  # conversions PATTERN SED-SCRIPT
  sed "$2" conversions.csv >bad.csv
  refuses 1 "$1" attribute bad clicks.csv bad.csv
  absent bad
}
conversions "bad.csv:9:conversion_id: conversion id '3' was already at bad.csv:4" '9s/,[0-9]*$/,3/'
conversions "bad.csv:9:conversion_id: the field is empty" '9s/,[0-9]*$/,/'
conversions "bad.csv:9:time: 'never' is not a time" '9s/,[0-9]*/,never/'
conversions "bad.csv:1: there is no column 'advertiser'.*--key" '1s/advertiser/shop/'
refuses 1 "clicks.csv:1: there is no column 'user'; the file has: user,time,advertiser" \
  attribute bad clicks.csv conversions.csv --delimiter ';'
refuses 2 "--delimiter 'semi': it must be comma, tab, semicolon" attribute bad clicks.csv conversions.csv --delimiter semi
# Not refused: clicks and conversions may be in any order, lines may end in CRLF, a byte order mark may stand first.
{ head -n 1 clicks.csv && tail -n +2 clicks.csv | tac; } >unsorted.csv
{ head -n 1 conversions.csv && tail -n +2 conversions.csv | tac; } >unsorted_conversions.csv
{ printf '\xEF\xBB\xBF' && sed 's/$/\r/' clicks.csv; } >crlf.csv
attribute plain clicks.csv conversions.csv --test-days 1 >/dev/null
attribute sorted unsorted.csv unsorted_conversions.csv --test-days 1 >/dev/null
attribute zstd clicks.zst conversions.csv --test-days 1 >/dev/null
attribute crlf crlf.csv conversions.csv --test-days 1 >/dev/null
sed 's/,/;/g' clicks.csv >semicolons.csv
sed 's/,/|/g' conversions.csv >bars.csv
attribute semicolons semicolons.csv bars.csv --test-days 1 >/dev/null
sed 's/,/^/g' clicks.csv >carets.csv
sed 's/,/^/g' conversions.csv >caret_conversions.csv
mkdir parts  # as Spark writes them, with pandas' row numbers
{ head -n 1 clicks.csv && tail -n +2 clicks.csv | head -n 25; } | awk '{print (NR == 1 ? "" : NR - 2) "," $0}' >parts/part-1.csv
{ head -n 1 clicks.csv && tail -n +27 clicks.csv; } | awk '{print (NR == 1 ? "Unnamed: 0" : NR - 2) "," $0}' >parts/part-3.csv
head -n 1 clicks.csv >parts/part-2.csv
: >parts/part-0.csv
: | gzip >parts/part-4.csv
echo >parts/part-6.csv # as pandas writes a frame without rows and columns: a line break, or "" with its row numbers
echo '""' | gzip >parts/part-7.csv
printf '\xEF\xBB\xBF' >parts/part-8.csv
: | python3 "$source/tests/e2e/zstd_frames.py" >parts/part-5.csv
echo junk | tee parts/_SUCCESS parts/.part-1.csv.crc >parts/part-1.csv.crc
attribute parted parts conversions.csv --test-days 1 >said.txt
grep -q "^6 empty files passed over$" said.txt || die "empty parts are not counted: $(cat said.txt)"
grep -q "^column without a name ignored: it holds row numbers of pandas" said.txt || die "row numbers: $(cat said.txt)"
grep -q "^column 'Unnamed: 0' ignored" said.txt || die "row numbers: $(cat said.txt)"
# Folders called key=value give columns: of the same rows the same credits.
awk -F, 'NR > 1 {print $4}' clicks.csv | sort -u >channels.txt
while read -r channel; do
  mkdir -p "keyed/channel=$channel"
  awk -F, -v OFS=, -v channel="$channel" 'NR == 1 || $4 == channel {print $1, $2, $3, $5}' clicks.csv >"keyed/channel=$channel/part.csv"
done <channels.txt
{ echo user,time,advertiser,price,channel
  while read -r channel; do tail -n +2 "keyed/channel=$channel/part.csv" | sed "s/$/,$channel/"; done <channels.txt; } >flat.csv
attribute flat flat.csv conversions.csv --channel channel --test-days 1 >/dev/null
attribute by_key keyed conversions.csv --channel channel --test-days 1 >/dev/null
attribute starred 'keyed/*/*.csv' conversions.csv --channel channel --test-days 1 --memory 1 >/dev/null
for split in train test; do
  cmp flat/$split.csv by_key/$split.csv || die "folders called key=value give other samples"
  cmp flat/$split.csv starred/$split.csv || die "folders called key=value give other samples by a pattern"
done
file=$(find keyed -name part.csv | sort | head -n 1)
refuses 1 "there is no column 'channel'.*the folder channel=.* gives it where a folder above" \
  attribute bad "$file" conversions.csv --channel channel
cp "$file" keyed/part.csv
refuses 2 "the folders of keyed/part.csv give other columns \(none\) than those of keyed/channel=[a-z0-9]*/part.csv \(channel\)" \
  attribute bad keyed conversions.csv
mkdir nothing && touch nothing/a.csv nothing/b.csv
refuses 1 "nothing/a.csv and 1 more: all files are empty" attribute bad nothing conversions.csv
refuses 1 "nothing/a.csv and 1 more: all files are empty" attribute bad clicks.csv nothing
# Line breaks in quotes come out in quotes.
awk -F, -v OFS=, 'NR > 1 {$4 = "\"" $4 "\n\nx\""} 1' clicks.csv >breaks.csv
sed '2,$s/^[^,]*/"&"/' conversions.csv >break_conversions.csv
for memory in 1 1GiB; do
  attribute breaks$memory breaks.csv break_conversions.csv --history channel --test-days 1 --memory $memory >/dev/null
done
attribute no_breaks clicks.csv conversions.csv --history channel --test-days 1 >/dev/null
for split in train test; do
  cmp breaks1/$split.csv breaks1GiB/$split.csv || die "--memory changes samples with line breaks"
  tr -d '"' <breaks1/$split.csv | sed -z 's/\n\nx//g' | cmp - no_breaks/$split.csv || die "line breaks change the samples"
  python3 -c "import csv, sys; rows = list(csv.reader(open('breaks1/$split.csv', newline='')))
assert all(len(row) == len(rows[0]) and row[3][2:] == '\n\nx' for row in rows[1:]) and len(rows) > 5" || die "rows with line breaks"
done
attribute carets carets.csv caret_conversions.csv --delimiter '^' --test-days 1 --memory 1 >/dev/null
for split in train test; do
  cmp plain/$split.csv zstd/$split.csv || die "zstd changes the samples"
  cmp plain/$split.csv sorted/$split.csv || die "the order of the input changes the samples"
  cmp plain/$split.csv crlf/$split.csv || die "CRLF or a byte order mark changes the samples"
  cmp plain/$split.csv parted/$split.csv || die "parts with row numbers change the samples"
  cmp plain/$split.csv semicolons/$split.csv || die "the delimiter changes the samples"
  cmp plain/$split.csv carets/$split.csv || die "the delimiter that is given changes the samples"
done

# ---- attribute, simulate: the command
asks() { refuses 2 "$1" attribute bad clicks.csv conversions.csv "${@:2}" && absent bad; }  # asks PATTERN OPTIONS...
asks "--test-days 50: the clicks are from .* train.csv would be empty" --test-days 50
asks "--test-days 2147483647" --test-days 2147483647
asks "--test-days = 99999999999: not a number that is possible" --test-days 99999999999
asks "--test-days -1: at least 1" --test-days -1
asks "--test-from soon: 'soon' is not a time" --test-from soon
asks "--window 30y: not a length of time; write 30d" --window 30y
for option in window gap half-life truncate; do asks "--$option 30: 30 what[?] write 30d, 30h" --$option 30; done
asks "--utc-offset nan" --utc-offset nan
asks "--history-length 1000000000: 1 to 1000" --history advertiser --history-length 1000000000
asks "--seed: -1 is not a whole number" --seed -1
refuses 2 "unknown mechanism 'lineer' .did you mean 'linear'" mal_data attribute --in clicks.csv \
  --conversions conversions.csv --mechanisms lineer --out bad
refuses 2 "clicks.csv is given twice" mal_data attribute --in clicks.csv clicks.csv --conversions conversions.csv --out bad
refuses 2 "clicks.csv is given as --in and as ./clicks.csv as --conversions; every click would be its own conversion" \
  mal_data attribute --in clicks.csv --conversions ./clicks.csv --out bad
refuses 2 "--out is required" mal_data attribute --in clicks.csv
refuses 2 "unknown option '--inn'" mal_data attribute --inn clicks.csv
refuses 2 "unknown command 'attributes'; did you mean 'attribute'" mal_data attributes
refuses 2 "folder exists and was not written by this command" attribute folder clicks.csv conversions.csv
cp clicks.csv samples/
refuses 2 "samples/clicks.csv lies in samples, which would be replaced" attribute samples samples/clicks.csv conversions.csv
refuses 2 "samples/train.csv lies in samples, which" attribute samples clicks.csv conversions.csv --channel-model samples/train.csv
cmp clicks.csv samples/clicks.csv
rm samples/clicks.csv
mkdir other.tmp
cp conversions.csv other.tmp
refuses 2 "conversions.csv lies in other.tmp, which would be removed" attribute other clicks.csv other.tmp/conversions.csv
refuses 2 "mal_data: clicks.csv would be replaced" attribute clicks.csv clicks.csv conversions.csv
cp clicks.csv mine.csv
refuses 2 "mine.csv exists and was not written by this command" attribute mine.csv clicks.csv conversions.csv
refuses 1 "cannot create clicks.csv/x.tmp: Not a directory; choose another" attribute clicks.csv/x clicks.csv conversions.csv
refuses 2 "--users = -1: not a number that is possible" mal_data simulate --out bad --users -1
refuses 2 "--users 0: 1 to 50000000" mal_data simulate --out bad --users 0
refuses 2 "--days 0: 1 to 3650" mal_data simulate --out bad --days 0
refuses 2 "--threads 1025" mal_data simulate --out bad --threads 1025
refuses 2 "--seed: 18446744073709551616 is not a whole number" mal_data simulate --out bad --seed 18446744073709551616
refuses 1 "cannot create /dev/null/x.tmp: Not a directory" mal_data simulate --out /dev/null/x --users 3 --days 1
absent bad

# ---- attribute --format paths
printf 'path,total_conversions,total_null\na > b,1,2\nb,2,0\n' >paths.csv
paths() { mal_data attribute --format paths --in paths.csv --out bad "$@"; }
for option in "--window 3d" "--conversions conversions.csv" "--user u" "--test-days 1" "--memory 1GiB" --restart "--channel-model m.json"; do
  # shellcheck disable=SC2086
  refuses 2 "^mal_data: ${option%% *} is not for --format paths, whose rows" paths $option && absent bad
done
refuses 2 "--null is for --format paths" attribute bad clicks.csv conversions.csv --null lost && absent bad
refuses 2 "time_decay: it needs the times of clicks" paths --mechanisms last,time_decay && absent bad
refuses 2 "--markov-order 11: 1 to 10 are possible" paths --markov-order 11 && absent bad
refuses 2 "unknown format 'path' .did you mean 'paths'" mal_data attribute --format path --in paths.csv --out bad && absent bad
refuses 1 "paths.csv:1: there is no column 'sales'.*--conversion" paths --conversion sales && absent bad

# ---- prepare
# samples PATTERN COLUMN VALUE: row 6 of the training samples with that value in that column
samples() {
  awk -F, -v OFS=, -v name="$2" -v value="$3" \
    'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == name) at = i } NR == 7 { $at = value } 1' samples/train.csv >bad.csv
  refuses 1 "bad.csv:7:$2: $1" prepare bad schema.yaml bad.csv samples/test.csv
  absent bad
}
samples "credit 1.5 is outside \[0, 1\]" linear 1.5
samples "credit -0.1 is outside \[0, 1\]" last -0.1
samples "nan is not a finite number" last nan
samples "inf is not a finite number" linear inf
samples "1e999 is not a finite number" last 1e999
samples "'half' is not a number" last half
samples "'0. 5' is not a number" last '0. 5'
samples "the field is empty" last ''
samples "a score is nan" scores '0.1|nan'
samples "a score is -inf" scores '-inf'
samples "'x' is not a number" scores '0.1|x'
samples "log1p of -1 is not defined" price -1
samples "'cheap' is not a number" price cheap
samples "time 1 is before the previous row's [0-9]*; sort the rows" time 1
samples "'9223372036854775808' is not a time" time 9223372036854775808
samples "the group is empty" user ''
samples "the group 'NULL' says that there is none" user NULL
samples "'.*' is not UTF-8; convert the file" advertiser $'\xff\xfe'
samples "'.*' is not UTF-8; convert the file" channel $'\xff\xfe'
{ echo time,user,advertiser,channel,price,scores,last,linear && seq -f '1,u,a,%.0f,1,,0,0' 10001; } >bad.csv
refuses 1 "bad.csv:10002:channel: slice column 'channel_slice' has more than 10000 values" \
  prepare bad schema.yaml bad.csv samples/test.csv
sed '1s/last/lats/' samples/train.csv >bad.csv
refuses 1 "bad.csv:1: there is no column 'last'; did you mean 'lats'" prepare bad schema.yaml bad.csv samples/test.csv
gzip -c samples/train.csv | head -c 300 >bad.csv
refuses 1 "bad.csv:[0-9]+: the gzip data is cut short" prepare bad schema.yaml bad.csv samples/test.csv
python3 "$source/tests/e2e/zstd_frames.py" <samples/train.csv >samples.zst && head -c 300 samples.zst >bad.csv
refuses 1 "bad.csv:[0-9]+: the zstd data is cut short" prepare bad schema.yaml bad.csv samples/test.csv
head -n 1 samples/train.csv >header.csv
refuses 1 "header.csv: there are no training rows" prepare bad schema.yaml header.csv samples/test.csv
refuses 1 "samples/train.csv:2:time: the test data begins" prepare bad schema.yaml samples/test.csv samples/train.csv
refuses 1 "cannot read pipe: it is not a regular file" prepare bad schema.yaml samples/train.csv pipe
refuses 2 "is given as --train and as --test" prepare bad schema.yaml samples/train.csv samples/train.csv
ln -s samples/train.csv train_link.csv
refuses 2 "samples/train.csv is given as --train and as train_link.csv as --test" \
  prepare bad schema.yaml samples/train.csv train_link.csv
refuses 2 "samples/train.csv lies in samples, which would be replaced" \
  prepare samples schema.yaml samples/train.csv samples/test.csv
refuses 2 "folder exists and was not written" prepare folder schema.yaml samples/train.csv samples/test.csv
refuses 1 "cannot create schema.yaml/x.tmp" prepare schema.yaml/x schema.yaml samples/train.csv samples/test.csv
absent bad
# The same data set from any delimiter, recognised or given.
for split in train test; do sed 's/,/;/g' samples/$split.csv >${split}_semicolons.csv; done
for split in train test; do sed 's/,/^/g' samples/$split.csv >${split}_carets.csv; done
prepare semicolon_set schema.yaml train_semicolons.csv test_semicolons.csv >/dev/null 2>&1
mal_data prepare --schema schema.yaml --train train_carets.csv --test test_carets.csv --delimiter '^' --out caret_set >/dev/null 2>&1
diff -r dataset semicolon_set || die "semicolons change the data set"
diff -r dataset caret_set || die "the delimiter that is given changes the data set"
awk '{print (NR == 1 ? "" : NR - 2) "," $0}' samples/train.csv >train_index.csv
: >no_rows.csv
printf '\r\n' >no_header.csv
awk -F, -v OFS=, 'NR > 1 {$5 = "\"" $5 "\""; $4 = "\"" $4 "\n\""} 1' samples/train.csv >train_breaks.csv
mal_data prepare --schema schema.yaml --train no_rows.csv no_header.csv train_index.csv --test samples/test.csv --out index_set >/dev/null 2>said.txt
diff -r dataset index_set || die "row numbers and an empty part change the data set"
grep -q "^note: 2 empty files passed over$" said.txt || die "an empty part is not counted: $(cat said.txt)"
grep -q "^note: column without a name ignored" said.txt || die "row numbers are not noted: $(cat said.txt)"
prepare break_set schema.yaml train_breaks.csv samples/test.csv >/dev/null 2>&1
cmp dataset/train-00000/price.bin break_set/train-00000/price.bin || die "line breaks change the data set"
grep -q '"c1\\n"' break_set/vocab/slice.channel_slice.json || die "line breaks of a slice value are lost"
refuses 1 "no_rows.csv and 1 more: all files are empty" \
  mal_data prepare --schema schema.yaml --train no_rows.csv nothing/a.csv --test samples/test.csv --out bad
sed '5s/,[0-9]*,/,1,/2' train_index.csv >bad.csv
sed '5s/;[0-9]*/;1/' train_semicolons.csv >bad.csv
refuses 1 "bad.csv:5:time: .*sort the rows by time .sort -t';' -k2,2n" prepare bad schema.yaml bad.csv samples/test.csv
[[ $(cat folder/mine) == mine ]] || die "a folder of the user was changed"

schema() { sed "$2" schema.yaml >bad.yaml && refuses 2 "$1" prepare bad bad.yaml samples/train.csv samples/test.csv; }
schema "bad.yaml:7: 'columns\[4\].length' must be from 0 to 4096, not 1000000000" 's/length: 3/length: 1000000000/'
schema "bad.yaml:7: unknown key 'columns\[4\].lenth'; did you mean 'length'" 's/length:/lenth:/'
schema "bad.yaml:7: .*'score'; did you mean 'scores'" 's/kind: scores/kind: score/'
schema "bad.yaml:9: .*there are two columns 'last'" 's/name: linear/name: last/'
schema "bad.yaml:2: .*at least one column of kind credit" '/credit/d'
schema "bad.yaml:3: a tab in the indentation" 's/^  /\t/'
schema "bad.yaml: 'name' is required" 'd'
refuses 2 "no such built-in schema; did you mean 'simulated'" prepare bad simulate samples/train.csv samples/test.csv
head -c 2M /dev/zero | tr '\0' '[' >bad.yaml
refuses 2 "bad.yaml has 2097152 bytes; at most 1048576" prepare bad bad.yaml samples/train.csv samples/test.csv
absent bad

# ---- stats, and what else opens a data set
damaged() {  # damaged PATTERN COMMAND...: on a copy of the data set, which the command damages
  rm -rf broken && cp -r dataset broken
  "${@:2}"
  refuses 1 "$1" mal_data stats broken --verify
  refuses 1 "$1" mal_gpu_train config.yaml --device cpu --set data.path=broken --set output=bad
  [[ ! -e bad ]] || die "a run was left behind"
}
cat >config.yaml <<'YAML'
name: small
data:
  path: dataset
model:
  type: mal
  tower: [8]
  mal: {views: [last, linear], aka_bottom: [8], ptp: [4], knowledge: [4], head: [4]}
eval:
  slices: [channel_slice]
output: run
YAML
damaged "broken is not a data set" rm broken/schema.yaml
damaged "cannot open broken/stats.json" rm broken/stats.json
damaged "broken/schema.yaml: it was changed since prepare wrote it" sed -i 's/rows: /rows: 20000000/' broken/schema.yaml
damaged "broken/stats.json: it is not JSON" truncate -s 100 broken/stats.json
damaged "broken/train-00000/price.bin: .*cut short" truncate -s 100 broken/train-00000/price.bin
damaged "broken/train-00000/price.bin: its header is damaged" flip broken/train-00000/price.bin 17
damaged "cannot open broken/train-00000/last.bin" rm broken/train-00000/last.bin
damaged "files are missing" rm -r broken/test-00000
not_an_id() { printf '\xff\xff\xff\x7f' | dd of=broken/train-00000/user.bin bs=1 seek=64 conv=notrunc status=none; }
rm -rf broken && cp -r dataset broken && not_an_id
refuses 1 "broken/train-00000/user.bin: row 0: id 2147483647 is not in" mal_data stats broken
refuses 1 "broken/train-00000/user.bin: row 0: id 2147483647 is not in" \
  mal_gpu_train config.yaml --device cpu --set data.path=broken --set output=half_run
rm -rf broken && cp -r dataset broken && flip broken/train-00000/price.bin 64
refuses 1 "broken/train-00000/price.bin: the checksum is wrong" mal_data stats broken --verify
refuses 1 "clicks.csv is not a data set" mal_data stats clicks.csv
refuses 1 "cannot write folder: it is a folder" mal_data stats dataset --json folder
refuses 1 "cannot create folder/none/x.json.tmp: No such file" mal_data stats dataset --json folder/none/x.json

# ---- training: the configuration and the command
train() { mal_gpu_train "$1" --device cpu --set output=bad "${@:2}"; }
config() { sed "$2" config.yaml >bad.yaml && refuses 2 "$1" train bad.yaml && absent bad; }  # config PATTERN SED-SCRIPT
config "bad.yaml:6: unknown key 'model.towre'; did you mean 'tower'" 's/tower:/towre:/'
config "bad.yaml:5: .*'male'; did you mean 'mal'" 's/type: mal/type: male/'
config "bad.yaml:6: 'model.tower': a layer's width must be from 1" 's/tower: \[8\]/tower: [-8]/'
config "bad.yaml:6: 'model.tower': at least one layer" 's/tower: \[8\]/tower: []/'
config "model.mal.views: the dataset has no view 'lineer'" 's/linear/lineer/'
config "there is no slice column 'chanel'.*it has: channel_slice" 's/channel_slice/chanel/'
config "eval.baseline: the data set has no id column 'nope'" 's/^eval:/eval:\n  baseline: nope/'
config "bad.yaml:2: key 'name' is given twice" '1s/$/\nname: again/'
config "bad.yaml:3: a tab in the indentation" 's/^  path/\tpath/'
config "bad.yaml:2: 'data.path': required" '/path/d;s/^data:/data:\n  prefetch: 2/'
refuses 1 "nothing is not a data set" train config.yaml --set data.path=nothing
refuses 2 "--set train.batch_size=0: .* from 1 to" train config.yaml --set train.batch_size=0
refuses 2 "--set train.batchsize=9: unknown key 'train.batchsize'; did you mean 'batch_size'" \
  train config.yaml --set train.batchsize=9
refuses 2 "--set lr: expected key=value" train config.yaml --set lr
refuses 2 "cannot open nothing.yaml" train nothing.yaml
refuses 2 "cannot read pipe: it is not a regular file" train pipe
refuses 2 "at most 1048576 are read here|not UTF-8|control character" train "$bin/mal_gpu_train"
MAL_CPU=v9 refuses 2 "MAL_CPU=v9: this build does not have it; possible here: [a-z0-9, ]+" \
  mal_gpu_train config.yaml --set output=bad --device cpu
refuses 2 "--device tpu: unknown; use auto, cpu or cuda" mal_gpu_train config.yaml --set output=bad --device tpu
# A precision that the CPU lacks is never replaced by another.
for device in cpu auto; do
  refuses 2 "train.precision: tf32 is a precision of GPUs; a CPU has fp32 and bf16; set it to fp32" \
    mal_gpu_train config.yaml --set output=bad --device $device --set train.precision=tf32
done
MAL_CPU=v2 refuses 2 "train.precision: .* bf16.*; set it to fp32|MAL_CPU=v2: this build does not have it" \
  mal_gpu_train config.yaml --set output=bad --device cpu --set train.precision=bf16
if ! mal_gpu_train config.yaml --device cuda --dry-run >/dev/null 2>&1; then
  refuses 2 "--device cuda: .*use --device cpu or auto" mal_gpu_train config.yaml --set output=bad --device cuda
fi
refuses 2 "clicks.csv exists and is not a run" mal_gpu_train config.yaml --device cpu --set output=clicks.csv
refuses 2 "folder exists and is not a run" mal_gpu_train config.yaml --device cpu --set output=folder
refuses 1 "cannot create clicks.csv/x: Not a directory" mal_gpu_train config.yaml --device cpu --set output=clicks.csv/x
absent bad
diverges=(--set optimizer.dense.type=sgd --set optimizer.sparse.type=sgd --set optimizer.dense.lr=1000
  --set optimizer.sparse.lr=1000 --set train.batch_size=8 --set train.epochs=50)
refuses 1 "the (loss|gradient) of step [0-9]+ .*is not finite, nothing was updated: lower the learning rates" \
  train config.yaml "${diverges[@]}"
[[ ! -e bad/model.safetensors ]] || die "weights of a run that diverged were saved"
refuses 1 "bad has no model.safetensors: the run did not finish" mal_gpu_train eval bad --device cpu
refuses 1 "bad/metrics.jsonl: the run has no test metrics" mal_gpu_train report bad

# ---- eval and report
mal_gpu_train config.yaml --device cpu >/dev/null 2>&1 || die "training"
evaluate() { mal_gpu_train eval "$1" --device cpu "${@:2}"; }
refuses 2 "nothing is not a run: it has no config.yaml" evaluate nothing
# What was trained in a precision that this machine lacks is evaluated in fp32, and that is said.
cp -r run other_precision
grep -q "precision: fp32" run/config.yaml || die "run/config.yaml does not name the precision"
sed -i 's/precision: fp32/precision: tf32/' other_precision/config.yaml
evaluate run --json fp32.json >/dev/null 2>&1
evaluate other_precision --json tf32.json 2>said.txt >/dev/null
grep -q "^note: tf32 is a precision of GPUs; a CPU has fp32 and bf16; this is computed in fp32$" said.txt ||
  die "eval in another precision says: $(cat said.txt)"
cmp -s fp32.json tf32.json || die "fp32 differs where tf32 is not possible"
mal_gpu_train export other_precision --device cpu --out other.mal 2>said.txt >/dev/null
grep -q "^note: tf32 is a precision of GPUs; a CPU has fp32 and bf16; this is computed in fp32$" said.txt ||
  die "export compares in another precision and says: $(cat said.txt)"
refuses 2 "there is no slice column 'nope' in the data set; it has: channel_slice" evaluate run --slice nope
refuses 2 "--split dev: it must be test or train" evaluate run --split dev
refuses 1 "nothing is not a data set" evaluate run --data nothing
refuses 1 "cannot write folder: it is a folder" evaluate run --json folder
sed 's/name: advertiser/name: shop, column: advertiser/' schema.yaml >other.yaml
prepare other_schema other.yaml samples/train.csv samples/test.csv >/dev/null 2>&1
refuses 1 "model.safetensors: tensor embedding/shop is missing; was another model trained" evaluate run --data other_schema
sed '2,$s/^u1/U1/' samples/train.csv >bad.csv
prepare other_values schema.yaml bad.csv samples/test.csv >/dev/null 2>&1
refuses 1 "trained with other vocabularies than those of other_values" evaluate run --data other_values
weights() {  # weights PATTERN COMMAND...: on a copy of the run, whose weights the command damages
  rm -rf broken && cp -r run broken
  "${@:2}"
  refuses 1 "broken/model.safetensors: $1" evaluate broken
}
weights "too short for a weights file" truncate -s 4 broken/model.safetensors
weights "its header claims" truncate -s 1000 broken/model.safetensors
weights "tensor .* lies outside the file" truncate -s -1 broken/model.safetensors
weights "the checksum of its data is wrong" flip broken/model.safetensors -5
weights "tensor .* is not F32" sed -i 's/tower: \[8\]/tower: [9]/' broken/config.yaml
refuses 2 "nothing is not a run: it has no metrics.jsonl" mal_gpu_train report nothing
rm -rf broken && cp -r run broken && truncate -s 300 broken/metrics.jsonl
refuses 1 "broken/metrics.jsonl:2: the line is not a JSON object" mal_gpu_train report broken
echo '{"event": 5}' >broken/metrics.jsonl
refuses 1 "broken/metrics.jsonl:1: it is not a line that training writes" mal_gpu_train report broken
refuses 1 "cannot write folder: it is a folder" mal_gpu_train report run --out folder

# ---- kill -9 at any moment: the old data or the new, and the next run does not mind what was left
killed() {  # killed AFTER_SECONDS COMMAND...
  "${@:2}" >/dev/null 2>&1 &
  local child=$!
  sleep "$1"
  kill -9 $child 2>/dev/null || true
  wait $child 2>/dev/null || true
}
whole() { find "$1" -type f | sort | xargs cat | cksum; }
"$bin/mal_data" simulate --out journeys --users 1500 --days 6 --seed 1 >/dev/null 2>&1
simulate=("$bin/mal_data" simulate --users 1500 --days 6 --seed 1 --out)
attribute=("$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv
  --mechanisms last,first,linear,mta --history ad_item --test-days 1 --out)
sed '/_seq\|hour\|weekday/d' "$source/train/configs/schemas/simulated.yaml" >simulated.yaml
"${attribute[@]}" killed_samples >/dev/null 2>&1
prepare=("$bin/mal_data" prepare --schema simulated.yaml --train killed_samples/train.csv --test killed_samples/test.csv --out)
for step in simulate attribute prepare; do
  declare -n command=$step
  rm -rf made
  "${command[@]}" fresh_$step >/dev/null 2>&1 || die "$step"
  expected=$(whole fresh_$step)
  for after in 0.01 0.03 0.06 0.1 0.2; do
    killed $after "${command[@]}" made
    # Never half of it.
    [[ ! -e made || $(whole made) == "$expected" ]] || die "$step killed after $after s left half of its output"
  done
  "${command[@]}" made >/dev/null 2>&1 || die "$step fails after one that was killed"
  [[ $(whole made) == "$expected" && ! -e made.tmp && ! -e made.old ]] || die "$step after one that was killed differs"
  # With something at its place already, that stays until the new one is whole.
  for after in 0.01 0.05 0.1; do
    killed $after "${command[@]}" made
    [[ $(whole made) == "$expected" ]] || die "$step killed after $after s harmed what was there"
  done
done
if [[ -e made.tmp ]]; then refuses 1 "made.tmp" mal_data stats made.tmp; fi
echo "bad input: all refused"
