"""The rules of docs/attribution.md and docs/touches.md, written a second time and for clarity alone: what `mal_data attribute`
must write for a small log. Knows nothing of the C++ code. Times are integers (microseconds), a log is a list of dicts.

  click       time, user, key, channel, group, event   in input order; group: (user, key), or the journey that the input names
  conversion  time, group

A click may have an open_group: the one that it has in the fit while the conversion of its group is yet to come.
"""
import itertools
import math
import statistics

SECOND = 1_000_000
DAY = 86400 * SECOND
RULES = ("last", "first", "linear", "time_decay", "position")
FITTED = ("shapley", "markov", "logistic")


class Touches:
    """Which clicks share a conversion (docs/touches.md)."""

    def __init__(self, window=30 * DAY, event_windows=None, lookback=None, exclude_channels=(), exclude_events=()):
        self.window, self.event_windows, self.lookback = window, event_windows or {}, lookback or {}
        self.exclude_channels, self.exclude_events = exclude_channels, exclude_events

    def reaches(self, click, time):
        own = [w[name] for w, name in ((self.event_windows, click.get("event")), (self.lookback, click["channel"])) if name in w]
        return time - min(own, default=self.window) <= click["time"] <= time

    def sharing(self, touches):
        some = [c for c in touches if c["channel"] not in self.exclude_channels and c.get("event") not in self.exclude_events]
        return some or touches


def journeys_of(clicks, conversions, rule, restart, until=None):
    """[(clicks that reach it, conversion time)], and the number of conversions without a click."""
    converting, without = [], 0
    for group, ends in grouped(conversions, until).items():
        own = in_time_order([c for c in clicks if c["group"] == group and (until is None or c["time"] < until)])
        taken = set()
        for end in sorted(ends):
            touches = [c for c in own if rule.reaches(c, end) and not (restart and c["number"] in taken)]
            taken.update(c["number"] for c in own if c["time"] <= end)  # of --restart: an earlier conversion is a border
            if touches:
                converting.append((touches, end))
            else:
                without += 1
    return converting, without


def grouped(conversions, until):
    groups = {}
    for conversion in conversions:
        if until is None or conversion["time"] < until:
            groups.setdefault(conversion["group"], []).append(conversion["time"])
    return groups


def as_known(clicks, conversions, until):
    """Clicks as of the time `until`: a conversion that is yet to come groups none."""
    late = {c["group"] for c in conversions if until is not None and c["time"] >= until}
    return [{**c, "group": c["open_group"]} if c["group"] in late and "open_group" in c else c for c in clicks]


def in_time_order(clicks):
    return sorted(clicks, key=lambda c: (c["time"], c["number"]))


def quiet_journeys(clicks, converting, rule, until):
    """Clicks in no converting journey: a group's last one closes a journey of those that reach it, the last of the rest the next."""
    busy = {c["number"] for touches, _ in converting for c in touches}
    groups = {}
    for click in in_time_order(clicks):
        if click["number"] not in busy and (until is None or click["time"] < until):
            groups.setdefault(click["group"], []).append(click)
    quiet = []
    for own in groups.values():
        while own:
            end = own[-1]["time"]
            quiet.append([c for c in own[:-1] if rule.reaches(c, end)] + own[-1:])
            own = [c for c in own if c not in quiet[-1]]
    return quiet


# The fit. paths: [(channels of the clicks in time order, converted)].

def shapley_values(paths):
    channels = sorted({c for path, _ in paths for c in path})
    count, converted = {}, {}
    for path, won in paths:
        s = frozenset(path)
        count[s] = count.get(s, 0) + 1
        converted[s] = converted.get(s, 0) + won
    overall = sum(won for _, won in paths) / len(paths)
    worth = {frozenset(): 0.0}
    for size in range(1, len(channels) + 1):
        for members in map(frozenset, itertools.combinations(channels, size)):
            prior, mass = (overall, 20) if size == 1 else (statistics.fmean(worth[frozenset([i])] for i in members), 500)
            worth[members] = (converted.get(members, 0) + mass * prior) / (count.get(members, 0) + mass)
    n = len(channels)
    values = {}
    for channel in channels:
        others = [c for c in channels if c != channel]
        values[channel] = sum(
            math.factorial(len(s)) * math.factorial(n - len(s) - 1) / math.factorial(n)
            * (worth[frozenset(s) | {channel}] - worth[frozenset(s)])
            for size in range(n) for s in itertools.combinations(others, size))
    return values


