"""Folders called key=value, as pyarrow's write_dataset and by hand, Parquet and text: `attribute` and `prepare` make of
them what they make of files that have the columns. Arguments: mal_data [cases [first seed]]."""
import gzip
import os
import random
import shutil
import sys
import urllib.parse

from support import expect, mal_data, pa, pq, prepare, same_folders

import pyarrow.csv  # after support, which skips the test where there is no pyarrow
import pyarrow.dataset

CHANNELS = ["search", "a b/c", "x=y%", "caf\u00e9, \"q\"", None]
EMPTY = "__HIVE_DEFAULT_PARTITION__"


def below(root, keys, form, table, part=0, **columns):
    """Writes the table's rows into root/key=value/…/part-N, without the columns of `keys` but with `columns`."""
    rows = table.to_pylist()
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[k] for k in keys), []).append(row)
    for values, group in groups.items():
        folder = root
        for key, value in zip(keys, values):
            name = EMPTY if value is None else urllib.parse.quote(str(value), safe="")
            folder = os.path.join(folder, f"{key}={name}")
        os.makedirs(folder, exist_ok=True)
        rest = table.select([c for c in table.column_names if c not in keys])
        piece = pa.Table.from_pylist([{c: row[c] for c in rest.column_names} for row in group], schema=rest.schema)
        for column, value in columns.items():
            piece = piece.append_column(column, pa.array([value] * len(group)))
        write_table(os.path.join(folder, f"part-{part}"), form, piece)
    for junk in ["_SUCCESS", ".part-0.crc"]:
        open(os.path.join(root, junk), "w").close()


def write_table(path, form, table):
    if form == "parquet":
        return pq.write_table(table, path)
    with pa.OSFile(path + ".raw", "wb") as out:
        pyarrow.csv.write_csv(table, out)
    text = open(path + ".raw", "rb").read()
    os.remove(path + ".raw")
    if form == "gzip":
        text = gzip.compress(text)
    if form == "zstd":
        text = pa.compress(text, codec="zstd", asbytes=True)
    with open(path, "wb") as file:
        file.write(text)


def credits(folder):
    return [open(f"{folder}/{split}.csv", "rb").read() for split in ("train", "test")]


def attribute(out, clicks, conversions, *more):
    return mal_data("attribute", "--in", clicks, "--conversions", conversions, "--key", "shop", "--mechanisms",
                    "last,linear", "--test-days", 1, "--out", out, *more)


