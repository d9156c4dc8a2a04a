"""Training from what data_peers.py has stored of Parquet files, as research code does it: the peer of mal_data prepare and
mal_gpu_train together.

    train_files_peers.py train MODEL.mal --store arrays|pymal --data DIR --engine eager --optimizer sparse --out weights.pt
                                         one epoch in the order of the files; --stages FILE: seconds of each part
    train_files_peers.py test MODEL.mal --store arrays|pymal --data DIR --weights weights.pt       LogLoss of the test file
    train_files_peers.py summary --samples FILE ...                                                  medians of the rounds

MODEL.mal gives the network's sizes; its weights are drawn anew.
"""

import time

STARTED = time.perf_counter()

import argparse
import json
import os
import pickle
import statistics

import numpy as np
import torch

from network import make_network, read_model
from train_peers import Training, logloss_of


def names_of(schema):
    return [column["name"] for column in schema["columns"]] + schema["views"]


def stored(schema, store, folder, split):
    """name -> array of all rows; those of numpy's files are mapped, not read."""
    if store == "arrays":
        return {name: np.load(f"{folder}/{split}.{name}.npy", mmap_mode="r") for name in names_of(schema)}
    with open(f"{folder}/{split}.pkl", "rb") as file:
        return pickle.load(file)


class Batches(torch.utils.data.Dataset):
    """Item i is the i-th batch, cut out of every column at once."""

    def __init__(self, columns, batch):
        self.columns, self.batch = columns, batch
        self.rows = len(next(iter(columns.values())))

    def __len__(self):
        return (self.rows + self.batch - 1) // self.batch

    def __getitem__(self, i):
        if i >= len(self):
            raise IndexError(i)
        part = slice(i * self.batch, (i + 1) * self.batch)
        return {name: torch.from_numpy(np.array(column[part])) for name, column in self.columns.items()}


class Samples(torch.utils.data.Dataset):
    """Item i is the i-th row, of which torch's default collate makes batches."""

    def __init__(self, columns):
        self.columns = columns

    def __len__(self):
        return len(next(iter(self.columns.values())))

    def __getitem__(self, i):
        return {name: column[i] for name, column in self.columns.items()}


def fresh(tensors):
    """Weights as before training, by the ends of their names."""
    random = np.random.default_rng(1)
    constants = {"gamma": 1.0, "variance": 1.0, "alpha": 0.25, "bias": 0.0, "beta": 0.0, "mean": 0.0, "b1": 0.0, "b2": 0.0,
                 "feature_gate_b": 0.0}
    weights = {}
    for key, array in tensors.items():
        if array.dtype == np.float32:
            end = key.rsplit("/", 1)[-1]
            if end in constants:
                array = np.full(array.shape, constants[end], np.float32)
            elif "/native/" in key:
                array = np.full(array.shape, 1 / array.size, np.float32)
            else:
                std = 0.01 if key.startswith("embedding/") else (2 / sum(array.shape)) ** 0.5
                array = random.normal(0, std, array.shape).astype(np.float32)
        weights[key] = array
    return weights


def train(options):
    torch.set_num_threads(os.cpu_count())
    torch.set_flush_denormal(True)
    schema, model, tensors = read_model(options.model)
    training = Training(schema, model, fresh(tensors), options.engine, options.optimizer)
    columns = stored(schema, options.store, options.data, "train")
    how = {"num_workers": options.workers, "pin_memory": False}
    if options.store == "arrays":
        loader = torch.utils.data.DataLoader(Batches(columns, options.batch), batch_size=None, **how)
    else:
        loader = torch.utils.data.DataLoader(Samples(columns), batch_size=options.batch, **how)
    inputs = [column["name"] for column in schema["columns"]]
    begin, losses = time.perf_counter(), []
    for batch in loader:
        ids = [batch[name] if batch[name].is_floating_point() else batch[name].long() for name in inputs]
        losses.append(training.step(ids, {view: batch[view].float() for view in schema["views"]}).detach())
    assert torch.isfinite(torch.stack(losses)).all(), "a loss is not finite"
    end = time.perf_counter()
    torch.save(training.network.state_dict(), options.out)
    with open(options.stages, "w") as file:
        file.write(f"start {begin - STARTED:.3f}\nepoch {end - begin:.3f}\nsave {time.perf_counter() - end:.3f}\n")


def test(options):
    schema, model, tensors = read_model(options.model)
    network = make_network(schema, model, tensors)
    network.load_state_dict(torch.load(options.weights))
    columns = stored(schema, options.store, options.data, "test")
    logits = []
    with torch.no_grad():
        for batch in Batches(columns, 4096):
            ids = [x if x.is_floating_point() else x.long() for x in (batch[c["name"]] for c in schema["columns"])]
            logits.append(network.heads(*network.look_up(*ids))[0][1][:, 0])
    credit = torch.from_numpy(np.array(columns[model["primary"]]))
    print(f"logloss {logloss_of(torch.cat(logits), credit):.6f}")


def summary(options):
    samples = {}
    for line in open(options.samples):
        way, stage, value = line.split()
        samples.setdefault(way, {}).setdefault(stage, []).append(float(value))
    for stages in samples.values():
        stages["total"] = [sum(pair) for pair in zip(stages["prepare"], stages["train"])]
    middle = {way: {stage: statistics.median(values) for stage, values in stages.items()} for way, stages in samples.items()}
    rounds = len(samples["ours"]["total"])
    print(f"from Parquet ({options.rows} rows with ids as {options.ids}, {os.path.getsize(options.parquet) / 1e6:.0f} MB) to the weights of "
          f"{options.model}, one epoch at batch {options.batch}, seconds by the clock, medians of {rounds}:")
    columns = ("prepare", "train", "start", "epoch", "save", "total")
    print(f"{'way':<24}" + "".join(f"{name:>9}" for name in columns) + f"{'rows/s':>10}{'/ ours':>8}{'LogLoss':>9}")
    result = {}
    for way, stages in middle.items():
        ratio = stages["total"] / middle["ours"]["total"]
        print(f"{way:<24}" + "".join(f"{stages[name]:>9.2f}" if name in stages else " " * 9 for name in columns)
              + f"{options.rows / stages['total']:>10.0f}{ratio:>8.1f}{stages['logloss']:>9.5f}")
        result[way] = {**stages, "ratio": ratio}
    print("train includes start (imports, the network, opening the data), epoch and save; ours also its test")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"train_files": {options.model: {"rows": options.rows, "ids": options.ids, **result}}}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for function in (train, test):
        command = commands.add_parser(function.__name__)
        command.add_argument("model")
        command.add_argument("--store", choices=["arrays", "pymal"], required=True)
        command.add_argument("--data", required=True)
        command.set_defaults(call=function)
        if function is test:
            command.add_argument("--weights", required=True)
            continue
        command.add_argument("--engine", choices=["eager", "compile", "eager_bf16", "compile_bf16"], default="eager")
        command.add_argument("--optimizer", choices=["sparse", "dense"], default="sparse")
        command.add_argument("--batch", type=int, default=4096)
        command.add_argument("--workers", type=int, required=True)
        command.add_argument("--out", required=True)
        command.add_argument("--stages", required=True)
    command = commands.add_parser("summary")
    for option in ("samples", "ids", "model", "parquet"):
        command.add_argument(f"--{option}", required=True)
    for option in ("rows", "batch"):
        command.add_argument(f"--{option}", type=int, required=True)
    command.add_argument("--json")
    command.set_defaults(call=summary)
    arguments = parser.parse_args()
    arguments.call(arguments)
