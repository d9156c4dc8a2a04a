"""The steps of scripts/gpu_check.sh: what each runs, how long it may take, what is wrong with what came out."""

import json
import os
import pathlib
import sys
import typing

import gpu_report

# How to see that a program starts, without a GPU.
STARTS = {"mal_data": ["--help"], "mal_gpu_train": ["--help"], "inference_bench": ["--help"],
          "kernels_tests": ["--list-test-names-only"], "device_tests": ["--list-test-names-only"],
          "kernels_bench": ["--benchmark_list_tests"], "gpu_probe": []}
# Sanitizers watch small shapes of every kernel: a training of each kind of model.
SANITIZED = ["a step that is not finite*", "evaluation on*", "attention of every kind*"]
# name → training rows of the data sets; natal size as in bench/inference/natal_model.h, or simulated journeys.
DATA = {"natal_40": 40 * 1024, "natal_8": 8 * 16384, "natal_2": 2 * 4096, "journeys_40": 40 * 1024}
METRICS = ["gpu__time_duration.sum", "dram__bytes_read.sum", "dram__bytes_write.sum",
           "sm__warps_active.avg.pct_of_peak_sustained_active"]


class Step(typing.NamedTuple):
    name: str
    call: typing.Callable
    expected: int  # seconds on a machine with 16 cores and an H100
    limit: int
    text: str


def start(r, report):
    problem = "" if r.dry else r.unpack()
    if r.options.build:
        problem = "building was asked for"
    elif not problem:
        problem = r.start_all()
    if not problem:
        return ""
    if not r.gpu and not r.options.build:
        return problem  # a rehearsal must not hide it
    report.note(f"built here: {problem}")
    r.limit += r.options.build_seconds
    return r.build() or ("" if r.options.targets else r.start_all())


def probe(r, report):
    done = r.command("probe", [r.program("gpu_probe")], 60)
    if r.dry:
        return ""
    if not r.gpu:
        return "" if done.code == 3 and "no GPU: " in done.text else f"gpu_probe without a GPU: {done.why()}"
    if not done.ok:
        return done.why()
    report.data["probe"] = gpu_report.last_json(done.text)
    return ""


def folder_of(r, name):
    return r.work / "data" / name


def make_data(r, name):
    samples, rows = folder_of(r, name + "_samples"), DATA[name]
    if not r.dry and (folder_of(r, name) / "stats.json").exists():
        return ""  # of an earlier call on this machine
    if name.startswith("natal"):
        done = r.command(f"data/{name}", [r.program("inference_bench"), "data", "--rows", rows, "--out", samples], 60)
        schema = samples / "schema.yaml"
    else:
        clicks = samples / "platform"
        done = r.command(f"data/{name} simulate", [r.program("mal_data"), "simulate", "--out", clicks, "--days", 10,
                                                   "--users", 4000, "--seed", 1], 60)
        if done.ok:
            done = r.command(f"data/{name} attribute", [
                r.program("mal_data"), "attribute", "--in", clicks / "clicks.csv", "--conversions",
                clicks / "conversions.csv", "--mechanisms", "last,first,linear,mta", "--key", "advertiser", "--channel",
                "channel", "--test-days", 1, "--out", samples / "all"], 60)
        schema = "simulated"
        if done.ok and not r.dry:
            cut(samples / "all/train.csv", samples / "train.csv", rows)
            cut(samples / "all/test.csv", samples / "test.csv", 2000)
    if done.ok:
        done = r.command(f"data/{name} prepare", [r.program("mal_data"), "prepare", "--schema", schema, "--train",
                                                  samples / "train.csv", "--test", samples / "test.csv", "--out",
                                                  folder_of(r, name)], 60)
    return "" if done.ok else f"{name}: {done.why()}"


def cut(source, to, rows):
    """The header and the first `rows` rows; fewer are an error: steps would be missing."""
    with open(source) as lines, open(to, "w") as out:
        written = 0
        for line in lines:
            out.write(line)
            written += 1
            if written > rows:
                return
    raise RuntimeError(f"{source} has {written - 1} rows, not {rows}")


