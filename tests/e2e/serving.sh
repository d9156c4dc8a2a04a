#!/usr/bin/env bash
# From raw journeys to a served probability: every preset of the simulated data is exported, agrees with the trainer to
# 1e-6 on the whole test set, and C++, C and Python callers print the same number for a raw row.
source "$(dirname "$0")/common.sh"

"$bin/mal_data" simulate --out journeys --users 300 --days 6 --seed 5 --threads 1 >/dev/null
"$bin/mal_data" attribute --in journeys/clicks.csv --conversions journeys/conversions.csv --key advertiser \
  --channel channel --mechanisms last,first,linear,mta --test-days 1 --out samples >/dev/null
"$bin/mal_data" prepare --schema simulated --train samples/train.csv --test samples/test.csv --out dataset >/dev/null

largest() { grep -o 'difference of a probability [0-9.e+-]*' <<<"$1" | grep -o '[^ ]*$'; }
within() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }

serve() {  # serve NAME PRESET [--set ...]: trained, exported, and the same probabilities
  local name=$1 preset=$2 said
  shift 2
  "$bin/mal_gpu_train" "$preset" --device cpu --set data.path=dataset --set output="runs/$name" \
    --set train.batch_size=500 "$@" >log.txt 2>&1 || die "$name: $(tail -n 1 log.txt)"
  said=$("$bin/mal_gpu_train" export "runs/$name" --out "$name.mal")
  within "$(largest "$said")" 1e-6 || die "$name: header and trainer differ: $said"
  echo "ok: $name $(largest "$said")"
}
types=()
for preset in "$source"/train/configs/*.yaml; do
  grep -q 'path: build/demo/dataset' "$preset" || continue
  serve "$(basename "$preset" .yaml)" "$preset"
  types+=("$(sed -n 's/^ *type: *//p' "$preset" | head -n 1)")
done
# Every model that the documentation of the configuration names has a preset.
for type in $(grep '^| `model.type`' "$source/docs/configuration.md" | cut -d'|' -f5 | tr -d ' `' | tr , ' '); do
  [[ " ${types[*]} " == *" $type "* ]] || die "no preset of model.type $type"
done
serve mha "$source/train/configs/mal.yaml" --set model.interaction.attention=mha
serve senet "$source/train/configs/mal.yaml" --set model.senet.enabled=true

said=$("$bin/mal_gpu_train" export runs/mal --out int8.mal --weights int8)
within "$(largest "$said")" 0.05 || die "int8 is far off: $said"
within "$(stat -c %s int8.mal)" "$(($(stat -c %s mal.mal) / 2))" || die "int8 is no smaller"
"$bin/mal_gpu_train" export runs/mal --out primary.mal --only-primary --no-check >/dev/null
within "$(stat -c %s primary.mal)" "$(($(stat -c %s mal.mal) - 1))" || die "--only-primary leaves nothing out"
refuses 2 "fp32, bf16 or int8" "$bin/mal_gpu_train" export runs/mal --out x.mal --weights int4
refuses 2 "not a run" "$bin/mal_gpu_train" export dataset --out x.mal
absent x.mal

# A raw row of the test file, by four callers that have only a header or a library and the model file.
row() {  # row N: COLUMN=VALUE lines of the columns that the model reads
  python3 - samples/test.csv "$1" <(./minimal mal.mal) <<'CODE'
import csv, sys
wanted = [line.rsplit(" ", 1)[0] for line in open(sys.argv[3])]
rows = csv.DictReader(open(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    next(rows)
record = next(rows)
for name in wanted:
    print(f"{name}={record[name]}")
CODE
}
cp "$source"/docs/examples/serving/* "$source/model/inference/mal_infer.h" "$source/model/inference/mal_infer_c.h" .
g++ -std=c++17 -O1 -I. minimal.cpp -o minimal
g++ -std=c++17 -O1 -I. -DMAL_INFER_PORTABLE minimal.cpp -o portable
# Built here, because a library with sanitizers does not load into programs without them.
g++ -std=c++17 -O1 -shared -fPIC -I"$source" "$source/model/inference/c_api/mal_infer_c.cpp" -o libmal_infer_c.so
cc -std=c99 caller.c -I. -L. -lmal_infer_c -Wl,-rpath,"$PWD" -o caller
for number in 0 7 21; do
  mapfile -t values < <(row $number)
  ((${#values[@]} > 15)) || die "row $number has ${#values[@]} values"
  cpp=$(./minimal mal.mal "${values[@]}" | head -n 1)
  plain=$(./portable mal.mal "${values[@]}" | head -n 1)
  c=$(./caller mal.mal "${values[@]}")
  python=$(python3 caller.py ./libmal_infer_c.so mal.mal "${values[@]}")
  for other in "${plain#last }" "$c" "$python"; do
    within "$(awk -v a="${cpp#last }" -v b="$other" 'BEGIN { d = a - b; print d < 0 ? -d : d }')" 1e-6 ||
      die "row $number: $cpp in C++, $other elsewhere"
  done
  echo "ok: row $number: $cpp"
done
refuses 1 "neither" ./minimal mal.mal user=u1
refuses 1 "'nothing'" ./minimal mal.mal nothing=1

# docs/serving.md alone: its program, its commands.
mkdir five && cp mal_infer.h mal.mal five
(
  cd five
  mv mal.mal model.mal
  awk '/^```cpp$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$source/docs/serving.md" >score.cpp
  g++ -std=c++17 -O1 score.cpp -o score
  mapfile -t values < <(cd .. && row 7)
  unknown=$(./score model.mal $(./score model.mal)) known=$(./score model.mal "${values[@]}")
  grep -q '^last 0\.[0-9]' <<<"$unknown" || die "docs/serving.md: '$unknown' of an unknown row"
  within "$(awk -v a="${known#last }" -v b="$(cd .. && ./minimal mal.mal "${values[@]}" | sed -n 's/^last //p')" \
    'BEGIN { d = a - b; print d < 0 ? -d : d }')" 1e-6 || die "docs/serving.md: '$known'"
  echo "ok: docs/serving.md: $unknown, then $known"
)

# Threads and hot swap; under ThreadSanitizer, which ends with a report of any race.
g++ -std=c++17 -O1 -g -fsanitize=thread -pthread -I. server_threads.cpp -o server_threads
same_addresses=()  # some kernels spread addresses wider than ThreadSanitizer knows
if setarch -R true 2>/dev/null; then same_addresses=(setarch -R); fi
TSAN_OPTIONS=halt_on_error=1 "${same_addresses[@]}" ./server_threads mal.mal 1 2 10 | tee threads.txt
grep -q "requests of 10 candidates" threads.txt || die "server_threads printed nothing"
