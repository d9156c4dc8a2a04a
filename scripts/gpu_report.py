"""What scripts/gpu_check.sh makes of the output of its commands, and the report of it. Needs nothing but Python."""

import csv
import datetime
import json
import re
import statistics
import threading

# Largest relative difference of a loss to the CPU's: fp32 in the first steps, which differ by rounding alone, and later;
# tf32 keeps 11 bits of a product's operands, bf16 8.
FIRST_STEPS = 20
TOLERANCES = {"fp32": (1e-4, 2e-2), "tf32": (2e-2, 2e-2), "bf16": (5e-2, 5e-2), "same bits": (0, 0)}
SUMMARY_LINES, SUMMARY_KERNELS = 30, 15


# ---- output of commands --------------------------------------------------------------------------------------------


def first_failure(text):
    """The line or two of a command's output that say what went wrong; "" where there are none."""
    lines = [line.strip() for line in text.splitlines()]
    for i, line in enumerate(lines):
        if line.endswith("FAILED:"):  # Catch2: file:line: FAILED:, the assertion, with expansion:, its values
            block = lines[i + 1 : i + 8]
            end = next((k for k, part in enumerate(block) if part.startswith(("===", "---"))), len(block))
            block = [part for part in block[:end] if part]
            shown = block[:1] + [part for part in block[1:4] if part != "with expansion:"][:2]
            return f"{re.sub(r'^.*/(?=[^/]+:)', '', line.removesuffix(' FAILED:'))} {' | '.join(shown)}"[:400]
    for pattern in (r"error while loading shared libraries|: version `[A-Z]+_.* not found", r"^=+ (Error|Invalid)|^==ERROR==",
                    r"^CMake Error|: (fatal )?error[: ]|^error:", r"^\w*(Error|Exception): ", r"terminate called|what\(\):"):
        for i, line in enumerate(lines):
            if re.search(pattern, line):
                after = next((part for part in lines[i + 1 :] if part), "") if line.startswith("CMake Error") else ""
                return f"{line} {after}".strip()[:400]
    return next((line for line in reversed(lines) if line), "")[:400]


def last_json(text):
    lines = [line for line in text.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else None


def families(text):
    """Of `kernels_tests -# --list-tags`: a tag [#FAMILY_test] for each file."""
    return re.findall(r"\[#(\w+_test)\]", text)


def catch2_problem(text):
    """ "" if tests ran and all passed."""
    if "no GPU to test on" in text:
        return next(line.strip() for line in text.splitlines() if "no GPU to test on" in line)
    if re.search(r"^All tests passed \(\d+ assertions? in \d+ test cases?\)", text, re.M):
        return ""
    if re.search(r"No tests? (cases )?(ran|matched)", text):
        return "no test ran"
    return first_failure(text) or "it printed nothing"


def sanitizer_problem(text):
    """compute-sanitizer's verdict: it must have given one, of no errors, over tests that ran."""
    # "ERROR SUMMARY: 0 errors", of racecheck "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"
    verdicts = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:errors?|hazards?)", text)
    if verdicts and all(count == "0" for count in verdicts):
        return catch2_problem(text)
    marks = [line.lstrip("= ") for line in text.splitlines() if line.startswith("=========")]
    words = [line for line in marks if line.strip() and "COMPUTE-SANITIZER" not in line]
    return " | ".join(words[:3])[:400] if words else first_failure(text) or "no verdict"


# ---- losses and speed ----------------------------------------------------------------------------------------------


def train_lines(text):
    lines = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [line for line in lines if "loss" in line and "samples_per_second" in line]


