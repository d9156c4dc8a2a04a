"""The peer of mal_data prepare: the same work in pandas and numpy, each step the fast way that they offer.

    data_peers.py make --rows N --out DIR            a training file and a test file of the MAC layout, from a fixed seed
    data_peers.py prepare --train F --test F --out DIR    vocabularies of train, ids, padded lists, checked credits → .npy
    data_peers.py check --dataset D --arrays D       both sides stored the same number of values and the same credits
    data_peers.py summary --samples F ...            the best of the rounds
"""

import argparse
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

LENGTH = 20
IDS = {"user_id": 200000, **{f"user_feat{i}": n for i, n in enumerate((10, 100, 1000, 50, 8, 30))},
       **{f"ad_feat{i}": n for i, n in enumerate((100000, 5000, 20000, 100, 1000, 300))},
       **{f"context_feat{i}": n for i, n in enumerate((24, 7, 50, 500))}}
SEQUENCES = {f"ad_feat{i}_seq": f"ad_feat{i}" for i in range(3)}
SCORES = [f"mm_feat{i}_seq" for i in range(2)]
CREDITS = ["last", "first", "linear", "mta"]


def make(args):
    random = np.random.default_rng(1)
    draw = lambda n, size: np.minimum(random.pareto(0.7, size) * 20, n - 1).astype(np.int64)
    os.makedirs(args.out, exist_ok=True)
    for split, rows in (("train", args.rows), ("test", max(1, args.rows // 20))):
        columns = {name: pa.array(draw(n, rows)) for name, n in IDS.items()}
        for i in range(3):
            ends = np.concatenate([[0], np.cumsum(random.integers(0, LENGTH + 1, rows))]).astype(np.int32)
            lists = lambda values: pa.ListArray.from_arrays(pa.array(ends), pa.array(values))
            columns[f"ad_feat{i}_seq"] = lists(draw(IDS[f"ad_feat{i}"], ends[-1]))
            if i < 2:
                columns[f"mm_feat{i}_seq"] = lists(random.uniform(-1, 1, ends[-1]).astype(np.float32))
        positive = random.random(rows) < 0.04
        for view in CREDITS:
            columns[view] = pa.array(np.where(positive, random.random(rows), 0.0))
        pq.write_table(pa.table(columns), f"{args.out}/{split}.parquet", row_group_size=100000)


def flat(series):
    """All items of a column of lists, and how many each row has."""
    lists = series.to_numpy()
    return np.concatenate(lists) if len(lists) else np.empty(0), np.fromiter((len(x) for x in lists), np.int64, len(lists))


def padded(values, lengths, kind):
    out = np.zeros((len(lengths), LENGTH), kind)
    out[np.arange(LENGTH) < lengths[:, None]] = values
    return out


def numbers(values, vocabulary):
    return pd.Series(values).map(vocabulary).fillna(0).astype(np.int32).to_numpy()


def prepare(args):
    train = pd.read_parquet(args.train)
    vocabularies = {}
    os.makedirs(args.out, exist_ok=True)
    for name in IDS:
        shared = [flat(train[s])[0] for s, table in SEQUENCES.items() if table == name]
        counts = pd.Series(np.concatenate([train[name].to_numpy(), *shared])).value_counts()
        vocabularies[name] = pd.Series(np.arange(1, len(counts) + 1, dtype=np.int32), index=counts.index)
        with open(f"{args.out}/{name}.json", "w") as file:
            json.dump({str(value): int(number) for value, number in vocabularies[name].items()}, file)
    for split, data in (("train", train), ("test", None)):
        data = pd.read_parquet(args.test) if data is None else data
        for name in IDS:
            np.save(f"{args.out}/{split}.{name}.npy", numbers(data[name].to_numpy(), vocabularies[name]))
        for name, table in SEQUENCES.items():
            values, lengths = flat(data[name])
            np.save(f"{args.out}/{split}.{name}.npy", padded(numbers(values, vocabularies[table]), lengths, np.int32))
            np.save(f"{args.out}/{split}.{name}.length.npy", lengths.astype(np.int32))
        for name in SCORES:
            values, lengths = flat(data[name])
            assert np.isfinite(values).all()
            np.save(f"{args.out}/{split}.{name}.npy", padded(np.clip(values, -1, 1), lengths, np.float32))
            np.save(f"{args.out}/{split}.{name}.length.npy", lengths.astype(np.int32))
        for name in CREDITS:
            credit = data[name].to_numpy()
            assert ((credit >= 0) & (credit <= 1)).all()
            np.save(f"{args.out}/{split}.{name}.npy", credit.astype(np.float32))
        np.save(f"{args.out}/{split}.user_group.npy", data["user_id"].to_numpy())


def check(args):
    """The same values in the same places, up to the order of equal counts in a vocabulary."""
    folder = f"{args.dataset}/train-00000"
    rows = None
    for name in [*CREDITS, *SCORES, *(f"{s}.length" for s in SEQUENCES), "user_group"]:
        header = np.fromfile(f"{folder}/{name}.bin", "<u4", count=16)
        ours = np.fromfile(f"{folder}/{name}.bin", {0: "<i4", 1: "<f4", 2: "<i8"}[header[3]], offset=64)
        theirs = np.load(f"{args.arrays}/train.{name}.npy").reshape(-1)[: len(ours)]
        assert np.array_equal(ours, theirs), f"{name} differs"
    for name in IDS:
        ours = np.fromfile(f"{folder}/{name}.bin", "<i4", offset=64)
        theirs = np.load(f"{args.arrays}/train.{name}.npy")[: len(ours)]
        pairs = pd.DataFrame({"ours": ours, "theirs": theirs}).drop_duplicates()
        assert pairs.ours.is_unique and pairs.theirs.is_unique, f"{name} is numbered otherwise"
    print("data: both sides stored the same")


def summary(args):
    samples = {}
    for line in open(args.samples):
        name, value = line.split()
        samples.setdefault(name, []).append(float(value))
    size = sum(os.path.getsize(f"{args.mac}/{split}.parquet") for split in ("train", "test")) / 1e6
    ours, theirs = min(samples["prepare_ours"]), min(samples["prepare_theirs"])
    result = {"prepare": {"ours": args.rows / ours, "theirs": args.rows / theirs, "ratio": theirs / ours,
                          "mb_per_s": size / ours, "cat_mb_per_s": size / min(samples["cat"])},
              "loader": {"ours": max(samples["loader"])}}
    print(f"prepare, {args.rows} rows, {size:.0f} MB of Parquet, best of {len(samples['cat'])}:")
    print(f"  ours    {ours:8.2f} s  {args.rows / ours:12.0f} rows/s  {size / ours:8.1f} MB/s")
    print(f"  pandas  {theirs:8.2f} s  {args.rows / theirs:12.0f} rows/s  {size / theirs:8.1f} MB/s")
    print(f"  cat     {min(samples['cat']):8.2f} s  {'':12}         {size / min(samples['cat']):8.1f} MB/s")
    print(f"  ratio   {theirs / ours:8.1f}")
    print(f"loader    {max(samples['loader']):12.0f} rows/s")
    if "attribute" in samples:
        clicks = samples["clicks"][0]
        result["attribute"] = {"ours": clicks / samples["attribute"][0], "clicks": clicks, "seconds": samples["attribute"][0]}
        print(f"attribute {clicks / samples['attribute'][0]:12.0f} clicks/s ({clicks:.0f} in {samples['attribute'][0]:.1f} s)")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"data": result}, file, indent=2)


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
for function, options in ((make, ["rows", "out"]), (prepare, ["train", "test", "out"]), (check, ["dataset", "arrays"]),
                          (summary, ["samples", "rows", "mac", "json"])):
    command = commands.add_parser(function.__name__)
    command.set_defaults(run=function)
    for option in options:
        command.add_argument(f"--{option}", type=int if option == "rows" else str)
arguments = parser.parse_args()
arguments.run(arguments)
