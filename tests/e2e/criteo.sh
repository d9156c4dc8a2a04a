#!/usr/bin/env bash
# A small file of the public Criteo layout goes through attribute → prepare → train → eval, plain and gzipped.
source "$(dirname "$0")/common.sh"

file=$source/tests/data/criteo_small.tsv
attribute() {
  "$bin/mal_data" attribute --in "$1" --format criteo --mechanisms last,first,linear,mta --test-days 1 --out "$2" >/dev/null
}
attribute "$file" samples
gzip -c "$file" >criteo.tsv.gz
attribute criteo.tsv.gz samples_gzip
diff samples/train.csv samples_gzip/train.csv || die "gzip gives other samples"
diff samples/test.csv samples_gzip/test.csv || die "gzip gives other samples"

"$bin/mal_data" prepare --schema criteo --train samples/train.csv --test samples/test.csv --out dataset >/dev/null
"$bin/mal_data" stats dataset --json stats.json >/dev/null
for model in base mal; do
  "$bin/mal_gpu_train" "$source/train/configs/criteo.yaml" --device cpu --set data.path=dataset --set model.type=$model \
    --set output=run_$model --set train.batch_size=16 >/dev/null 2>&1 || die "training $model"
  "$bin/mal_gpu_train" eval run_$model --data dataset --device cpu | grep -q AUC || die "eval $model"
done

# The journey of seven clicks: last and first at its ends, a seventh each under linear; the unclicked impression is none.
awk -F, '
  NR == 1 { for (i = 1; i <= NF; ++i) at[$i] = i; next }
  $at["uid"] == 4 && $at["campaign"] == 13 {
    ++clicks; last += $at["last"]; first += $at["first"]; linear += $at["linear"]; mta += $at["mta"]
    if (clicks == 1 && $at["first"] != 1) exit 1
    if (clicks == 7 && $at["last"] != 1) exit 1
    if ($at["linear"] < 0.142857 || $at["linear"] > 0.142858) exit 1
  }
  END { exit !(clicks == 7 && last == 1 && first == 1 && linear > 0.99999 && linear < 1.00001 && mta > 0.99999 && mta < 1.00001) }
' samples/train.csv || die "the journey of seven clicks has other credits"
