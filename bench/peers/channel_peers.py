"""The peer of mal_data attribute's channel totals: polars for the journeys, ChannelAttribution for the totals.

    channel_peers.py log --clicks F --conversions F --out F     a click log → totals of last, first, linear, markov (simulated)
    channel_peers.py paths --paths F [--order K] --out F                a table of paths, with ; between its columns → the same
    channel_peers.py check --peer F --ours DIR [--paths F --order K] [--markov 0.03]
        last, first and linear agree to 1e-7, the simulated markov to that share of all conversions; of --paths, our removal
        effects to 1e-9 with numpy's solution of the chain
"""
import argparse
import csv

import numpy as np

WINDOW = 30 * 86400


def journeys(clicks_file, conversions_file):
    """Rows path, conversions, value, nulls: a conversion's clicks of its user and advertiser in the window before it; what is in no
    such journey, by user and advertiser, as paths without conversion."""
    import polars as pl

    clicks = pl.read_csv(clicks_file, columns=["time", "user", "advertiser", "channel"]).with_row_index("click")
    conversions = pl.read_csv(conversions_file, columns=["time", "user", "advertiser", "value"]).with_row_index("conversion")
    touches = (conversions.join(clicks, on=["user", "advertiser"], suffix="_click")
               .filter((pl.col("time_click") <= pl.col("time")) & (pl.col("time_click") >= pl.col("time") - WINDOW))
               .sort("conversion", "time_click", "click"))
    path = pl.col("channel").str.join(" > ").alias("path")
    converting = (touches.group_by("conversion").agg(path, pl.col("value").first()).group_by("path")
                  .agg(pl.len().alias("conversions"), pl.col("value").sum()))
    quiet = (clicks.join(touches.select("click").unique(), on="click", how="anti").sort("time", "click").group_by("user", "advertiser").agg(path)
             .group_by("path").agg(pl.len().alias("nulls")))
    return converting.join(quiet, on="path", how="full", coalesce=True).fill_null(0).sort("path").to_pandas()


def totals(table, path, conversions, value, nulls, out, order=1):
    from ChannelAttribution import heuristic_models, markov_model

    rules = heuristic_models(table, path, conversions, value, flg_pro=False)
    markov = markov_model(table, path, conversions, value, nulls, order=order, flg_pro=False, verbose=False)
    rules.merge(markov, on="channel_name").to_csv(out, index=False)


def log(args):
    totals(journeys(args.clicks, args.conversions), "path", "conversions", "value", "nulls", args.out)


def paths(args):
    import pandas as pd

    totals(pd.read_csv(args.paths, sep=";"), "path", "total_conversions", "total_conversion_value", "total_null", args.out, args.order)


def effects(file, order):
    """[channel] the removal effects of conversions and of their value, the chain solved once a channel without it."""
    counts, ends = {}, {}
    with open(file, newline="") as text:
        for row in csv.DictReader(text, delimiter=";"):
            path, conversions = row["path"].split(" > "), int(row["total_conversions"])
            journeys = conversions + int(row["total_null"])
            if journeys == 0:
                continue
            states = ["start"] + [tuple(path[i:i + order]) for i in range(max(1, len(path) - order + 1))]
            for a, b in zip(states, states[1:]):
                counts[a, b] = counts.get((a, b), 0) + journeys
            ends.setdefault(states[-1], np.zeros(3))
            ends[states[-1]] += (journeys, conversions, float(row["total_conversion_value"]))
    states = sorted({s for pair in counts for s in pair}, key=str)
    place = {s: i for i, s in enumerate(states)}
    steps, gains = np.zeros((len(states), len(states))), np.zeros((len(states), 2))
    for (a, b), n in counts.items():
        steps[place[a], place[b]] = n
    total = steps.sum(axis=1)
    for s, (journeys, *gain) in ends.items():
        total[place[s]] += journeys
        gains[place[s]] = gain
    steps, gains = steps / total[:, None], gains / total[:, None]

    def brought(keep):
        at = np.flatnonzero(keep)
        return np.linalg.solve(np.eye(len(at)) - steps[np.ix_(at, at)], gains[at])[list(at).index(place["start"])]

    whole = brought(np.ones(len(states), bool))
    return {c: 1 - brought(np.array([s == "start" or c not in s for s in states])) / whole for c in sorted({c for s in states if s != "start" for c in s})}


def rows(file):
    with open(file, newline="") as text:
        return list(csv.DictReader(text))


def check(args):
    peer = {r["channel_name"]: r for r in rows(args.peer)}
    ours = {(r["channel"], r["mechanism"]): r for r in rows(f"{args.ours}/channels.csv")}
    markov = "markov" if args.paths else "markov_total"
    all_conversions = sum(float(r["last_touch_conversions"]) for r in peer.values())
    all_value = sum(float(r["last_touch_value"]) for r in peer.values())
    largest = {"rule": 0.0, "markov": 0.0, "effect": 0.0}
    for channel, theirs in peer.items():
        for mechanism in ("last", "first", "linear"):
            mine = ours[channel, mechanism]
            for got, wanted in ((mine["conversions"], theirs[f"{mechanism}_touch_conversions"]), (mine["value"], theirs[f"{mechanism}_touch_value"])):
                largest["rule"] = max(largest["rule"], abs(float(got) / float(wanted) - 1) if float(wanted) else abs(float(got)))
        mine = ours[channel, markov]
        for got, wanted, whole in ((mine["conversions"], theirs["total_conversions"], all_conversions), (mine["value"], theirs["total_conversion_value"], all_value)):
            largest["markov"] = max(largest["markov"], abs(float(got) - float(wanted)) / whole)
    assert {c for c, _ in ours} == set(peer), "other channels"
    if args.paths:
        solved = effects(args.paths, args.order)
        for r in rows(f"{args.ours}/removal_effects.csv"):
            for got, wanted in zip((r["effect"], r["value_effect"]), solved[r["channel"]]):
                largest["effect"] = max(largest["effect"], abs(float(got) - wanted))
    print(f"channels: last, first, linear within {largest['rule']:.1e}, markov within {100 * largest['markov']:.2f} % of all conversions of its simulation"
          + (f", removal effects within {largest['effect']:.1e} of numpy's solution" if args.paths else ""))
    assert largest["rule"] < 1e-7 and largest["markov"] < args.markov and largest["effect"] < 1e-9, "they differ"


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
for function, options in ((log, ["clicks", "conversions", "out"]), (paths, ["paths", "order", "out"]), (check, ["peer", "ours", "paths", "order", "markov"])):
    command = commands.add_parser(function.__name__)
    command.set_defaults(run=function)
    for option in options:
        command.add_argument(f"--{option}", type={"order": int, "markov": float}.get(option, str), default={"order": 1, "markov": 0.03}.get(option))
arguments = parser.parse_args()
arguments.run(arguments)
