"""The peers of mal_data prepare, in pandas and numpy, on files of the MAC layout.

    data_peers.py make --rows N --ids text|integers --out DIR   a training file and a test file, from a fixed seed
    data_peers.py prepare --train F --test F --out DIR      each step the fastest way that pandas and numpy offer → .npy
    data_peers.py pymal --train F --test F --out DIR        the way of PyMAL's preprocess.py: a dict a column, its get() a
                                                            value, a list a row → .pkl
    data_peers.py check --dataset D --arrays D --pickles D  all three stored the same
    data_peers.py summary --samples F ...                   medians of the rounds
"""

import argparse
import collections
import json
import os
import pickle
import statistics

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
    names = pa.array([str(i) for i in range(max(IDS.values()))])
    ids = lambda values: names.take(pa.array(values)) if args.ids == "text" else pa.array(values)
    os.makedirs(args.out, exist_ok=True)
    for split, rows in (("train", args.rows), ("test", max(1, args.rows // 20))):
        columns = {name: ids(draw(n, rows)) for name, n in IDS.items()}
        lists = lambda values: pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * LENGTH), values)
        for name, table in SEQUENCES.items():
            columns[name] = lists(ids(draw(IDS[table], rows * LENGTH)))
        for name in SCORES:
            columns[name] = lists(pa.array(random.uniform(-1, 1, rows * LENGTH).astype(np.float32)))
        positive = random.random(rows) < 0.04
        for view in CREDITS:
            columns[view] = pa.array(np.where(positive, random.random(rows), 0.0))
        pq.write_table(pa.table(columns), f"{args.out}/{split}.parquet", row_group_size=100000)


def flat(series):
    """All items of a column of lists."""
    return np.concatenate(series.to_numpy())


def numbers(values, vocabulary):
    return pd.Series(values).map(vocabulary).fillna(0).astype(np.int32).to_numpy()


def prepare(args):
    train = pd.read_parquet(args.train)
    vocabularies = {}
    os.makedirs(args.out, exist_ok=True)
    for name in IDS:
        shared = [flat(train[s]) for s, table in SEQUENCES.items() if table == name]
        counts = pd.Series(np.concatenate([train[name].to_numpy(), *shared])).value_counts()
        vocabularies[name] = pd.Series(np.arange(1, len(counts) + 1, dtype=np.int32), index=counts.index)
        with open(f"{args.out}/{name}.json", "w") as file:
            json.dump({str(value): int(number) for value, number in vocabularies[name].items()}, file)
    for split, data in (("train", train), ("test", None)):
        data = pd.read_parquet(args.test) if data is None else data
        for name in IDS:
            np.save(f"{args.out}/{split}.{name}.npy", numbers(data[name].to_numpy(), vocabularies[name]))
        for name, table in SEQUENCES.items():
            ids = numbers(flat(data[name]), vocabularies[table])
            np.save(f"{args.out}/{split}.{name}.npy", ids.reshape(-1, LENGTH))
        for name in SCORES:
            values = flat(data[name])
            assert np.isfinite(values).all()
            np.save(f"{args.out}/{split}.{name}.npy", np.clip(values, -1, 1).astype(np.float32).reshape(-1, LENGTH))
        for name in CREDITS:
            credit = data[name].to_numpy()
            assert ((credit >= 0) & (credit <= 1)).all()
            np.save(f"{args.out}/{split}.{name}.npy", credit.astype(np.float32))


def pymal(args):
    """PyMAL (github.com/alimama-tech/PyMAL) is given its vocabularies; here they are counted, as prepare does."""
    os.makedirs(args.out, exist_ok=True)
    train = pd.read_parquet(args.train)
    vocabularies = {}
    for name in IDS:
        counts = collections.Counter(train[name].tolist())
        for sequence in (s for s, table in SEQUENCES.items() if table == name):
            for items in train[sequence].to_numpy():
                counts.update(items)
        vocabularies[name] = {value: number for number, (value, _) in enumerate(counts.most_common(), 1)}
    for split in ("train", "test"):
        data = train if split == "train" else pd.read_parquet(args.test)
        result = {}
        for name in IDS:
            vocabulary = vocabularies[name]
            result[name] = np.vectorize(lambda value: vocabulary.get(value, 0))(data[name].to_numpy()).astype(np.int32)
        for name, table in SEQUENCES.items():
            vocabulary = vocabularies[table]
            result[name] = np.array([[vocabulary.get(item, 0) for item in items] for items in data[name].to_numpy()], np.int32)
        for name in SCORES:
            result[name] = np.stack([np.asarray(items, np.float32) for items in data[name].to_numpy()])
        for name in CREDITS:
            result[name] = data[name].to_numpy().astype(np.float32)
        with open(f"{args.out}/{split}.pkl", "wb") as file:
            pickle.dump(result, file, protocol=pickle.HIGHEST_PROTOCOL)


def check(args):
    """The same values in the same places, up to the order of equal counts in a vocabulary."""
    folder = f"{args.dataset}/train-00000"
    with open(f"{args.pickles}/train.pkl", "rb") as file:
        pickles = pickle.load(file)
    for name in [*CREDITS, *SCORES, *IDS, *SEQUENCES]:
        is_id = name in IDS or name in SEQUENCES
        ours = np.fromfile(f"{folder}/{name}.bin", "<i4" if is_id else "<f4", offset=64)
        for theirs in (np.load(f"{args.arrays}/train.{name}.npy"), pickles[name]):
            theirs = theirs.reshape(-1)[: len(ours)]
            if is_id:
                pairs = pd.DataFrame({"ours": ours, "theirs": theirs}).drop_duplicates()
                assert pairs.ours.is_unique and pairs.theirs.is_unique, f"{name} is numbered otherwise"
            else:
                assert np.array_equal(ours, theirs), f"{name} differs"
    print("data: all stored the same")


def summary(args):
    samples, processor = {}, {}
    for line in open(args.samples):
        name, *values = line.split()
        samples.setdefault(name, []).append(float(values[0]))
        processor.setdefault(name, []).append(float(values[-1]))
    middle = lambda name: statistics.median(samples[name])
    size = sum(os.path.getsize(f"{args.mac}/{split}.parquet") for split in ("train", "test")) / 1e6
    ours = middle("prepare_ours")
    result = {"prepare": {"rows": args.rows, "ids": args.ids, "mb": size, "cat_mb_per_s": size / middle("cat")}, "loader": {"ours": middle("loader")}}
    print(f"prepare, {args.rows} rows with ids as {args.ids}, {size:.0f} MB of Parquet, medians of {len(samples['cat'])}, seconds by the clock and of processor time:")
    for key, label in (("ours", "ours"), ("pandas", "pandas, vectorised"), ("pymal", "pandas, PyMAL's way")):
        name = f"prepare_{key}"
        if name not in samples:
            continue
        seconds, cpu = middle(name), statistics.median(processor[name])
        result["prepare"][key] = {"seconds": seconds, "cpu_seconds": cpu, "mb_per_s": size / seconds, "ratio": seconds / ours}
        print(f"  {label:20} {seconds:8.2f} s  {cpu:8.2f} s  {args.rows / seconds:10.0f} rows/s  {size / seconds:8.1f} MB/s  {seconds / ours:6.1f} x ours"
              f" ({cpu / statistics.median(processor['prepare_ours']):.1f} x in processor time)")
    print(f"  {'cat':20} {middle('cat'):8.2f} s  {'':10}  {'':17} {size / middle('cat'):8.1f} MB/s")
    print(f"loader    {middle('loader'):12.0f} rows/s")
    if "attribute" in samples:
        clicks, seconds, cpu = samples["clicks"][0], middle("attribute"), statistics.median(processor["attribute"])
        result["attribute"] = {"ours": clicks / seconds, "clicks": clicks, "seconds": seconds, "cpu_seconds": cpu}
        print(f"attribute {clicks / seconds:12.0f} clicks/s ({clicks:.0f} in {seconds:.1f} s, {cpu:.1f} s of processor time)")
    if "channels_ours" in samples:
        ours, peer = middle("channels_ours"), middle("channels_peer")
        mine, theirs = statistics.median(processor["channels_ours"]), statistics.median(processor["channels_peer"])
        result["channels"] = {"ours": ours, "peer": peer, "ratio": peer / ours, "cpu_ratio": theirs / mine}
        print(f"channel totals of that log: ours {ours:.2f} s ({mine:.2f} s of processor time), polars + ChannelAttribution {peer:.2f} s "
              f"({theirs:.2f} s): {peer / ours:.1f} x ours ({theirs / mine:.1f} x in processor time)")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"data": result}, file, indent=2)


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
for function, options in ((make, ["rows", "ids", "out"]), (prepare, ["train", "test", "out"]), (pymal, ["train", "test", "out"]),
                          (check, ["dataset", "arrays", "pickles"]), (summary, ["samples", "rows", "ids", "mac", "json"])):
    command = commands.add_parser(function.__name__)
    command.set_defaults(run=function)
    for option in options:
        command.add_argument(f"--{option}", type=int if option == "rows" else str)
arguments = parser.parse_args()
arguments.run(arguments)
