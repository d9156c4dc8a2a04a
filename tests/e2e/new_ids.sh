#!/usr/bin/env bash
# Days 1 to 5 are trained on, then days 6 to 8 with the ids that are new there, then day 9: from the weights alone
# (init_from) and in one run with the optimiser's state (--resume, vocab: grow), killed in between. What the model knew
# stays, what is new is learned, and the file for serving knows both.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 600 --days 10 --seed 9 >/dev/null
"$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 1 --out samples >/dev/null
days() {  # days FIRST LAST: the training samples of these days
  awk -F, -v first="$1" -v last="$2" '
    NR == 1 { for (i = 1; i <= NF; ++i) if ($i == "time") at = i; print; next }
    NR == 2 { start = $at - $at % 86400 - 86400 }
    { day = ($at - start) / 86400; if (day >= first && day < last + 1) print }' samples/train.csv
}
for part in "a 1 5" "a_test 6 6" "b 6 8" "b_test 9 9" "c 9 9"; do
  read -r name first last <<<"$part"
  days "$first" "$last" >"$name.csv"
  (($(wc -l <$name.csv) > 20)) || die "no samples of days $first to $last"
done
prepare() {  # prepare OUT TRAIN TEST OPTIONS...; by $schema, if set
  "$bin/mal_data" prepare --schema "${schema:-simulated}" --train "$2" --test "$3" --out "$1" "${@:4}" >/dev/null 2>&1 || die "prepare $1"
}
prepare days_a a.csv a_test.csv
prepare days_b b.csv b_test.csv --base days_a
prepare days_c c.csv samples/test.csv --base days_b

train=("$bin/mal_gpu_train" "$source/train/configs/mal.yaml" --device cpu --set train.batch_size=64 --set train.log_every=7
  --set model.embedding_dim=4 --set train.keep_checkpoint=true)
trains() {  # trains NAME OPTIONS...
  "${train[@]}" --set output="$1" "${@:2}" >out.txt 2>&1 || die "$1: $(tail -n 1 out.txt)"
}
said() { grep -qE -- "$1" out.txt || die "'$1' was not said: $(cat out.txt)"; }
trains first --set data.path=days_a
[[ -e first/checkpoint.safetensors ]] || die "keep_checkpoint keeps none"

# ---- What is no continuation.
on_b=("${train[@]}" --set data.path=days_b --set output=bad --set init_from=first)
refuses 1 "column 'user': row [0-9]+ of its table is \"[^\"]+\" in days_b, and nothing where first .*vocab: grow" "${on_b[@]}"
prepare others b.csv b_test.csv
refuses 1 "column '[a-z_]+': row [0-9]+ of its table is \"[^\"]+\" in others, and \"[^\"]+\" where first" \
  "${on_b[@]}" --set vocab=grow --set data.path=others
sed '/hour/d' "$source/train/configs/schemas/simulated.yaml" >narrow.yaml
schema=narrow.yaml prepare narrow b.csv b_test.csv --base days_a
refuses 1 "narrow has other columns than first was trained on: .*weekday.* in place of .*hour" \
  "${on_b[@]}" --set vocab=grow --set data.path=narrow
refuses 1 "first/model.safetensors: tensor .* is not F32 .* but F32" "${on_b[@]}" --set vocab=grow --set model.embedding_dim=8
refuses 1 "first/model.safetensors: (tensor .* is (missing|not F32)|it holds [0-9]+ tensors)" \
  "${on_b[@]}" --set vocab=grow --set model.tower=[16]
refuses 2 "nothing is not a run" "${on_b[@]}" --set init_from=nothing
refuses 2 "init_from: first is the output, too" "${on_b[@]}" --set vocab=grow --set output=first --overwrite
refuses 1 "first/model.safetensors: .*not F32" "${on_b[@]}" --set vocab=grow --set model.embedding_dim=8 --dry-run
absent bad
[[ -e first/model.safetensors ]] || die "a refusal harmed the run"
refuses 2 "first was begun with 'path: days_a'.*vocab: grow on new data" "${train[@]}" --set data.path=days_b \
  --set output=first --resume
refuses 2 "first is finished, there is nothing to resume" "${train[@]}" --set data.path=days_a --set output=first --resume
refuses 1 "row [0-9]+ of its table" "${train[@]}" --set data.path=others --set vocab=grow --set output=first --resume