def compare_losses(cpu, gpu, precision):
    """What was found, and what is wrong with it. Every head's loss counts, not their sum alone."""
    a, b = ({line["step"]: line for line in lines} for lines in (cpu, gpu))
    found = {"steps": len(a), "largest_relative_difference": None}
    if not a or a.keys() != b.keys():
        return found, f"{len(a)} steps on the CPU, {len(b)} on the GPU"
    worst = 0.0
    for step in sorted(a):
        pairs = [("loss", a[step]["loss"], b[step]["loss"])]
        pairs += [(name, loss, b[step]["losses"].get(name)) for name, loss in a[step].get("losses", {}).items()]
        for name, expected, got in pairs:
            off = abs(got - expected) / abs(expected) if got is not None and expected else float("nan")
            worst = max(worst, off)
            if not off <= TOLERANCES[precision][step > FIRST_STEPS]:
                return {**found, "largest_relative_difference": worst if worst == worst else None}, \
                    f"step {step}, {name}: {expected} on the CPU, {got} on the GPU"
    return {**found, "largest_relative_difference": worst}, ""


def rate(lines, every):
    """Samples a second, the median of the log's lines. Of the first two epochs batches come from the host and steps are
    recorded; the line in which the third begins has some of them; the last may be of fewer steps."""
    usable = [line["samples_per_second"] for line in lines if line["epoch"] >= 2 and line["step"] % every == 0][1:]
    return statistics.median(usable) if len(usable) >= 2 else None


def benchmarks(text):
    try:
        found = json.loads(text).get("benchmarks", [])
    except json.JSONDecodeError:  # the program ended early; its step says so
        return []
    return [{"name": b["name"], "bytes_per_second": b.get("B/s"), "flops_per_second": b.get("flop/s"),
             "of_ceiling": b.get("of_ceiling")} for b in found]


# ---- ncu -----------------------------------------------------------------------------------------------------------

UNITS = {"nsecond": 1, "ns": 1, "usecond": 1e3, "us": 1e3, "msecond": 1e6, "ms": 1e6, "second": 1e9, "s": 1e9,
         "byte": 1, "Kbyte": 1e3, "Mbyte": 1e6, "Gbyte": 1e9, "%": 1}
FIELDS = {"gpu__time_duration.sum": "ns", "dram__bytes_read.sum": "bytes", "dram__bytes_write.sum": "bytes",
          "sm__warps_active.avg.pct_of_peak_sustained_active": "occupancy"}


def ncu_launches(text):
    """Of `ncu --csv --metrics`: [{"name", "ns", "bytes", "occupancy"}], in the order of the launches. A row is one metric
    of one launch; lines before the header and between the rows are the program's and ncu's own."""
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith('"ID","')), None)
    if begin is None:
        return []
    launches = {}
    for row in csv.DictReader(line for line in lines[begin:] if line.startswith('"')):
        field = FIELDS.get(row["Metric Name"])
        if field is None:
            continue
        launch = launches.setdefault(int(row["ID"]), {"name": short_name(row["Kernel Name"])})
        value = float(row["Metric Value"].replace(",", "")) * UNITS[row["Metric Unit"]]
        launch[field] = launch.get(field, 0) + value
    return [launches[key] for key in sorted(launches) if "ns" in launches[key]]


def short_name(kernel):
    """A demangled name without namespaces, parameters and template arguments; of ours with a functor, with its name."""
    name = re.sub(r"^void ", "", kernel.replace("<unnamed>::", "").replace("(anonymous namespace)::", ""))
    depth, end = 0, len(name)
    for i, c in enumerate(name):
        if c == "(" and depth == 0:
            end = i
            break
        depth += (c == "<") - (c == ">")
    name = name[:end]
    head, _, arguments = name.partition("<")
    head = head.split("::")[-1]
    # CUB and cuBLAS have long argument lists that say nothing; ours a functor or a number.
    ours = "mal::kernels" in kernel
    arguments = re.sub(r"\([\w:]+\)", "", arguments.rstrip(">"))  # an enumerator is a cast of its number
    kept = ", ".join(part.split("::")[-1].strip() for part in arguments.split(",")) if arguments and ours else ""
    return (f"{head}<{kept}>" if kept else head)[:60]


