"""What a value of Parquet is as text: times to the microsecond, whole floating-point numbers, dates, numbers without an exponent."""
import csv
import datetime

from support import column, expect, mal_data, pa, pq, prepare, write

UTC = datetime.timezone.utc


def attribute(clicks, buys, *more, mechanisms="last,first"):
    write("clicks.parquet", clicks)
    write("buys.parquet", buys)
    return mal_data("attribute", "--in", "clicks.parquet", "--conversions", "buys.parquet", "--mechanisms", mechanisms,
                    "--out", "samples", *more)


def rows():
    with open("samples/train.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def credits(*names):
    return [tuple(row[name] for name in names) for row in rows()]


def log(time, **more):
    n = len(time)
    return {"time": time, "user": pa.array(["u"] * n), "advertiser": pa.array(["a"] * n), **more}


# A click of the conversion's second, but after it, gets nothing. 1600000000 is 2020-09-13 12:26:40 in Greenwich.
for unit, a_second in (("ms", 1000), ("us", 10**6), ("ns", 10**9)):
    for zone in (None, "UTC", "Asia/Shanghai"):
        kind = pa.timestamp(unit, zone)
        second = 1_600_000_000 * a_second
        clicks = pa.array([second + a_second // 4, second + a_second * 3 // 4], pa.int64()).cast(kind)
        buys = pa.array([second + a_second // 2], pa.int64()).cast(kind)
        for memory in ("1GiB", "1"):
            expect(attribute(log(clicks), log(buys), "--memory", memory), 0)
            assert credits("time", "last", "first") == [("1600000000.25", "1", "1"), ("1600000000.75", "0", "0")], (unit, rows())

# The text has all digits of the file, the order is that of microseconds: the first two are one moment, so in input order.
nanoseconds = [1_600_000_000_000_000_900, 1_600_000_000_000_000_100, 1_600_000_000_000_001_000]
expect(attribute(log(pa.array(nanoseconds, pa.timestamp("ns"))), log(pa.array([1_600_000_001], pa.int64()))), 0)
assert credits("time", "last") == [("1600000000.0000009", "0"), ("1600000000.0000001", "0"), ("1600000000.000001", "1")], rows()

# Spark's 96 bits are a point in time; they have no zone and need no offset.
moment = pa.array([1_600_000_000_500_000, 1_600_000_002_000_000], pa.timestamp("us"))
pq.write_table(pa.table(log(moment)), "int96.parquet", use_deprecated_int96_timestamps=True)
write("buys.parquet", log(pa.array([1_600_000_001], pa.int64())))
expect(mal_data("attribute", "--in", "int96.parquet", "--conversions", "buys.parquet", "--mechanisms", "last", "--utc-offset", 8,
                "--out", "samples"), 0)
assert credits("time", "last") == [("1600000000.5", "1"), ("1600000002", "0")], rows()

# A timestamp without a zone, a date and text without an offset are local: --utc-offset says where. A zone says it itself.
local = datetime.datetime(2020, 9, 13, 20, 26, 40)  # in China, 8 hours east
buy = log(pa.array([1_600_000_000], pa.int64()))
for time in (pa.array([local], pa.timestamp("us")), pa.array([local.isoformat()]), pa.array([local.replace(tzinfo=UTC) - datetime.timedelta(hours=8)])):
    expect(attribute(log(time), buy, "--utc-offset", 8, "--derive", "hour"), 0)
    assert credits("last", "hour", "weekday") == [("1", "20", "6")], (time, rows())
expect(attribute(log(pa.array([datetime.date(2020, 9, 13)])), buy, "--utc-offset", -5, "--derive", "hour"), 0)
assert credits("time", "last", "hour", "weekday") == [("2020-09-13", "1", "0", "6")], rows()
for days in (pa.date32(), pa.date64()):
    expect(attribute(log(pa.array([datetime.date(1969, 7, 20), datetime.date(2020, 9, 13)]).cast(days)), buy, "--from", 0), 0)
    assert credits("time") == [("2020-09-13",)], rows()

# Numbers: seconds as doubles, milliseconds by the option; the unit of timestamps is their own.
expect(attribute(log(pa.array([1_600_000_000.25, 1_600_000_001.0])), log(pa.array([1_600_000_000.5]))), 0)
assert credits("time", "last") == [("1600000000.25", "1"), ("1600000001", "0")], rows()
expect(attribute(log(pa.array([1_600_000_000_250, 1_600_000_000_750])), log(pa.array([1_600_000_000_500], pa.timestamp("ms"))),
                 "--time-unit", "ms"), 0)
assert credits("time", "last") == [("1600000000250", "1"), ("1600000000750", "0")], rows()
expect(attribute(log(pa.array([1_600_000_000_250])), buy), 1, "clicks.parquet:1:time", "--time-unit ms")
expect(attribute(log(pa.array([20200913])), buy), 1, "clicks.parquet:1:time", "looks like the date 2020-09-13")
expect(attribute(log(pa.array([20200913.0])), buy), 1, "clicks.parquet:1:time", "looks like the date 2020-09-13")
expect(attribute(log(pa.array([1.6e9], pa.float32())), buy), 1, "clicks.parquet:1:time", "32-bit")

# Whole floating-point ids are their integers, in files that have them as integers, too; null is an empty field.
clicks = {"time": pa.array([1, 2, 3]), "user": pa.array([100000.0, 2.0**53 - 1, -0.0]), "advertiser": pa.array([1e15, 7, 7])}
for narrow in (False, True):
    if narrow:
        clicks = {**clicks, "user": pa.array([100000.0, 2.0**24 - 1, 0], pa.float32()), "advertiser": pa.array([1e6, 7, 7], pa.float32())}
    whole = {name: pa.array([int(v) for v in values.to_pylist()]) for name, values in clicks.items()}
    buys = {**whole, "time": pa.array([5, 5, 5]), "conversion_id": pa.array([1.0, 2.0, 3.0])}
    expect(attribute(clicks, buys), 0)
    assert credits("user", "advertiser", "last") == [(str(whole["user"][i]), str(whole["advertiser"][i]), "1") for i in range(3)], rows()
for name, bad, why in (("user", 1.5, "1.5 is not whole"), ("advertiser", 2.0**53, "9007199254740992 is too large"), ("user", 1e300, "1e+300 is too large"),
                       ("advertiser", float("inf"), "inf is not whole")):
    changed = {**clicks, name: pa.array([1.0, bad, 1.0])}
    expect(attribute(changed, buys), 1, f"clicks.parquet:2:{name}", why, f"df['{name}'].astype('Int64')")
    expect(attribute(clicks, {**changed, "time": pa.array([5, 5, 5])}), 1, f"buys.parquet:2:{name}", why)
# pandas' missing number is a missing user, as null is.
missing = {**clicks, "user": pa.array([1.0, float("nan"), 1.0])}
expect(attribute(missing, buys), 1, "clicks.parquet:2:user", "'nan' says that there is no value")
expect(attribute(clicks, {**missing, "time": pa.array([5, 5, 5])}), 1, "buys.parquet:2:user", "'nan' says that there is no value")
expect(attribute({**clicks, "user": pa.array([1.0, 2.0**24, 1.0], pa.float32())}, buys), 1, "clicks.parquet:2:user", "2^24")
expect(attribute(clicks, {**buys, "conversion_id": pa.array([1.0, 2.5, 3.0])}), 1, "buys.parquet:2:conversion_id", "2.5 is not whole")
expect(attribute({**clicks, "user": pa.array([1.0, None, 2.0])}, buys), 1, "clicks.parquet:2:user", "empty")
named = {"timestamp": pa.array([1, 2]), "user": pa.array([1.0, 1.0]), "campaign": pa.array([3.0, 3.0]), "conversion": pa.array([True, True])}
for journey, code in ((pa.array([5.0, 5.0]), 0), (pa.array([5.0, 5.5]), 1)):
    write("named.parquet", {**named, "journey": journey})
    expect(mal_data("attribute", "--in", "named.parquet", "--format", "journeys", "--mechanisms", "last", "--out", "samples"), code,
           *(["named.parquet:2:journey", "5.5 is not whole"] if code else []))
criteo = {"timestamp": pa.array([1, 2]), "uid": pa.array([1, 1]), "campaign": pa.array([3, 3]), "click": pa.array([1, 1]),
          "conversion_timestamp": pa.array([9, 9]), "conversion_id": pa.array([100000.0, 100000.0])}
for ids, code in ((criteo["conversion_id"], 0), (pa.array([7.0, 2.0**53]), 1)):
    write("criteo.parquet", {**criteo, "conversion_id": ids})
    expect(mal_data("attribute", "--in", "criteo.parquet", "--format", "criteo", "--mechanisms", "last", "--out", "samples"), code,
           *(["criteo.parquet:2:conversion_id", "too large to be exact"] if code else []))
    assert code or [row["last"] for row in rows()] == ["0", "1"]

# What is passed through: no exponent where the number is of a reasonable size, and text that reads back as the same number.
numbers = [1e5, 1e20, 1e21, 0.1, 1e-7, 1e-8, -2.5e10, 123456.789, 5e-324, 1.7976931348623157e308]
texts = ["100000", "100000000000000000000", "1e+21", "0.1", "0.0000001", "1e-08", "-25000000000", "123456.789", "5e-324", "1.7976931348623157e+308"]
n = len(numbers)
others = {"double": pa.array(numbers), "flag": pa.array([True, False] * (n // 2)), "small": pa.array(range(n), pa.int8()),
          "large": pa.array([2**64 - 1 - i for i in range(n)], pa.uint64()), "day": pa.array([datetime.date(1969, 12, 31)] * n),
          "at": pa.array([-1] * n, pa.timestamp("ms")), "list": pa.array([[1e5, None, 0.5]] * n), "gap": pa.array([1e5, *[None] * (n - 1)])}
expect(attribute(log(pa.array(range(n)), **others), log(pa.array([99]))), 0)
assert [row["double"] for row in rows()] == texts and [float(text) for text in texts] == numbers, rows()
first = rows()[0]
assert (first["flag"], first["small"], first["large"], first["day"], first["at"], first["list"], first["gap"]) == (
    "1", "0", "18446744073709551615", "1969-12-31", "-0.001", "100000||0.5", "100000"), first
assert rows()[1]["flag"] == "0" and rows()[1]["gap"] == ""

# prepare takes the same times and ids, from Parquet as from the text that attribute writes.
with open("schema.yaml", "w") as file:
    file.write("name: small\ncolumns:\n  - {name: time, kind: time}\n  - {name: user, kind: id}\n  - {name: items, kind: ids, length: 2}\n"
               "  - {name: who, kind: group, column: user}\n  - {name: city, kind: slice}\n  - {name: last, kind: credit}\n")


def samples(time, **changed):
    n = len(time)
    return {"time": time, "user": pa.array([7.0, 9.0, 8.0][:n]) if "user" not in changed else changed.pop("user"),
            "items": pa.array([[7.0], [8.0, None], []][:n]), "city": pa.array([1.0, None, 2.0][:n]), "last": pa.array([0.0, 1.0, 0.5][:n]), **changed}


write("test.parquet", samples(pa.array([1_600_000_009]), user=pa.array([7])))
times = [1_600_000_000, 1_600_000_000, 1_600_000_001]
for time, more in ((pa.array(times), []), (pa.array([t + 0.25 for t in times]), []), (pa.array([1000 * t + 250 for t in times]), ["--time-unit", "ms"]),
                   (pa.array([1000 * t + 250 for t in times], pa.timestamp("ms")), []), (pa.array([1000 * t + 250 for t in times], pa.timestamp("ms", "UTC")), ["--utc-offset", 8]),
                   (pa.array([f"2020-09-13T20:26:4{t % 10}.5+08:00" for t in times]), [])):
    write("train.parquet", samples(time, user=pa.array([7.0, 9.0, 8.0])))
    unit = [*more, "--time-unit", "s"] if not more else more
    write("test.parquet", samples(pa.array([1_600_000_009], pa.int64()) if more != ["--time-unit", "ms"] else pa.array([1_600_000_009_000]), user=pa.array([7])))
    expect(prepare("schema.yaml", "train.parquet", "test.parquet", "dataset", *unit), 0)
    assert column("time").tolist() == times, (time, column("time"))
    assert column("user").tolist() == [1, 3, 2] and column("who").tolist() == [7, 9, 8], column("user")
    assert column("items", 2).tolist() == [[1, 0], [2, 0], [0, 0]]
write("test.parquet", samples(pa.array([1_600_000_009]), user=pa.array([7])))
for time, more in ((datetime.datetime(2020, 9, 13, 20, 26, 40), 0), (datetime.date(2020, 9, 13), 26 * 60 + 40 + 12 * 3600)):
    write("train.parquet", samples(pa.array([time]), user=pa.array([7])))
    expect(prepare("schema.yaml", "train.parquet", "test.parquet", "dataset", "--utc-offset", 8 if more == 0 else 0), 0)
    assert column("time").tolist() == [1_600_000_000 - more]
train = pa.array(times)
for changed, parts in (({"user": pa.array([7.0, 7.5, 8.0])}, ("train.parquet:2:user", "7.5 is not whole", "df['user'].astype('Int64')")),
                       ({"user": pa.array([7.0, 2.0**53, 8.0])}, ("train.parquet:2:user", "too large to be exact")),
                       ({"items": pa.array([[1.0], [], [3.0, 0.5]])}, ("train.parquet:3:items", "0.5 is not whole")),
                       ({"city": pa.array([1.0, float("nan"), 2.0])}, ("train.parquet:2:city", "nan is not whole")),
                       ({"user": pa.array([7.0, None, 8.0])}, ("train.parquet:2:user", "group is empty")),
                       ({"time": pa.array([20200913] * 3)}, ("train.parquet:1:time", "looks like the date 2020-09-13")),
                       ({"time": pa.array([1000 * t for t in times])}, ("train.parquet:1:time", "--time-unit ms")),
                       ({"time": pa.array([1.6e9] * 3, pa.float32())}, ("train.parquet:1:time", "32-bit"))):
    write("train.parquet", samples(changed.pop("time", train), **changed))
    expect(prepare("schema.yaml", "train.parquet", "test.parquet"), 1, *parts)

# attribute's output, with the times that it passes on, can be prepared.
with open("own.yaml", "w") as file:
    file.write("name: own\ncolumns:\n  - {name: time, kind: time}\n  - {name: user, kind: id, evict: 30d}\n  - {name: last, kind: credit}\n")
for time, more in ((pa.array([1_600_000_000_250, 1_600_000_001_000], pa.timestamp("ms")), []), (pa.array(["2020-09-13 20:26:40.25", "2020-09-13T20:26:41"]), ["--utc-offset", 8]),
                   (pa.array([1_600_000_000_250, 1_600_000_001_000]), ["--time-unit", "ms"]), (pa.array([1_600_000_000.25, 1_600_000_001.0]), [])):
    expect(attribute(log(time), log(pa.array([1_600_000_002], pa.timestamp("s", "UTC"))), "--test-from", "2020-09-13T12:26:41Z", *more, mechanisms="last"), 0)
    expect(prepare("own.yaml", "samples/train.csv", "samples/test.csv", "dataset", *more), 0)
    assert column("time").tolist() == [1_600_000_000] and column("time", split="test").tolist() == [1_600_000_001]
print("times, numbers and ids of Parquet are what they are")
