#!/usr/bin/env bash
# Weights of rows in training and evaluation: equal ones change no bit, and those of down-sampled negatives keep PCOC at 1.
source "$(dirname "$0")/common.sh"

python3 - <<'CODE'
import random
random.seed(5)
def rows(count, keep):
    for _ in range(count):
        ad = random.randint(0, 4)
        label = int(random.random() < 0.05 + 0.03 * ad)
        if label or random.random() < keep:
            yield f"ad{ad},{label},{1 if label else 1 / keep:g},3,u{random.randint(0, 40)}"
for name, count, keep in (("sampled", 40000, 0.1), ("test", 20000, 1)):
    with open(f"{name}.csv", "w") as file:
        print("ad,last,weight,three,user", *rows(count, keep), sep="\n", file=file)
CODE
schema() { printf 'name: s\ncolumns:\n  - {name: ad, kind: id, side: ad}\n  - {name: last, kind: credit}\n%s  - {name: user, kind: group}\n' "$1"; }
weight='  - {name: weight, kind: weight}'$'\n'
schema "" >none.yaml
schema "$weight" >weighted.yaml
schema '  - {name: weight, kind: weight, column: three}'$'\n' >three.yaml
for name in none weighted three; do
  "$bin/mal_data" prepare --schema $name.yaml --train sampled.csv --test test.csv --out $name >/dev/null 2>&1
  "$bin/mal_gpu_train" "$source/train/configs/base.yaml" --device cpu --set data.path=$name --set output=runs/$name \
    --set eval.slices=[] --set train.batch_size=200 --set train.epochs=3 --scores >$name.txt 2>log.txt ||
    die "$name: $(tail -n 1 log.txt)"
done
cmp runs/none/scores.bin runs/three/scores.bin || die "weights that are all 3 change the model"
python3 - <<'CODE' || die "PCOC"
import re
pcoc = {name: float(re.search(r"^pcoc +([0-9.]+)", open(f"{name}.txt").read(), re.M).group(1)) for name in ("none", "weighted")}
print("ok: PCOC", pcoc)
assert pcoc["none"] > 3 and 0.85 < pcoc["weighted"] < 1.15, pcoc
CODE
grep -q 'weights sum to 20000' weighted.txt || die "the metrics do not say what the weights sum to"

# The same rows through every command: the metrics of the run, an experiment's difference of a model to itself, a curve.
"$bin/mal_gpu_train" eval runs/weighted --data weighted --device cpu --json eval.json >/dev/null 2>&1
python3 - <<'CODE' || die "eval and training differ"
import json
test = [json.loads(line) for line in open("runs/weighted/metrics.jsonl") if '"event": "test"' in line][-1]
again = json.load(open("eval.json"))
assert 19999 < test["weight"] < 20001 and all(test[key] == again[key] for key in ("auc", "gauc", "logloss", "pcoc", "ece", "weight")), (test, again)
CODE
"$bin/mal_gpu_train" report runs/weighted runs/none --out report.html >/dev/null 2>&1 || die "report"
"$bin/mal_gpu_train" export runs/weighted --out model.mal >said.txt 2>&1
grep -q "difference of a probability" said.txt || die "export: $(tail -n 1 said.txt)"
"$bin/mal_gpu_train" calibrate model.mal --data weighted --split train --method platt >curve.txt 2>&1 || die "$(tail -n 1 curve.txt)"
# The train split is nine tenths short of negatives; only with their weights the curve leaves PCOC near 1.
awk '$1 == "after" { for (i = 1; i < NF; ++i) if ($i == "pcoc" && $(i + 1) > 0.9 && $(i + 1) < 1.1) found = 1 } END { exit !found }' curve.txt ||
  die "calibrate does not see the weights: $(cat curve.txt)"

# Interrupted and resumed: the same bits.
steps=(--device cpu --scores --set data.path=weighted --set eval.slices=[] --set train.batch_size=20 --set train.epochs=6
  --set train.log_every=5)
"$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${steps[@]}" --set output=whole >/dev/null 2>&1
"$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${steps[@]}" --set output=parts >out.txt 2>&1 &
job=$!
until grep -q '"step": 5,' parts/metrics.jsonl 2>/dev/null; do kill -0 $job || break; sleep 0.01; done
kill -TERM $job 2>/dev/null || true
wait $job || "$bin/mal_gpu_train" "$source/train/configs/base.yaml" "${steps[@]}" --set output=parts --resume >out.txt 2>&1 ||
  die "resume: $(tail -n 1 out.txt)"
cmp whole/model.safetensors parts/model.safetensors || die "resumed, the weights are other ones"
cmp whole/scores.bin parts/scores.bin || die "resumed, the scores are other ones"
echo "ok: resumed"

# attribute passes the column on as it does any other.
printf 'time,user,ad,w\n1,u,a,2.5\n2,v,a,0\n' >clicks.csv
printf 'time,user,ad\n3,u,a\n' >buys.csv
"$bin/mal_data" attribute --in clicks.csv --conversions buys.csv --key ad --mechanisms last --out samples >/dev/null 2>&1
head -n 1 samples/train.csv | tr , '\n' | grep -qx w || die "attribute loses the weight: $(head -n 2 samples/train.csv)"
