"""Intervals of mal_data attribute --bootstrap: every resample is written out as a log of its own, in which a user stands
as often as drawn, and credited by a run without intervals. Their quantiles must be the intervals. For rule mechanisms
they must also contain the expected credit about as often as they say."""
import collections
import csv
import filecmp
import json
import math
import os
import random
import subprocess
import sys
import tempfile

MAL_DATA = os.path.abspath(sys.argv[1])
MASK = 2**64 - 1
DAY = 86400
START = 1_700_000_000
MECHANISMS = ["last", "linear", "time_decay", "shapley", "markov", "logistic"]
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


LIMITS, term, below = [], math.exp(-1), 0.0
for k in range(13):
    below += term
    LIMITS.append(int(min(below * 2**32, 0xFFFFFFFF)))
    term /= k + 1


def weight(user, seed, resample):
    name = 0xCBF29CE484222325
    for byte in user.encode():
        name = (name ^ byte) * 0x100000001B3 & MASK
    drawn = mix(mix(name ^ mix(seed)) + (resample + 1) * 0x9E3779B97F4A7C15 & MASK) >> 32
    return sum(limit <= drawn for limit in LIMITS)


def write_log(log, sales):
    for path, header, rows in (("clicks.csv", ["time", "user", "advertiser", "channel"], log),
                               ("conversions.csv", ["time", "user", "advertiser", "value"], sales)):
        with open(path, "w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])


def attribute(out, *more, mechanisms=MECHANISMS, cpus=None):
    command = [MAL_DATA, "attribute", "--in", "clicks.csv", "--conversions", "conversions.csv", "--window", "7d", "--out", out,
               "--mechanisms", ",".join(mechanisms), *more]
    limit = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    result = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert result.returncode == 0, result.stderr
    with open(f"{out}/channels.csv", newline="") as file:
        return {(row["channel"], row["mechanism"]): row for row in csv.DictReader(file)}


def random_log(r, users, days=20):
    log, sales = [], []
    for user in range(users):
        taste = r.random()
        for _ in range(r.choice([1, 1, 2, 3, 5])):
            channel = r.choices("abcd", [4, 3, 2 * taste, 0.15])[0]
            time = START + r.randrange(days * DAY)
            log.append((time, f"u{user}", r.choice("kkl"), channel))
            if r.random() < 0.1 + 0.4 * taste * (channel != "a"):
                sales.append((time + r.randrange(2 * DAY), f"u{user}", log[-1][2], r.randrange(1, 50)))
    return log, sales


def pair_log(r, users):
    """What comes of a user's clicks is decided by the last two channels: alike or not."""
    log, sales = [], []
    for user in range(users):
        path = r.choices("abc", k=r.choice([2, 2, 3]))
        times = sorted(r.sample(range(START, START + 2 * DAY), len(path) + 1))
        log += [(time, f"u{user}", "k", channel) for time, channel in zip(times, path)]
        if r.random() < (0.9 if path[-1] == path[-2] else 0.2):
            sales.append((times[-1], f"u{user}", "k", r.randrange(1, 50)))
    return log, sales


def resampled(log, sales, seed, resample):
    copies = lambda rows: [(time, f"{user}#{copy}", *more) for time, user, *more in rows for copy in range(weight(user, seed, resample))]
    return copies(log), copies(sales)


def quantile(values, share):
    values = sorted(values)
    place = share * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def check_intervals(log, sales, seed, resamples, *more):
    """--choose-order among more: the resamples have the order that the whole log has."""
    write_log(log, sales)
    intervals = attribute("intervals", "--bootstrap", str(resamples), "--seed", str(seed), "--report", *more)
    for name, options, cpus in (("disk", ["--memory", "1"], None), ("alone", [], {min(os.sched_getaffinity(0))})):
        attribute(name, "--bootstrap", str(resamples), "--seed", str(seed), "--report", *more, *options, cpus=cpus)
        same = filecmp.cmpfiles("intervals", name, os.listdir("intervals"), shallow=False)
        assert not same[1] and not same[2], (name, same)
    assert any(mechanism == "markov_total" for _, mechanism in intervals)
    with open("intervals/report.html") as file:
        assert file.read().count('class="interval"') == 3 * len(intervals), "three strokes an interval"
    if "--choose-order" in more:
        with open("intervals/attribution.json") as file:
            order = json.load(file)["markov"]["order"]
        assert order > 1, "the smallest order is the default, too"
        more = ["--markov-order", str(order)]
    credit, missing = collections.defaultdict(list), 0
    for resample in range(resamples):
        write_log(*resampled(log, sales, seed, resample))
        rows = attribute("one", "--seed", str(seed), *more)
        missing += ("d", "last") not in rows
        for key in intervals:
            credit[key].append([float(rows[key][name]) if key in rows else 0.0 for name in ("conversions", "value")])
    for key, row in intervals.items():
        for c, name in enumerate(("conversions", "value")):
            for share, end in ((0.025, "low"), (0.975, "high")):
                wanted = quantile([pair[c] for pair in credit[key]], share)
                assert abs(float(row[f"{name}_{end}"]) - wanted) <= 1e-8 * max(1, wanted), (key, name, end, row, wanted)
    return missing


def linear_credit(log, sales):
    groups = collections.defaultdict(list)
    for time, user, key, channel in log:
        groups[user, key].append((time, channel))
    credit = collections.Counter()
    for time, user, key, _ in sales:
        path = [channel for at, channel in groups[user, key] if time - 7 * DAY <= at <= time]
        for channel in path:
            credit[channel] += 1 / len(path)
    return credit


assert [weight("u7", 1, r) for r in range(6)] != [weight("u8", 1, r) for r in range(6)]
drawn = [weight(f"u{u}", 3, r) for u in range(300) for r in range(20)]
assert abs(sum(drawn) / len(drawn) - 1) < 0.05 and abs(drawn.count(0) / len(drawn) - math.exp(-1)) < 0.03
log = random_log(random.Random(5), 120)
missing = check_intervals(*log, 1, 20)
missing += check_intervals(*log, 7, 25, "--test-from", str(START + 14 * DAY), "--exclude-channel", "a")
check_intervals(*pair_log(random.Random(6), 150), 2, 20, "--choose-order", "--max-order", "3")
assert missing > 0, "no resample lacks a channel, so that case is not tested"

# Of 80 logs of one kind, how many intervals hold the mean of that kind?
r = random.Random(11)
truth = collections.Counter()
for _ in range(600):
    for channel, credit in linear_credit(*random_log(r, 150)).items():
        truth[channel] += credit / 600
held = 0
for _ in range(80):
    write_log(*random_log(r, 150))
    rows = attribute("covered", "--bootstrap", "200", mechanisms=["linear"])
    held += sum(float(rows[c, "linear"]["conversions_low"]) <= truth[c] <= float(rows[c, "linear"]["conversions_high"]) for c in "abc")
assert 0.88 <= held / 240 <= 0.99, held
print(f"intervals are the quantiles of the resamples, and hold {100 * held / 240:.1f} % of the means ({missing} resamples lack a channel)")
