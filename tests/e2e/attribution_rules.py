"""`mal_data attribute` against tests/e2e/attribution_model.py, the documented rules written a second time, over random logs.

  attribution_rules.py BINARY [LOGS [FIRST]]    LOGS random logs (300), the first with the seed FIRST (1)

A log is small and full of coincidences: few users and channels, times that meet each other and the borders of windows and
periods. It is written in a random form (two files, an event log, Criteo's layout, named journeys; comma or tab; several
parts; gzip, zstd; Unix or ISO times) and read with random options, in memory or in parts on disk.
"""
import csv
import datetime
import gzip
import io
import json
import math
import os
import random
import subprocess
import sys

import attribution_model as model
import random_logs
import zstd_frames

BINARY = os.path.abspath(sys.argv[1])
SECOND = model.SECOND
START = 1_700_000_000 * SECOND
LAST = []  # command


def write_table(path, columns, rows, delimiter):
    text = io.StringIO(newline="")
    out = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    out.writerow(columns)
    out.writerows([[row[c] for c in columns] for row in rows])
    content = text.getvalue().encode()
    if path.endswith(".gz"):
        content = gzip.compress(content)
    if path.endswith(".zst"):
        half = len(content) // 2
        content = zstd_frames.frame(content[:half]) + zstd_frames.skippable(b"x") + zstd_frames.frame(content[half:])
    with open(path, "wb") as file:
        file.write(content)


def write_parts(r, name, columns, rows):
    """One to three files, one after the other; comma or tab, plain, gzip or zstd."""
    cuts = sorted(r.randint(0, len(rows)) for _ in range(r.choice([0, 0, 1, 2])))
    delimiter = r.choice(",,\t")
    files = []
    for part, (a, b) in enumerate(zip([0, *cuts], [*cuts, len(rows)])):
        files.append(f"{name}{part}.csv" + r.choice(["", "", ".gz", ".zst"]))
        write_table(files[-1], columns, rows[a:b], delimiter)
    return files


