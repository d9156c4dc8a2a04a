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
