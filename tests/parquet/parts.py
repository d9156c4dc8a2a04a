"""prepare --partition, then --merge, gives the data set that one run gives, byte for byte: of random schemas, of text and
of Parquet as a Spark job leaves it (part-*.parquet and _SUCCESS in a folder), day after day with --base. Arguments: mal_data [cases [first seed]]."""
import os
import random
import shutil
import sys

from support import expect, mal_data, pa, pq, prepare, same_folders, write

KINDS = {
    "time": ("kind: time", pa.int64()),
    "user": ("kind: id, min_count: 2", pa.int64()),
    "word": ("kind: id", pa.string()),
    "shop": ("kind: id, hash: 16", pa.string()),
    "seq": ("kind: sequence, length: 3, table: user", pa.list_(pa.int64())),
    "tags": ("kind: ids, length: 2, min_count: 3", pa.list_(pa.string())),
    "image": ("kind: scores, length: 4", pa.list_(pa.float32())),
    "price": ("kind: number, log1p: true, standardize: true", pa.float64()),
    "depth": ("kind: number", pa.float64()),
    "last": ("kind: credit", pa.float64()),
    "group": ("kind: group, column: user", None),
    "city": ("kind: slice", pa.string()),
}


def value(r, name, split):
    new = r.random() < 0.2 if split == "test" else False
    word = lambda: r.choice(["new", "newer"] if new else ["red", "blue", "g,n", '"q"', "", "x" * 20])
    return {
        "user": lambda: r.randint(40, 60) if new else r.randint(0, 30),
        "word": word, "shop": word, "city": lambda: r.choice(["york", "rome", "lima"][: r.randint(1, 3)]),
        "seq": lambda: [r.randint(0, 40) for _ in range(r.randint(0, 5))],
        "tags": lambda: [word() for _ in range(r.randint(0, 4))],
        "image": lambda: [r.uniform(-1.5, 1.5) for _ in range(r.randint(0, 5))],
        "price": lambda: r.uniform(0, 1e6), "depth": lambda: r.uniform(-1e3, 1e3), "last": lambda: r.choice([0, 0, r.random()]),
    }[name]()


def spark_folder(r, split, names, files, clock):
    os.makedirs(split)
    for f in range(files):
        rows = r.choice([0, 1, 40, 200])
        times = sorted(clock + f * 1000 + r.randint(0, 999) for _ in range(rows))
        columns = {n: times if n == "time" else [value(r, n, split) for _ in range(rows)] for n in names}
        table = pa.table({n: pa.array(v, KINDS[n][1]) for n, v in columns.items()})
        pq.write_table(table, f"{split}/part-{f:05}-c000.snappy.parquet", row_group_size=64)
    open(f"{split}/_SUCCESS", "w").close()


def remove(*folders):
    for name in folders:
        shutil.rmtree(name, ignore_errors=True)


def one_case(seed):
    r = random.Random(seed)
    wanted = ["last"] + r.sample([k for k in KINDS if k not in ("last", "group")], r.randint(1, len(KINDS) - 2))
    if "user" not in wanted and "seq" in wanted:
        wanted.append("user")
    columns = wanted + (["group"] if "user" in wanted else [])
    with open("schema.yaml", "w") as file:
        file.write("name: parts\ncolumns:\n")
        for c in columns:  # a day ends 2,000,000 seconds after the one before
            limits = ["", ", evict: 1", ", evict: 2"] + [", evict: 1s", ", evict: 30d"] * ("time" in wanted)
            file.write(f"  - {{name: {c}, {KINDS[c][0]}{r.choice(limits) if c in ('user', 'word', 'tags') else ''}}}\n")
    more = []
    if "word" in wanted and r.random() < 0.3:
        os.makedirs("vocabs", exist_ok=True)
        with open("vocabs/word.json", "w") as file:
            file.write('{"red": 1, "new": 2}')
        more = ["--vocabs", "vocabs"]
    for day in range(1 if more else 3):
        files, clock = r.randint(2, 6), day * 2_000_000
        spark_folder(r, "train", wanted, files, clock)
        spark_folder(r, "test", wanted, r.randint(1, 4), clock + 1_000_000)
        write("train/part-00000-c000.snappy.parquet",
              {n: pa.array([clock if n == "time" else value(r, n, "train")], KINDS[n][1]) for n in wanted})
        base = lambda name: ["--base", name] if day else []
        expect(prepare("schema.yaml", "train", "test", "whole", *more, *base("whole")), 0)
        parts = r.randint(1, files)
        folders = []
        for part in range(1, parts + 1):
            folders.append(f"part{part}")
            expect(prepare("schema.yaml", "train", "test", folders[-1], "--partition", f"{part}/{parts}", *more), 0)
        r.shuffle(folders)
        expect(mal_data("prepare", "--merge", *folders, "--out", "merged", *base("merged")), 0)
        same_folders("whole", "merged")
        if parts > 1:
            expect(mal_data("prepare", "--merge", *folders[1:], "--out", "dataset"), 2, "give each of the parts once")
        remove("train", "test", *folders)
    remove("vocabs", "whole", "merged")


cases, first = (int(sys.argv[2]) if len(sys.argv) > 2 else 12), (int(sys.argv[3]) if len(sys.argv) > 3 else 1)
for seed in range(first, first + cases):
    try:
        one_case(seed)
    except AssertionError as error:
        sys.exit(f"seed {seed}: {error}")

