#!/usr/bin/env bash
# An online test of trained models, from the click log to the page: the same bytes for every number of threads, the arm
# that knows the truth ahead, A/A tests, and what is refused.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out log --users 300 --days 10 --seed 5 >/dev/null
"$bin/mal_data" attribute --in log/clicks.csv --conversions log/conversions.csv --key advertiser --channel channel \
  --mechanisms last,first,linear,mta --test-days 1 --out samples >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset >/dev/null
for model in base mal; do
  "$bin/mal_gpu_train" "$source/train/configs/$model.yaml" --device cpu --set data.path=dataset --set seed=5 \
    --set output="runs/${model}_5" --set train.batch_size=200 >log.txt 2>&1 || die "$model: $(tail -n 1 log.txt)"
done
"$bin/mal_gpu_train" export runs/mal_5 --out mal.mal --no-check >/dev/null

test_of() { "$bin/mal_gpu_train" abtest --users "${users:-300}" --from-day "${from:-10}" --days "${days:-2}" --seeds 5 "$@"; }
value() { python3 -c 'import json, sys
print(eval("json.load(open(sys.argv[1]))" + sys.argv[2]))' "$1" "$2"; }

arms=(--arm "base=runs/base_{seed}" --arm mal=mal.mal --arm oracle=oracle)
test_of "${arms[@]}" --threads 1 --json one.json --report test.html >text.txt
test_of "${arms[@]}" --threads 3 --json three.json >/dev/null
cmp one.json three.json || die "the result depends on the number of threads"
grep -q "note: [0-9]* % of what oracle spent was beyond the budgets" text.txt || die "no word of overspent budgets"
grep -q "Seed 5: note: [0-9]* % of what oracle spent" test.html || die "no word of overspent budgets on the page"
grep -q "mal against base" text.txt || die "no comparison: $(cat text.txt)"
grep -q "oracle against base" test.html || die "the page lacks an arm"
grep -q "+2.70 %" text.txt || die "the paper's figures are missing"
[[ $(value one.json '["by_seed"][0]["arms"][1]["rows_scored"]') -gt 1000 ]] || die "no rows were scored"
[[ $(value one.json '["differences"]["oracle"]["caused_gmv"]["percent"] > 0') == True ]] || die "the truth loses"
# The model file is the run's: the same log, the same probabilities.
"$bin/mal_gpu_train" export runs/base_5 --out base.mal --no-check >/dev/null
test_of --arm base=runs/base_5 --arm file=base.mal --json same.json >/dev/null
[[ $(value same.json '["differences"]["file"]["gmv"]["percent"]') == 0.0 ]] || die "a run and its file differ"
echo "ok: a test of three arms"

test_of "${arms[@]}" --design plain --calibration online --json plain.json >/dev/null
[[ $(value plain.json '["design"]') == plain ]] || die "not the plain design"
total=0
for arm in 0 1 2; do total=$((total + $(value plain.json "['by_seed'][0]['arms'][$arm]['users']" | cut -d. -f1))); done
[[ $total == 300 ]] || die "the plain split is no partition: $total users"
days=3 test_of --arm average=average --aa 20 --json aa.json >aa.txt
[[ $(value aa.json '["aa"]["tests"]') == 20 ]] || die "no A/A tests"
for measure in gmv orders roi; do
  [[ $(value aa.json "['aa']['measures']['$measure']['share'] <= json.load(open(sys.argv[1]))['aa']['chance']") == True ]] ||
    die "A/A: false alarms of $measure: $(cat aa.txt)"
done
echo "ok: plain, calibration, A/A"

many_users() { users=6000 test_of "$@"; }
early() { from=3 test_of "$@"; }
refuses 2 "nothing to be compared" test_of --arm base=runs/base_5
refuses 2 "NAME=SOURCE" test_of --arm base --arm mal=mal.mal
refuses 2 "two arms are called" test_of --arm a=oracle --arm a=average
refuses 2 "no such run or model file" test_of --arm a=nowhere --arm b=oracle
refuses 2 "b=runs/nowhere_5: no such run" test_of --arm a=runs/base_5 --arm b=runs/nowhere_{seed}
grep -q "warm-up" err.txt && die "a missing run is found only after the warm-up"
later_seed() { "$bin/mal_gpu_train" abtest --users 300 --from-day 10 --days 1 --seeds "$1" "${@:2}"; }
refuses 2 "base_6: no such run" later_seed 5,6 --arm a=runs/base_{seed} --arm b=oracle
grep -q "online test" err.txt && die "the run that is missing for seed 6 is found only after the test of seed 5"
refuses 2 "seeds: 5 is there twice" later_seed 5,5 --arm a=oracle --arm b=average
refuses 1 "cannot create nowhere/x.json.tmp" test_of --arm a=oracle --arm b=average --json nowhere/x.json
grep -q "warm-up" err.txt && die "--json is found to be unwritable only after the test"
refuses 1 "cannot write log: it is a folder" test_of --arm a=oracle --arm b=average --report log
refuses 2 "json and --report are both x.html" test_of --arm a=oracle --arm b=average --json x.html --report x.html
no_temporary() { TMPDIR=nowhere test_of "$@"; }
refuses 1 "set TMPDIR" no_temporary --arm a=runs/base_5 --arm b=oracle
to_full_disk() { test_of "$@" >/dev/full; }
refuses 1 "cannot write all of standard output" to_full_disk --arm a=oracle --arm b=average
refuses 2 "not a run" test_of --arm a=log --arm b=oracle
refuses 1 "ids of [0-9]+ % of the log" many_users --arm a=mal.mal --arm b=oracle
refuses 2 "from-day 3" early --arm a=oracle --arm b=average
refuses 2 "neither a preset" test_of --world nowhere --arm a=oracle --arm b=average
refuses 2 "--aa tests an arm against itself, and there are 2" test_of --arm a=oracle --arm b=average --aa 3
refuses 2 "A/A tests have no page" test_of --arm a=oracle --aa 3 --report x.html
echo "auction: {slots: 0}" >bad.yaml
refuses 2 "bad.yaml:1.*slots" test_of --world bad.yaml --arm a=oracle --arm b=average
echo "auction: {interval_minutes: 7}" >bad.yaml
refuses 2 "bad.yaml:1.*interval_minutes" test_of --world bad.yaml --arm a=oracle --arm b=average
absent x.html
printf 'not a model' >junk.mal
refuses 1 "junk.mal" test_of --arm a=junk.mal --arm b=oracle