def data(r, report):
    return "; ".join(filter(None, r.several(lambda name: make_data(r, name), DATA, 4)))


def train(r, name, model, data_set, device, settings, limit):
    """Returns the lines of its log and what went wrong."""
    output = r.work / "runs" / name
    arguments = [r.program("mal_gpu_train"), f"train/configs/{model}.yaml", "--device", device, "--overwrite"]
    for key, value in {"data.path": folder_of(r, data_set), "output": output, "eval.slices": "[]",
                       "train.checkpoint_minutes": 0, **settings}.items():
        arguments += ["--set", f"{key}={value}"]
    done = r.command(f"train/{name}", arguments, limit)
    if r.dry or not done.ok:
        return [], "" if r.dry else f"{name}: {done.why()}"
    return gpu_report.train_lines((output / "metrics.jsonl").read_text()), ""


# (data set, batch, precision of the GPU, difference that is allowed). fp32 differs by rounding alone, which training
# multiplies step by step; the others round the operands of every product.
LOSSES = [("natal_40", 1024, "fp32"), ("natal_8", 16384, "fp32"), ("journeys_40", 1024, "fp32"),
          ("natal_40", 1024, "tf32"), ("natal_40", 1024, "bf16")]


def losses(r, report):
    """Without a GPU one thread against all takes its place: the same bits."""
    second = {"fp32": {}} if not r.gpu else {p: {"train.precision": p} for p in ("fp32", "tf32", "bf16")}
    log = {"train.log_every": 1}
    problems = []

    def on_cpu(pair):
        data_set, batch = pair
        return train(r, f"cpu_{data_set}", "mal", data_set, "cpu", {**log, "train.batch_size": batch}, 90)

    pairs = list(dict.fromkeys((data_set, batch) for data_set, batch, _ in LOSSES))
    cpu = dict(zip(pairs, r.several(on_cpu, pairs, 3)))
    for data_set, batch, precision in LOSSES:
        if precision not in second:
            continue
        settings = {**log, "train.batch_size": batch, **second[precision], **({} if r.gpu else {"train.threads": 1})}
        name = f"{'cuda' if r.gpu else 'one_thread'}_{data_set}_{precision}"
        lines, problem = train(r, name, "mal", data_set, "cuda" if r.gpu else "cpu", settings, 30 if r.gpu else 90)
        expected, problem_of_cpu = cpu[data_set, batch]
        problem = problem or problem_of_cpu
        if not r.dry and not problem:
            found, problem = gpu_report.compare_losses(expected, lines, precision if r.gpu else "same bits")
            report.data.setdefault("losses", []).append({"data": data_set, "batch": batch, "precision": precision, **found})
            problem = problem and f"{data_set}, batch {batch}, {precision}: {problem}"
        if problem:
            problems.append(problem)
    return "; ".join(problems)


def test_names(r, program, *spec):
    """Catch2's listing ends with the number of tests as its exit code."""
    done = r.command(f"list/{program}", [r.program(program), *spec, "--list-test-names-only"], 20)
    return [line.strip() for line in done.text.splitlines() if line.strip()]


def exact(name):
    """A test's name as Catch2 wants it in a specification."""
    return "".join("\\" + c if c in ",[]\\*\"~" else c for c in name)


def run_tests(r, report, group, program, specs, device, limit, at_once):
    """One process a specification; name → arguments."""
    def one(item):
        name, arguments = item
        done = r.command(f"{group}/{name}", [r.program(program), *arguments], limit, MAL_TEST_DEVICE=device)
        problem = "" if r.dry else gpu_report.catch2_problem(done.text) or ("" if done.ok else done.why())
        if done.stopped:
            problem = done.why()
        report.case(group, name, problem, done.seconds)
        return problem and f"{name}: {problem}"

    problems = list(filter(None, r.several(one, specs.items(), at_once)))
    more = f" (and {len(problems) - 1} others)" if len(problems) > 1 else ""
    return problems[0] + more if problems else ""


