#!/usr/bin/env python3
"""Recomputes what `mal_data attribute` made of the two public files of docs/results/real-data.md, the slow obvious way.

    tests/oracle/real_data_check.py taobao UserBehavior.csv.gz OUT/taobao_final/samples
    tests/oracle/real_data_check.py criteo touchpoints.csv.gz OUT/criteo_final/samples

Shares no code with the program; needs the Python standard library alone. Every credit and every history of every row is
compared (final labels), and the counts that are printed are counted here from the raw file.
"""
import collections
import csv
import gzip
import itertools
import math
import sys

DAY = 86400


def rows_of(path, names=None):
    with gzip.open(path, "rt") if path.endswith(".gz") else open(path) as file:
        yield from csv.DictReader(file, fieldnames=names)


def shares(times, end):
    """Mechanism → credit of each touch of one journey."""
    n = len(times)
    decay = [2.0 ** (-(end - t) / (7 * DAY)) for t in times]
    if n == 1:
        position = [1.0]
    elif n == 2:
        position = [0.5, 0.5]
    else:
        position = [0.4] + [0.2 / (n - 2)] * (n - 2) + [0.4]
    return {
        "last": [0.0] * (n - 1) + [1.0],
        "first": [1.0] + [0.0] * (n - 1),
        "linear": [1.0 / n] * n,
        "time_decay": [d / sum(decay) for d in decay],
        "position": position,
    }


def compare(folder, touches, columns):
    """touches: in the order of time, each with its credits (and histories); against train.csv and test.csv."""
    written = list(itertools.chain(rows_of(folder + "/train.csv"), rows_of(folder + "/test.csv")))
    assert len(written) == len(touches), (len(written), len(touches))
    worst = collections.defaultdict(float)
    for row, touch in zip(written, touches):
        for name in columns:
            assert row[name] == touch[name], (name, row, touch)
        for name, credit in touch["credit"].items():
            worst[name] = max(worst[name], abs(float(row[name]) - credit))
    for name, difference in worst.items():
        positives = sum(touch["credit"][name] > 0 for touch in touches)
        assert difference < 1e-6, (name, difference)
        assert positives == sum(float(row[name]) > 0 for row in written), name
        print(f"{name:<11} {positives:>6} positives, largest difference of a credit {difference:.1e}")
    print(f"{len(touches)} rows agree in {', '.join(columns)} and {len(worst)} credits")