# Text, and what is wrong.
with open("schema.yaml", "w") as file:
    file.write("name: small\ncolumns:\n  - {name: time, kind: time}\n  - {name: user, kind: id}\n  - {name: last, kind: credit}\n")
for name, rows in (("a", "1,ann,0\n2,bob,1\n"), ("b", "2,ann,0.5\n5,cid,0\n"), ("t", "7,dan,0\n8,ann,1\n")):
    with open(f"{name}.csv", "w") as file:
        file.write("time,user,last\n" + rows)
expect(prepare("schema.yaml", ["a.csv", "b.csv"], "t.csv", "whole"), 0)
expect(prepare("schema.yaml", ["a.csv", "b.csv"], "t.csv", "part1", "--partition", "1/2"), 0)
expect(prepare("schema.yaml", ["a.csv", "b.csv"], "t.csv", "part2", "--partition", "2/2"), 0)
expect(mal_data("prepare", "--merge", "part2", "part1", "--out", "merged"), 0)
same_folders("whole", "merged")
expect(mal_data("stats", "part1"), 1, "part1")
expect(mal_data("prepare", "--merge", "part1", "whole", "--out", "dataset"), 2, "whole is no part")
expect(mal_data("prepare", "--merge", "part1", "part1", "--out", "dataset"), 2, "give each of the parts once")
expect(prepare("schema.yaml", ["a.csv", "b.csv"], "t.csv", "part3", "--partition", "3/2"), 2, "--partition 3/2")
expect(prepare("schema.yaml", ["a.csv", "b.csv"], "t.csv", "part3", "--partition", "1/3"), 2, "only 2 training files")
expect(prepare("schema.yaml", ["b.csv", "a.csv"], "t.csv", "late1", "--partition", "1/2"), 0)
expect(prepare("schema.yaml", ["b.csv", "a.csv"], "t.csv", "late2", "--partition", "2/2"), 0)
expect(mal_data("prepare", "--merge", "late1", "late2", "--out", "dataset"), 1, "late2:1:time", "before the previous row's 5")
with open("part2/train-00000/user.bin", "r+b") as file:
    file.seek(64)
    file.write(b"\x7f")
expect(mal_data("prepare", "--merge", "part1", "part2", "--out", "dataset"), 1, "user.bin", "checksum")

# A base: its ids keep their numbers, new ones follow; the share of unseen ids falls.
expect(prepare("schema.yaml", "b.csv", "t.csv", "grown", "--base", "whole"), 0)
import json
before, after = json.load(open("whole/vocab/user.json")), json.load(open("grown/vocab/user.json"))
assert before == {"ann": 1, "bob": 2, "cid": 3} and after == before, (before, after)
expect(prepare("schema.yaml", "t.csv", "t2.csv" if os.path.exists("t2.csv") else "u.csv", "grown", "--base", "whole"), 1)
with open("u.csv", "w") as file:
    file.write("time,user,last\n9,dan,0\n")
expect(prepare("schema.yaml", "t.csv", "u.csv", "grown", "--base", "whole"), 0)
assert json.load(open("grown/vocab/user.json")) == {**before, "dan": 4}
expect(prepare("schema.yaml", "t.csv", "u.csv", "grown", "--base", "whole", "--vocabs", "grown/vocab"), 2, "exclude each other")
# Eviction by time: of Parquet, column by column, as of text. bob's last time is 2, the end of the first data set.
with open("schema.yaml", "w") as file:
    file.write("name: small\ncolumns:\n  - {name: time, kind: time}\n  - {name: user, kind: id, evict: 4s}\n  - {name: last, kind: credit}\n")
for day, base in (("a", None), ("b", "a"), ("t", "b")):
    rows = [line.split(",") for line in open(f"{day}.csv").read().split()[1:]]
    write(f"{day}.parquet", {"time": pa.array([int(row[0]) for row in rows]), "last": pa.array([float(row[2]) for row in rows]),
                             "user": pa.array([row[1] for row in rows]).dictionary_encode()})
    for kind in ("csv", "parquet"):
        more = ["--base", f"days_{base}_{kind}"] if base else []
        expect(prepare("schema.yaml", f"{day}.{kind}", "u.csv", f"days_{day}_{kind}", *more), 0)
    same_folders(f"days_{day}_csv", f"days_{day}_parquet")
assert json.load(open("days_b_csv/vocab/user.json")) == {"ann": 1, "bob": 2, "cid": 3}
assert json.load(open("days_t_csv/vocab/user.json")) == {"ann": 1, "cid": 2, "dan": 3}
expect(prepare("schema.yaml", ["b.csv", "t.csv"], "u.csv", "days", "--base", "days_a_csv"), 0)
for part, out in (("1/2", "part1"), ("2/2", "part2")):
    expect(prepare("schema.yaml", ["b.csv", "t.csv"], "u.csv", out, "--partition", part), 0)
expect(mal_data("prepare", "--merge", "part1", "part2", "--base", "days_a_csv", "--out", "merged"), 0)
same_folders("days", "merged")
expect(mal_data("prepare", "--merge", "part1", "part2", "--base", "part1", "--out", "dataset"), 1, "schema.yaml")
expect(prepare("schema.yaml", "b.csv", "u.csv", "part3", "--partition", "1/1", "--base", "days"), 2, "give it to --merge")
print(f"{cases} data sets made in parts are those of one run")
