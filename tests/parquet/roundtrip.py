"""Random schemas and data: Parquet → data set → Parquet gives the input back, and the same rows as CSV give the same
data set, byte for byte. Arguments: mal_data [cases [first seed]]."""
import csv
import random
import sys

from support import expect, mal_data, np, pa, pq, prepare, same_folders

INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.string())]
REALS = [pa.float32(), pa.float64()]
WORDS = ["red", "blue", "grün", "7", "07", "a,b", 'say "hi"', " spaced ", "x" * 40, "名前", "-3", "1.0"]


def random_list_type(r, inner, length):
    kind = r.choice(["list", "large_list", "fixed"])
    return {"list": pa.list_, "large_list": pa.large_list}[kind](inner) if kind != "fixed" else pa.list_(inner, length)


def random_ids(r):
    """A physical type, and a function that draws a value of it."""
    if r.random() < 0.6:
        kind = r.choice(INTEGERS)
        bits, signed = kind.bit_width, str(kind).startswith("int")
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        pool = [r.randint(low, high) for _ in range(r.randint(1, 30))] + [low, high, 0]
    else:
        kind, pool = r.choice(TEXTS), r.sample(WORDS, r.randint(1, len(WORDS)))
    return kind, lambda: r.choice(pool)


def random_float(r, low=-1.0, high=1.0):
    return float(np.float32(r.choice([r.uniform(low, high), low, high, 0.0])))


class RandomColumn:
    """A column of the schema: its YAML, its Arrow type, values, and what export-parquet must give back for them."""

    def __init__(self, r, name, kind):
        self.r, self.name, self.kind = r, name, kind
        self.yaml = f"{{name: {name}, kind: {kind}"
        self.length = r.randint(1, 6)
        if kind in ("ids", "sequence", "scores"):
            self.yaml += f", length: {self.length}"
        if kind in ("id", "ids", "sequence"):
            self.item_type, self.draw = random_ids(r)
            self.nulls = r.choice([0.0, 0.3])
            self.min_count = r.choice([1, 1, 1, 3])
            self.yaml += f", min_count: {self.min_count}"
        elif kind in ("scores", "credit", "number"):
            low, high = {"scores": (-1, 1), "credit": (0, 1), "number": (-1000, 1000)}[kind]
            self.item_type, self.draw, self.nulls = r.choice(REALS), lambda: random_float(r, low, high), 0.0
            self.standardize = kind == "number" and r.random() < 0.5
            if self.standardize:
                self.yaml += ", standardize: true"
        elif kind == "slice":
            self.item_type, self.draw, self.nulls = pa.string(), lambda: r.choice(WORDS[:5]), 0.0
        else:  # group
            self.item_type, self.draw, self.nulls = pa.int64(), lambda: r.randint(-5, 1 << 62), 0.0
        self.yaml += "}"
        self.type = self.item_type
        if kind in ("ids", "sequence", "scores"):
            self.fixed = r.randint(1, 8)
            self.type = random_list_type(r, self.item_type, self.fixed)

    def value(self):
        if self.r.random() < self.nulls:
            return None
        return self.draw()

    def values(self, rows):
        if not pa.types.is_list(self.type) and not pa.types.is_large_list(self.type) and not pa.types.is_fixed_size_list(self.type):
            return [self.value() for _ in range(rows)]
        lists = []
        for _ in range(rows):
            size = self.fixed if pa.types.is_fixed_size_list(self.type) else self.r.randint(0, 9)
            lists.append(None if self.r.random() < 0.1 else [self.value() for _ in range(size)])
        return lists

    def fit(self, train):
        seen = {}
        for value in train:
            for item in (value or []) if isinstance(value, list) else [value]:
                if item is not None:
                    seen[str(item)] = seen.get(str(item), 0) + 1
        self.known = {text for text, count in seen.items() if count >= getattr(self, "min_count", 1)}

    def expected(self, value):
        if self.kind in ("ids", "sequence"):
            return [text if text in self.known else None for text in (None if v is None else str(v) for v in (value or [])[-self.length:])]
        if self.kind == "id":
            return str(value) if value is not None and str(value) in self.known else None
        return (value or [])[-self.length:] if self.kind == "scores" else value

    def check(self, given, got, what):
        for row, (before, after) in enumerate(zip(given, got, strict=True)):
            wanted = self.expected(before)
            if self.kind == "id" and after is not None:
                after = str(after)
            if self.kind in ("ids", "sequence"):
                after = [None if item is None else str(item) for item in after]
            same = abs(after - wanted) <= 1e-3 if getattr(self, "standardize", False) else after == wanted
            assert same, f"{what}: row {row} of {self.name} ({self.yaml}, {self.type}): {before!r} came back as {after!r}"


