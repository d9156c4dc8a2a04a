"""mal_data attribute --format paths against an independent computation in numpy: random paths of many shapes, every rule
mechanism by its definition, removal effects of conversions and of their value by solving the chain once a channel without it. And
the chain of a click log, in memory and on disk, in any order of rows."""
import csv
import filecmp
import json
import os
import random

from support import expect, mal_data, np, pa, pq

MECHANISMS = ["last", "first", "linear", "position", "shapley", "markov", "logistic"]


def make_paths(seed, channels, rows):
    """(channels of the path, conversions, value, nulls) a row; with repeats, counts of 0, rare channels, long rows of one channel."""
    r = random.Random(seed)
    names = [f"c{i}" for i in range(channels - 2)] + ["paid search", "naïve,quoted"]
    paths = []
    for _ in range(rows):
        length = min(1 + int(r.expovariate(0.4)), 25)
        path = [r.choice(names[: 1 + r.randrange(len(names))]) for _ in range(length)]
        if r.random() < 0.1:
            path = [path[0]] * length
        conversions = r.choice([0, 0, 1, 1, 2, 7])
        paths.append((path, conversions, round(r.uniform(0, 50) * conversions, 3), r.choice([0, 1, 3, 20])))
    return paths + r.sample(paths, rows // 10)


def write_paths(name, paths, separator=" > ", header=("path", "total_conversions", "total_conversion_value", "total_null")):
    with open(name, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *((separator.join(p), c, v, n) for p, c, v, n in paths)])


def rules(paths):
    totals = {}
    for path, conversions, value, _ in paths:
        n = len(path)
        shares = {"last": [0] * (n - 1) + [1], "first": [1] + [0] * (n - 1), "linear": [1 / n] * n,
                  "position": [1 / n] * n if n < 3 else [0.4] + [0.2 / (n - 2)] * (n - 2) + [0.4]}
        for mechanism, share in shares.items():
            for channel, s in zip(path, share):
                sums = totals.setdefault((channel, mechanism), [0, 0])
                sums[0] += s * conversions
                sums[1] += s * value
    return totals


def chain(paths, order):
    """Rows of counts: (state, next state or outcome) → journeys. The first state of a path is its first `order` channels at once."""
    counts, values = {}, {}
    for path, conversions, value, nulls in paths:
        if conversions + nulls == 0:
            continue
        states = ["start"] + [tuple(path[i:i + order]) for i in range(max(1, len(path) - order + 1))]
        for a, b in zip(states, states[1:]):
            counts[a, b] = counts.get((a, b), 0) + conversions + nulls
        counts[states[-1], "conversion"] = counts.get((states[-1], "conversion"), 0) + conversions
        counts[states[-1], "null"] = counts.get((states[-1], "null"), 0) + nulls
        values[states[-1]] = values.get(states[-1], 0) + value
    return counts, values


def effects(paths, order):
    counts, values = chain(paths, order)
    states = sorted({a for a, _ in counts}, key=str)
    place = {s: i for i, s in enumerate(states)}
    steps, ends = np.zeros((len(states), len(states))), np.zeros((len(states), 2))
    totals = np.zeros(len(states))
    for (a, b), n in counts.items():
        totals[place[a]] += n
        if b in place:
            steps[place[a], place[b]] += n
        elif b == "conversion":
            ends[place[a], 0] += n
    for s, v in values.items():
        ends[place[s], 1] = v
    steps, ends = steps / totals[:, None], ends / totals[:, None]

    def brought(keep):
        at = np.flatnonzero(keep)
        solution = np.linalg.solve(np.eye(len(at)) - steps[np.ix_(at, at)], ends[at])
        return solution[list(at).index(place["start"])]

    whole = brought(np.ones(len(states), bool))
    channels = sorted({c for p, x, _, n in paths if x + n for c in p})
    return {c: 1 - brought(np.array([s == "start" or c not in s for s in states])) / whole for c in channels}


