#!/usr/bin/env bash
# A small experiment, killed midway and started again, ends in the same tables byte for byte as one that nothing
# disturbed; runs that were done are not done again; two processes do not work in one folder.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 500 --days 6 --seed 5 >/dev/null
"$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 2 --out samples >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset >/dev/null

cat >experiment.yaml <<END
dataset: dataset
output: whole
base: $source/train/configs/base.yaml
seeds: [1, 2]
resamples: 200
set: {train.batch_size: 256, model.embedding_dim: 4, model.tower: [8]}
studies:
  - {id: table1, title: Positives, kind: positives, paper: {linear: 1.42}}
  - id: table3
    title: Systems
    kind: systems
    primary: [last, mta]
    rows:
      - {label: Base, set: {model.type: base}}
      - {label: MAL, set: {model.type: mal}, paper: {last: {gauc: 0.7859, gauc_change: 0.51, auc_change: 0.14}}}
  - id: figure5
    title: Users
    kind: user_growth
    primary: [last]
    growth: count
    last_days: 2
    edges: [0, 1]
    paper: {2 or more: {gauc_change: 1.23}}
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
  - id: table5
    title: Industries
    kind: slice_growth
    primary: [last]
    slice: industry_slice
    rows: [{label: Base, set: {model.type: base}}, {label: MAL, set: {model.type: mal}}]
END
run=("$bin/mal_gpu_train" experiment experiment.yaml --device cpu)

"${run[@]}" --jobs 2 >whole.txt 2>/dev/null || die "the experiment failed"
grep -q "8 runs: 0 done already, 8 to do" whole.txt || die "the plan is another one: $(head -n 1 whole.txt)"
for file in tables/table1.md tables/table3_last.json tables/table3_mta.md tables/figure5.md tables/table5.json report.md; do
  [[ -s whole/$file ]] || die "there is no $file"
done
grep -q "<svg" whole/report.html || die "report.html has no picture"
grep -qE "\| linear .*\| 1.42 \|$" whole/tables/table1.md || die "table 1 does not show the paper's figure"
grep -qE "\| MAL .*\| 0.7859 \(\+0.51 %\) \| \+0.14 % \|$" whole/tables/table3_last.md || die "table 3 does not show the paper's figures"
grep -q paper: whole/tables/table3_mta.md && die "a table shows a column for figures that nobody gave"
for table in tables/table3_last.md report.md report.html; do
  grep -q "Smallest difference that the rows see with 80 % power: GAUC [0-9.]*, AUC" whole/$table || die "$table does not say its power"
  grep -qE "Warning:.* too little test data to see each published gain of GAUC" whole/$table || die "$table does not warn"
done
[[ $(find whole/runs -name '*.yaml' -not -path '*/runs/*/*' -o -name '*.log') == "" ]] || die "files of runs were left behind"

# The difference of two runs of one seed is that seed's in the table; what cannot be compared is refused.
runs=$(grep -A3 '"runs"' whole/tables/table3_last.json | grep -oE '[0-9a-f]{16}' | sed 's,^,whole/runs/,')
read -r base base2 mal _ <<<"$(tr '\n' ' ' <<<"$runs")"
compare=("$bin/mal_gpu_train" compare)
"${compare[@]}" "$base" "$mal" >compared.txt || die "two runs are not compared"
python3 - <<'END' || die "compare and the table differ: $(cat compared.txt)"
import json, re
text = open("compared.txt").read()
row = json.load(open("whole/tables/table3_last.json"))["rows"][1]
for metric in ("gauc", "auc"):
    difference, low, high, words = re.search(rf"^{metric.upper()} +([-+.0-9]+) \[([-+.0-9]+), ([-+.0-9]+)\]: (.*)$", text, re.M).groups()
    assert difference == f'{row[metric + "_difference"]["seeds"][0]:+.2f}', difference
    assert float(low) <= float(difference) <= float(high)
    assert ("holds 0" in words) == (float(low) <= 0 <= float(high)), words
END
sed '1s/,last,first,/,first,last,/' samples/test.csv >relabelled.csv
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test relabelled.csv --out relabelled >/dev/null
refuses 1 "come to AUC .*that is not what it was tested on" "${compare[@]}" "$base" "$mal" --data relabelled
# The same labels of other users: AUC is the same, GAUC is not.
awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "user") user = i } NR > 1 { $user = NR % 100 } 1' \
  samples/test.csv >regrouped.csv
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test regrouped.csv --out regrouped >/dev/null
refuses 1 "come to GAUC .*that is not what it was tested on" "${compare[@]}" "$base" "$mal" --data regrouped
head -n 200 samples/test.csv >fewer.csv
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test fewer.csv --out fewer >/dev/null
refuses 1 "holds scores of [0-9]+ rows, and fewer has 199 test rows" "${compare[@]}" "$base" "$mal" --data fewer
refuses 2 "compare needs two runs" "${compare[@]}" "$base"
refuses 2 "are the same run" "${compare[@]}" "$base" "$mal" "$PWD/whole/../$mal/"
refuses 1 "has seed 1, .* has seed 2: .*--set seed=1" "${compare[@]}" "$base" "$mal" "$base2"
refuses 1 "one primary view" "${compare[@]}" "$base" \
  "whole/runs/$(grep -A3 '"runs"' whole/tables/table3_mta.json | grep -oE '[0-9a-f]{16}' | head -n 1)"