def as_text(column, value):
    """The CSV field that means the same."""
    if column.kind in ("ids", "sequence", "scores"):
        return "|".join("" if item is None else repr(item) if column.kind == "scores" else str(item) for item in value or [])
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def write_split(r, split, columns, data, rows):
    names = []
    files = r.randint(1, 3)
    for f in range(files):
        begin, end = rows * f // files, rows * (f + 1) // files
        table = pa.table({c.name: pa.array(data[c.name][begin:end], c.type) for c in r.sample(columns, len(columns))})
        names.append(f"{split}-{f}.parquet")
        pq.write_table(table, names[-1], row_group_size=r.choice([1, 7, 100, 100000]),
                       compression=r.choice(["none", "snappy", "gzip", "zstd", "lz4", "brotli"]),
                       use_dictionary=r.random() < 0.5, data_page_version=r.choice(["1.0", "2.0"]),
                       data_page_size=r.choice([1024, 1 << 20]), store_schema=r.random() < 0.7,
                       write_page_checksum=r.random() < 0.5)
    with open(f"{split}.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([c.name for c in columns])
        writer.writerows(zip(*[[as_text(c, v) for v in data[c.name]] for c in columns]))
    return names


def one_case(seed):
    r = random.Random(seed)
    kinds = r.choices(["id", "ids", "sequence", "scores", "number", "slice"], k=r.randint(1, 8)) + ["credit"] + ["group"] * r.randint(0, 1)
    columns = [RandomColumn(r, f"c{i}_{kind}", kind) for i, kind in enumerate(kinds)]
    with open("schema.yaml", "w") as file:
        file.write("name: random\ncolumns:\n" + "".join(f"  - {c.yaml}\n" for c in columns))
    files, data = {}, {}
    for split, rows in (("train", r.choice([1, 2, 50, 300])), ("test", r.choice([0, 1, 60]))):
        data[split] = {c.name: c.values(rows) for c in columns}
        files[split] = write_split(r, split, columns, data[split], rows)
    for c in columns:
        c.fit(data["train"][c.name])
    expect(prepare("schema.yaml", files["train"], files["test"], "dataset", "--threads", r.randint(1, 3)), 0)
    # A column whose items may hold '|' or be lists of one empty item has no CSV form; these have none.
    expect(prepare("schema.yaml", "train.csv", "test.csv", "from_text"), 0)
    if not any(value == [None] for c in columns if c.kind in ("ids", "sequence") for split in data for value in data[split][c.name]):
        same_folders("dataset", "from_text")
    for split in ("train", "test"):
        expect(mal_data("export-parquet", "dataset", "--split", split, "--out", "back.parquet"), 0)
        back = pq.read_table("back.parquet")
        assert sorted(back.column_names) == sorted(c.name for c in columns)
        for c in columns:
            c.check(data[split][c.name], back[c.name].to_pylist(), f"seed {seed}, {split}")


cases = int(sys.argv[2]) if len(sys.argv) > 2 else 25
first = int(sys.argv[3]) if len(sys.argv) > 3 else 0
for seed in range(first, first + cases):
    try:
        one_case(seed)
    except AssertionError:
        print(f"seed {seed}:", file=sys.stderr)
        raise
print(f"{cases} random schemas came back as they went in")