def kernels(r, report):
    tags = r.command("list/families", [r.program("kernels_tests"), "-#", "--list-tags"], 20)
    families = gpu_report.families(tags.text) if not r.dry else ["family_test"]
    if not families:
        return "kernels_tests lists no families"
    if not r.gpu:
        families = [f for f in families if f in ("simtier_test", "elementwise_test")]
    specs = {f: ["-#", f"[#{f}]~*number of threads*"] for f in families}
    return run_tests(r, report, "kernels", "kernels_tests", specs, "cuda" if r.gpu else "emulated", 90, 6)


def cases(r, preset):
    names = test_names(r, "device_tests") if not r.dry else ["preset NAME: a test", "a test"]
    return [name for name in names if name.startswith("preset ") == preset]


def device(r, report):
    # The nodes of a recorded step are counted in emulation on any machine: a minute of the processor for nothing here.
    names = [name for name in cases(r, False) if not name.startswith("a recorded step")]
    if not r.gpu:
        names = [name for name in names if name.startswith("evaluation on")]
    if not names:
        return "device_tests lists no case"
    return run_tests(r, report, "device", "device_tests", {n: [exact(n)] for n in names}, "cuda" if r.gpu else "emulated", 60, 5)


def presets(r, report):
    names = cases(r, True)
    if not names:
        return "device_tests lists no case 'preset NAME: …'"
    if not r.gpu:
        names = [name for name in names if name.startswith("preset base:")]
    return run_tests(r, report, "presets", "device_tests", {n: [exact(n)] for n in names}, "cuda" if r.gpu else "emulated",
                     60, 5)


def sanitizer(tool):
    def step(r, report):
        # Launches of other libraries are theirs: ours are known by the namespace in their mangled names. So are calls
        # that fail: cuBLAS asks the driver for functions that it may not have, and goes on; ours throw.
        watch = [r.tool("compute-sanitizer"), "--tool", tool, "--kernel-name", "kns=3mal7kernels", "--report-api-errors",
                 "no", "--error-exitcode", 9]
        if not r.gpu:
            none = [spec for spec in SANITIZED if not r.dry and not test_names(r, "device_tests", spec)]
            return f"no test is called '{none[0]}'" if none else ""

        def one(spec):
            done = r.command(f"{tool}/{spec.strip('*')}", [*watch, r.program("device_tests"), spec], 60, MAL_TEST_DEVICE="cuda")
            problem = "" if r.dry else gpu_report.sanitizer_problem(done.text) or ("" if done.ok else done.why())
            report.case(tool, spec, problem, done.seconds)
            return problem and f"{spec}: {problem}"

        return "; ".join(filter(None, r.several(one, SANITIZED, 3)))

    return step


# batch → epochs of natal_8 and steps between lines of the log; of the first two epochs, in which batches come from the
# host and steps are recorded, nothing is counted.
SPEED = {4096: (32, 64), 1024: (12, 128), 65536: (50, 10)}


def throughput(r, report):
    problems = []
    runs = [(m, b, p) for m in ("mal", "base") for b in SPEED for p in ("tf32", "fp32", "bf16")]
    for model, batch, precision in runs if r.gpu else [("base", 4096, "fp32")]:
        epochs, every = SPEED[batch] if r.gpu else (4, 4)
        settings = {"train.batch_size": batch, "train.epochs": epochs, "train.log_every": every, "data.on_device": "true",
                    "train.schedule": "constant", "train.precision": precision}
        data_set = "natal_8" if r.gpu else "natal_40"
        lines, problem = train(r, f"speed_{model}_{batch}_{precision}", model, data_set, "cuda" if r.gpu else "cpu", settings,
                               25 if r.gpu else 90)
        if not r.dry and not problem:
            rate = gpu_report.rate(lines, every)
            problem = "" if rate else f"{model}, batch {batch}, {precision}: too few lines in the log"
            report.data.setdefault("throughput", []).append(
                {"model": model, "batch": batch, "precision": precision, "samples_per_second": rate})
            report.write()
        if problem:
            problems.append(problem)
    return "; ".join(problems)