def markov_values(paths):
    steps = {}
    for path, won in paths:
        for a, b in itertools.pairwise(["start", *(("channel", c) for c in path), "won" if won else "lost"]):
            steps.setdefault(a, {}).setdefault(b, 0)
            steps[a][b] += 1
    channels = sorted({c for path, _ in paths for c in path})

    def won_without(removed):
        """P(won | start), by Gauss-Jordan: p[a] = sum over b of share(a, b) p[b], p[won] = 1, p[lost] = p[removed] = 0."""
        states = [s for s in steps if s != ("channel", removed)]
        rows = []
        for a in states:
            total = sum(steps[a].values())
            rows.append([(a == b) - steps[a].get(b, 0) / total for b in states] + [steps[a].get("won", 0) / total])
        for i in range(len(rows)):
            pivot = max(range(i, len(rows)), key=lambda r: abs(rows[r][i]))
            rows[i], rows[pivot] = rows[pivot], rows[i]
            rows[i] = [x / rows[i][i] for x in rows[i]]
            for j in range(len(rows)):
                if j != i and rows[j][i]:
                    factor = rows[j][i]
                    rows[j] = [x - factor * y for x, y in zip(rows[j], rows[i])]
        return rows[states.index("start")][-1]

    everything = won_without(None)
    return {c: 1 - won_without(c) / everything for c in channels}


# The split of one conversion.

def shares(mechanism, touches, end, half_life, values):
    n = len(touches)
    if mechanism == "last":
        return [0.0] * (n - 1) + [1.0]
    if mechanism == "first":
        return [1.0] + [0.0] * (n - 1)
    if mechanism == "time_decay":
        weights = [2.0 ** (-(end - c["time"]) / half_life) for c in touches]
    elif mechanism == "position":
        weights = [1.0] if n == 1 else [0.5, 0.5] if n == 2 else [0.4] + [0.2 / (n - 2)] * (n - 2) + [0.4]
    elif mechanism == "linear":
        weights = [1.0] * n
    else:
        weights = [max(0.0, values[mechanism].get(c["channel"], 0.0)) for c in touches]
    total = sum(weights)
    return [w / total for w in weights] if total > 0 else [1 / n] * n


def attribute(clicks, conversions, mechanisms, *, rule=Touches(), restart=False, half_life=7 * DAY, test_from=None,
              test_to=None, gap=0, train_labels="final", keep_events=None, logistic=None, fit_clicks=None):
    """What the files hold: rows of train.csv and test.csv as (click, credits, path length), and the counts.

    fit_clicks: those that the fit sees, where they are others (touches of journeys, cut as the day before the test period knew them).
    logistic: its values by channel, as the run under test printed them (its bags are random); None: nothing is fitted."""
    reaching, without = journeys_of(clicks, conversions, rule, restart)
    converting = [(rule.sharing(touches), end) for touches, end in reaching]
    values, learned, paths = {}, True, []
    if any(m in FITTED for m in mechanisms):
        seen = as_known(clicks if fit_clicks is None else fit_clicks, conversions, test_from)
        known, _ = journeys_of(seen, conversions, rule, restart, test_from)
        quiet = quiet_journeys(seen, known, rule, test_from)
        paths = [([c["channel"] for c in rule.sharing(touches)], won)
                 for touches, won in [(t, 1) for t, _ in known] + [(q, 0) for q in quiet]]
        learned = 0 < sum(won for _, won in paths) < len(paths)
        if learned:
            values = {"shapley": shapley_values(paths), "markov": markov_values(paths), "logistic": logistic or {}}
        else:
            values = {m: {} for m in FITTED}
    credit = {c["number"]: [0.0] * len(mechanisms) for c in clicks}
    length = {c["number"]: 0 for c in clicks}
    for touches, end in converting:
        by_mechanism = [shares(mechanism, touches, end, half_life, values) for mechanism in mechanisms]
        for k, click in enumerate(touches):
            if train_labels == "known" and test_from is not None and click["time"] < test_from <= end:
                continue  # not known on the eve of the test period
            length[click["number"]] = max(length[click["number"]], len(touches))
            for m, split in enumerate(by_mechanism):
                credit[click["number"]][m] += split[k]
    train, test = [], []
    for click in in_time_order(clicks):
        if keep_events is not None and click["event"] not in keep_events:
            continue
        row = (click, [min(1.0, x) for x in credit[click["number"]]], length[click["number"]])
        if test_from is None or click["time"] < test_from - gap:
            train.append(row)
        elif click["time"] >= test_from and (test_to is None or click["time"] < test_to):
            test.append(row)
    lengths = [len(touches) for touches, _ in converting]
    counts = {
        "clicks": len(clicks), "users": len({c["user"] for c in clicks}), "conversions": len(conversions),
        "conversions_without_clicks": without, "journeys": len(converting), "journey_clicks": sum(lengths),
        "single_click_journeys": lengths.count(1), "longest_journey": max(lengths, default=0),
        "train_clicks": len(train), "test_clicks": len(test),
    }
    return {"train": train, "test": test, "counts": counts, "values": values, "learned": learned,
            "fit_journeys": len(paths), "fit_conversions": sum(won for _, won in paths)}
