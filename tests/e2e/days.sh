#!/usr/bin/env bash
# Progressive evaluation: its numbers are those of runs that go on by hand, of `eval` and of `compare`; killed at any
# moment it ends with the same bytes; a day that comes later is added; what does not fit is refused.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 500 --days 12 --seed 4 >/dev/null
log=(--in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser --channel channel
  --mechanisms last,first,linear,mta)
make_days() {  # make_days OUT DAYS OPTIONS...
  "$source/scripts/make_days.sh" --bin "$bin" --out "$1" --schema simulated --first 2024-01-05 --days "$2" --lag 1 \
    --history 2 "${@:3}" -- "${log[@]}" >out.txt 2>&1 || die "make_days: $(cat out.txt)"
}
make_days all 4
grep -q "Trained on those of the day 2 days before" all/about.txt || die "about.txt: $(cat all/about.txt)"
names=(2024-01-05 2024-01-06 2024-01-07 2024-01-08)
# Rows of one day: the training rows of each are of the day two days before the test day, of the first of two days.
python3 - <<'CODE'
import calendar, csv, json, subprocess
for k, day in enumerate([5, 6, 7, 8]):
    start = calendar.timegm((2024, 1, day, 0, 0, 0))
    first, last, tested = start - 2 * 86400 - (86400 if k == 0 else 0), start - 86400, start
    times = [int(row["time"]) for row in csv.DictReader(open("journeys/clicks.csv"))]
    stats = json.load(open(f"all/2024-01-0{day}/stats.json"))
    for split, low, high in ("train", first, last), ("test", tested, tested + 86400):
        rows = sum(low <= t < high for t in times)
        assert stats[split]["rows"] == rows > 50, (day, split, stats[split]["rows"], rows)
CODE
mkdir days
for day in "${names[@]:0:3}"; do cp -r all/$day days/; done
cp all/about.txt days/

small=(--set train.batch_size=64 --set model.embedding_dim=4 --set train.checkpoint_every=2 --set eval.slices=[])
base=$source/train/configs/base.yaml mal=$source/train/configs/mal.yaml
days=("$bin/mal_gpu_train" days "$base" "$mal" --device cpu "${small[@]}" --resamples 200)
"${days[@]}" --data-dir days --out whole >out.txt 2>&1 || die "days: $(tail -n 1 out.txt)"
grep -q "3 days, 2 models: 10 to do, 0 done already" out.txt || die "plan: $(cat out.txt)"
grep -q "^Data: Tested on the clicks of the day" whole/days.md || die "the data's description is not told"
for file in days.html days.json days.md; do [[ -s whole/$file ]] || die "no $file"; done

# ---- By hand.
for model in base mal; do
  for ((d = 0; d < 3; ++d)); do
    grow=()
    ((d == 0)) || grow=(--set vocab=grow --resume)
    "$bin/mal_gpu_train" "$source/train/configs/$model.yaml" --device cpu "${small[@]}" --set train.keep_checkpoint=true \
      --set output=hand_$model --set data.path=days/${names[d]} "${grow[@]}" --scores >out.txt 2>&1 ||
      die "$model by hand: $(tail -n 1 out.txt)"
    ((d > 0)) || cp -r hand_$model first_$model
    "$bin/mal_gpu_train" eval hand_$model --device cpu --json $model.$d.json >/dev/null
    "$bin/mal_gpu_train" eval first_$model --device cpu --data days/${names[d]} --grown --json $model.first.$d.json \
      >/dev/null 2>err.txt || die "eval --grown: $(tail -n 1 err.txt)"
    ((d == 0)) || grep -q "note: new ids, unseen here: user [0-9]" err.txt || die "eval --grown: $(cat err.txt)"
    ((d > 0)) || { mkdir -p one; cp -r hand_$model one/$model; }
  done
  for file in model checkpoint; do
    cmp hand_$model/$file.safetensors whole/runs/$model/$file.safetensors || die "$model: other $file than by hand"
  done
  cmp first_$model/model.safetensors whole/first/$model/model.safetensors || die "$model: another model of the first day"
done
refuses 1 "its vocabularies are others; is days/${names[2]} one that goes on.* --grown" \
  "$bin/mal_gpu_train" eval first_base --device cpu --data days/${names[2]}