def check_attribute(r):
    days = ["2024-01-01", "2024-01-02", "2024-01-03"]
    def events(count, with_channel):
        rows = sorted((r.randrange(3 * 86400), r.choice("uvw"), r.choice([1, 2])) for _ in range(count))
        table = {"user": [u for _, u, _ in rows], "time": [1704067200 + t for t, _, _ in rows],
                 "dt": [days[t // 86400] for t, _, _ in rows]}
        if with_channel:
            table["channel"] = [r.choice(CHANNELS) for _ in rows]
        table["shop"] = [s for _, _, s in rows]
        return pa.table(table)
    clicks, conversions = events(60, True), events(20, False)
    # The rows of a folder stand together in the order of the paths; what is compared has them in the same order.
    form = r.choice(["parquet", "csv", "gzip", "zstd"])
    keys = r.choice([["dt"], ["dt", "channel"], ["channel"], ["channel", "shop"]])
    below("log", keys, form, clicks)
    below("orders", r.choice([["dt"], ["dt", "shop"]]), r.choice(["parquet", "csv"]), conversions)
    order = sorted({tuple(row[k] for k in keys) for row in clicks.to_pylist()},
                   key=lambda v: "/".join(f"{k}={EMPTY if x is None else urllib.parse.quote(str(x), safe='')}"
                                          for k, x in zip(keys, v)) + "/")
    rows = [row for v in order for row in clicks.to_pylist() if tuple(row[k] for k in keys) == v]
    names = [c for c in clicks.column_names if c not in keys] + keys
    write_table("flat.csv", "csv", pa.Table.from_pylist(rows, schema=clicks.schema).select(names))
    write_table("orders.csv", "csv", conversions)
    expect(attribute("flat", "flat.csv", "orders.csv"), 0)
    for name in ["log", "log/" + "*/" * len(keys) + "part-*", "log/*=*"]:
        for memory in ["1GiB", "1"]:
            result = attribute("samples", name, "orders", "--memory", memory)
            expect(result, 0)
            assert credits("samples") == credits("flat"), (name, keys, form, memory)
    for path in ["log", "orders", "samples", "flat"]:
        shutil.rmtree(path)


SCHEMA = """name: t
columns:
  - {name: time, kind: time}
  - {name: user, kind: id, side: user}
  - {name: shop, kind: id, side: ad, hash: 16}
  - {name: tags, kind: ids, side: ad, length: 3}
  - {name: image, kind: scores, length: 3}
  - {name: price, kind: number, standardize: true, missing: indicator}
  - {name: day, kind: slice}
  - {name: group, kind: group, column: user}
  - {name: last, kind: credit}
"""


def check_prepare(r):
    """Every kind as a folder's column; text and Parquet give the bytes of flat text files."""
    open("schema.yaml", "w").write(SCHEMA)
    values = {"user": ["u1", "7", "07"], "shop": ["s", "t/u", None], "tags": ["a|b", "a", None, "x|y|z|w"],
              "image": ["0.5|-0.25", "1", None], "price": ["2.5", "1e3", None, "-4"], "day": ["mon", None, "d e"],
              "last": ["0", "0.5", "1"]}
    keys = r.sample(sorted(values), r.randint(1, 3))
    types = {"tags": (pa.list_(pa.string()), lambda v: [] if v is None else v.split("|")),
             "image": (pa.list_(pa.float64()), lambda v: [] if v is None else [float(x) for x in v.split("|")]),
             "price": (pa.float64(), lambda v: None if v is None else float(v)),
             "last": (pa.float64(), float)}
    for split in ("train", "test"):
        # "time" rises with the folders, as their paths are sorted.
        groups = sorted({tuple(r.choice(values[k]) for k in keys) for _ in range(4)},
                        key=lambda v: "/".join(f"{k}={EMPTY if x is None else urllib.parse.quote(x, safe='')}"
                                               for k, x in zip(keys, v)) + "/")
        rows, clock = [], 1000 if split == "train" else 100_000
        for group in groups:
            for _ in range(r.choice([1, 3])):
                row = {c: r.choice(v) for c, v in values.items()}
                row.update(zip(keys, group))
                clock += 1
                rows.append({"time": str(clock), **row})
        write_table(f"{split}.csv", "csv", pa.Table.from_pylist(rows, schema=pa.schema([(c, pa.string()) for c in ["time", *values]])))
        below(f"{split}_text", keys, r.choice(["csv", "zstd"]),
              pa.Table.from_pylist(rows, schema=pa.schema([(c, pa.string()) for c in ["time", *values]])))
        typed = [{c: v if c in keys or c not in types else types[c][1](v) for c, v in row.items()} for row in rows]
        schema = pa.schema([(c, pa.string() if c in keys or c not in types else types[c][0]) for c in ["time", *values]])
        below(f"{split}_parquet", keys, "parquet", pa.Table.from_pylist(typed, schema=schema))
    expect(prepare("schema.yaml", "train.csv", "test.csv", "flat"), 0)
    for form in ("text", "parquet"):
        expect(prepare("schema.yaml", f"train_{form}", f"test_{form}"), 0)
        same_folders("dataset", "flat")
        shutil.rmtree("dataset")
    for path in ["flat", *[f"{s}_{f}" for s in ("train", "test") for f in ("text", "parquet")]]:
        shutil.rmtree(path)


def check_by_pyarrow():
    """pyarrow's own partitions, and who wins where a file has the column too."""
    table = pa.table({"time": [1, 2, 3, 4], "user": ["u", "v", "w", "u"], "item": ["a b", "c/d", None, "a b"],
                      "last": [0.0, 1.0, 0.0, 1.0]})
    pyarrow.dataset.write_dataset(table, "train", format="parquet", partitioning=["item"], partitioning_flavor="hive")
    below("test", ["item"], "parquet", pa.table({"time": [5, 6], "user": ["u", "v"], "item": ["c/d", "c/d"], "last": [0.0, 1.0]}),
          **{"item": 7})
    open("schema.yaml", "w").write("""name: t
columns:
  - {name: user, kind: id, side: user}
  - {name: item, kind: id, side: ad}
  - {name: last, kind: credit}
""")
    result = prepare("schema.yaml", "train", "test")
    expect(result, 0)
    assert any("note: column 'item' of the files not read: the folders' item=" in line for line in result.lines), result.lines
    export = mal_data("export-parquet", "dataset", "--split", "test", "--out", "out.parquet")
    expect(export, 0)
    assert pq.read_table("out.parquet")["item"].to_pylist() == ["c/d", "c/d"]
    expect(mal_data("export-parquet", "dataset", "--out", "out.parquet"), 0)
    got = pq.read_table("out.parquet")
    by_user = sorted(zip(got["user"].to_pylist(), [x or None for x in got["item"].to_pylist()]), key=str)
    assert by_user == sorted([("u", "a b"), ("v", "c/d"), ("w", None), ("u", "a b")], key=str), by_user
    # Files and folders named in full give no columns, as pandas.read_parquet has it; the message says what would.
    file = next(os.path.join(f, n) for f, _, names in os.walk("train") for n in names if "item=a" in f)
    expect(prepare("schema.yaml", file, "test"), 1, "there is no column 'item'", "a folder above that one is named")
    # A value that the column cannot have.
    os.makedirs("wrong/last=high")
    pq.write_table(pa.table({"user": ["u"], "item": ["a"]}), "wrong/last=high/p.parquet")
    expect(prepare("schema.yaml", "wrong", "test"), 1, "wrong/last=high/p.parquet:last: 'high' is not a number")
    os.makedirs("uneven/item=a/user=u")
    pq.write_table(pa.table({"last": [0.0]}), "uneven/item=a/user=u/p.parquet")
    pq.write_table(pa.table({"last": [0.0], "user": ["u"]}), "uneven/item=a/p.parquet")
    expect(prepare("schema.yaml", "uneven", "test"), 2, "uneven/item=a/user=u/p.parquet", "uneven/item=a/p.parquet")


if __name__ == "__main__":
    cases = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    check_by_pyarrow()
    for seed in range(first, first + cases):
        try:
            check_attribute(random.Random(seed))
            check_prepare(random.Random(seed))
        except AssertionError:
            print(f"seed {seed}")
            raise
    print(f"{cases} cases")
