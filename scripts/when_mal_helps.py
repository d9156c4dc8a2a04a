#!/usr/bin/env python3
"""When does multi-attribution learning pay? Worlds of the simulated platform × numbers of users × systems × seeds.

scripts/reproduce.sh --study when calls this. A cell is one world and one number of users; what is done of it is not done
again, and the small ones come first. After each cell the page so far is written: report.md with gauc.svg and auc.svg, and
results.json, from which another machine goes on (--results). Standard library only.
"""
import argparse
import hashlib
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time

WORLDS = ["default", "long_paths", "short_paths", "even_channels", "many_ads", "cold", "drift"]
SHOWN = ["Shared bottom", "MoAE", "MAL", "w/o CAT", "w/o multiple attributions", "Base, batch 256"]
COLOURS = {"Shared bottom": "#7a7a7a", "MoAE": "#c77f00", "MAL": "#1f5fbf", "w/o CAT": "#7fb2e5",
           "w/o multiple attributions": "#b03060", "Base, batch 256": "#222222"}


def used():
    """Seconds by the clock, and of processor time of the commands so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic(), children.ru_utime + children.ru_stime


def run(command, log):
    """Its progress goes to the terminal, its output to the log."""
    with open(log, "a") as out:
        out.write("$ " + " ".join(command) + "\n")
        out.flush()
        status = subprocess.run(command, stdout=out).returncode
    if status != 0:
        sys.exit(f"when_mal_helps: exit code {status} of: {' '.join(command)}; its output is in {log}")


class Cell:
    def __init__(self, args, world, users):
        self.args, self.world, self.users = args, world, users
        self.name = name_of(world)
        self.folder = f"{args.out}/{self.name}-{users}"
        self.details = world in args.details and users == args.details_users
        self.file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train", "configs", "experiments",
                                 "when_details.yaml" if self.details else "when.yaml")

    def path(self, name):
        return f"{self.folder}/{name}"

    def state(self):
        try:
            with open(self.path("cell.json")) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def remember_time(self, since):
        now, before = used(), self.state().get("seconds", [0, 0])
        self.remember(seconds=[before[i] + now[i] - since[i] for i in range(2)])

    def remember(self, **values):
        state = self.state() | values
        with open(self.path("cell.json.tmp"), "w") as file:
            json.dump(state, file, indent=1)
        os.replace(self.path("cell.json.tmp"), self.path("cell.json"))

    def wanted_data(self):
        args = self.args
        return {"world": self.world, "platform_seed": args.platform_seed, "days": args.days, "test_from": args.test_from,
                "test_to": args.test_to, "gap": args.gap}

    def data(self):
        # prepare writes its folder whole or not at all. The journeys are large and not needed after it.
        args, log, data, wanted = self.args, self.path("log.txt"), f"{self.args.bin}/mal_data", self.wanted_data()
        if os.path.exists(self.path("dataset/stats.json")):
            if self.state().get("data") != wanted:
                sys.exit(f"when_mal_helps: {self.folder}/dataset is of {self.state().get('data')}, not of {wanted}; choose another --out")
            return
        since = used()
        run([data, "simulate", "--out", self.path("journeys"), "--users", str(self.users), "--days", str(args.days),
                       "--seed", str(args.platform_seed), "--world", self.world], log)
        run([data, "attribute", "--in", self.path("journeys/clicks.csv"), "--conversions",
                        self.path("journeys/conversions.csv"), "--mechanisms", "last,first,linear,mta", "--key", "advertiser",
                        "--channel", "channel", "--test-from", args.test_from, "--test-to", args.test_to, "--train-labels",
                        "known", "--gap", args.gap, "--out", self.path("samples")], log)
        self.remember(data=wanted)  # before the folder is there
        run([data, "prepare", "--schema", "simulated", "--train", self.path("samples/train.csv"), "--test",
                        self.path("samples/test.csv"), "--out", self.path("dataset")], log)
        self.remember_time(since)
        for folder in ("journeys", "samples"):
            shutil.rmtree(self.path(folder))

    def experiment(self):
        command = [f"{self.args.bin}/mal_gpu_train", "experiment", self.file, "--set", f"dataset={self.path('dataset')}",
                   "--set", f"output={self.path('experiment')}", "--set", f"seeds=[{','.join(self.args.seeds)}]"]
        for setting in self.args.set:
            command += ["--set", setting]
        since = used()
        try:
            run(command, self.path("log.txt"))
        finally:  # an interrupted part counts, too
            self.remember_time(since)
        self.remember(done=self.wanted(), processor=processor())

    def wanted(self):
        with open(self.file, "rb") as file:
            studies = hashlib.sha256(file.read()).hexdigest()[:16]
        return {"studies": studies, "seeds": self.args.seeds, "set": self.args.set}

    def done(self):
        return self.state().get("done") == self.wanted()

    def record(self):
        """What the page needs of a cell that is done."""
        state = self.state()
        with open(self.path("dataset/stats.json")) as file:
            training_rows = json.load(file)["train"]["rows"]
        tables = {}
        for name in os.listdir(self.path("experiment/tables")):
            if name.endswith(".json"):
                with open(self.path(f"experiment/tables/{name}")) as file:
                    tables[name[:-len(".json")]] = trimmed(json.load(file))
        return {"world": self.world, "users": self.users, "data": state["data"], "done": state["done"], "seconds": state["seconds"],
                "processor": state["processor"], "training_rows": training_rows, "tables": tables}


def trimmed(table):
    rows = []
    for row in table["rows"]:
        kept = {"label": row["label"]} | {metric: round(row[metric]["mean"], 6) for metric in ("gauc", "auc", "logloss", "pcoc")}
        for metric in ("gauc_difference", "auc_difference"):
            if row.get(metric):
                kept[metric] = {key: round(row[metric][key], 5) for key in ("mean", "low", "high", "detectable")}
        rows.append(kept)
    return {"title": table["title"], "test_rows": table["test_rows"], "rows": rows}


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return "unknown"


def in_hundredths(difference, digits=2):
    star = "**" if difference["low"] > 0 or difference["high"] < 0 else ""
    return f"{star}{difference['mean']:+.{digits}f}{star} [{difference['low']:+.{digits}f}, {difference['high']:+.{digits}f}]"


def name_of(world):
    return os.path.splitext(os.path.basename(world))[0]


def rows_of(record, study):
    return {row["label"]: row for row in record["tables"][study]["rows"]}


def systems_tables(records):
    lines = []
    for metric in ("gauc", "auc"):
        lines += ["", f"### {metric.upper()}", "",
                  "| world | users | training rows | test rows | Base | " + " | ".join(SHOWN) + " | seen from |",
                  "|---|---:|---:|---:|---:|" + "---:|" * (len(SHOWN) + 1)]
        for record in records:
            rows = rows_of(record, "systems")
            lines.append(f"| {name_of(record['world'])} | {record['users']:,} | {record['training_rows']:,} | "
                         f"{record['tables']['systems']['test_rows']:,} | {rows['Base'][metric]:.4f} | " +
                         " | ".join(in_hundredths(rows[name][f"{metric}_difference"]) for name in SHOWN) +
                         f" | {rows['MAL'][f'{metric}_difference']['detectable']:.2f} |")
    return lines


def labels_table(records):
    lines = ["", "### What the other mechanisms' labels bring: MAL above \"w/o multiple attributions\"", "",
             "The same network and the same losses, but towers that all learn the primary target.", "",
             "| world | users | GAUC | AUC | seen from |", "|---|---:|---:|---:|---:|"]
    for record in records:
        gauc, auc = (rows_of(record, "labels")["MAL"][f"{metric}_difference"] for metric in ("gauc", "auc"))
        lines.append(f"| {name_of(record['world'])} | {record['users']:,} | {in_hundredths(gauc)} | {in_hundredths(auc)} | "
                     f"{gauc['detectable']:.2f}, {auc['detectable']:.2f} |")
    return lines


def calibration_table(records):
    lines = ["", "### PCOC", "", "| world | users | Base | MAL |", "|---|---:|---:|---:|"]
    for record in records:
        rows = rows_of(record, "systems")
        lines.append(f"| {name_of(record['world'])} | {record['users']:,} | {rows['Base']['pcoc']:.3f} | {rows['MAL']['pcoc']:.3f} |")
    return lines


def details_tables(records):
    lines = []
    for study in ("views", "weights", "steps"):
        for record in records:
            table = record["tables"].get(study)
            if table is None:
                continue
            first, *others = table["rows"]
            lines += ["", f"### {table['title'].split('; primary')[0]}: {name_of(record['world'])}, {record['users']:,} users", "",
                      "| | GAUC | AUC |", "|---|---:|---:|", f"| {first['label']} | {first['gauc']:.4f} | {first['auc']:.4f} |"]
            lines += [f"| {row['label']} | {in_hundredths(row['gauc_difference'])} | {in_hundredths(row['auc_difference'])} |"
                      for row in others]
    return lines


def picture(records, metric):
    """Small multiples: a panel per world; users to the right, difference from Base with its interval upwards."""
    worlds = list(dict.fromkeys(name_of(record["world"]) for record in records))
    sizes = sorted({record["users"] for record in records})
    points = [(name_of(record['world']), record["users"], name, rows_of(record, "systems")[name][f"{metric}_difference"])
              for record in records for name in SHOWN]
    low = min([0] + [d["low"] for *_, d in points])
    high = max([0] + [d["high"] for *_, d in points])
    pad = 0.05 * (high - low)
    low, high = low - pad, high + pad
    width, height, left, top = 210, 190, 46, 60
    columns = min(4, len(worlds))
    # At least as wide as the names of the systems.
    total_width = max(left + columns * (width + 14), left + sum(28 + 6.2 * len(name) for name in SHOWN)) + 10
    total_height = top + math.ceil(len(worlds) / columns) * (height + 52)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width} {total_height}" width="{total_width}" '
           'font-family="sans-serif" font-size="11">', '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="{left}" y="18" font-size="14">{metric.upper()} above Base, in hundredths, with 95 % intervals</text>']
    at = left
    for name in SHOWN:
        out.append(f'<rect x="{at}" y="30" width="10" height="10" fill="{COLOURS[name]}"/><text x="{at + 14}" y="39">{name}</text>')
        at += 28 + 6.2 * len(name)
    step = nice_step((high - low) / 6)
    for index, world in enumerate(worlds):
        x0, y0 = left + index % columns * (width + 14), top + index // columns * (height + 52)
        y = lambda value: y0 + height - (value - low) / (high - low) * height
        out.append(f'<text x="{x0 + 4}" y="{y0 - 4}" font-weight="bold">{world}</text>')
        out.append(f'<rect x="{x0}" y="{y0}" width="{width}" height="{height}" fill="none" stroke="#ccc"/>')
        tick = math.ceil(low / step) * step
        while tick <= high:
            out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
                       f'stroke="{"#555" if abs(tick) < step / 2 else "#eee"}"/>')
            if index % columns == 0:
                out.append(f'<text x="{x0 - 5}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:+.2f}</text>')
            tick += step
        for place, users in enumerate(sizes):
            centre = x0 + width * (place + 0.5) / len(sizes)
            out.append(f'<text x="{centre:.0f}" y="{y0 + height + 15}" text-anchor="middle">{users:,}</text>')
            for number, name in enumerate(SHOWN):
                for of_world, of_users, of_name, d in points:
                    if (of_world, of_users, of_name) != (world, users, name):
                        continue
                    x = centre + (number - (len(SHOWN) - 1) / 2) * 9
                    out.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y(d["low"]):.1f}" y2="{y(d["high"]):.1f}" '
                               f'stroke="{COLOURS[name]}" stroke-width="2"/>'
                               f'<circle cx="{x:.1f}" cy="{y(d["mean"]):.1f}" r="3" fill="{COLOURS[name]}"><title>{name}: '
                               f'{in_hundredths(d)}</title></circle>')
        if index // columns == (len(worlds) - 1) // columns or index + columns >= len(worlds):
            out.append(f'<text x="{x0 + width / 2}" y="{y0 + height + 30}" text-anchor="middle">users</text>')
    return "\n".join(out + ["</svg>"]) + "\n"


def nice_step(size):
    power = 10 ** math.floor(math.log10(size))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= size)


def report(args, cells, elsewhere):
    records = [cell.record() if cell.done() else elsewhere[cell] for cell in cells if cell.done() or cell in elsewhere]
    if not records:
        return
    records.sort(key=lambda r: (WORLDS.index(r["world"]) if r["world"] in WORLDS else 99, r["world"], r["users"]))
    clock, cpu = (sum(record["seconds"][i] for record in records) / 3600 for i in range(2))
    lines = [f"{len(records)} cells, seeds {', '.join(args.seeds)}, platform seed {args.platform_seed}; {clock:.1f} hours by the clock and "
             f"{cpu:.1f} of processor time, on {', '.join(sorted({record['processor'] for record in records}))}.",
             "", "Differences from Base in hundredths, with 95 % intervals (paired bootstrap of the test users); **bold**: the interval leaves "
             "out 0. Seen from: what MAL's difference must be to be seen in four test sets of five."]
    lines += systems_tables(records) + labels_table(records) + calibration_table(records) + details_tables(records)
    write(f"{args.out}/report.md", "\n".join(lines) + "\n")
    write(f"{args.out}/results.json", "[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
    for metric in ("gauc", "auc"):
        write(f"{args.out}/{metric}.svg", picture(records, metric))


def done_elsewhere(args, cells):
    """The cells of --results that are the ones wanted here: the same data, studies and seeds."""
    if not args.results:
        return {}
    try:
        with open(args.results) as file:
            records = {(record["world"], record["users"]): record for record in json.load(file)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"when_mal_helps: --results {args.results} is no results.json of this script: {error!r}; give the one below its --out")
    found = {}
    for cell in cells:
        record = records.get((cell.world, cell.users))
        if record and record["data"] == cell.wanted_data() and record["done"] == cell.wanted():
            found[cell] = record
        elif record:
            print(f"when_mal_helps: {cell.name}, {cell.users:,} users in {args.results} is of other data, studies or seeds: not taken")
    return found


def write(path, text):
    with open(path + ".tmp", "w") as file:
        file.write(text)
    os.replace(path + ".tmp", path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default="build/release", help="folder of mal_data and mal_gpu_train")
    parser.add_argument("--out", default="build/reproduce/when")
    parser.add_argument("--users", default="20000,100000,400000")
    parser.add_argument("--worlds", default=",".join(WORLDS), help="presets or files of mal_data simulate --world")
    parser.add_argument("--details", default="default,even_channels,long_paths",
                        help="worlds of the tables of views and weights, at --details-users")
    parser.add_argument("--details-users", type=int, default=100000)
    parser.add_argument("--seeds", default="1,2,3", help="of the initial weights")
    parser.add_argument("--platform-seed", type=int, default=11)
    parser.add_argument("--days", type=int, default=37)
    parser.add_argument("--test-from", default="2024-01-28")
    parser.add_argument("--test-to", default="2024-01-31")
    parser.add_argument("--gap", default="7d")
    parser.add_argument("--set", action="append", default=[], help="key=value of the experiment, such as resamples=200")
    parser.add_argument("--results", help="results.json of an earlier run or another machine: its cells are not done again")
    parser.add_argument("--report", action="store_true", help="write the page of what is done, and stop")
    args = parser.parse_args()
    args.seeds = args.seeds.split(",")
    args.details = args.details.split(",") if args.details else []
    cells = [Cell(args, world, users) for users in sorted(int(u) for u in args.users.split(",")) for world in args.worlds.split(",")]
    elsewhere = done_elsewhere(args, cells)
    os.makedirs(args.out, exist_ok=True)
    if not args.report:
        for number, cell in enumerate(cells):
            if cell.done():
                cell.data()  # of the same parameters?
                continue
            if cell in elsewhere:
                continue
            print(f"when_mal_helps: {cell.world}, {cell.users:,} users ({number + 1} of {len(cells)})", flush=True)
            os.makedirs(cell.folder, exist_ok=True)
            cell.data()
            cell.experiment()  # only the runs that are missing
            report(args, cells, elsewhere)
    report(args, cells, elsewhere)
    print(f"when_mal_helps: {args.out}/report.md, results.json, gauc.svg, auc.svg")


if __name__ == "__main__":
    main()