python3 - <<'CODE'
import json
days = json.load(open("whole/days.json"))
assert [d["day"] for d in days["days"]] == ["2024-01-05", "2024-01-06", "2024-01-07"]
sums = {}
for d, day in enumerate(days["days"]):
    for entry in day["models"]:
        name = entry["model"]
        for key, file in ("metrics", f"{name}.{d}.json"), ("first_day_model", f"{name}.first.{d}.json"):
            by_hand = json.load(open(file))
            assert day["test_rows"] == by_hand["rows"] and day["positives"] == by_hand["positives"] > 0
            for metric in "gauc", "auc", "logloss", "pcoc":
                ours = entry[key][metric]
                assert ours["value"] == by_hand[metric], (day["day"], name, key, metric, ours, by_hand[metric])
                assert ours["low"] <= ours["high"] and ours["low"] < ours["value"] * 1.2 and ours["high"] > ours["value"] * 0.8
                sums.setdefault((name, key, metric), []).append(by_hand[metric])
        for metric, mean in entry["mean_so_far"].items():
            so_far = sums[name, "metrics", metric]
            assert abs(mean - sum(so_far) / len(so_far)) < 1e-12
    base, mal = day["models"]
    for metric in "gauc", "auc", "logloss", "pcoc":
        difference = 100 * (mal["metrics"][metric]["value"] - base["metrics"][metric]["value"])
        assert abs(mal["difference"][metric]["value"] - difference) < 1e-9 and difference != 0
        gain = 100 * (mal["metrics"][metric]["value"] - mal["first_day_model"][metric]["value"])
        assert abs(mal["gain"][metric]["value"] - gain) < 1e-9 and (gain != 0) == (d > 0)
for entry in days["all_days"]:
    for metric in "gauc", "auc", "logloss", "pcoc":
        values = sums[entry["model"], "metrics", metric]
        assert abs(entry["metrics"][metric]["value"] - sum(values) / 3) < 1e-12
        values = sums[entry["model"], "first_day_model", metric][1:]
        assert abs(entry["first_day_model"][metric]["value"] - sum(values) / 2) < 1e-12
print("the table is that of runs by hand")
CODE

# What the first model does not know is unseen: as in a data set that has its ids alone.
"$bin/mal_data" attribute "${log[@]}" --train-from 2024-01-02 --gap 1d --test-from 2024-01-05 --test-to 2024-01-06 \
  --train-labels known --out first_samples >/dev/null 2>&1
"$bin/mal_data" attribute "${log[@]}" --train-from 2024-01-05 --gap 1d --test-from 2024-01-07 --test-to 2024-01-08 \
  --train-labels known --out last_samples >/dev/null 2>&1
"$bin/mal_data" prepare --schema simulated --train first_samples/train.csv --test last_samples/test.csv --out old_ids >/dev/null 2>&1
cmp old_ids/vocab/user.json days/${names[0]}/vocab/user.json || die "old_ids has other ids"
"$bin/mal_gpu_train" eval first_mal --device cpu --data old_ids --json old_ids.json >/dev/null
cmp old_ids.json mal.first.2.json || die "--grown does not take new ids as unseen"

# One day's difference is what `compare` says.
mkdir one_day
cp -r days/${names[0]} one_day/
"${days[@]}" --data-dir one_day --out of_one_day >/dev/null 2>&1 || die "days of one day"
"$bin/mal_gpu_train" compare one/base one/mal --resamples 200 --data days/${names[0]} >out.txt
python3 - <<'CODE'
import json, re
told = {m[0]: [float(x) for x in m[1:]] for m in re.findall(r"^(G?AUC) +(\S+) \[(\S+), (\S+)\]", open("out.txt").read(), re.M)}
mal = json.load(open("of_one_day/days.json"))["days"][0]["models"][1]["difference"]
for metric in "gauc", "auc":
    ours = [mal[metric][key] for key in ("value", "low", "high")]
    assert all(abs(a - b) <= 0.00501 for a, b in zip(ours, told[metric.upper()])), (metric, ours, told)
CODE

# ---- Killed at any moment.
same() {  # same OUT WHOLE: the same bytes in all that counts
  local file
  for file in days.json days.md days.html {runs,first}/{base,mal}/model.safetensors runs/{base,mal}/checkpoint.safetensors; do
    cmp "$1/$file" "$2/$file" || die "$1: another $file than $2"
  done
}
for round in 1 2; do
  for ((kill = 0; kill < 8; ++kill)); do
    "${days[@]}" --data-dir days --out killed$round >out.txt 2>&1 &
    job=$!
    sleep 0.$((RANDOM % 9))$((RANDOM % 9 + 1))
    kill -9 $job 2>/dev/null || true
    wait $job 2>/dev/null || true
  done
  "${days[@]}" --data-dir days --out killed$round >out.txt 2>&1 || die "after kills: $(tail -n 1 out.txt)"
  same killed$round whole
done
# A day that is finished, and its scores not yet kept: by its checkpoint, not by what was noted.
cp -r whole noted
rm -r noted/scores/${names[2]}/mal noted/days.*
"${days[@]}" --data-dir days --out noted >out.txt 2>&1 || die "unrecorded: $(tail -n 1 out.txt)"
grep -q "2 to do, 8 done already" out.txt || die "unrecorded: $(cat out.txt)"
same noted whole
# Killed between the weights of the first day and its checkpoint.
mkdir -p early/scores early/runs
cp -r first_mal early/runs/mal
rm early/runs/mal/checkpoint.safetensors
"${days[@]}" --data-dir days --out early >out.txt 2>&1 || die "without a checkpoint: $(tail -n 1 out.txt)"
same early whole

