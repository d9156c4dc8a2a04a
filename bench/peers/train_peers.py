"""PyTorch training of the network of a model file (natal size, mal or base), beside mal_gpu_train.

    train_peers.py run natal.mal --engine eager|compile --optimizer sparse|dense --device cpu|cuda --batch 4096
    train_peers.py ours RUN --type mal --batch 4096 --samples FILE [--from-epoch 2]
    train_peers.py summary FILE [--json FILE]

The peer's batches are tensors on its device before the clock starts: reading and encoding data are not counted against
it. A step is forward, all losses, backward and Adam over layers and embedding tables: `sparse` is torch.optim.SparseAdam
for the tables (rows of the batch, as our lazy_adam), `dense` torch.optim.Adam for everything, as PyMAL has it.
"""

import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

from inference_peers import make_network, read_model

LAMBDA = 0.3


def random_columns(schema, rows, random):
    """name -> array; ids from 1, popular ones more often."""
    sizes = {table["name"]: table["rows"] for table in schema["tables"]}
    columns = {}
    for column in schema["columns"]:
        shape = (rows, column["length"]) if column["kind"] in ("sequence", "scores") else (rows,)
        if column["kind"] == "scores":
            columns[column["name"]] = random.uniform(-1, 1, shape).astype(np.float32)
        else:
            columns[column["name"]] = 1 + (random.random(shape) ** 2 * (sizes[column["table"]] - 1)).astype(np.int64)
    last = (random.random(rows) < 0.04).astype(np.float32)
    credits = {view: np.maximum(last * random.uniform(0.2, 1, rows), random.random(rows) < 0.01) for view in schema["views"]}
    credits[schema["views"][0]] = last
    return columns, {view: credit.astype(np.float32) for view, credit in credits.items()}


def losses_of(F, heads, credits, views):
    """Σ λ L: the weighted BCE of each view (MAL Eq. 1), the softmax of CAT."""
    def view_loss(logit, credit):
        label = (credit > 0).float()
        weight = label * credit + 1 - label
        return (weight * F.binary_cross_entropy_with_logits(logit[:, 0], label, reduction="none")).mean()

    total = view_loss(heads[0], credits[views[0]])
    for logit, view in zip(heads[1:], views):
        total = total + LAMBDA * view_loss(logit, credits[view])
    if len(heads) > 1 + len(views):
        classes = sum((credits[view] > 0).long() << k for k, view in enumerate(views))
        total = total + LAMBDA * F.cross_entropy(heads[-1], classes)
    return total


def measure(options):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(options.threads or os.cpu_count())
    torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
    schema, model, tensors = read_model(options.model)
    sparse = options.optimizer == "sparse"
    network = make_network(schema, model, tensors, train=True).to(options.device)
    if not sparse:
        network.embed = lambda rows, table: F.embedding(rows, network.tensor("embedding/" + table))
    tables = [network.tensor(key) for key in network.names if key.startswith("embedding/")]
    layers = [network.tensor(key) for key in network.names if not key.startswith("embedding/")]
    on_gpu = options.device.startswith("cuda")
    optimizers = [torch.optim.Adam(layers if sparse else layers + tables, lr=1e-3, fused=on_gpu)]
    if sparse:
        optimizers.append(torch.optim.SparseAdam(tables, lr=1e-3))

    batches = []
    for b in range(8):
        columns, credits = random_columns(schema, options.batch, np.random.default_rng(100 + b))
        batches.append(([torch.from_numpy(columns[c["name"]]).to(options.device) for c in schema["columns"]],
                        {v: torch.from_numpy(c).to(options.device) for v, c in credits.items()}))

    def loss_of(looked_up, credits):
        return losses_of(F, network.heads(*looked_up), credits, schema["views"])

    evaluate = torch.compile(loss_of) if options.engine == "compile" else loss_of

    def step(inputs, credits):
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = evaluate(network.look_up(*inputs), credits)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        return loss

    def synchronise():
        if on_gpu:
            torch.cuda.synchronize()

    for i in range(5):
        first = step(*batches[i % len(batches)])
    synchronise()
    speeds, stop = [], time.perf_counter() + options.seconds
    while time.perf_counter() < stop or len(speeds) < 3:
        begin, steps = time.perf_counter(), 20 if on_gpu else 2
        for i in range(steps):
            step(*batches[i % len(batches)])
        synchronise()
        speeds.append(options.batch * steps / (time.perf_counter() - begin))
    if not torch.isfinite(first):
        sys.exit("train: the peer's loss is not finite")
    name = f"torch_{options.engine}_{options.optimizer}"
    with open(options.samples, "a") as file:
        file.writelines(f"{model['type']} {options.batch} {name} {speed:.1f}\n" for speed in speeds)


def ours(options):
    """The speeds of a run's log from an epoch on, without its first line, in which memory is touched for the first time
    or an epoch before has a share, and without its last, which may be of fewer steps."""
    lines = [json.loads(line) for line in open(os.path.join(options.run, "metrics.jsonl"))]
    speeds = [line["samples_per_second"] for line in lines
              if line["event"] == "train" and line["epoch"] >= options.from_epoch]
    if not speeds:
        sys.exit(f"train: {options.run} has no line of epoch {options.from_epoch} or later")
    with open(options.samples, "a") as file:
        file.writelines(f"{options.type} {options.batch} ours {speed:.1f}\n" for speed in speeds[1:-1] or speeds)


def summary(options):
    samples = {}
    for line in open(options.samples):
        model, batch, engine, speed = line.split()
        samples.setdefault((model, batch), {}).setdefault(engine, []).append(float(speed))
    result = {}
    print(f"{'model':<6} {'batch':>6} {'engine':<22} {'samples/s':>11} {'p10':>11} {'p90':>11} {'ours / it':>10}")
    for (model, batch), engines in samples.items():
        mine = statistics.median(engines["ours"])
        entry = result.setdefault(model, {}).setdefault(batch, {"ours": mine})
        for engine, speeds in engines.items():
            low, high = np.percentile(speeds, [10, 90])
            median = statistics.median(speeds)
            ratio = "" if engine == "ours" else f"{mine / median:.2f}"
            print(f"{model:<6} {batch:>6} {engine:<22} {median:>11.0f} {low:>11.0f} {high:>11.0f} {ratio:>10}")
            entry[engine] = median
        theirs = {name: entry[name] for name in entry if name.startswith("torch")}
        if theirs:
            entry["theirs"] = max(theirs.values())
            entry["ratio"] = mine / entry["theirs"]
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"train": result}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("model")
    command.add_argument("--engine", choices=["eager", "compile"], default="eager")
    command.add_argument("--optimizer", choices=["sparse", "dense"], default="sparse")
    command.add_argument("--precision", choices=["fp32", "tf32"], default="fp32")
    command.add_argument("--device", default="cpu")
    command.add_argument("--threads", type=int, default=0)
    command.add_argument("--batch", type=int, default=4096)
    command.add_argument("--seconds", type=float, default=5)
    command.add_argument("--samples", required=True)
    command.set_defaults(call=measure)
    command = commands.add_parser("ours")
    command.add_argument("run")
    command.add_argument("--type", required=True)
    command.add_argument("--batch", required=True)
    command.add_argument("--samples", required=True)
    command.add_argument("--from-epoch", type=int, default=0)
    command.set_defaults(call=ours)
    command = commands.add_parser("summary")
    command.add_argument("samples")
    command.add_argument("--json")
    command.set_defaults(call=summary)
    arguments = parser.parse_args()
    arguments.call(arguments)