def kernel_table(launches):
    """The two steps' launches by name, the slowest first: calls, µs and GB/s a step. What comes after the last update of
    weights is the test."""
    last = max((i for i, launch in enumerate(launches) if "update_" in launch["name"]), default=len(launches) - 1)
    table = {}
    for launch in launches[: last + 1]:
        row = table.setdefault(launch["name"], {"name": launch["name"], "calls": 0, "ns": 0, "bytes": 0, "occupied": 0})
        row["calls"] += 1
        row["ns"] += launch["ns"]
        row["bytes"] += launch.get("bytes", 0)
        row["occupied"] += launch.get("occupancy", 0) * launch["ns"]
    return sorted(({"name": row["name"], "calls": row["calls"] / 2, "us": row["ns"] / 2000,
                    "bytes_per_second": row["bytes"] / row["ns"] * 1e9 if row["ns"] else 0,
                    "occupancy": row["occupied"] / row["ns"] if row["ns"] else 0} for row in table.values()),
                  key=lambda row: -row["us"])


# ---- the report ----------------------------------------------------------------------------------------------------


def shown(value, unit=1.0, digits=2):
    return "n/a" if value is None else f"{value / unit:.{digits}f}"


def in_millions(rate):
    return "n/a" if rate is None else f"{rate / 1e6:.2f}M" if rate >= 1e5 else f"{rate:.0f}"


