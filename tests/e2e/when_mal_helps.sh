#!/usr/bin/env bash
# The study of docs/results/when-mal-helps.md at a tiny size: its page and pictures, and what is done is not done again.
source "$(dirname "$0")/common.sh"

study=(python3 "$source/scripts/when_mal_helps.py" --bin "$bin" --out when --users 300,500 --worlds default,cold --details cold
  --details-users 300 --days 16 --test-from 2024-01-12 --test-to 2024-01-14 --gap 2d --set resamples=100
  --set "set={train.batch_size: 128, model.embedding_dim: 4}")
"${study[@]}" --seeds 1 >out.txt 2>err.txt || die "the study failed: $(tail -n 5 err.txt)"
for name in default-300 default-500 cold-300 cold-500; do
  [[ -s when/$name/experiment/tables/systems.json && ! -e when/$name/journeys ]] || die "cell $name is not there, or left its journeys"
done
python3 - <<'END' || die "the page and the tables differ"
import json, re, xml.dom.minidom
page = open("when/report.md").read()
for cell in ("default-300", "default-500", "cold-300", "cold-500"):
    world, users = cell.split("-")
    table = json.load(open(f"when/{cell}/experiment/tables/systems.json"))
    mal = next(row for row in table["rows"] if row["label"] == "MAL")
    for metric in ("GAUC", "AUC"):
        section = page.split(f"### {metric}\n")[1].split("###")[0]
        line = next(line for line in section.splitlines() if line.startswith(f"| {world} | {users} |"))
        d = mal[f"{metric.lower()}_difference"]
        assert f"[{d['low']:+.2f}, {d['high']:+.2f}]" in line.split(" | ")[7], line
        assert ("**" in line.split(" | ")[7]) == (d["low"] > 0 or d["high"] < 0), line
assert page.count("### Which view helps") == page.count("### What the weights") == 1
for metric in ("gauc", "auc"):
    picture = xml.dom.minidom.parse(f"when/{metric}.svg")
    assert len(picture.getElementsByTagName("circle")) == 4 * 6
assert page.count("### Four times as many steps") == 1
records = json.load(open("when/results.json"))
assert [(r["world"], r["users"]) for r in records] == [("default", 300), ("default", 500), ("cold", 300), ("cold", 500)]
for record in records:
    labels = json.load(open(f"when/{record['world']}-{record['users']}/experiment/tables/labels.json"))
    d = labels["rows"][1]["auc_difference"]
    section = page.split("### What the other mechanisms' labels bring")[1].split("###")[0]
    line = next(line for line in section.splitlines() if line.startswith(f"| {record['world']} | {record['users']} |"))
    assert f"[{d['low']:+.2f}, {d['high']:+.2f}]" in line.split(" | ")[3], line
END
stamp=$(stat -c %Y%s when/cold-500/experiment/tables/systems.json)
"${study[@]}" --seeds 1 >out.txt 2>err.txt || die "the second time it fails"
[[ $(wc -l <out.txt) == 1 && $(stat -c %Y%s when/cold-500/experiment/tables/systems.json) == "$stamp" ]] || die "done cells are done again: $(cat out.txt)"
echo '[{}]' >bad.json
for bad in nothing.json bad.json out.txt; do
  refuses 1 "^when_mal_helps: --results $bad is no results.json of this script" "${study[@]}" --seeds 1 --results $bad --report
done
# Another folder, as on another machine: what results.json has is not done there, other seeds are.
elsewhere=("${study[@]}")
elsewhere[5]=there
"${elsewhere[@]}" --seeds 1 --results when/results.json >out.txt 2>err.txt || die "--results fails: $(cat err.txt)"
[[ ! -e there/cold-500 ]] || die "a cell of --results was done again"
cmp when/report.md there/report.md && cmp when/results.json there/results.json && cmp when/auc.svg there/auc.svg || die "the page of --results differs"
"${elsewhere[@]}" --seeds 2 --users 300 --results when/results.json --report >out.txt 2>err.txt || die "--results with other seeds fails: $(cat err.txt)"
grep -q "of other data, studies or seeds" out.txt || die "cells of another seed are taken: $(cat out.txt)"
"${study[@]}" --seeds 1 --platform-seed 12 >out.txt 2>err.txt && die "data of another seed are taken"
grep -q "choose another --out" err.txt || die "no word of why: $(cat err.txt)"
echo ok
