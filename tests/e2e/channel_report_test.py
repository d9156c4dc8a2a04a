"""The channel report of mal_data attribute beside a second implementation of its rules: channels.csv, attribution.json
and report.html, which headless Chromium opens where there is one."""
import collections
import csv
import filecmp
import html.parser
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

MAL_DATA = os.path.abspath(sys.argv[1])
DAY = 86400
WINDOW = 7 * DAY
CHANNELS = ["search", "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "a & b, " + "long " * 30, "名前", "rare"]
folder = tempfile.TemporaryDirectory()
os.chdir(folder.name)


def attribute(out, *more, clicks="clicks.csv", conversions="conversions.csv"):
    command = [MAL_DATA, "attribute", "--in", clicks, "--conversions", conversions, "--window", "7d", "--out", out, *more]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def random_log(seed, users=60, clicks=900):
    r = random.Random(seed)
    weights = [8, 5, 4, 3, 2, 0.3]
    log = sorted((1_700_000_000 + r.randrange(30 * DAY), f"u{r.randrange(users)}", r.choice("kl"),
                  r.choices(CHANNELS, weights)[0], round(r.random(), 2)) for _ in range(clicks))
    sales = [(time + r.randrange(3 * DAY), user, key, r.randrange(1, 200) / 4) for time, user, key, channel, _ in log
             if r.random() < 0.1 + 0.3 * CHANNELS.index(channel) / 5]
    sales += [(1_700_000_000, "nobody", "k", 1000)]
    return log, sales


def journeys_of(log, sales):
    """([clicks], conversion) of what converts, and [clicks] of what does not."""
    groups = collections.defaultdict(list)
    for place, click in enumerate(log):
        groups[click[1], click[2]].append((click[0], place, click))
    converting, used = [], set()
    for sale in sales:
        path = [(time, place, click) for time, place, click in sorted(groups[sale[1], sale[2]]) if sale[0] - WINDOW <= time <= sale[0]]
        used.update(place for _, place, _ in path)
        if path:
            converting.append(([click for *_, click in path], sale))
    quiet = []
    for group in groups.values():
        rest = sorted(group)
        while rest:
            last = rest.pop()
            if last[1] in used:
                continue
            path = [last]
            while rest and rest[-1][1] not in used and rest[-1][0] >= last[0] - WINDOW:
                path.insert(0, rest.pop())
            quiet.append([click for *_, click in path])
    return converting, quiet


def shares(mechanism, n):
    if mechanism == "linear":
        return [1 / n] * n
    return [float(k == (n - 1 if mechanism == "last" else 0)) for k in range(n)]


def close(a, b):
    return abs(a - b) <= 1e-9 * max(1, abs(b))


def read_channels(out):
    with open(f"{out}/channels.csv", newline="", encoding="utf-8") as file:
        return {(row["channel"], row["mechanism"]): row for row in csv.DictReader(file)}


def check_totals(log, sales, out):
    converting, _ = journeys_of(log, sales)
    rows = read_channels(out)
    clicks = collections.Counter(click[3] for click in log)
    cost = collections.Counter()
    for click in log:
        cost[click[3]] += click[4]
    for mechanism in ("last", "first", "linear"):
        conversions, value = collections.Counter(), collections.Counter()
        for path, sale in converting:
            for click, share in zip(path, shares(mechanism, len(path))):
                conversions[click[3]] += share
                value[click[3]] += share * sale[3]
        for channel in clicks:
            row = rows[channel, mechanism]
            assert close(float(row["conversions"]), conversions[channel]), (row, conversions[channel])
            assert close(float(row["value"]), value[channel]), (row, value[channel])
            assert int(row["clicks"]) == clicks[channel] and close(float(row["cost"]), cost[channel]), row
            if conversions[channel] > 0:
                assert close(float(row["cpa"]), cost[channel] / conversions[channel]), row
            assert close(float(row["roas"]), value[channel] / cost[channel]), row
    for mechanism in ("last", "first", "linear", "shapley", "markov", "logistic"):
        mine = [row for (_, name), row in rows.items() if name == mechanism]
        assert close(sum(float(row["conversions"]) for row in mine), len(converting)), mechanism
        assert close(sum(float(row["value"]) for row in mine), sum(sale[3] for _, sale in converting)), mechanism
    with open(f"{out}/attribution.json", encoding="utf-8") as file:
        report = json.load(file)["channel_report"]
    assert report["credited_conversions"] == len(converting)
    assert close(report["value"], sum(sale[3] for sale in sales))
    assert {entry["channel"] for entry in report["channels"]} == set(clicks)


class Page(html.parser.HTMLParser):
    """Tags, attributes that could reach out, the cells of table rows, and what an <svg> draws."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.charts, self.rows = collections.Counter(), [], [], []
        self.kind, self.in_title = None, False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        attributes = dict(attributes)
        self.links += [value for name, value in attributes.items() if name in ("src", "href", "action") or name.startswith("on")]
        if tag == "svg":
            self.charts.append({"texts": [], "bars": [], "titles": []})
        if tag == "rect":
            self.charts[-1]["bars"].append(float(attributes["width"]))
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        self.kind = {"text": "texts", "title": "titles", "td": "td"}.get(tag, self.kind)

    def handle_endtag(self, tag):
        if tag in ("text", "title", "td"):
            self.kind = None

    def handle_data(self, data):
        if self.kind == "td":
            self.rows[-1][-1] += data
        elif self.kind and self.charts:
            self.charts[-1][self.kind].append(data)

    def chart(self, title):
        return next(chart for chart in self.charts if chart["texts"] and chart["texts"][0] == title)


def check_page(text, log, sales, out):
    page = Page(text)
    assert not page.links and not page.tags["script"] and not page.tags["img"] and "http" not in text.replace("http-equiv", ""), page.links
    converting, quiet = journeys_of(log, sales)
    rows = read_channels(out)
    for mechanism in ("last", "linear", "shapley"):
        chart = page.chart(mechanism)
        credit = sorted((float(row["conversions"]) for (_, name), row in rows.items() if name == mechanism), reverse=True)
        bars = sorted(chart["bars"], reverse=True)
        assert len(bars) == len(credit) and set(chart["titles"]) == {channel for channel, _ in rows}, chart
        for bar, wanted in zip(bars, credit):
            assert abs(bar - bars[0] * wanted / credit[0]) < 0.11, (mechanism, bars, credit)
    lengths = collections.Counter(len(path) for path, _ in converting)
    texts = page.chart("clicks of the journey (conversions)")["texts"]
    for length, count in lengths.items():
        if length < 20:
            note = f"{count} ({100 * count / len(converting):.1f} %)"
            label = f"{length} click{'s' if length > 1 else ''}"
            assert note in texts, (note, texts)
            assert label in page.chart("clicks of the journey (conversions)")["titles"], label
    day = sum(DAY <= sale[0] - path[0][0] < 2 * DAY for path, sale in converting)
    assert f"{day} ({100 * day / len(converting):.1f} %)" in page.chart("from the first click to the conversion (conversions)")["texts"]
    collapse = lambda path: tuple(click[3] for k, click in enumerate(path) if k == 0 or path[k - 1][3] != click[3])
    paths = collections.Counter(collapse(path) for path, _ in converting)
    best = min(paths, key=lambda path: (-paths[path], [name.encode() for name in path]))
    found = next(row for row in page.rows if len(row) > 2 and row[2].endswith("%") and row[0] == " › ".join(best))
    assert found[1] == str(paths[best]) and found[2] == f"{100 * paths[best] / len(converting):.1f} %", found
    steps = collections.Counter()
    for path, end in [(path, "(conversion)") for path, _ in converting] + [(path, "(none)") for path in quiet]:
        stations = ["(start)", *(click[3] for click in path), end]
        steps.update(zip(stations, stations[1:]))
    titles = set(page.chart("next step, % of the row")["titles"])
    for (start, to), count in steps.items():
        whole = sum(number for (other, _), number in steps.items() if other == start)
        note = f"{start} → {to}: {count:,} of {whole:,} ({100 * count / whole:.2f} %)"
        assert note in titles, (note, sorted(titles)[:3])


def browser():
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def check_in_browser(program, out, log, sales):
    """What the browser makes of the page, after scripts had their chance."""
    common = [program, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder.name}/profile", "--window-size=1400,2000"]
    dom = subprocess.run([*common, "--dump-dom", f"file://{folder.name}/{out}/report.html"], capture_output=True, timeout=60)
    check_page(dom.stdout.decode(), log, sales, out)
    shot = subprocess.run([*common, f"--screenshot={folder.name}/{out}.png", f"file://{folder.name}/{out}/report.html"],
                          capture_output=True, timeout=60)
    assert shot.returncode == 0 and os.path.getsize(f"{out}.png") > 30_000, shot.stderr[-500:]


log, sales = random_log(1)
mixed = log[:]
random.Random(2).shuffle(mixed)
write_csv("clicks.csv", ["time", "user", "advertiser", "channel", "cost"], mixed)
write_csv("conversions.csv", ["time", "user", "advertiser", "value"], sales)
options = ["--mechanisms", "last,first,linear,shapley,markov,logistic", "--cost", "cost", "--report"]
text = attribute("memory", *options)
assert "conversions credited to each channel, by mechanism" in text and "ROAS" in text, text
attribute("disk", *options, "--memory", "1")
compared = filecmp.cmpfiles("memory", "disk", os.listdir("memory"), shallow=False)
assert sorted(compared[0]) == sorted(os.listdir("disk")) and not compared[1], compared
check_totals(log, sales, "memory")
with open("memory/report.html", encoding="utf-8") as file:
    check_page(file.read(), log, sales, "memory")
if program := browser():
    check_in_browser(program, "memory", log, sales)

# Pages of unusual logs: one channel; no conversion; more channels than bars.
for name, channels, some_sales in (("one", ["only"], True), ("none", ["a", "b"], False), ("many", [f"c{k}" for k in range(70)], True)):
    r = random.Random(3)
    write_csv("clicks.csv", ["time", "user", "advertiser", "channel"], [(1000 + k, k % 50, "k", r.choice(channels)) for k in range(2000)])
    write_csv("conversions.csv", ["time", "user", "advertiser"], [(3000 + k, k if some_sales else -1, "k") for k in range(40)])
    attribute(name, "--mechanisms", "last,shapley", "--report")
    with open(f"{name}/report.html", encoding="utf-8") as file:
        page = Page(file.read())
    assert len(page.chart("last")["bars"]) == min(len(channels), 41), name
    assert ("nothing to show" in page.chart("clicks of the journey (conversions)")["texts"]) == (not some_sales), name
print("the channel report is what a second implementation says" + ("" if program else "; no Chromium here to open the page"))