class Report:
    """What is known so far; report.md and report.json in `folder` are rewritten with every step."""

    def __init__(self, folder=None):
        self.folder, self.lock = folder, threading.RLock()
        self.data = {"date": datetime.date.today().isoformat(), "notes": [], "steps": [], "cases": []}

    def add(self, name, state, seconds, message=""):
        self.data["steps"].append({"name": name, "state": state, "seconds": round(seconds, 1), "message": message})
        self.write()

    def case(self, group, name, problem, seconds):
        with self.lock:
            self.data["cases"].append({"step": group, "name": name, "problem": problem, "seconds": round(seconds, 1)})

    def note(self, text):
        self.data["notes"].append(text)

    def failed(self):
        return [step for step in self.data["steps"] if step["state"] != "ok"]

    def write(self):
        if self.folder is None:
            return
        with self.lock:
            for name, text in (("report.json", json.dumps(self.data, indent=1) + "\n"), ("report.md", self.markdown())):
                (self.folder / (name + ".tmp")).write_text(text)
                (self.folder / (name + ".tmp")).replace(self.folder / name)

    def title(self):
        probe = self.data.get("probe")
        if not probe:
            return f"{self.data['date']}, no GPU was measured"
        return f"{self.data['date']}, {probe['device']}, {probe['memory_gib']:.0f} GiB, driver for CUDA {probe['driver']}"

    def ceiling(self):
        return self.data.get("probe", {}).get("copy_bytes_per_second")

    def kernel_cells(self, row):
        """µs a step, calls, GB/s, share of a copy's rate, occupancy."""
        of_copy = row["bytes_per_second"] / self.ceiling() if self.ceiling() else None
        return [shown(row["us"], digits=1), shown(row["calls"], digits=1), shown(row["bytes_per_second"], 1e9, 0),
                shown(of_copy), shown(row["occupancy"], 100)]

    def markdown(self):
        data = self.data
        text = [f"# {self.title()}", ""] + [f"{note}\n" for note in data["notes"]]
        if probe := data.get("probe"):
            flops = ", ".join(f"{name} {shown(rate, 1e12, 0)}" for name, rate in probe["flops_per_second"].items())
            text += [f"A copy: {shown(self.ceiling(), 1e9, 0)} GB/s. Products of 4096 × 4096, TFLOP/s: {flops}.", ""]
        text += ["| step | | s | |", "|---|---|---|---|"]
        text += [f"| {s['name']} | {s['state']} | {s['seconds']:.1f} | {cell(s['message'])} |" for s in data["steps"]]
        if data.get("losses"):
            text += ["", "| losses, CPU and GPU | batch | | steps | largest relative difference |", "|---|---|---|---|---|"]
            text += [f"| {r['data']} | {r['batch']} | {r['precision']} | {r['steps']} | {difference(r)} |" for r in data["losses"]]
        if data.get("throughput"):
            text += ["", "| training step, natal size, data on the GPU | batch | | samples/s | µs |", "|---|---|---|---|---|"]
            text += [f"| {r['model']} | {r['batch']} | {r['precision']} | {shown(r['samples_per_second'], digits=0)} | "
                     f"{shown(microseconds(r), digits=0)} |" for r in data["throughput"]]
        if data.get("beside_torch"):
            text += ["", "| mal of natal size, tf32, batch 4096 | samples/s |", "|---|---|"]
            text += [f"| {name} | {shown(speed, digits=0)} |" for name, speed in self.beside_torch()]
        if data.get("kernels"):
            text += ["", "| kernel, mal, tf32, 4096, cold caches | µs a step | calls | GB/s | of a copy | occupancy |",
                     "|---|---|---|---|---|---|"]
            text += [f"| {r['name']} | {' | '.join(self.kernel_cells(r))} |" for r in data["kernels"]]
        if data.get("benchmarks"):
            text += ["", "| kernel alone | GB/s | TFLOP/s | of the ceiling |", "|---|---|---|---|"]
            text += [f"| {b['name']} | {shown(b['bytes_per_second'], 1e9)} | {shown(b['flops_per_second'], 1e12)} | "
                     f"{shown(b['of_ceiling'])} |" for b in data["benchmarks"]]
        failed = [case for case in data["cases"] if case["problem"]]
        if failed:
            text += ["", "| failed | |", "|---|---|"]
            text += [f"| {c['step']}: {cell(c['name'])} | {cell(c['problem'])} |" for c in failed]
        return "\n".join(text) + "\n"

    def beside_torch(self):
        return [(name, speed) for found in self.data.get("beside_torch", []) for name, speed in found.items()
                if name == "ours" or name.startswith("torch")]

    def summary(self):
        """The end of the output: at most SUMMARY_LINES lines, the verdict last."""
        data, failed = self.data, self.failed()
        lines = [f"gpu_check: {self.title()}" + (f"; a copy {shown(self.ceiling(), 1e9, 0)} GB/s" if self.ceiling() else "")]
        if failed:
            lines.append(f"first failure: {failed[0]['name']}: {failed[0]['message']}"[:600].replace("\n", " "))
        lines += [f"losses {r['data']} {r['batch']} {r['precision']}: {r['steps']} steps, largest relative difference "
                  f"{difference(r)}" for r in data.get("losses", [])[:3]]
        for model, batch in dict.fromkeys((r["model"], r["batch"]) for r in data.get("throughput", [])):
            rows = [r for r in data["throughput"] if (r["model"], r["batch"]) == (model, batch)]
            lines.append(f"{model} {batch}: " + ", ".join(f"{r['precision']} {in_millions(r['samples_per_second'])} samples/s "
                                                         f"({shown(microseconds(r), digits=0)} us)" for r in rows))
        if beside := self.beside_torch():
            lines.append("tf32 4096: " + ", ".join(f"{name} {in_millions(speed)}" for name, speed in beside))
        verdict = f"gpu_check: FAILED: {', '.join(s['name'] for s in failed)}" if failed else "gpu_check: all passed"
        room = min(SUMMARY_KERNELS, SUMMARY_LINES - len(lines) - 2)
        if data.get("kernels"):
            lines.append(f"{'kernel (two eager steps, ncu)':<48} {'us/step':>8} {'calls':>6} {'GB/s':>6} {'/copy':>6} {'occ.':>5}")
            for row in data["kernels"][:room]:
                us, calls, gbs, of_copy, occupancy = self.kernel_cells(row)
                lines.append(f"{row['name'][:48]:<48} {us:>8} {calls:>6} {gbs:>6} {of_copy:>6} {occupancy:>5}")
        return "\n".join([*lines[: SUMMARY_LINES - 1], verdict])


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def difference(row):
    worst = row["largest_relative_difference"]
    return "n/a" if worst is None else f"{worst:.1e}"


def microseconds(row):
    return row["batch"] / row["samples_per_second"] * 1e6 if row["samples_per_second"] else None
