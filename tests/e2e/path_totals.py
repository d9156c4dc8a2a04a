"""Channel totals of `mal_data attribute --format paths` against a second computation, of the Python standard library alone.

  path_totals.py BINARY [PATHS.csv]    10,000 random paths, or those of a file, such as ChannelAttribution's example

last, first and linear must agree to 1e-7, removal effects of conversions and values to 1e-9, with a solver of another kind:
Gauss-Jordan with pivots, of P(conversion) for every channel left out. Prints the totals.
"""
import collections
import csv
import itertools
import os
import random
import subprocess
import sys
import tempfile

COLUMNS = ("total_conversions", "total_conversion_value", "total_null")


def random_paths(path):
    """Channels differ in how often they come, how they follow each other and what comes of them."""
    r = random.Random(1)
    names = ["paid search", *(f"c{i}" for i in range(10))]
    often = [2.0 ** -i for i in range(len(names))]
    with open(path, "w") as file:
        file.write("path," + ",".join(COLUMNS) + "\n")
        for _ in range(10_000):
            walk = [r.choices(names, often)[0]]
            while r.random() < 0.7:
                walk.append(walk[-1] if r.random() < 0.3 else r.choices(names, often)[0])
            won = sum(r.random() < 0.05 + 0.02 * names.index(walk[-1]) for _ in range(r.randint(1, 8)))
            value = round(won * r.expovariate(0.1), 3)
            file.write(f"{' > '.join(walk)},{won},{value},{r.randint(0 if won else 1, 9)}\n")


def paths_of(path):
    with open(path, newline="") as file:
        delimiter = max(",;\t", key=file.readline().count)
        file.seek(0)
        for row in csv.DictReader(file, delimiter=delimiter):
            yield [c.strip() for c in row["path"].split(">")], *(float(row[c]) for c in COLUMNS)


def solved(matrix):
    """The last column after Gauss-Jordan with pivots."""
    for i in range(len(matrix)):
        pivot = max(range(i, len(matrix)), key=lambda r: abs(matrix[r][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        matrix[i] = [x / matrix[i][i] for x in matrix[i]]
        for j, row in enumerate(matrix):
            if j != i and row[i]:
                matrix[j] = [x - row[i] * y for x, y in zip(row, matrix[i])]
    return [row[-1] for row in matrix]


def computed(paths):
    totals = {m: collections.defaultdict(lambda: [0.0, 0.0]) for m in ("last", "first", "linear")}
    steps, value_at = collections.defaultdict(collections.Counter), collections.Counter()
    for walk, won, value, null in paths:
        for mechanism, shares in (("last", {len(walk) - 1: 1}), ("first", {0: 1}), ("linear", dict.fromkeys(range(len(walk)), 1 / len(walk)))):
            for place, share in shares.items():
                totals[mechanism][walk[place]][0] += won * share
                totals[mechanism][walk[place]][1] += value * share
        for a, b in itertools.pairwise([None, *walk]):
            steps[a][b] += won + null
        steps[walk[-1]]["(won)"] += won
        steps[walk[-1]]["(lost)"] += null
        value_at[walk[-1]] += value
    states = list(steps)

    def from_start(removed, gain):
        """What a walk comes to on average: gain(state) where it converts, nothing once it meets the removed channel."""
        kept = [s for s in states if s is None or s != removed]
        rows = [[(a == b) - steps[a][b] / steps[a].total() for b in kept] + [gain(a)] for a in kept]
        return solved(rows)[kept.index(None)]

    gains = (lambda s: steps[s]["(won)"] / steps[s].total(), lambda s: value_at[s] / steps[s].total())
    whole = [from_start("", gain) for gain in gains]
    effects = {c: [1 - from_start(c, gain) / all for gain, all in zip(gains, whole)] for c in states if c is not None}
    return totals, effects


def main():
    binary = os.path.abspath(sys.argv[1])
    given = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if given is None:
            random_paths("paths.csv")
        paths = list(paths_of(given or "paths.csv"))
        subprocess.run([binary, "attribute", "--format", "paths", "--in", given or "paths.csv", "--out", "totals",
                        "--mechanisms", "last,first,linear,markov"], check=True, stdout=subprocess.DEVNULL)
        with open("totals/channels.csv", newline="") as file:
            ours = {(r["mechanism"], r["channel"]): (float(r["conversions"]), float(r["value"])) for r in csv.DictReader(file)}
        with open("totals/removal_effects.csv", newline="") as file:
            our_effects = {r["channel"]: (float(r["effect"]), float(r["value_effect"])) for r in csv.DictReader(file)}
        os.chdir("/")
    totals, effects = computed(paths)
    all = [sum(p[1] for p in paths), sum(p[2] for p in paths)]
    sums = [sum(e[i] for e in effects.values()) for i in (0, 1)]
    totals["markov"] = {c: [e[i] / sums[i] * all[i] for i in (0, 1)] for c, e in effects.items()}
    assert set(our_effects) == set(effects), "other channels"
    worst = collections.Counter()
    for channel in effects:
        for mechanism in totals:
            for a, b in zip(ours[mechanism, channel], totals[mechanism][channel]):
                worst[mechanism] = max(worst[mechanism], abs(a - b))
                assert abs(a - b) <= 1e-7 * max(1, b), f"{mechanism} of {channel} is {a}, should be {b}"
        for a, b in zip(our_effects[channel], effects[channel]):
            worst["removal effect"] = max(worst["removal effect"], abs(a - b))
            assert abs(a - b) <= 1e-9, f"the removal effect of {channel} is {a}, should be {b}"
    print(f"{len(paths)} paths, {all[0]:.0f} conversions worth {all[1]:.2f}")
    for channel in sorted(effects, key=lambda c: -totals["last"][c][0]):
        print(f"{channel:12}", *(f"{m} {totals[m][channel][0]:.4f}" for m in totals), f"effect {effects[channel][0]:.12f}")
    print("largest differences:", ", ".join(f"{name} {x:.1e}" for name, x in worst.items()))


main()
