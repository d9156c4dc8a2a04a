"""mal_data attribute of Parquet files gives what it gives for the same rows as CSV."""
import csv
import filecmp
import random

from support import expect, mal_data, pa, pq

r = random.Random(7)
names = ["shoes", "a,b", 'say "x"', "名前", ""]
clicks = pa.table({
    "time": pa.array([1000 + 10 * i for i in range(900)]),
    "user": pa.array([r.randint(0, 40) for _ in range(900)], pa.int32()),
    "advertiser": pa.array([r.choice(["k1", "k2", "k3"]) for _ in range(900)]),
    "channel": pa.array([r.choice(["search", "feed", "live"]) for _ in range(900)]).dictionary_encode(),
    "item": pa.array([r.choice(names) for _ in range(900)]),
    "price": pa.array([r.choice([None, 1.5, 0.1, 2e30]) for _ in range(900)], pa.float32()),
    "tags": pa.array([[r.randint(0, 9) for _ in range(r.randint(0, 3))] for _ in range(900)]),
})
buys = pa.table({
    "time": pa.array([1500 + 40 * i for i in range(200)]), "user": pa.array([r.randint(0, 45) for _ in range(200)]),
    "advertiser": pa.array([r.choice(["k1", "k2"]) for _ in range(200)]), "conversion_id": pa.array(range(200)),
})


def as_text(value):
    if isinstance(value, list):
        return "|".join(map(str, value))
    return "" if value is None else {0.1: "0.1", 1.5: "1.5"}.get(round(value, 6), "2e+30") if isinstance(value, float) else str(value)


for name, table in (("clicks", clicks), ("buys", buys)):
    pq.write_table(table, f"{name}.parquet", row_group_size=128)
    with open(f"{name}.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([table.column_names, *([as_text(row[c]) for c in table.column_names] for row in table.to_pylist())])
for kind in ("csv", "parquet"):
    for memory in ("1GiB", "1"):
        result = mal_data("attribute", "--in", f"clicks.{kind}", "--conversions", f"buys.{kind}", "--mechanisms", "last,linear,mta",
                          "--history", "item", "--memory", memory, "--out", f"{kind}{memory}")
        if kind == "csv" and result.code == 0:
            assert result.out.startswith("900 clicks"), result.out
        expect(result, 0)
for other in ("csv1", "parquet1GiB", "parquet1"):
    for name in ("train.csv", "channel_model.json"):
        assert filecmp.cmp(f"csv1GiB/{name}", f"{other}/{name}", shallow=False), f"{other}/{name} differs"

# The layouts that name what belongs together.
n = 600
user = [r.randint(0, 40) for _ in range(n)]
named = {
    "criteo": pa.table({
        "timestamp": [1000 + 10 * i for i in range(n)], "uid": user, "campaign": [r.choice(["k1", "k2", "k3"]) for _ in range(n)],
        "conversion_id": [u * 2 + r.randint(0, 1) if r.random() < 0.4 else -1 for u in user],
        "conversion_timestamp": [r.randint(3000, 9000) for _ in range(n)], "click": [int(r.random() < 0.8) for _ in range(n)],
    }),
    "journeys": pa.table({
        "journey": pa.array([f"j{u}" for u in user]).dictionary_encode(), "user": [u // 2 for u in user],
        "timestamp": [1000 + 10 * i for i in range(n)], "campaign": [r.choice(["k1", "k2", "k3"]) for _ in range(n)],
        "conversion": [int(u % 3 == 0) for u in user],
    }),
}
for layout, table in named.items():
    pq.write_table(table, f"{layout}.parquet", row_group_size=128)
    with open(f"{layout}.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([table.column_names, *(row.values() for row in table.to_pylist())])
    for kind in ("csv", "parquet"):
        for memory in ("1GiB", "1"):
            expect(mal_data("attribute", "--in", f"{layout}.{kind}", "--format", layout, "--mechanisms", "last,linear,mta",
                            "--history", "campaign", "--memory", memory, "--out", f"{layout}_{kind}{memory}"), 0)
    for other in ("csv1", "parquet1GiB", "parquet1"):
        for name in ("train.csv", "channel_model.json"):
            assert filecmp.cmp(f"{layout}_csv1GiB/{name}", f"{layout}_{other}/{name}", shallow=False), f"{layout}_{other}/{name} differs"

# Line breaks come through; pandas' row numbers and empty parts do not.
breaks = pa.table({name: clicks[name] for name in clicks.column_names} | {
    "item": pa.array([f"{i}\r\n\"x\"\n" for i in range(900)]), "__index_level_0__": pa.array(range(900))})
pq.write_table(breaks.slice(0, 500), "part-0.parquet", row_group_size=128)
pq.write_table(breaks.slice(500, 0), "part-1.parquet")  # no rows
pq.write_table(breaks.slice(500), "part-2.parquet")
open("part-3.parquet", "w").close()
for memory in ("1GiB", "1"):
    result = mal_data("attribute", "--in", "part-*.parquet", "--conversions", "buys.parquet", "--mechanisms", "last,linear,mta",
                      "--history", "item", "--memory", memory, "--out", f"breaks{memory}")
    expect(result, 0)
    assert "1 empty file passed over\n" in result.out and "column '__index_level_0__' ignored" in result.out, result.out
    with open(f"breaks{memory}/train.csv", newline="", encoding="utf-8") as file:
        got = list(csv.DictReader(file))
    with open("csv1GiB/train.csv", newline="", encoding="utf-8") as file:
        wanted = list(csv.DictReader(file))
    assert [row["item"] for row in got] == breaks["item"].to_pylist()
    assert "__index_level_0__" not in got[0] and [row["linear"] for row in got] == [row["linear"] for row in wanted]

# What is wrong names file, row and column; rows are counted from 1.
def refused(changed, *parts):
    columns = {name: clicks[name] for name in clicks.column_names} | changed
    pq.write_table(pa.table(columns), "wrong.parquet")
    expect(mal_data("attribute", "--in", "wrong.parquet", "--conversions", "buys.parquet", "--out", "wrong"), 1, *parts)


refused({"user": pa.array([1, None, *[2] * 898])}, "wrong.parquet:2:user", "empty")
refused({"time": pa.array(["soon"] * 900)}, "wrong.parquet:1:time", "not a time")
refused({"item": pa.array(["a\nb"] * 5 + ["x"] * 895), "time": pa.array(["1"] * 6 + ["soon"] * 894)}, "wrong.parquet:7:time", "not a time")
whole = open("clicks.parquet", "rb").read()
with open("short.parquet", "wb") as file:
    file.write(whole[:len(whole) // 2])
expect(mal_data("attribute", "--in", "short.parquet", "--conversions", "buys.parquet", "--out", "wrong"), 1, "short.parquet")
print("Parquet logs are credited as text is")
