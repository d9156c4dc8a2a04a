"""`mal_data attribute --delay-weights` against its formulas written a second time (docs/delayed-feedback.md), over random logs, in
memory and in parts on disk; and on the simulated platform against the labels that come in the end.

  delay_weights_test.py BINARY [LOGS [FIRST]]"""
import csv
import filecmp
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import attribution_model as model
import random_logs

BINARY = os.path.abspath(sys.argv[1])
SECOND, DAY = model.SECOND, model.DAY
START = 1_700_000_000 * SECOND
LEAST_KNOWN, FEWEST, STEADY = 0.05, 100, 20


def bin_of(time):
    """[begin, end): 32 of equal width from each power of two microseconds to the next."""
    width = 1
    while time // width >= 64:
        width *= 2
    return time // width * width, (time // width + 1) * width


class Curve:
    """delays: (microseconds, credited) of the clicks that are credited or leave within the window; clicks: how many there are."""

    def __init__(self, delays, clicks, window):
        self.clicks, self.credited = clicks, sum(credited for _, credited in delays)
        bins = {}
        for delay, credited in delays:
            bins.setdefault(bin_of(delay), [0, 0])[not credited] += 1
        fewest = STEADY * clicks / self.credited if self.credited else 0
        self.points, survival, at_risk, end = [(0, 0.0)], 1.0, clicks, 0
        for (begin, after), (credited, left) in sorted(bins.items()):
            if at_risk < fewest:
                break
            end = max(begin + 1, min(after, window))
            if credited:
                self.points.append((begin, 1 - survival))
                survival *= 1 - credited / (at_risk - left / 2)
                self.points.append((end, 1 - survival))
            at_risk -= credited + left
        self.rate = 1 - survival
        self.end = window if at_risk > 0 and at_risk >= fewest else end

    def known(self, age):
        if age >= self.end or self.rate == 0:
            return 1.0
        share = self.points[-1][1]
        for (a, low), (b, high) in zip(self.points, self.points[1:]):
            if a <= age < b:
                share = low + (high - low) * (age - a) / (b - a)
                break
        return share / self.rate


def attribute(out, *args, cpus=None):
    limit = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    process = subprocess.run([BINARY, "attribute", "--out", out, *args], capture_output=True, text=True, preexec_fn=limit)
    return process.returncode, process.stdout, process.stderr


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(path, columns, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *([row[c] for c in columns] for row in rows)])


def seconds(time):
    return f"{time // SECOND}.{time % SECOND:06d}"