def taobao(path, folder):
    names = ["user", "item", "category", "behaviour", "time"]
    log = [row for row in rows_of(path, names) if row["time"] is not None]
    for row in log:
        row["time"] = int(row["time"])
    print(len(log), "whole rows:", dict(collections.Counter(row["behaviour"] for row in log)))

    purchases = [row for row in log if row["behaviour"] == "buy"]
    clicks = [row for row in log if row["behaviour"] == "pv"]
    by_pair = collections.defaultdict(list)
    for row in clicks:
        by_pair[row["user"], row["category"]].append(row)
    whole, since_last, before = [], [], {}
    for buy in sorted(purchases, key=lambda row: row["time"]):
        pair = buy["user"], buy["category"]
        times = [row["time"] for row in by_pair[pair]]
        whole.append(sum(t <= buy["time"] for t in times))
        since_last.append(sum(before.get(pair, -1) < t <= buy["time"] for t in times))
        before[pair] = buy["time"]
    for title, sizes in (("all earlier clicks", whole), ("clicks since the last purchase", since_last)):
        some = [n for n in sizes if n > 0]
        print(f"{title}: {len(some)} purchases have one, {sum(n > 1 for n in some)} two or more, "
              f"{sum(some) / len(some):.2f} on average")

    start = 1511539200  # 2017-11-25 in China
    clicks = sorted((row for row in clicks if row["time"] >= start), key=lambda row: row["time"])
    for row in clicks:
        row["credit"] = dict.fromkeys(("last", "first", "linear", "time_decay", "position"), 0.0)
    for buy in purchases:
        journey = [row for row in clicks_of(clicks, buy) if buy["time"] - 30 * DAY <= row["time"] <= buy["time"]]
        if buy["time"] < start or not journey:
            continue
        for name, values in shares([row["time"] for row in journey], buy["time"]).items():
            for row, value in zip(journey, values):
                row["credit"][name] = min(1.0, row["credit"][name] + value)
    seen = collections.defaultdict(list)
    for row in clicks:
        known = [past for past in seen[row["user"]] if past["time"] < row["time"]][-20:]
        row["item_seq"] = "|".join(past["item"] for past in known)
        row["category_seq"] = "|".join(past["category"] for past in known)
        row["hour"] = str((row["time"] + 8 * 3600) % DAY // 3600)
        seen[row["user"]].append(row)
    for row in clicks:
        row["credit"]["mta"] = row["credit"]["linear"]  # one channel a journey
        row["time"] = str(row["time"])
    compare(folder, clicks, ["user", "item", "category", "time", "hour", "item_seq", "category_seq"])


def clicks_of(clicks, buy, index={}):
    if not index:
        for row in clicks:
            index.setdefault((row["user"], row["category"]), []).append(row)
    return index.get((buy["user"], buy["category"]), [])


def shapley(observed):
    """Channel → value, by the sum over all coalitions; observed: frozenset → (journeys, conversions)."""
    channels = sorted(set().union(*observed))
    rate = sum(c for _, c in observed.values()) / sum(n for n, _ in observed.values())

    def smooth(coalition, prior, weight):
        n, c = observed.get(coalition, (0, 0))
        return (c + weight * prior) / (n + weight)

    single = {channel: smooth(frozenset([channel]), rate, 20) for channel in channels}
    value = {frozenset(): 0.0}
    for size in range(1, len(channels) + 1):
        for members in itertools.combinations(channels, size):
            mean = sum(single[channel] for channel in members) / size
            coalition = frozenset(members)
            value[coalition] = mean if size == 1 else smooth(coalition, mean, 500)
    count = len(channels)
    result = dict.fromkeys(channels, 0.0)
    for coalition, worth in value.items():
        weight = 0 if len(coalition) == count else 1 / (count * math.comb(count - 1, len(coalition)))
        for channel in channels:
            if channel not in coalition:
                result[channel] += weight * (value[coalition | {channel}] - worth)
    return result


def describe_sample(journeys, ends, touches):
    """What in the making of the file tells the label."""
    def rate(rows):
        return f"{len(rows)} touches, {100 * sum(row['conversion'] == '1' for row in rows) / len(rows):.1f} % in converting journeys"

    for label in "01":
        some = [name for name, journey in journeys.items() if journey[0]["conversion"] == label]
        spans = [ends[name] - min(row["time"] for row in journeys[name]) for name in some]
        print(f"conversion {label}: longest journey {max(spans) / DAY:.1f} days, first end on day {min(ends[n] for n in some) // DAY},",
              sum(ends[n] < 10 * DAY for n in some), "end in the first ten days")
    before, groups = {}, collections.defaultdict(list)
    for row in touches:
        past = before.get(row["user"])
        if past and row["time"] - past["time"] < 3 * DAY:
            groups["same" if past["campaign"] == row["campaign"] else "another"].append(row)
        before[row["user"]] = row
    for name, rows in sorted(groups.items()):
        print(f"after a touch of {name} campaign:", rate(rows))
    for value in "12":
        print(f"cat1 = {value}:", rate([row for row in touches if row["cat1"] == value]))


def criteo(path, folder):
    touches = list(rows_of(path))
    journeys = collections.defaultdict(list)
    for row in touches:
        row["time"] = int(row["timestamp"])
        journeys[row["journey"]].append(row)
    print(f"{len(touches)} touches of {len(journeys)} journeys,",
          sum(journey[0]["conversion"] == "1" for journey in journeys.values()), "converting")
    start, kept, ends = 864000, {}, {}
    for name, journey in journeys.items():
        ends[name] = max(row["time"] for row in journey)
        inside = sorted((r for r in journey if r["time"] >= max(start, ends[name] - 3 * DAY)), key=lambda r: r["time"])
        if len(inside) > 1:
            kept[name] = inside
    touches = [row for row in touches if row["journey"] in kept and row["time"] >= max(start, ends[row["journey"]] - 3 * DAY)]
    touches.sort(key=lambda row: row["time"])
    converting = {name for name, journey in kept.items() if journey[0]["conversion"] == "1"}
    print(f"after the cut: {len(touches)} touches of {len(kept)} journeys, {len(converting)} converting; of two touches:",
          sum(len(kept[name]) == 2 for name in converting), "converting,",
          sum(len(journey) == 2 for name, journey in kept.items() if name not in converting), "others")

    describe_sample(journeys, ends, touches)

    # The fit sees the time before the last day: a journey that converts on it has not converted yet.
    border = max(row["time"] for row in touches) // DAY * DAY
    observed = collections.defaultdict(lambda: (0, 0))
    for name, journey in kept.items():
        known = [row for row in journey if row["time"] < border]
        if known:
            coalition = frozenset(row["cat8"] for row in known)
            n, c = observed[coalition]
            observed[coalition] = n + 1, c + (name in converting and ends[name] < border)
    phi = shapley(dict(observed))
    print("Shapley values of cat8:", ", ".join(f"{c} {v:.6f}" for c, v in sorted(phi.items(), key=lambda x: -x[1])))

    for name, journey in kept.items():
        credits = shares([row["time"] for row in journey], ends[name])
        worth = [max(0.0, phi[row["cat8"]]) for row in journey]
        credits["mta"] = [w / sum(worth) for w in worth] if sum(worth) > 0 else credits["linear"]
        for k, row in enumerate(journey):
            row["credit"] = {m: values[k] if name in converting else 0.0 for m, values in credits.items()}
    compare(folder, touches, ["user", "timestamp", "campaign", "cat1", "cat8", "cost"])


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("taobao", "criteo"):
        sys.exit(__doc__)
    {"taobao": taobao, "criteo": criteo}[sys.argv[1]](*sys.argv[2:])