def table(folder, name):
    with open(f"{folder}/{name}", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check_markov(folder, paths, order):
    expected = effects(paths, order)
    rows = table(folder, "removal_effects.csv")
    assert {r["channel"] for r in rows} == set(expected)
    assert [float(r["effect"]) for r in rows] == sorted((float(r["effect"]) for r in rows), reverse=True)
    sums = np.sum(list(expected.values()), axis=0)
    totals = np.array([sum(c for _, c, _, _ in paths), sum(v for _, _, v, _ in paths)])
    credit = {r["channel"]: r for r in table(folder, "channels.csv") if r["mechanism"] == "markov"}
    for r in rows:
        effect = expected[r["channel"]]
        for got, wanted in ((r["effect"], effect[0]), (r["share"], effect[0] / sums[0]), (r["value_effect"], effect[1]),
                            (r["value_share"], effect[1] / sums[1])):
            assert abs(float(got) - wanted) < 1e-9, (order, r, effect)
        got = credit[r["channel"]]
        assert np.allclose([float(got["conversions"]), float(got["value"])], effect / sums * totals, rtol=1e-9, atol=1e-9)
    # The steps are the ones counted, and the probabilities of a state add up to 1.
    sums = {}
    for r in table(folder, "transitions.csv"):
        total, probability = sums.get(r["from"], (0, 0))
        sums[r["from"]] = (total + int(r["count"]), probability + float(r["probability"]))
    assert all(abs(probability - 1) < 1e-12 for _, probability in sums.values())
    assert sums["(start)"][0] == sum(c + n for _, c, _, n in paths)


for seed, channels, rows in ((1, 3, 20), (2, 6, 400), (3, 40, 800)):
    paths = make_paths(seed, channels, rows)
    write_paths("paths.csv", paths)
    for order in (1, 2, 3):
        result = mal_data("attribute", "--format", "paths", "--in", "paths.csv", "--mechanisms", ",".join(MECHANISMS), "--markov-order",
                          order, "--out", f"out{order}")
        expect(result, 0)
        check_markov(f"out{order}", paths, order)
    rows_of = table("out1", "channels.csv")
    expected = rules(paths)
    used = {c for p, x, _, n in paths if x + n for c in p}
    assert len(rows_of) == len(used) * len(MECHANISMS)
    for r in rows_of:
        if r["mechanism"] in ("last", "first", "linear", "position"):
            wanted = expected[r["channel"], r["mechanism"]]
            assert abs(float(r["conversions"]) - wanted[0]) < 1e-7 and abs(float(r["value"]) - wanted[1]) < 1e-7, (r, wanted)
        assert r["cost"] == r["cpa"] == r["roas"] == ""
        assert int(r["clicks"]) == sum(p.count(r["channel"]) * (c + n) for p, c, _, n in paths)
    for mechanism in MECHANISMS:  # all that converted is given to somebody
        mine = [r for r in rows_of if r["mechanism"] == mechanism]
        assert abs(sum(float(r["conversions"]) for r in mine) - sum(c for _, c, _, _ in paths)) < 1e-6, mechanism
        assert abs(sum(float(r["value"]) for r in mine) - sum(v for _, _, v, _ in paths)) < 1e-6, mechanism

    # The same rows in another order, as Parquet, in two files, with other blanks and other names: the same bytes.
    shuffled = random.Random(seed).sample(paths, len(paths))
    write_paths("shuffled.csv", shuffled)
    write_paths("tight.csv", paths, ">", ("Journey", "sales", "revenue", "lost"))
    with open("paths.csv", newline="", encoding="utf-8") as file, open("semicolons.csv", "w", newline="", encoding="utf-8") as other:
        csv.writer(other, delimiter=";").writerows(csv.reader(file))
    write_paths("a.csv", shuffled[:7])
    write_paths("b.csv", shuffled[7:])
    pq.write_table(pa.table({"path": [" > ".join(p) for p, *_ in paths], "total_conversions": [c for _, c, _, _ in paths],
                             "total_conversion_value": [v for *_, v, _ in paths], "total_null": [n for *_, n in paths]}), "paths.parquet")
    for files, more in ((["shuffled.csv"], []), (["a.csv", "b.csv"], []), (["paths.parquet"], []), (["semicolons.csv"], []),
                        (["semicolons.csv"], ["--delimiter", ";"]),
                        (["tight.csv"], ["--path", "Journey", "--conversion", "sales", "--value", "revenue", "--null", "lost"])):
        expect(mal_data("attribute", "--format", "paths", "--in", *files, "--markov-order", 2, "--out", "other", "--mechanisms",
                        ",".join(MECHANISMS), *more), 0)
        for name in ("channels.csv", "transitions.csv", "removal_effects.csv", "channel_model.json"):
            assert filecmp.cmp(f"out2/{name}", f"other/{name}", shallow=False), (files, name)

# An order is chosen where the last two channels tell whether a journey converts, and the last one does not.
r = random.Random(5)
paths = [([a, b], *((30, 30.0, 70) if (a == b) else (2, 2.0, 98))) for a in "xyz" for b in "xyz"]
write_paths("pairs.csv", paths + [(p + [r.choice("xyz")], 0, 0, 1) for p, *_ in paths])
expect(mal_data("attribute", "--format", "paths", "--in", "pairs.csv", "--mechanisms", "markov", "--choose-order", "--out", "chosen"), 0)
with open("chosen/attribution.json") as file:
    markov = json.load(file)["markov"]
assert markov["order"] == 2, markov
aucs = [order["auc"] for order in markov["orders"]]
assert aucs[0] < 0.62 and aucs[1] > 0.75, aucs
# A click log gives the same chain: a user a journey, a click a channel; those after the test period begins are not seen.
paths = make_paths(9, 5, 300)
clicks, conversions, seen, credited = [], [], [], [0, 0.0]
start = 2_000_000
for number, (path, converted, value, nulls) in enumerate(paths):
    late = number % 10 == 0
    begin = start + 10 * number if late else 1000 + 300 * number
    clicks += [(begin + k, f"u{number}", "a", channel) for k, channel in enumerate(path)]
    if converted:
        conversions.append((begin + len(path), f"u{number}", "a", value))
        credited = [credited[0] + 1, credited[1] + value]
    if not late:
        seen.append((path, int(converted > 0), value, int(converted == 0)))


def write_log(suffix, order):
    for name, header, rows in (("clicks", ("time", "user", "advertiser", "channel"), clicks),
                               ("conversions", ("time", "user", "advertiser", "value"), conversions)):
        with open(f"{name}{suffix}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *order(rows)])


write_log("", lambda rows: rows)
write_log("2", lambda rows: random.Random(3).sample(rows, len(rows)))
for more in (["--markov-order", 1], ["--markov-order", 2], ["--choose-order", "--max-order", 3]):
    for suffix, memory, out in (("", "1GiB", "log"), ("", "1", "disk"), ("2", "1GiB", "mixed"), ("2", "1", "mixed_disk")):
        expect(mal_data("attribute", "--in", f"clicks{suffix}.csv", "--conversions", f"conversions{suffix}.csv", "--mechanisms",
                        "last,markov", "--test-from", start, "--memory", memory, "--out", out, *more), 0)
        for name in ("channels.csv", "transitions.csv", "removal_effects.csv"):
            assert filecmp.cmp(f"log/{name}", f"{out}/{name}", shallow=False), (more, out, name)
        with open("log/attribution.json") as one, open(f"{out}/attribution.json") as other:
            assert json.load(one)["markov"] == json.load(other)["markov"], (more, out)
    with open("log/attribution.json") as file:
        order = json.load(file)["markov"]["order"]
    wanted = effects(seen, order)
    sums = np.sum(list(wanted.values()), axis=0)
    for r in table("log", "removal_effects.csv"):
        assert abs(float(r["effect"]) - wanted[r["channel"]][0]) < 1e-9, (more, r)
        assert abs(float(r["value_effect"]) - wanted[r["channel"]][1]) < 1e-9, (more, r)
    for r in table("log", "channels.csv"):
        if r["mechanism"] == "markov_total":
            expected = wanted[r["channel"]] / sums * credited
            assert np.allclose([float(r["conversions"]), float(r["value"])], expected, rtol=1e-9), (more, r, expected)
expect(mal_data("attribute", "--in", "clicks.csv", "--conversions", "conversions.csv", "--mechanisms", "last", "--markov-order", 2,
                "--out", "wrong"), 2, "--markov-order", "add markov")
print("paths give the totals of numpy's solution")