refuses 2 "dataset is not a run" "${compare[@]}" "$base" dataset
cp -r "$mal" other_run
"${compare[@]}" "$mal" other_run | grep -q "^GAUC .*: other_run and $mal order these test rows alike" || die "equal scores are not told as equal"
printf 'x' | dd of=other_run/scores.bin bs=1 seek=80 conv=notrunc status=none
refuses 1 "other_run/scores.bin is damaged; train the run again with --scores" "${compare[@]}" "$base" other_run
rm other_run/scores.bin
refuses 1 "other_run has no scores.bin; train the run again with --scores" "${compare[@]}" "$base" other_run
sed -i '/"event": *"test"/d' other_run/metrics.jsonl
refuses 1 "the run has no test metrics; it did not finish" "${compare[@]}" "$base" other_run
mkdir elsewhere
cd elsewhere
refuses 2 "was tested on dataset, which is not there from this folder; say where it is with --data" \
  "${compare[@]}" "../$base" "../$mal"
"${compare[@]}" "../$base" "../$mal" --data ../dataset >moved.txt || die "--data does not help"
cmp ../compared.txt moved.txt || die "--data gives other differences"
cd ..

# Killed after its first runs: with it goes the run under way.
"${run[@]}" --jobs 1 --set output=killed >/dev/null 2>&1 &
experiment=$!
until compgen -G "killed/runs/*/scores.bin" >/dev/null; do sleep 0.02; done
kill -9 $experiment
wait $experiment 2>/dev/null || true
sleep 0.5
pgrep -f "$work/killed/|killed/runs/" >/dev/null && die "a run outlived its experiment"
done_before=$(find killed/runs -name scores.bin | sort)
[[ $(wc -l <<<"$done_before") -lt 8 ]] || die "nothing was left to do when the experiment was killed"
[[ ! -e killed/report.md ]] || die "tables were written too early"
stamps=$(xargs stat -c '%n %i %Y' <<<"$done_before")

"${run[@]}" --jobs 1 --set output=killed >resumed.txt 2>/dev/null || die "it did not go on after a kill"
grep -q "8 runs: $(wc -l <<<"$done_before") done already" resumed.txt || die "done runs were not counted: $(head -n 1 resumed.txt)"
[[ $(xargs stat -c '%n %i %Y' <<<"$done_before") == "$stamps" ]] || die "a run that was done was done again"
for file in tables report.md report.html; do
  diff -r whole/$file killed/$file >/dev/null || die "$file differs after a kill"
done

[[ $("${run[@]}" --set output=killed --plan | grep -c " done ") == 8 ]] || die "--plan does not see that all is done"
# A damaged file of scores is no result.
victim=$(head -n 1 <<<"$done_before")
printf 'x' | dd of="$victim" bs=1 seek=80 conv=notrunc status=none
"${run[@]}" --set output=killed >repaired.txt 2>/dev/null
grep -q "8 runs: 7 done already, 1 to do" repaired.txt || die "damaged scores were believed"
diff -r whole/tables killed/tables >/dev/null || die "the repeated run gave other tables"

# A list of one is the same experiment; a second platform adds its runs and pools the differences.
"${run[@]}" --set output=killed --set dataset=[dataset] >/dev/null 2>&1 || die "a list of one data set failed"
diff -r whole/tables killed/tables >/dev/null || die "a list of one data set gives other tables"
"$bin/mal_data" simulate --out journeys2 --users 400 --days 6 --seed 6 >/dev/null
"$bin/mal_data" attribute --in journeys2/clicks.csv --conversions journeys2/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 2 --out samples2 >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples2/train.csv --test samples2/test.csv --out dataset2 >/dev/null
"${run[@]}" --set output=killed --set dataset=[dataset,dataset2] >pooled.txt 2>/dev/null || die "two data sets failed"
grep -q "16 runs: 8 done already, 8 to do" pooled.txt || die "runs on two data sets: $(head -n 1 pooled.txt)"
grep -q "test rows of 2 data sets" killed/tables/table3_last.md || die "the table does not say that it is of two data sets"
grep -q '"between_datasets"' killed/tables/table3_last.json || die "the JSON has no difference of each data set"
cp -r dataset copy
refuses 2 "dataset and copy hold the same" "${run[@]}" --set output=other --set dataset=[dataset,copy]
absent other

# Another seed: nothing that is done counts.
sed -i 's/seeds: \[1, 2\]/seeds: [3]/' experiment.yaml
[[ $("${run[@]}" --set output=killed --plan) != *done* ]] || die "runs of other seeds were taken for done"

flock killed/lock sleep 30 &
holder=$!
until ! flock --nonblock killed/lock true; do sleep 0.02; done
refuses 1 "another process is working in killed" "${run[@]}" --set output=killed
kill $holder
wait $holder 2>/dev/null || true

refuses 2 "study 'table3': the data set has no view 'markov'" "${run[@]}" --set output=other --set seeds=[1] \
  --set dataset=dataset --set "studies=[{id: table3, title: t, kind: systems, primary: [markov], rows: [{label: a}]}]"
absent other
refuses 1 "the run '(Base|MAL), primary last, seed 3' failed .*not finite.*\.log" "${run[@]}" --set output=broken \
  --set "set={optimizer.dense.type: sgd, optimizer.dense.lr: 1000}"
