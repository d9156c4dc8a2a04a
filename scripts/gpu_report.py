#!/usr/bin/env python3
"""What scripts/gpu_check.sh makes of its logs. Needs nothing but Python.

    gpu_report.py losses CPU_RUN GPU_RUN    compares metrics.jsonl step by step; fails where they part
    gpu_report.py report FOLDER             writes report.md and report.json
"""

import datetime
import json
import pathlib
import subprocess
import sys

# fp32 on both sides: rounding alone, which training multiplies step by step.
FIRST_STEPS, FIRST_TOLERANCE, LATER_TOLERANCE = 20, 1e-4, 2e-2


def train_lines(run):
    lines = [json.loads(line) for line in (pathlib.Path(run) / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: line for line in lines if "loss" in line and "samples_per_second" in line}


def compare_losses(cpu, gpu):
    a, b = train_lines(cpu), train_lines(gpu)
    if not a or a.keys() != b.keys():
        sys.exit(f"losses: {len(a)} steps on the CPU, {len(b)} on the GPU")
    worst = 0.0
    for step in sorted(a):
        off = abs(b[step]["loss"] - a[step]["loss"]) / abs(a[step]["loss"])
        worst = max(worst, off)
        allowed = FIRST_TOLERANCE if step <= FIRST_STEPS else LATER_TOLERANCE
        if not off <= allowed:
            sys.exit(f"losses: step {step}: {a[step]['loss']} on the CPU, {b[step]['loss']} on the GPU")
    print(json.dumps({"steps": len(a), "largest_relative_difference": worst}))


def last_json(path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")] if path.exists() else []
    return json.loads(lines[-1]) if lines else None


def speed(run):
    lines = list(train_lines(run).values()) if (run / "metrics.jsonl").exists() else []
    rates = sorted(line["samples_per_second"] for line in lines[1:])  # the first one loads and records
    return rates[len(rates) // 2] if rates else None


def report(folder):
    out = pathlib.Path(folder)
    smi = subprocess.run(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
                         capture_output=True, text=True, check=False).stdout.strip()
    result = {"date": datetime.date.today().isoformat(), "gpu": smi, "steps": {}, "benchmarks": [], "training": {},
              "beside_torch": [], "losses": last_json(out / "losses.log")}
    for line in (out / "steps.txt").read_text().splitlines():
        name, state, seconds = line.split()
        result["steps"][name] = {"state": state, "seconds": int(seconds)}
    for path in sorted(out.glob("*_bench.json")):
        try:
            found = json.loads(path.read_text()).get("benchmarks", [])
        except json.JSONDecodeError:  # the program ended early; its step says so
            continue
        for b in found:
            result["benchmarks"].append({"name": b["name"], "bytes_per_second": b.get("B/s"),
                                         "flops_per_second": b.get("flop/s"), "of_ceiling": b.get("of_ceiling")})
    for run in sorted(out.glob("runs/*")):
        result["training"][run.name] = speed(run)
    for path in sorted(out.glob("beside_torch_*.json")):
        precision = path.stem.rsplit("_", 1)[1]
        for model, batches in json.loads(path.read_text())["train"].items():
            for batch, speeds in batches.items():
                result["beside_torch"] += [{"model": model, "what": what, "precision": precision, "batch": int(batch),
                                            "samples_per_second": speed} for what, speed in speeds.items()
                                           if what == "ours" or what.startswith("torch")]
    (out / "report.json").write_text(json.dumps(result, indent=1) + "\n")

    shown = lambda x, unit: "n/a" if x is None else f"{x / unit:.2f}"
    text = [f"# {result['date']}, {smi}", "", "| step | | s |", "|---|---|---|"]
    text += [f"| {name} | {s['state']} | {s['seconds']} |" for name, s in result["steps"].items()]
    text += ["", "| training step of mal | samples/s |", "|---|---|"]
    text += [f"| MAL, {name} | {shown(rate, 1)} |" for name, rate in result["training"].items()]
    text += [f"| {r['model']} of natal size, {r['what']}, {r['precision']}, batch {r['batch']} | "
             f"{shown(r['samples_per_second'], 1)} |" for r in result["beside_torch"]]
    text += ["", "| kernel | GB/s | TFLOP/s | of the ceiling |", "|---|---|---|---|"]
    text += [f"| {b['name']} | {shown(b['bytes_per_second'], 1e9)} | {shown(b['flops_per_second'], 1e12)} | "
             f"{shown(b['of_ceiling'], 1)} |" for b in result["benchmarks"]]
    (out / "report.md").write_text("\n".join(text) + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "losses":
        compare_losses(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 3 and sys.argv[1] == "report":
        report(sys.argv[2])
    else:
        sys.exit(__doc__)