def ncu(r, report):
    """The first step of each of the two blocks of inputs runs as it is, not from a recording; the data set has no third."""
    if r.gpu or r.dry:
        output = r.work / "runs/ncu"
        done = r.command("ncu", [
            r.tool("ncu"), "--csv", "--print-units", "base", "--clock-control", "none", "--launch-count", 300, "--metrics",
            ",".join(METRICS),
            r.program("mal_gpu_train"), "train/configs/mal.yaml", "--device", "cuda", "--overwrite", "--set",
            f"data.path={folder_of(r, 'natal_2')}", "--set", f"output={output}", "--set", "eval.slices=[]", "--set",
            "train.batch_size=4096", "--set", "train.precision=tf32"], 90)
        text = done.text
    else:
        text, done = pathlib.Path("tests/data/gpu/ncu.csv").read_text(), None
    if r.dry:
        return ""
    table = gpu_report.kernel_table(gpu_report.ncu_launches(text))
    if r.gpu:
        report.data["kernels"] = table
    if not table:
        return f"no kernel was measured: {done.why() if done else text[:200]}"
    return "" if done is None or done.ok or done.stopped else done.why()


def torch(r, report):
    python = os.environ.get("PYTHON", sys.executable)
    if not r.gpu:
        done = r.command("torch/compiles", [python, "-m", "py_compile", "bench/peers/train_peers.py", "bench/peers/network.py",
                                            "bench/peers/inference_peers.py"], 20)
        return "" if done.ok else done.why()
    problems = []
    for engine, limit in (("eager", 50), ("compile", 110)):
        found = r.work / f"torch_{engine}.json"
        done = r.command(f"torch/{engine}", [
            "bench/compare.sh", "train", "--device", "cuda", "--precision", "tf32", "--models", "mal", "--batches", "4096",
            "--engines", f"{engine}:sparse", "--rounds", 1, "--seconds", 3, "--rows", 131072, "--json", found],
            limit, MAL_BUILD=str(r.programs), PEERS_PYTHON=python)
        if done.ok and not r.dry:
            report.data.setdefault("beside_torch", []).append(json.loads(found.read_text())["train"]["mal"]["4096"])
            report.write()
        elif not r.dry:
            problems.append(f"{engine}: {done.why()}")
    return "; ".join(problems)


def benches(r, report):
    found = r.work / "benches.json"
    filters = [] if r.gpu else ["--benchmark_filter=add_forward"]
    done = r.command("benches", [r.program("kernels_bench"), f"--benchmark_min_time={0.05 if r.gpu else 0.0001}",
                                 f"--benchmark_out={found}", "--benchmark_out_format=json", *filters], 120,
                     MAL_BENCH_DEVICE="cuda" if r.gpu else "cpu")
    if r.dry:
        return ""
    report.data["benchmarks"] = gpu_report.benchmarks(found.read_text() if found.exists() else "")
    return done.why() if not done.ok else "" if report.data["benchmarks"] else "no benchmark was measured"


STEPS = [
    Step("start", start, 6, 90, "unpack the programs and see that they start; build where they do not"),
    Step("probe", probe, 8, 60, "the GPU, one kernel of ours, a copy's GB/s, products' TFLOP/s"),
    Step("data", data, 8, 60, "small data sets: natal size and simulated journeys"),
    Step("losses", losses, 30, 120, "mal on the CPU and the GPU, losses step by step: 40 steps of 1024, 8 of 16384"),
    Step("kernels", kernels, 50, 120, "kernels_tests, a process a family"),
    Step("device", device, 40, 100, "device_tests, a process a case"),
    Step("presets", presets, 40, 100, "30 steps of every preset, a process each"),
    Step("memcheck", sanitizer("memcheck"), 30, 70, "compute-sanitizer, kernels of ours alone"),
    Step("racecheck", sanitizer("racecheck"), 30, 70, "compute-sanitizer, kernels of ours alone"),
    Step("throughput", throughput, 65, 130, "samples/s with the data on the GPU: mal and base, three batches and precisions"),
    Step("ncu", ncu, 30, 90, "time, DRAM bytes and occupancy of each kernel in two steps of mal, tf32, 4096"),
    Step("torch", torch, 60, 130, "PyTorch, eager and compiled, tf32, 4096"),
    Step("benches", benches, 25, 120, "the kernels alone, against the ceilings"),
]