class Log:
    def __init__(self, seed):
        r = self.r = random.Random(seed)
        self.form = r.choice(["csv", "events", "criteo"])
        span = r.choice([5, 40]) * DAY
        self.window = r.choice([span // 10, span // 3, 2 * span]) // SECOND * SECOND
        self.test = START + span * r.choice([6, 9]) // 10
        self.gap = r.choice([0, 0, span // 20]) // SECOND * SECOND
        self.mechanisms = r.sample(model.RULES, r.randint(1, 3))
        self.mechanism = r.choice(self.mechanisms)
        self.restart = r.random() < 0.3
        users, shops = r.choice([200, 700]), r.choice([1, 3, 8])
        self.clicks, self.conversions, touches = [], [], {"window": self.window}
        for number in range(r.choice([900, 2000])):
            self.clicks.append({"number": number, "time": START + r.randrange(span), "user": f"u{r.randrange(users)}", "key": "k",
                                "channel": f"c{r.randrange(3)}", "event": r.choice(["click", "view"]) if self.form == "events" else "click",
                                "shop": f"s{min(r.randrange(shops), r.randrange(shops))}", "id": -1})
        self.args = ["--key", "key"] if self.form != "criteo" else ["--format", "criteo"]
        for click in self.clicks:  # most convert soon, some late
            click["group"] = (click["user"], click["key"])
            if r.random() < 0.35:
                self.convert(click, int(click["time"] + r.expovariate(1 / (span / r.choice([200, 20, 5])))))
        if self.form == "events" and r.random() < 0.6:
            touches["event_windows"] = {"view": self.window // 3 // SECOND * SECOND}
        if r.random() < 0.3:
            touches["lookback"] = {"c1": self.window // 2 // SECOND * SECOND}
            self.args += ["--lookback", f"c1={touches['lookback']['c1'] // SECOND}s"]
        if r.random() < 0.3:
            touches["exclude_channels"] = ["c0"]
            self.args += ["--exclude-channel", "c0"]
        self.kept = ["click"] if self.form == "events" and r.random() < 0.4 else ["click", "view"]
        self.touches = touches
        self.rule = model.Touches(**touches)
        self.by = r.random() < 0.5

    def convert(self, click, time):
        if self.form == "criteo":
            if click["id"] >= 0:
                return
            click["id"] = click["number"]
            click["group"] = ("id", click["id"])
            click["at"] = time
        self.conversions.append({"time": time, "user": click["user"], "key": click["key"], "group": click["group"]})

    def write(self):
        args = [*self.args, "--window", f"{self.window // SECOND}s", "--mechanisms", ",".join(self.mechanisms), "--test-from",
                seconds(self.test), "--train-labels", "known", "--delay-weights"]
        if self.mechanism != self.mechanisms[0] or self.r.random() < 0.5:
            args += [self.mechanism]
        args += ["--restart"] * self.restart + (["--gap", f"{self.gap // SECOND}s"] if self.gap else [])
        args += ["--delay-by", "shop"] if self.by else []
        if self.form == "csv":
            write("clicks.csv", ["time", "user", "key", "channel", "shop", "number"], [{**c, "time": seconds(c["time"])} for c in self.clicks])
            write("buys.csv", ["time", "user", "key"], [{**c, "time": seconds(c["time"])} for c in self.conversions])
            return [*args, "--in", "clicks.csv", "--conversions", "buys.csv"]
        if self.form == "events":
            rows = [{"channel": "", "shop": "", "number": "", "event": "buy", **e, "time": seconds(e["time"])} for e in [*self.clicks, *self.conversions]]
            write("log.csv", ["event", "time", "user", "key", "channel", "shop", "number"], rows)
            view = self.touches.get("event_windows", {}).get("view")
            args += ["--event", "event", "--click-event", "click,view" + (f"={view // SECOND}s" if view else ""), "--conversion-event", "buy"]
            return [*args, "--in", "log.csv", *(["--keep-events", "click"] if self.kept == ["click"] else [])]
        rows = [{"timestamp": seconds(c["time"]), "uid": c["user"], "campaign": c["key"], "conversion_id": c["id"], "click": 1,
                 "conversion_timestamp": seconds(c["at"]) if c["id"] >= 0 else -1, **{n: c[n] for n in ("channel", "shop", "number")}} for c in self.clicks]
        write("log.csv", list(rows[0]), rows)
        return [*args, "--in", "log.csv"]

    def window_of(self, click):
        """As docs/touches.md has it: the shorter of what the event and the channel have, or --window."""
        return min((w[name] for w, name in ((self.touches.get("event_windows", {}), click["event"]), (self.touches.get("lookback", {}), click["channel"]))
                    if name in w), default=self.window)

    def curves(self):
        delay = {}
        by_group = {}
        for click in self.clicks:
            by_group.setdefault(click["group"], []).append(click)
        ends = {}
        for conversion in self.conversions:
            ends.setdefault(conversion["group"], []).append(conversion)
        for group, some in ends.items():
            known, _ = model.journeys_of(by_group.get(group, []), some, self.rule, self.restart, self.test)
            for reaching, end in sorted(known, key=lambda journey: journey[1]):
                touches = self.rule.sharing(reaching)
                for click, share in zip(touches, model.shares(self.mechanism, touches, end, 7 * DAY, {})):
                    if share > 1e-40:  # above 0 as a 32-bit float
                        delay.setdefault(click["number"], end - click["time"])
        strata, clicks = {}, {}
        for click in self.clicks:
            if click["time"] >= self.test or click["event"] not in self.kept:
                continue
            window, age = self.window_of(click), self.test - click["time"]
            for stratum in {(window, None), (window, click["shop"])}:
                clicks[stratum] = clicks.get(stratum, 0) + 1
                if click["number"] in delay:
                    strata.setdefault(stratum, []).append((delay[click["number"]], True))
                elif age <= window:
                    strata.setdefault(stratum, []).append((age, False))
        return {s: Curve(strata.get(s, []), clicks[s], s[0]) for s in clicks}


def near(a, b):
    return abs(a - b) <= 2e-6 * max(1.0, abs(b))


def check(log):
    args = log.write()
    curves = log.curves()
    code, _, errors = attribute("memory", *args)
    if any(shop is None and curve.credited < FEWEST for (_, shop), curve in curves.items()):
        assert code == 1 and "fewest that tell" in errors, (code, errors)
        return "refused"
    assert code == 0, errors
    assert attribute("disk", *args, "--memory", "1", cpus={min(os.sched_getaffinity(0))})[0] == 0
    for name in ("train.csv", "test.csv", "attribution.json"):
        assert filecmp.cmp(f"memory/{name}", f"disk/{name}", shallow=False), name
    counts = {"positive": 0, "other": 0, "unripe": 0}
    for row in rows_of("memory/train.csv"):
        click = log.clicks[int(row["number"])]
        window = log.window_of(click)
        curve = curves[window, None]
        if log.by and curves[window, click["shop"]].credited >= FEWEST:
            curve = curves[window, click["shop"]]
        known = curve.known(log.test - click["time"])
        positive = float(row[log.mechanism]) > 0
        weight = 1 / known if known and positive else (1 - curve.rate) / (1 - curve.rate * known)
        if known < LEAST_KNOWN:
            weight = 0
        assert near(float(row["weight"]), weight), f"click {click}: weight {row['weight']}, should be {weight}"
        counts["unripe" if known < LEAST_KNOWN else "positive" if positive else "other"] += 1
    assert all(float(row["weight"]) == 1 for row in rows_of("memory/test.csv"))
    with open("memory/attribution.json") as file:
        report = json.load(file)["delay_weights"]
    assert report["mechanism"] == log.mechanism and {n: report[f"{n}_rows"] for n in counts} == counts, (report, counts)
    for entry in [*report["all"], *report.get("values", [])]:
        curve = curves[entry["window_seconds"] * SECOND, entry.get("value")]
        assert (entry["clicks"], entry["credited"]) == (curve.clicks, curve.credited), entry
        assert entry["own_curve"] == (curve.credited >= FEWEST)
        if entry["own_curve"]:
            assert near(entry["rate"], curve.rate) and entry["end_seconds"] == curve.end // SECOND, (entry, curve.rate, curve.end)
            assert all(near(k["share"], curve.known(k["age_seconds"] * SECOND)) for k in entry["known"]), entry
    return log.form


def check_random_logs():
    def agrees(seed):
        log = Log(seed)
        return log, check(log)

    logs, seen = 0, {}
    for log, result in random_logs.each(60, agrees):
        logs += 1
        for name in [result, *(["by shop"] if log.by else []), *log.touches, *(["restart"] if log.restart else [])] if result != "refused" else [result]:
            seen[name] = seen.get(name, 0) + 1
    print(f"{logs} random logs agree:", seen)
    if logs >= 60:
        for name in ("csv", "events", "criteo", "by shop", "event_windows", "lookback", "exclude_channels", "restart"):
            assert seen.get(name, 0) >= 3, (name, seen)


def simulated():
    """On the eve the weighted positives of each band of ages must sum to the positives of the end: those by `last` within 4 deviations,
    (1 - F)/F conversions each, and 5 % in all. By `linear` one conversion makes several positives, and their rate falls as the
    platform fills with returning clicks: 10 % in all."""
    run = lambda *command: subprocess.run([BINARY, *command], check=True, capture_output=True)
    run("simulate", "--users", "5000", "--days", "40", "--seed", "3", "--out", "journeys")
    log = ["--in", "journeys/clicks.csv", "--conversions", "journeys/conversions.csv", "--test-from", "2024-01-31", "--mechanisms", "last,linear"]
    assert attribute("final", *log)[0] == 0
    for mechanism in ("last", "linear"):
        code, out, errors = attribute("known", *log, "--train-labels", "known", "--delay-weights", mechanism, "--delay-by", "industry")
        assert code == 0, errors
        bands = {}
        for known, final in zip(rows_of("known/train.csv"), rows_of("final/train.csv"), strict=True):
            age = (1_706_659_200 - float(known["time"])) / 86400
            weight = float(known["weight"])
            if weight == 0:
                continue
            band = bands.setdefault(next(b for b in (1, 2, 4, 7, 14, 40) if age <= b), [0, 0, 0, 0])
            if float(known[mechanism]) > 0:
                band[0] += 1
                band[1] += weight
                band[2] += weight * (weight - 1)
            band[3] += float(final[mechanism]) > 0
        for band, (count, weighted, variance, final) in sorted(bands.items()):
            print(f"{mechanism}, clicks up to {band} d old: {count} known, weighted {weighted:.0f}, in the end {final}")
            assert mechanism == "linear" or abs(weighted - final) <= 4 * math.sqrt(variance + 1), (band, weighted, final, variance)
        known, weighted, final = (sum(band[i] for band in bands.values()) for i in (0, 1, 3))
        assert known < 0.95 * final and abs(weighted / final - 1) < (0.05 if mechanism == "last" else 0.1), (known, weighted, final)


check_random_logs()
with tempfile.TemporaryDirectory() as work:
    os.chdir(work)
    simulated()
    os.chdir("/")
