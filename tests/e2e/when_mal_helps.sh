#!/usr/bin/env bash
# The study of docs/results/when-mal-helps.md at a tiny size: its page and pictures, and what is done is not done again.
source "$(dirname "$0")/common.sh"

study=(python3 "$source/scripts/when_mal_helps.py" --bin "$bin" --out when --users 300,500 --worlds default,cold --details cold
  --details-users 300 --days 16 --test-from 2024-01-12 --test-to 2024-01-14 --gap 2d --set resamples=100
  --set "set={train.batch_size: 256, model.embedding_dim: 4}")
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
    assert len(picture.getElementsByTagName("circle")) == 4 * 5
END
stamp=$(stat -c %Y%s when/cold-500/experiment/tables/systems.json)
"${study[@]}" --seeds 1 >out.txt 2>err.txt || die "the second time it fails"
[[ $(wc -l <out.txt) == 1 && $(stat -c %Y%s when/cold-500/experiment/tables/systems.json) == "$stamp" ]] || die "done cells are done again: $(cat out.txt)"
"${study[@]}" --seeds 1 --platform-seed 12 >out.txt 2>err.txt && die "data of another seed are taken"
grep -q "choose another --out" err.txt || die "no word of why: $(cat err.txt)"
echo ok