# ---- Tomorrow.
before=$(stat -c %Y.%i whole/scores/${names[0]}/mal/scores.bin)
make_days all 4
cp -r whole grown
cp -r all/${names[3]} days/
"${days[@]}" --data-dir days --out grown >out.txt 2>&1 || die "another day: $(tail -n 1 out.txt)"
grep -q "4 days, 2 models: 4 to do, 10 done already" out.txt || die "another day: $(cat out.txt)"
"${days[@]}" --data-dir days --out four --jobs 1 >/dev/null 2>&1 || die "four days"
same grown four
[[ $before == "$(stat -c %Y.%i whole/scores/${names[0]}/mal/scores.bin)" ]] || die "an old day was done again"
"${days[@]}" --data-dir days --out four --no-frozen >out.txt 2>&1 || die "no frozen"
grep -q "0 to do" out.txt || die "done, and to do: $(cat out.txt)"
! grep -q "first day" four/days.md || die "--no-frozen tells of the first day's model"

# ---- What is refused.
with() { "${days[@]}" --out refused --data-dir "$@"; }
refuses 2 "no_folder" with no_folder
mkdir empty
refuses 2 "empty: there is no folder in it" with empty
mkdir -p strange/a
refuses 1 "strange/a is not a data set; make one with mal_data prepare" with strange
cp -r days swapped
mv swapped/${names[0]} swapped/2024-01-09
refuses 1 "swapped/2024-01-09 does not go on from swapped/${names[3]}.*prepare it with --base" with swapped
cp -r days twice
cp -r twice/${names[3]} twice/2024-01-09
refuses 1 "twice/2024-01-09 holds the same as twice/${names[3]}" with twice
mkdir early_test
prepare() { "$bin/mal_data" prepare --schema simulated --train $1/train.csv --test $1/test.csv "${@:2}" >/dev/null 2>&1 || die "prepare ${*:2}"; }
prepare last_samples --out early_test/a
prepare first_samples --base early_test/a --out early_test/b
refuses 1 "early_test/b: its test rows begin at [0-9]+, and rows up to [0-9]+" with early_test
refuses 2 "both named 'base'" "$bin/mal_gpu_train" days "$base" "$base" --data-dir days --out refused
sed 's/primary: last/primary: linear/' "$mal" >linear.yaml
refuses 2 "predicts the view 'last', linear.yaml predicts 'linear'" "$bin/mal_gpu_train" days "$base" linear.yaml --data-dir days --out refused
refuses 2 "--set vocab=same: days decides that itself" with days --set vocab=same
absent refused
echo text >file
refuses 2 "--out file: it exists and was not written by .days." "${days[@]}" --data-dir days --out file
mkdir -p runs/runs/base && echo precious >runs/runs/base/config.yaml
refuses 2 "--out runs: it exists and was not written by .days." "${days[@]}" --data-dir days --out runs
[[ $(cat runs/runs/base/config.yaml) == precious ]] || die "a run of others was touched"
refuses 1 "cannot create /proc/no" "${days[@]}" --data-dir days --out /proc/no
make_retry() { "$source/scripts/make_days.sh" --bin "$bin" --out retry --first 2024-01-05 --days 1 "$@" -- "${log[@]}"; }
refuses 2 "there is no nowhere/mal_data" make_retry --schema simulated --bin nowhere
refuses 2 "no such built-in schema" make_retry --schema nosuch
make_retry --schema simulated --lag 1 >out.txt 2>&1 || die "a first call that failed bars one with other options: $(cat out.txt)"
refuses 2 "retry was made with other options" make_retry --schema simulated
refuses 2 "out is empty" "${days[@]}" --data-dir days --out ""
refuses 2 "grown/runs/base was begun with 'batch_size: 64', and the configuration now says 'batch_size: 32'.*begin anew with another --out" \
  "${days[@]}" --data-dir days --out grown --set train.batch_size=32
mv days/${names[3]} later
refuses 1 "grown was trained on the data set ${names[3]}, which is not there any more" "${days[@]}" --data-dir days --out grown
mv later days/${names[3]}
mkdir changed
cp -r days/${names[0]} changed/
prepare last_samples --base changed/${names[0]} --out changed/${names[1]}
for ((d = 2; d < 4; ++d)); do
  "$bin/mal_data" attribute "${log[@]}" --train-from 2024-01-0$((d + 3)) --gap 1d --test-from ${names[d]} --train-labels known \
    --out samples >/dev/null 2>&1
  prepare samples --base changed/${names[d - 1]} --out changed/${names[d]}
done
refuses 1 "changed/${names[1]} is not what grown was trained on: it was changed or made anew since" \
  "${days[@]}" --data-dir changed --out grown
cp -r days touched
echo >>touched/${names[3]}/stats.json
refuses 1 "touched/${names[3]} is not what grown was trained on" "${days[@]}" --data-dir touched --out grown
rm -r grown/scores/${names[1]}/base
refuses 1 "grown/runs/base is after step [0-9]+ of other data" "${days[@]}" --data-dir days --out grown
same four four
echo "days: as by hand, whatever happens"