def time_text(r, form, time):
    if form == "unix":
        whole, fraction = divmod(time, SECOND)
        return str(whole) if fraction == 0 else f"{whole}.{fraction:06d}".rstrip("0")
    if form == "us":
        return str(time)
    text = datetime.datetime.fromtimestamp(time // SECOND, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{time % SECOND:06d}".rstrip("0") if time % SECOND else ""
    return text.replace("T", r.choice("T ")) + fraction + r.choice(["Z", "+00:00"])


def duration(time):
    return f"{time // SECOND}s"


def cut_touches(touches, length):
    """--truncate: of every journey the touches before its last one by at most `length`, if two are left or more."""
    ends = {n: max(c["time"] for c in touches if c["group"] == n) for n in {c["group"] for c in touches}}
    kept = [c for c in touches if c["time"] >= ends[c["group"]] - length]
    return [c for c in kept if sum(k["group"] == c["group"] for k in kept) > 1]


class Log:
    """Random events, and the options under which they are read."""

    def __init__(self, r):
        self.r = r
        self.form = r.choice(["csv", "csv", "events", "events", "criteo", "journeys"])
        self.step = r.choice([SECOND, 3600 * SECOND, 250_000])  # of time: what two events can differ by
        self.span = r.choice([20, 60, 200])                     # steps
        self.users = [f"u{i}" for i in range(r.randint(1, 8))]
        self.keys = [f"k{i}" for i in range(r.randint(1, 3))]
        self.channels = [f"c{i}" for i in range(r.randint(1, 5))]
        self.clicks = [self.click() for _ in range(r.randint(1, 80))]
        for number, click in enumerate(self.clicks):
            click["number"] = number
        self.args, self.options, self.touches = [], {}, {}
        self.click_event = "pv"
        self.choose_options()
        self.options["rule"] = model.Touches(**self.touches)

    def time(self):
        return START + self.r.randrange(self.span) * self.step

    def click(self):
        return {"time": self.time(), "user": self.r.choice(self.users), "key": self.r.choice(self.keys),
                "channel": self.r.choice(self.channels), "event": "pv"}

    def set(self, name, value, *args):
        self.options[name] = value
        self.args += args

    def choose_options(self):
        r = self.r
        self.mechanisms = r.sample(model.RULES, r.randint(1, len(model.RULES))) + r.sample(model.FITTED, r.randint(0, 3))
        whole = lambda steps: math.ceil(steps * self.step / SECOND) * SECOND
        window = whole(r.choice([1, 3, self.span // 4, self.span]))
        self.touches["window"] = window
        self.args += ["--window", duration(window)]
        self.choose_touches(whole)
        if r.random() < 0.3:
            self.set("restart", True, "--restart")
        if r.random() < 0.5:
            half_life = whole(r.choice([1, 7, 40]))
            self.set("half_life", half_life, "--half-life", duration(half_life))
        if r.random() < 0.6:
            self.choose_split(whole)
        self.memory = r.choice(["1GiB", "1"])
        self.args += ["--memory", self.memory, "--mechanisms", ",".join(self.mechanisms)]

    def choose_touches(self, whole):
        """Windows of some clicks alone, and clicks that share no conversion."""
        r = self.r
        window = lambda: whole(r.choice([1, 2, 5, self.span // 3, self.span]))
        present = sorted({c["channel"] for c in self.clicks})
        some = lambda names: r.sample(names, r.randint(1, len(names)))
        if r.random() < 0.3:
            self.touches["lookback"] = {c: window() for c in some(present)}
            self.args += ["--lookback", ",".join(f"{c}={duration(w)}" for c, w in self.touches["lookback"].items())]
        if r.random() < 0.3:
            self.touches["exclude_channels"] = some(present)
            self.args += ["--exclude-channel", ",".join(self.touches["exclude_channels"])]
        if self.form != "events" or r.random() < 0.3:
            return
        for click in self.clicks:
            click["event"] = r.choice(["pv", "view", "view"])
        events = sorted({c["event"] for c in self.clicks})
        self.touches["event_windows"] = {e: window() for e in events if r.random() < 0.7}
        self.click_event = ",".join(e + (f"={duration(w)}" if (w := self.touches["event_windows"].get(e)) else "") for e in events)
        if r.random() < 0.4:
            self.touches["exclude_events"] = [r.choice(events)]
            self.args += ["--exclude-event", *self.touches["exclude_events"]]
        if r.random() < 0.4:
            self.set("keep_events", [r.choice(events)])
            self.args += ["--keep-events", *self.options["keep_events"]]

    def choose_split(self, whole):
        r, times = self.r, sorted({c["time"] for c in self.clicks})
        if len(times) < 2:
            return
        border = r.choice(times[1:])
        gap = whole(r.choice([1, 2])) if r.random() < 0.3 else 0
        if not any(t < border - gap for t in times):
            return
        self.set("test_from", border, "--test-from", time_text(r, "iso", border))
        if gap:
            self.set("gap", gap, "--gap", duration(gap))
        if r.random() < 0.3:
            end = border + r.randint(1, self.span) * self.step
            self.set("test_to", end, "--test-to", time_text(r, "iso", end))
        labels = r.choice(["final", "known"])
        self.set("train_labels", labels, "--train-labels", labels)

    def rows(self, events):
        """The events as rows of text, in the order of the file."""
        form = self.r.choice(["unix", "iso", "us"])
        if form == "us":
            self.args += ["--time-unit", "us"]
        return [{**e, "time": time_text(self.r, form, e["time"])} for e in events]

    def write(self):
        return getattr(self, f"write_{self.form}")()

    # Each writes its files, completes self.args, gives the clicks their group and returns the conversions.

    def user_conversions(self):
        for click in self.clicks:
            click["group"] = (click["user"], click["key"])
        conversions = [{"time": self.time(), "user": self.r.choice([*self.users, "stranger"]), "key": self.r.choice(self.keys)}
                       for _ in range(self.r.randint(1, 25))]
        return [{**c, "group": (c["user"], c["key"])} for c in conversions]

    def write_csv(self):
        conversions = self.user_conversions()
        rows = self.rows(self.clicks + conversions)
        columns = ["time", "user", "key", "channel", "number"]
        clicks = write_parts(self.r, "clicks", self.r.sample(columns, len(columns)), rows[:len(self.clicks)])
        buys = write_parts(self.r, "buys", ["user", "time", "key"], rows[len(self.clicks):])
        self.args += ["--in", *clicks, "--conversions", *buys, "--key", "key"]
        return conversions

    def write_events(self):
        conversions = self.user_conversions()
        other = [self.click() for _ in range(self.r.randint(0, 9))]
        events = [{**e, "what": e["event"] if what == "pv" else what, "channel": e.get("channel", ""), "number": e.get("number", "")}
                  for what, some in (("pv", self.clicks), ("buy", conversions), ("fav", other)) for e in some]
        rows = self.rows(events)
        # Clicks keep their order, others come between them.
        order = sorted(range(len(rows)), key=lambda i: (self.clicks[i]["place"] if i < len(self.clicks) else self.r.random()))
        files = write_parts(self.r, "log", ["number", "what", "user", "key", "time", "channel"], [rows[i] for i in order])
        self.args += ["--in", *files, "--key", "key", "--event", "what", "--click-event", self.click_event, "--conversion-event", "buy"]
        return conversions

    def write_criteo(self):
        conversions, ids = [], {}
        for click in self.clicks:
            click["id"] = self.r.choice([-1, -1, *range(3)])
            if click["id"] >= 0:
                click["id"] += 3 * self.users.index(click["user"])
                ids.setdefault(click["id"], self.time())
            click["open_group"] = (click["user"], click["key"])
            click["group"] = ("id", click["id"]) if click["id"] >= 0 else (click["user"], click["key"])
        conversions = [{"time": time, "group": ("id", i)} for i, time in ids.items()]
        unix = lambda time: time_text(self.r, "unix", time)
        rows = [{"timestamp": unix(c["time"]), "uid": c["user"], "campaign": c["key"], "channel": c["channel"], "number": c["number"],
                 "conversion_timestamp": unix(ids.get(c["id"], -SECOND)), "conversion_id": c["id"], "click": 1} for c in self.clicks]
        for _ in range(self.r.randint(0, 5)):  # impressions
            row = self.r.choice(rows)
            rows.insert(self.r.randint(0, len(rows)), {**row, "click": 0})
        self.args += ["--format", "criteo", "--in", *write_parts(self.r, "log", list(rows[0]), rows)]
        return conversions

    def write_journeys(self):
        names = {}
        for click in self.clicks:
            name = f"j{self.r.randint(0, len(self.clicks) // 2)}"
            click["group"] = name
            click["user"] = names.setdefault(name, (click["user"], self.r.random() < 0.5))[0]
        ends = {n: max(c["time"] for c in self.clicks if c["group"] == n) for n in names}
        if self.r.random() < 0.4:
            truncate = self.r.randint(1, self.span) * max(self.step, SECOND)
            kept = cut_touches(self.clicks, truncate)
            split = self.options.get("test_from")
            bound = (split or 0) - self.options.get("gap", 0)
            if kept and (split is None or any(c["time"] < bound for c in kept)):
                self.truncated, self.args = kept, [*self.args, "--truncate", duration(truncate)]
                # The fit cuts as the log was when the test period began.
                self.options["fit_clicks"] = cut_touches([c for c in self.clicks if split is None or c["time"] < split], truncate)
        conversions = [{"time": ends[n], "group": n} for n, (_, won) in names.items() if won]
        rows = [{"journey": c["group"], "user": c["user"], "timestamp": time_text(self.r, "iso", c["time"]), "campaign": c["key"],
                 "conversion": int(names[c["group"]][1]), "channel": c["channel"], "number": c["number"]} for c in self.clicks]
        write_table("log.csv", list(rows[0]), rows, ",")  # one file: a journey's name counts within its file
        self.args += ["--format", "journeys", "--in", "log.csv"]
        if hasattr(self, "truncated"):
            left = {c["group"] for c in self.truncated}
            self.clicks, conversions = self.truncated, [c for c in conversions if c["group"] in left]
        return conversions


def near(a, b, tolerance):
    return abs(a - b) <= tolerance * max(1.0, abs(a), abs(b))


def check_file(path, expected, mechanisms):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [click["number"] for click, _, _ in expected], f"{path}: other clicks, or another order"
    for row, (click, credits, length) in zip(rows, expected):
        assert int(row["path_length"]) == length, f"{path}: path_length {row['path_length']}, should be {length}: {click}"
        for mechanism, credit in zip(mechanisms, credits):
            # float32 in the file; the values of a fit agree to 1e-9 or so, and a share moves no more than that.
            assert near(float(row[mechanism]), credit, 2e-6), f"{path}: {mechanism} {row[mechanism]}, should be {credit}: {click}"


def check(log, conversions, out):
    with open(f"{out}/attribution.json") as file:
        report = json.load(file)
    logistic = {}
    if os.path.exists(f"{out}/channel_model.json"):
        with open(f"{out}/channel_model.json") as file:
            fitted = json.load(file)
        logistic = {c["channel"]: c.get("logistic", 0.0) for c in fitted["channels"]}
    want = model.attribute(log.clicks, conversions, log.mechanisms, logistic=logistic, **log.options)
    for name, count in want["counts"].items():
        assert report["counts"][name] == count, f"{name} is {report['counts'][name]}, should be {count}"
    if "fit" in report:
        assert (fitted["journeys"], fitted["conversions"]) == (want["fit_journeys"], want["fit_conversions"]), "other journeys in the fit"
        assert ("nothing_learned" in report["fit"]) == (not want["learned"])
        for mechanism in set(log.mechanisms) & {"shapley", "markov"} if want["learned"] else ():
            assert {c["channel"] for c in fitted["channels"]} == set(want["values"][mechanism]), "other channels in the fit"
            for channel in fitted["channels"]:
                value = want["values"][mechanism][channel["channel"]]
                assert near(channel[mechanism], value, 1e-9), f"{mechanism} of {channel['channel']}: {channel[mechanism]}, should be {value}"
    check_file(f"{out}/train.csv", want["train"], log.mechanisms)
    assert os.path.exists(f"{out}/test.csv") == ("test_from" in log.options)
    if "test_from" in log.options:
        check_file(f"{out}/test.csv", want["test"], log.mechanisms)
    return want


def run(seed):
    r = random.Random(seed)
    log = Log(r)
    for click, place in zip(log.clicks, sorted(r.random() for _ in log.clicks)):
        click["place"] = place
    conversions = log.write()
    split = log.options.get("test_from")
    LAST[:] = command = [BINARY, "attribute", "--out", "samples", *log.args]
    process = subprocess.run(command, capture_output=True, text=True)
    kept = [c for c in log.clicks if c["event"] in log.options.get("keep_events", [c["event"]])]
    bound = math.inf if split is None else split - log.options.get("gap", 0)
    periods = {"train": any(c["time"] < bound for c in kept)}
    if split is not None:
        periods["test"] = any(split <= c["time"] < log.options.get("test_to", math.inf) for c in kept)
    if not all(periods.values()):
        assert process.returncode in (1, 2) and any(name in process.stderr for name, rows in periods.items() if not rows), \
            f"a period without rows, and no error: {process.stderr}"
        return None
    assert process.returncode == 0, process.stderr
    return log, check(log, conversions, "samples")


def main():
    logs, seen = 0, {}
    for result in random_logs.each(300, run, lambda: f"\n  {' '.join(LAST)}"):
        logs += 1
        if result is None:
            continue
        log, want = result
        several = want["counts"]["journeys"] > 1 and want["counts"]["longest_journey"] > 1
        for name in [log.form, *log.mechanisms, *log.options, *log.touches, f"memory {log.memory}", *(["truncate"] if hasattr(log, "truncated") else []),
                     *(["several journeys"] if several else []), *(["a fit"] if want["learned"] and want["values"] else [])]:
            seen[name] = seen.get(name, 0) + 1
    if logs >= 300:  # the logs have to try everything, or agreement says little
        for name in [*model.RULES, *model.FITTED, "csv", "events", "criteo", "journeys", "restart", "gap", "test_to", "train_labels", "truncate",
                     "lookback", "exclude_channels", "event_windows", "exclude_events", "keep_events",
                     "memory 1", "memory 1GiB", "several journeys", "a fit"]:
            assert seen.get(name, 0) >= 10, f"only {seen.get(name, 0)} of {logs} logs have '{name}'"
    print(f"{logs} random logs agree with the rules of docs/attribution.md:", ", ".join(f"{n} {c}" for n, c in sorted(seen.items())))


main()
