"""PyTorch training of the network of a finished run (network.py), beside mal_gpu_train.

    train_peers.py check RUN.mal --run RUN --dataset FOLDER --dry-run FILE --facts FILE
    train_peers.py run RUN.mal --engine eager|compile|eager_bf16|compile_bf16 --optimizer sparse|dense --device cpu|cuda
    train_peers.py ours RUN --type mal --batch 4096 --threads 2 --name ours --samples FILE [--from-epoch 2]
    train_peers.py summary FILE --facts FILE [--ceilings FILE...] [--json FILE]

The peer's batches are tensors on its device before the clock starts: reading and encoding data are not counted against
it. A step is forward, all losses, backward and Adam over layers and embedding tables: `sparse` is torch.optim.SparseAdam
for the tables (rows of the batch, as our lazy_adam), `dense` torch.optim.Adam for everything, as PyMAL has it. `bf16` is
torch.autocast. `check` wants the same number of parameters, the run's test LogLoss, and a gradient of every parameter.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time

import numpy as np

PEAK = {"fp32": ("fp32",), "bf16": ("bf16_dot", "bf16_tiles")}


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


def stored_columns(schema, dataset, split):
    """The same of a folder of mal_data prepare, and the credits (docs/data.md has the format)."""
    shards = sorted(name for name in os.listdir(dataset) if name.startswith(split + "-"))

    def read(name, kind, width=1):
        parts = [np.fromfile(f"{dataset}/{shard}/{name}.bin", kind, offset=64) for shard in shards]
        values = np.concatenate(parts)
        return values.reshape(-1, width) if width > 1 else values

    columns = {}
    for column in schema["columns"]:
        if column["kind"] == "scores":
            columns[column["name"]] = read(column["name"], "<f4", column["length"])
        else:
            columns[column["name"]] = read(column["name"], "<i4", column.get("length") or 1).astype(np.int64)
    return columns, {view: read(view, "<f4") for view in schema["views"]}


def tensors_of(schema, columns, credits, device="cpu"):
    import torch

    return ([torch.from_numpy(columns[c["name"]]).to(device) for c in schema["columns"]],
            {v: torch.from_numpy(c).to(device) for v, c in credits.items()})


class Training:
    """One step after the other, as the engine and the optimiser have it."""

    def __init__(self, schema, model, tensors, engine, optimizer, device="cpu"):
        import torch
        from network import loss_of, make_network

        self.torch, self.device = torch, device.split(":")[0]
        self.bf16, sparse = engine.endswith("_bf16"), optimizer == "sparse"
        self.network = network = make_network(schema, model, tensors, train=True).to(device)
        network.sparse = sparse
        tables = [network.tensor(key) for key in network.names if key.startswith("embedding/")]
        layers = [p for p in network.parameters() if all(p is not table for table in tables)]
        self.optimizers = [torch.optim.Adam(layers if sparse else layers + tables, lr=1e-3, fused=True)]
        if sparse:
            self.optimizers.append(torch.optim.SparseAdam(tables, lr=1e-3))
        evaluate = lambda looked_up, credits: loss_of(network.heads(*looked_up), credits, schema["views"])
        self.evaluate = torch.compile(evaluate) if engine.startswith("compile") else evaluate

    def loss(self, inputs, credits):
        with self.torch.autocast(self.device, self.torch.bfloat16, enabled=self.bf16):
            return self.evaluate(self.network.look_up(*inputs), credits)

    def step(self, inputs, credits):
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        loss = self.loss(inputs, credits)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss


def measure(options):
    import torch
    from network import read_model

    torch.set_num_threads(options.threads or os.cpu_count())
    torch.set_flush_denormal(True)
    torch.backends.cuda.matmul.allow_tf32 = options.precision == "tf32"
    on_gpu = options.device.startswith("cuda")
    schema, model, tensors = read_model(options.model)
    training = Training(schema, model, tensors, options.engine, options.optimizer, options.device)
    batches = [tensors_of(schema, *random_columns(schema, options.batch, np.random.default_rng(100 + b)), options.device)
               for b in range(8)]

    def synchronise():
        if on_gpu:
            torch.cuda.synchronize()

    for i in range(5):
        first = training.step(*batches[i % len(batches)])
    synchronise()
    speeds, stop = [], time.perf_counter() + options.seconds
    while time.perf_counter() < stop or len(speeds) < 3:
        begin, steps = time.perf_counter(), 20 if on_gpu else 2
        for i in range(steps):
            training.step(*batches[i % len(batches)])
        synchronise()
        speeds.append(options.batch * steps / (time.perf_counter() - begin))
    if not torch.isfinite(first):
        sys.exit("train: the peer's loss is not finite")
    with open(options.samples, "a") as file:
        file.writelines(f"{model['type']} {options.batch} torch_{options.engine}_{options.optimizer} "
                        f"{torch.get_num_threads()} {speed:.1f}\n" for speed in speeds)


def logloss_of(logits, credit):
    """Σ w BCE / Σ w with w = the credit of a positive row, 1 of a negative one (docs/metrics.md)."""
    import torch

    label = (credit > 0).float()
    weight = torch.where(credit > 0, credit, torch.ones_like(credit))
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, label, reduction="none")
    return ((weight * losses).double().sum() / weight.double().sum()).item()


def events(run, kind):
    lines = [json.loads(line) for line in open(os.path.join(run, "metrics.jsonl"))]
    return [line for line in lines if line["event"] == kind]


def check(options):
    import torch
    from network import STATISTICS, make_network, read_model

    schema, model, tensors = read_model(options.model)
    text = open(options.dry_run).read()
    counts = tuple(map(int, re.search(r"^parameters: (\d+) in layers, (\d+) in tables", text, re.M).groups()))
    flops = float(re.search(r"about ([\d.]+) M trained", text).group(1)) * 1e6
    training = Training(schema, model, tensors, "eager", "sparse")
    network = training.network
    sizes = {key: network.tensor(key).numel() for key in network.names if not key.endswith(STATISTICS)}
    mine = tuple(sum(n for key, n in sizes.items() if key.startswith("embedding/") == tables) for tables in (False, True))
    if mine != counts:
        sys.exit(f"check: {model['type']}: the peer has {mine} parameters in layers and tables, ours {counts}")
    columns, credits = stored_columns(schema, options.dataset, "test")
    inputs, credits = tensors_of(schema, columns, credits)
    with torch.no_grad():
        logits = make_network(schema, model, tensors).heads(*network.look_up(*inputs))[0][1][:, 0]
    logloss = logloss_of(logits, credits[model["primary"]])
    expected = events(options.run, "test")[-1]["logloss"]
    if not abs(logloss - expected) < 1e-5 * expected:
        sys.exit(f"check: {model['type']}: the peer's test LogLoss is {logloss}, ours {expected}")
    training.loss(inputs, credits).backward()
    idle = [key for key in sizes if network.tensor(key).grad is None]
    if idle:
        sys.exit(f"check: {model['type']}: no gradient reaches {', '.join(idle)}")
    facts = json.load(open(options.facts)) if os.path.exists(options.facts) else {}
    facts[model["type"]] = {"flops": flops, "parameters_in_layers": counts[0], "parameters_in_tables": counts[1]}
    with open(options.facts, "w") as file:
        json.dump(facts, file)
    print(f"train: {model['type']}: {sum(counts)} parameters and test LogLoss {logloss:.6f} in both, "
          f"{flops / 1e6:.3f} MFLOP a trained sample")


def ours(options):
    """The speeds of a run's log from an epoch on, without its first line, in which memory is touched for the first time
    or an epoch before has a share, and without its last, which may be of fewer steps."""
    speeds = [line["samples_per_second"] for line in events(options.run, "train") if line["epoch"] >= options.from_epoch]
    if not speeds:
        sys.exit(f"train: {options.run} has no line of epoch {options.from_epoch} or later")
    with open(options.samples, "a") as file:
        file.writelines(f"{options.type} {options.batch} {options.name} {options.threads} {speed:.1f}\n"
                        for speed in speeds[1:-1] or speeds)


def peak_of(ceilings, threads, precision):
    """The best of what the probes of this run found, in flops a second; None where none did with so many threads."""
    rates = [probe[key]["rate"] for probe in ceilings if probe["threads"] == threads for key in PEAK[precision]]
    return max(rates, default=0) or None


def read_ceilings(path):
    """Objects of cpu_probe --json, one after the other."""
    text, found, at = open(path).read() if path else "", [], 0
    while text[at:].strip():
        at += len(text[at:]) - len(text[at:].lstrip())
        probe, at = json.JSONDecoder().raw_decode(text, at)
        found.append(probe)
    return found


def summary(options):
    samples = {}
    for line in open(options.samples):
        model, batch, engine, threads, speed = line.split()
        samples.setdefault((model, batch), {}).setdefault((engine, int(threads)), []).append(float(speed))
    facts, ceilings, result = json.load(open(options.facts)), read_ceilings(options.ceilings), {}
    for threads in sorted({probe["threads"] for probe in ceilings}):
        peaks = {precision: peak_of(ceilings, threads, precision) for precision in PEAK}
        print(f"ceilings with {threads} threads: " + ", ".join(
            f"{precision} {peak * 1e-9:.0f} GFLOP/s" for precision, peak in peaks.items() if peak)
            + f" ({next(p for p in ceilings if p['threads'] == threads)['fp32']['what']})")
    print(f"{'model':<6} {'batch':>6} {'engine':<26} {'threads':>7} {'samples/s':>10} {'p10':>10} {'p90':>10} {'GFLOP/s':>8} "
          f"{'of fp32':>8} {'of bf16':>8} {'ours / it':>10} {'bf16 / it':>10}")
    for (model, batch), engines in samples.items():
        medians = {key: statistics.median(speeds) for key, speeds in engines.items()}
        most = max(threads for _, threads in medians)
        entry = result.setdefault(model, {}).setdefault(batch, {})
        for (engine, threads), speeds in engines.items():
            low, high = np.percentile(speeds, [10, 90])
            median, flops = medians[engine, threads], facts[model]["flops"] * medians[engine, threads]
            peaks = {p: peak_of(ceilings, threads, p) for p in PEAK}
            shares = [f"{flops / peaks[p]:.3f}" if peaks[p] and (p == "fp32" or "bf16" in engine) else "" for p in PEAK]
            ratios = [f"{medians[name, threads] / median:.2f}" if (name, threads) in medians and engine != name else ""
                      for name in ("ours", "ours_bf16")]
            print(f"{model:<6} {batch:>6} {engine:<26} {threads:>7} {median:>10.0f} {low:>10.0f} {high:>10.0f} "
                  f"{flops * 1e-9:>8.1f} {shares[0]:>8} {shares[1]:>8} {ratios[0]:>10} {ratios[1]:>10}")
            if threads == most:
                entry[engine] = median
            details = entry.setdefault("details", {}).setdefault(engine, {})
            details[threads] = {"samples_per_second": median, "p10": low, "p90": high, "flops_per_second": flops,
                                **{f"of_{p}_peak": flops / peaks[p] for p in PEAK if peaks[p]}}
        for name in ("ours", "ours_bf16"):
            found = sorted(threads for engine, threads in medians if engine == name)
            for threads in found[1:]:
                speedup = medians[name, threads] / medians[name, found[0]]
                print(f"{model:<6} {batch:>6} {name}: {threads} threads are {speedup:.2f} x {found[0]}")
                entry["details"][name][threads]["speedup"] = speedup
        theirs = {name: entry[name] for name in entry if name.startswith("torch")}
        if theirs:
            entry["theirs"] = max(theirs.values())
            for name, key in (("ours", "ratio"), ("ours_bf16", "ratio_bf16")):
                if name in entry:
                    entry[key] = entry[name] / entry["theirs"]
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"train": result, "ceilings": ceilings}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("check")
    command.add_argument("model")
    for option in ("run", "dataset", "dry-run", "facts"):
        command.add_argument(f"--{option}", required=True)
    command.set_defaults(call=check)
    command = commands.add_parser("run")
    command.add_argument("model")
    command.add_argument("--engine", choices=["eager", "compile", "eager_bf16", "compile_bf16"], default="eager")
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
    command.add_argument("--threads", type=int, required=True)
    command.add_argument("--name", default="ours")
    command.add_argument("--samples", required=True)
    command.add_argument("--from-epoch", type=int, default=0)
    command.set_defaults(call=ours)
    command = commands.add_parser("summary")
    command.add_argument("samples")
    command.add_argument("--facts", required=True)
    command.add_argument("--ceilings")
    command.add_argument("--json")
    command.set_defaults(call=summary)
    arguments = parser.parse_args()
    arguments.call(arguments)