# ---- From the weights.
trains second --set data.path=days_b --set init_from=first --set vocab=grow
said "note: begins with the weights of first; new ids: user [0-9]+, "
"$bin/mal_gpu_train" eval second --device cpu >out.txt || die "eval of the grown run"
said "days_b"
# As it begins: rates that move nothing.
trains still --set data.path=days_b --set init_from=first --set vocab=grow --set optimizer.dense.lr=1e-12 \
  --set optimizer.sparse.lr=1e-12
cat >user_rows.py <<'CODE'
"""rows(RUN): the table of users of a run. moved(ROW, OTHER): the largest difference of two rows."""
import json, struct

def rows(run):
    with open(run + "/model.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        begin, end = header["embedding/user"]["data_offsets"]
        file.seek(begin, 1)
        data = file.read(end - begin)
    count, width = header["embedding/user"]["shape"]
    return [struct.unpack_from(f"<{width}f", data, 4 * width * r) for r in range(count)]

def moved(row, other):
    return max(abs(a - b) for a, b in zip(row, other))
CODE
python3 - <<'CODE'
import csv, json
from user_rows import moved, rows

first, still, second = rows("first"), rows("still"), rows("second")
vocabulary = json.load(open("days_b/vocab/user.json"))
seen = {vocabulary[row["user"]] for row in csv.DictReader(open("b.csv"))}
new = set(range(len(first), len(second)))
assert len(still) == len(second) == len(vocabulary) + 1 and new, (len(first), len(second))
assert all(moved(a, b) < 1e-8 for a, b in zip(first, still)), "an old row was changed by growing"
unseen_now = set(range(len(first))) - seen
assert unseen_now, "every user came again"
assert all(second[r] == first[r] for r in unseen_now), "a row that nobody asked for was changed"
assert new <= seen and all(moved(second[r], still[r]) > 1e-8 for r in new), "a new id was not trained"
assert all(moved(second[r], first[r]) > 1e-8 for r in seen if r < len(first)), "an old id was not trained"
print(f"{len(first)} rows and {len(new)} new ones, {len(unseen_now)} as they were")
CODE

# ---- Again, from the run that grew; and with the data set in the place of the one before.
trains third --set data.path=days_c --set init_from=second --set vocab=grow
cp -r days_a live
trains on_live --set data.path=live
prepare live b.csv b_test.csv --base live
trains on_live_b --set data.path=live --set init_from=on_live --set vocab=grow
cmp second/model.safetensors on_live_b/model.safetensors || die "another place of the data set gives other weights"

# ---- One run that goes on, with the optimiser's state; killed, it ends with the same bits.
steps() { grep '"event": "test"' "$1/metrics.jsonl" | grep -o '"step": [0-9]*' | tr -dc '0-9\n'; }
cp -r first whole
cp -r first parts
before=$(steps first)
trains whole --set data.path=days_b --set vocab=grow --resume --set train.checkpoint_every=3
said "note: whole goes on after step $before with new data; new ids: user"
cmp -s whole/model.safetensors second/model.safetensors && die "the optimiser's state makes no difference"
mapfile -t tested < <(steps whole)
[[ ${#tested[@]} == 2 && ${tested[0]} == "$before" && ${tested[1]} -gt $before ]] || die "steps do not go on: ${tested[*]}"
# Goes on with DATA, killed after the next checkpoint, twice, and then to the end.
killed() {  # killed RUN DATA
  local command=("${train[@]}" --set output="$1" --set data.path="$2" --set vocab=grow --resume --set train.checkpoint_every=3)
  local inode job
  for _ in 1 2; do
    inode=$(stat -c %Y.%i "$1/checkpoint.safetensors")
    "${command[@]}" >out.txt 2>&1 &
    job=$!
    while kill -0 $job 2>/dev/null && [[ $(stat -c %Y.%i "$1/checkpoint.safetensors") == "$inode" ]]; do sleep 0.01; done
    kill -9 $job 2>/dev/null || true
    wait $job 2>/dev/null || true
  done
  grep -q "is finished" out.txt || "${command[@]}" >out.txt 2>&1 || grep -q "is finished" out.txt || die "$1: $(tail -n 1 out.txt)"
}
same_log() {  # same_log RUN OF: its log is that of the run OF
  diff <(sed 's/, "samples_per_second": [0-9.]*//' "$2/metrics.jsonl") \
    <(sed "s/, \"samples_per_second\": [0-9.]*//; s/\"$1\"/\"$2\"/" "$1/metrics.jsonl") || die "$1 has another log than $2"
}
killed parts days_b
cmp whole/model.safetensors parts/model.safetensors || die "killed and resumed on new data: other weights"
same_log parts whole
"$bin/mal_gpu_train" report whole second >out.txt || die "report"
trains whole --set data.path=days_c --set vocab=grow --resume
said "note: whole goes on after step ${tested[1]} with new data"

# ---- Ids that come no more give their rows to others.
sed 's/{name: user, kind: id, side: user}/{name: user, kind: id, side: user, min_count: 2, evict: 1}/' \
  "$source/train/configs/schemas/simulated.yaml" >evict.yaml
grep -q evict evict.yaml || die "no schema with evict"
schema=evict.yaml prepare kept_a a.csv a_test.csv
schema=evict.yaml prepare kept_b b.csv b_test.csv --base kept_a
trains kept --set data.path=kept_a
trains kept_on --set data.path=kept_b --set init_from=kept --set vocab=grow --set optimizer.dense.lr=1e-12 \
  --set optimizer.sparse.lr=1e-12
said "new ids: user [0-9]+ .[0-9]+ lost their rows"
python3 - <<'CODE'
import json
from user_rows import moved, rows

def near(row, other):
    return moved(row, other) < 1e-8

before, after = rows("kept"), rows("kept_on")
old, new = (json.load(open(f"kept_{d}/vocab/user.json")) for d in "ab")
stayed, lost = set(old) & set(new), set(old) - set(new)
assert lost and set(new) - set(old) and len(after) == len(new) + 1
assert any(old[user] != new[user] for user in stayed), "no row has moved"
assert near(before[0], after[0]) and all(near(before[old[user]], after[new[user]]) for user in stayed), "a row was lost"
assert not any(near(row, after[new[user]]) for row in before for user in set(new) - set(old)), "a new id has an old row"
print(f"{len(stayed)} ids kept their weights, {len(lost)} lost their rows, {len(new) - len(stayed)} are new")
open("lost.txt", "w").write(min(lost))
CODE

# ---- Going on with the optimiser's state where rows move: it moves with them. Stopped at every step of the change from
# one data set to the other, no row is taken for that of another id.
schema=evict.yaml prepare kept_c c.csv samples/test.csv --base kept_b
on() { echo --set data.path="$1" --set vocab=grow --resume; }
cp -r kept kept_whole
trains kept_whole $(on kept_b)
said "note: kept_whole goes on after step $(steps kept) with new data; new ids: user [0-9]+ .[0-9]+ lost their rows"
cp -r kept kept_parts
killed kept_parts kept_b
cmp kept_whole/model.safetensors kept_parts/model.safetensors || die "killed and resumed where rows move: other weights"
same_log kept_parts kept_whole

# Where the change is stopped: state1 before the checkpoint is of the new data, state2 after that, state3 when config.yaml
# says so, too, state4 when trained_on/ does.
stopped() {  # stopped RUN DATA: its checkpoint is of DATA, nothing else is
  mkdir "$1/config.yaml.tmp"
  refuses 1 "config.yaml" "${train[@]}" --set output="$1" $(on "$2")
  rmdir "$1/config.yaml.tmp"
}
cp -r kept state1
mkdir state1/checkpoint.safetensors.tmp
refuses 1 "checkpoint.safetensors" "${train[@]}" --set output=state1 $(on kept_b)
rmdir state1/checkpoint.safetensors.tmp
cmp kept/checkpoint.safetensors state1/checkpoint.safetensors
cp -r kept state2
stopped state2 kept_b
cp -r state2 state3
cp kept_whole/config.yaml state3/config.yaml
cp -r state3 state4
rm -r state4/trained_on
cp -r state4/trained_on.next state4/trained_on
cat >same_rows.py <<'CODE'
"""same_rows.py RUN VOCABULARY NEXT_RUN NEXT_VOCABULARY: of the ids that both know, weights and optimiser's state are the
same bits in both checkpoints; no other row is one of before."""
import json, struct, sys

def rows(run, vocabulary):
    with open(run + "/checkpoint.safetensors", "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        begin, end = header["embedding/user"]["data_offsets"]
        file.seek(begin, 1)
        data = file.read(end - begin)
    count, width = header["embedding/user"]["shape"]
    ids = json.load(open(f"{vocabulary}/vocab/user.json"))
    assert count == len(ids) + 1 and width > 4, (count, len(ids), width)
    return {user: data[4 * width * row : 4 * width * (row + 1)] for user, row in {**ids, None: 0}.items()}, ids

(before, old), (after, new) = rows(*sys.argv[1:3]), rows(*sys.argv[3:5])
both = before.keys() & after.keys()
assert len(both) > 10 and any(old[user] != new[user] for user in both - {None}), "no row has moved"
assert all(before[user] == after[user] for user in both), "a row is that of another id"
assert not {after[user] for user in after.keys() - both} & set(before.values()), "a new id has an old row"
CODE
python3 same_rows.py kept kept_a state2 kept_b
for state in state1 state2 state3 state4; do
  trains_on=kept_b
  [[ $state == state1 ]] && trains_on=kept_a
  # With the data that it was about to go on with.
  cp -r $state same
  trains same $(on kept_b)
  cmp same/model.safetensors kept_whole/model.safetensors || die "$state: other weights"
  cmp same/checkpoint.safetensors kept_whole/checkpoint.safetensors || die "$state: another checkpoint"
  same_log same kept_whole
  [[ ! -e same/trained_on.next ]] || die "$state: trained_on.next is left"
  # With other data still: each row is found by its id.
  cp -r $state other
  stopped other kept_c
  python3 same_rows.py $state $trains_on other kept_c || die "$state: with other data"
  trains other $(on kept_c)
  # Stopped before its checkpoint is of those.
  cp -r $state again
  mkdir again/checkpoint.safetensors.tmp
  refuses 1 "checkpoint.safetensors" "${train[@]}" --set output=again $(on kept_c)
  rmdir again/checkpoint.safetensors.tmp
  trains again $(on kept_c)
  cmp again/model.safetensors other/model.safetensors || die "$state: stopped again, other weights"
  # The weights of before are those of kept_a, which trained_on/ says until it is replaced.
  begins=(--set data.path=kept_b --set init_from=$state --set vocab=grow --set optimizer.dense.lr=1e-12 --set optimizer.sparse.lr=1e-12)
  if [[ $state == state4 ]]; then
    refuses 1 "state4/model.safetensors: trained_on/ is of other data" "${train[@]}" --set output=begun "${begins[@]}"
  else
    trains begun "${begins[@]}"
    cmp begun/model.safetensors kept_on/model.safetensors || die "$state: other weights to begin with"
  fi
  rm -rf same other again begun
done
rm -r state2/trained_on.next
refuses 1 "state2/checkpoint.safetensors: trained_on/ is of other data" "${train[@]}" --set output=state2 $(on kept_c)

# ---- Serving: new ids and old ones have rows of their own.
for run in second third whole kept_on kept_whole; do
  file=$("$bin/mal_gpu_train" export $run --out $run.mal)
  difference=$(grep -o 'difference of a probability [0-9.e+-]*' <<<"$file" | grep -o '[^ ]*$')
  awk -v d="$difference" 'BEGIN { exit !(d <= 1e-6) }' || die "$run: header and trainer differ: $file"
done
g++ -std=c++17 -O1 -I"$source/model/inference" "$source/docs/examples/serving/minimal.cpp" -o minimal
mapfile -t users < <(python3 - <<'CODE'
import json
old, new = (json.load(open(f"days_{d}/vocab/user.json")) for d in "ac")
print(next(iter(old)))
print(*[user for user in new if user not in old][-2:], sep="\n")
CODE
)
rest=(age= gender= city= spending= ad_item= advertiser= campaign= industry= category= brand= price_bucket= channel= hour=
  weekday= item_seq= category_seq= brand_seq= image_scores= text_scores=)
declare -A seen=()
for user in nobody "${users[@]}"; do
  answer=$(./minimal third.mal "user=$user" "${rest[@]}")
  [[ $user == nobody ]] || ! grep -q "1 values were not" <<<"$answer" || die "user $user is unknown to third.mal"
  seen[$(head -n 1 <<<"$answer")]=1
done
[[ $(./minimal kept_on.mal user=nobody "${rest[@]}") == "$(./minimal kept_on.mal "user=$(cat lost.txt)" "${rest[@]}")" ]] ||
  die "an id that lost its row has one"
((${#seen[@]} == 4)) || die "users share predictions: ${!seen[*]}"
echo "new ids are trained, kept and served"
