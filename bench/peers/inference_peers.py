"""The network of a model file (network.py) in PyTorch and ONNX Runtime, on one thread.

    inference_peers.py run natal.mal --engine onnxruntime|torch|torch_jit --batch 1,8 --seconds 1 --samples FILE
    inference_peers.py check natal.mal --library libmal_infer_c.so [--engines torch,torch_jit,onnxruntime]
                                                                      their probabilities against ours
    inference_peers.py summary FILE [--json FILE]                     percentiles of the samples of all engines

The peers get table rows, ours gets raw values; what they do not do (vocabularies, checks) is not counted against them.
A request is n ads of one user: for the peers the user's inputs are repeated n times before the clock starts.
"""

import argparse
import ctypes
import json
import os
import sys
import time

os.environ.pop("OPENBLAS_CORETYPE", None)  # a foreign choice of kernels would slow numpy
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np

from network import make_network, read_model


def request(schema, ads, random):
    """Inputs in the order of the columns; the user's and the context's are the same for all ads."""
    inputs = []
    rows = {table["name"]: table["rows"] for table in schema["tables"]}
    for column in schema["columns"]:
        count = 1 if column["side"] != "ad" else ads
        if column["kind"] == "id":
            x = random.integers(1, rows[column["table"]], count)
        elif column["kind"] == "sequence":
            x = random.integers(1, rows[column["table"]], (count, column["length"]))
        else:
            x = random.uniform(-1, 1, (count, column["length"])).astype(np.float32)
        inputs.append(np.ascontiguousarray(np.repeat(x, ads // count, axis=0)))
    return inputs


def make_engine(name, schema, network):
    import torch

    torch.set_num_threads(1)
    example = [torch.from_numpy(x) for x in request(schema, 3, np.random.default_rng(0))]
    if name == "onnxruntime":
        import onnxruntime

        path = f"/tmp/natal-{os.getpid()}.onnx"
        names = [f"x{i}" for i in range(len(example))]
        torch.onnx.export(network, tuple(example), path, input_names=names, output_names=["p"], opset_version=17,
                          dynamic_axes={n: {0: "ads"} for n in names + ["p"]}, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        os.remove(path)
        return lambda inputs: session.run(["p"], dict(zip(names, inputs)))[0]
    if name == "torch_jit":
        with torch.inference_mode():
            network = torch.jit.optimize_for_inference(torch.jit.trace(network, example))

    def run(inputs):
        with torch.inference_mode():
            return network(*[torch.from_numpy(x) for x in inputs]).numpy()

    return run


def measure(options):
    schema, model, tensors = read_model(options.model)
    run = make_engine(options.engine, schema, make_network(schema, model, tensors))
    with open(options.samples, "a") as out:
        for ads in map(int, options.batch.split(",")):
            random = np.random.default_rng(ads)
            requests = [request(schema, ads, random) for _ in range(16)]
            for inputs in requests:  # warm-up, with every allocation and every compilation
                run(inputs)
            stop, i = time.perf_counter() + options.seconds, 0
            while time.perf_counter() < stop or i < 20:
                begin = time.perf_counter()
                run(requests[i % len(requests)])
                out.write(f"{options.engine} {ads} {(time.perf_counter() - begin) * 1e6:.2f}\n")
                i += 1


def check(options):
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path.insert(0, os.path.join(here, "../../docs/examples/serving"))
    import caller

    schema, model, tensors = read_model(options.model)
    network = make_network(schema, model, tensors)
    ours = caller.Model(options.library, options.model)
    inputs = request(schema, 40, np.random.default_rng(5))
    theirs = {name: make_engine(name, schema, network)(inputs) for name in options.engines.split(",")}
    user, ads = {}, [{} for _ in range(40)]
    for column, x in zip(schema["columns"], inputs):
        texts = x if column["kind"] == "scores" else 1_000_000 + 37 * x
        texts = [row.tolist() for row in texts]
        if column["side"] != "ad":
            user[column["name"]] = texts[0]
        else:
            for ad, text in zip(ads, texts):
                ad[column["name"]] = text
    mine = np.array(ours.predict(user, ads))
    for name, p in theirs.items():
        difference = float(np.abs(p - mine).max())
        print(f"check: {name} and ours differ by at most {difference:.2g} in a probability")
        if not difference < 1e-5 or np.ptp(mine) < 1e-3:
            sys.exit("check: that is not the same network")


def summary(options):
    samples = {}
    for line in open(options.samples):
        engine, ads, value = line.split()
        samples.setdefault((int(ads), engine), []).append(float(value))
    table, result = {}, {}
    for (ads, engine), values in samples.items():
        p10, p50, p99 = np.percentile(values, [10, 50, 99])
        table.setdefault(ads, {})[engine] = (p10, p50, p99, ads * len(values) / sum(values) * 1e6, len(values))
    # p10 is what a request takes that nothing interrupts: the figure to compare where the machine is not quiet.
    print(f"{'ads':>5} {'engine':<12} {'p10 us':>10} {'p50 us':>10} {'p99 us':>10} {'rows/s':>10} {'at p10':>10} {'requests':>9}")
    for ads in sorted(table):
        entry = result.setdefault(str(ads), {})
        for engine, (p10, p50, p99, rows, count) in table[ads].items():
            print(f"{ads:>5} {engine:<12} {p10:>10.1f} {p50:>10.1f} {p99:>10.1f} {rows:>10.0f} {ads / p10 * 1e6:>10.0f} "
                  f"{count:>9}")
            entry.update({f"{engine}_p10_us": p10, f"{engine}_p50_us": p50, f"{engine}_p99_us": p99, f"{engine}_rows_per_s": rows})
        for ours, key in (("ours", "ratio"), ("ours_bf16", "ratio_bf16")):
            if ours in table[ads] and "onnxruntime" in table[ads]:
                ratios = [table[ads]["onnxruntime"][i] / table[ads][ours][i] for i in (0, 1)]
                entry[key] = ratios[1]
                print(f"      ONNX Runtime / {ours}: {ratios[0]:.1f} at p10, {ratios[1]:.1f} at p50")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"inference": {"mal": result}}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("run")
    command.add_argument("model")
    command.add_argument("--engine", required=True, choices=["onnxruntime", "torch", "torch_jit"])
    command.add_argument("--batch", default="1,8,64,200")
    command.add_argument("--seconds", type=float, default=1)
    command.add_argument("--samples", required=True)
    command.set_defaults(call=measure)
    command = commands.add_parser("check")
    command.add_argument("model")
    command.add_argument("--library", required=True)
    command.add_argument("--engines", default="torch,torch_jit,onnxruntime")
    command.set_defaults(call=check)
    command = commands.add_parser("summary")
    command.add_argument("samples")
    command.add_argument("--json")
    command.set_defaults(call=summary)
    arguments = parser.parse_args()
    arguments.call(arguments)
