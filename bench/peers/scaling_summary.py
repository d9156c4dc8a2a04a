"""Samples/s of runs with more rows, more ids, more threads (scaling.sh).

    scaling_summary.py add RUN --model mal --rows 100000 --ids 20000 --threads 1 --samples FILE
    scaling_summary.py summary --samples FILE [--json FILE]
"""

import argparse
import json
import os
import statistics


def add(options):
    """Without the first line, in which memory is touched for the first time, and the last, which may be of fewer steps."""
    lines = [json.loads(line) for line in open(os.path.join(options.run, "metrics.jsonl"))]
    tables = next(line["parameters"] for line in lines if line["event"] == "start")
    speeds = [line["samples_per_second"] for line in lines if line["event"] == "train"]
    with open(options.samples, "a") as file:
        file.writelines(f"{options.model} {options.rows} {options.ids} {options.threads} {tables} {speed:.1f}\n"
                        for speed in speeds[1:-1] or speeds)


def summary(options):
    samples, parameters = {}, {}
    for line in open(options.samples):
        model, *numbers, speed = line.split()
        rows, ids, threads, size = map(int, numbers)
        samples.setdefault((model, threads, rows, ids), []).append(float(speed))
        parameters[model, rows, ids] = size
    print(f"{'model':<6} {'threads':>7} {'rows':>9} {'ids':>8} {'parameters':>11} {'samples/s':>10} {'p10':>10} {'p90':>10}  against")
    medians = {key: statistics.median(speeds) for key, speeds in samples.items()}
    result = {}
    for key, speeds in samples.items():
        model, threads, rows, ids = key
        deciles = statistics.quantiles(speeds, n=10) if len(speeds) > 1 else [speeds[0]] * 9
        notes, fewest = {}, min(k[1] for k in samples)
        for name, other in (("rows", (model, threads, rows // 10, ids)), ("ids", (model, threads, rows, ids // 10)),
                            ("threads", (model, fewest, rows, ids))):
            if other in medians and other != key:
                notes[name] = medians[key] / medians[other]
        words = ", ".join(f"{ratio:.2f} x that of {fewest} thread{'s' * (fewest > 1)}" if name == "threads" else f"{ratio:.2f} x that of a tenth of the {name}"
                          for name, ratio in notes.items())
        print(f"{model:<6} {threads:>7} {rows:>9} {ids:>8} {parameters[model, rows, ids]:>11} {medians[key]:>10.0f} "
              f"{deciles[0]:>10.0f} {deciles[-1]:>10.0f}  {words}")
        result.setdefault(model, []).append({"threads": threads, "rows": rows, "ids": ids, "samples_per_second": medians[key],
                                             "parameters": parameters[model, rows, ids], "against": notes})
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"scaling": result}, file, indent=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("add")
    command.add_argument("run")
    for option in ("model", "rows", "ids", "threads", "samples"):
        command.add_argument(f"--{option}", required=True)
    command.set_defaults(call=add)
    command = commands.add_parser("summary")
    command.add_argument("--samples", required=True)
    command.add_argument("--json")
    command.set_defaults(call=summary)
    arguments = parser.parse_args()
    arguments.call(arguments)
