#!/usr/bin/env bash
# Numbers with gaps from the sample file to the served probability: the trainer's, the header's from the data set, and
# the header's from the text of the file are one number.
source "$(dirname "$0")/common.sh"

cat >schema.yaml <<'YAML'
name: gaps
columns:
  - {name: ad, kind: id, side: ad}
  - {name: price, kind: number, log1p: true, standardize: true, missing: indicator}
  - {name: depth, kind: number, default: -1, side: ad}
  - {name: age, kind: number, missing: indicator}
  - {name: last, kind: credit}
  - {name: linear, kind: credit}
  - {name: user, kind: group}
YAML
python3 - <<'CODE'
import random
random.seed(3)
gaps = ["", "NA", "NULL", "nan", "\\N", "None"]
def rows(count):
    for _ in range(count):
        price, depth, age = random.uniform(0, 500), random.randint(1, 9), random.uniform(18, 80)
        missing = [random.random() < 0.3 for _ in range(3)]
        chance = 0.6 if missing[0] else 0.1 + price / 2000  # what is missing says something
        label = 1 if random.random() < chance else 0
        cells = [random.choice(gaps) if gone else f"{value:.6g}" for value, gone in zip((price, depth, age), missing)]
        yield f"ad{random.randint(0, 9)},{','.join(cells)},{label},{label / 2},u{random.randint(0, 50)}"
for name, count in (("train", 3000), ("test", 400)):
    with open(f"{name}.csv", "w") as file:
        print("ad,price,depth,age,last,linear,user", *rows(count), sep="\n", file=file)
CODE
"$bin/mal_data" prepare --schema schema.yaml --train train.csv --test test.csv --out dataset >/dev/null 2>err.txt
grep -q warning err.txt && die "$(grep warning err.txt)"
"$bin/mal_data" stats dataset | grep -q '^price.missing' || die "stats do not show the indicator"

train() {  # train NAME [--set ...]
  local name=$1
  shift
  "$bin/mal_gpu_train" "$source/train/configs/mal.yaml" --device cpu --scores --set data.path=dataset \
    --set output="runs/$name" --set eval.slices=[] --set train.batch_size=100 --set train.epochs=2 --set model.primary=last "$@" \
    >log.txt 2>&1 || die "$name: $(tail -n 1 log.txt)"
  "$bin/mal_gpu_train" export "runs/$name" --out "$name.mal" >said.txt
}
train plain
train senet --set model.senet.enabled=true --set model.layer_norm=false
cp "$source/model/inference/mal_infer.h" .
cat >scores.cpp <<'CODE'
// Every row of a sample file: as text, and as numbers with NaN for what is missing; the user's columns set apart.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>
#include "mal_infer.h"
int main(int, char** argv) {
  const auto model = mal::infer::Model::load(argv[1]);
  auto scorer = model.scorer();
  auto row = model.features(), user = model.features();
  std::ifstream file(argv[2]);
  std::string line, ad, cell[3];
  std::getline(file, line);
  const char* names[] = {"price", "depth", "age"};
  while (std::getline(file, line)) {
    std::stringstream cells(line);
    std::getline(cells, ad, ',');
    for (auto& text : cell) std::getline(cells, text, ',');
    user.clear(), row.clear();
    scorer.set_user(user);
    row.set("ad", ad);
    for (int c = 0; c < 3; ++c) row.set(names[c], cell[c]);
    const float by_text = scorer.predict(row);
    const auto missing = row.counts().missing;
    row.clear();
    row.set("ad", ad), row.set("depth", cell[1]);
    for (int c = 0; c < 3; c += 2) {
      const bool number = !cell[c].empty() && cell[c][0] >= '0' && cell[c][0] <= '9';
      user.set(names[c], number ? std::stod(cell[c]) : std::nan(""));
    }
    scorer.set_user(user);
    std::printf("%.9g %.9g %d\n", by_text, scorer.predict(row), static_cast<int>(missing));
  }
}
CODE
g++ -std=c++17 -O1 -I. scores.cpp -o scores
for name in plain senet; do
  ./scores $name.mal test.csv >served.txt
  python3 - runs/$name/scores.bin served.txt said.txt <<'CODE' || die "$name: served and trained differ"
import array, math, re, sys
logits = array.array("f", open(sys.argv[1], "rb").read()[64:])
rows = [line.split() for line in open(sys.argv[2])]
assert len(rows) == len(logits) == 400, (len(rows), len(logits))
worst = max(abs(float(p) - 1 / (1 + math.exp(-logit))) for row, logit in zip(rows, logits) for p in row[:2])
missing = sum(int(row[2]) for row in rows)
cells = [line.split(",")[1:4] for line in open("test.csv")][1:]
assert missing == sum(not cell[:1].isdigit() for row in cells for cell in row) > 200, missing
print("ok: largest difference", worst, "with", missing, "numbers missing")
assert worst < 1e-6, worst
stated = float(re.search(r"difference of a probability ([0-9.e+-]+)", open(sys.argv[3]).read()).group(1))
assert stated < 1e-6, stated
CODE
done
sed 's/, missing: indicator//; s/, default: -1//' schema.yaml >strict.yaml
refuses 1 'train.csv:[0-9]+:(price|depth|age): .*`default: 0`.*`missing: indicator`' \
  "$bin/mal_data" prepare --schema strict.yaml --train train.csv --test test.csv --out strict
absent strict
