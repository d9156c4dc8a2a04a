"""A Parquet file that is cut short, at page borders and elsewhere, or changed: an error that names it, or (where the
change is in what nobody reads) the same data; never a crash, never half a data set."""
import os
import random
import sys

from support import expect, mal_data, np, pa, pq, prepare

CUTS, FLIPS = (int(sys.argv[2]), int(sys.argv[3])) if len(sys.argv) > 3 else (25, 40)
r = random.Random(5)
rows = 4000
pq.write_table(
    pa.table({
        "user": pa.array([r.randint(0, 500) for _ in range(rows)]),
        "word": pa.array([r.choice(["red", "green", "blue"]) for _ in range(rows)]),
        "seq": pa.array([[r.randint(0, 99) for _ in range(r.randint(0, 9))] for _ in range(rows)]),
        "scores": pa.array([[r.uniform(-1, 1) for _ in range(3)] for _ in range(rows)], pa.list_(pa.float32())),
        "last": pa.array([float(r.random() < 0.1) for _ in range(rows)]),
    }), "whole.parquet", row_group_size=1500, data_page_size=2048, write_page_checksum=True)
with open("schema.yaml", "w") as file:
    file.write("""name: damaged
columns:
  - {name: user, kind: id}
  - {name: word, kind: id}
  - {name: seq, kind: sequence, length: 5}
  - {name: scores, kind: scores, length: 3}
  - {name: last, kind: credit}
""")
whole = open("whole.parquet", "rb").read()
expect(prepare("schema.yaml", "whole.parquet", "whole2.parquet"), 1, "whole2.parquet")
os.link("whole.parquet", "test.parquet")


def page_borders():
    metadata = pq.ParquetFile("whole.parquet").metadata
    borders = {0, 1, 3, 4, len(whole) - 8, len(whole) - 4, len(whole) - 1}
    for group in range(metadata.num_row_groups):
        for c in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(c)
            first = chunk.dictionary_page_offset or chunk.data_page_offset
            borders |= {first, chunk.data_page_offset, first + chunk.total_compressed_size}
    return sorted(b for b in borders if b < len(whole))


def prepared(data):
    with open("train.parquet", "wb") as file:
        file.write(data)
    return prepare("schema.yaml", "train.parquet", "test.parquet")


for cut in page_borders() + [r.randrange(len(whole)) for _ in range(CUTS)]:
    result = prepared(whole[:cut])
    expect(result, 1, "train.parquet")
    assert not os.path.exists("dataset"), f"a data set was made of a file cut at {cut}"

expect(prepared(whole), 0)
expect(mal_data("export-parquet", "dataset", "--out", "before.parquet"), 0)
before = pq.read_table("before.parquet")
refused = 0
for _ in range(FLIPS):
    place = r.randrange(len(whole))
    result = prepared(whole[:place] + bytes([whole[place] ^ (1 << r.randrange(8))]) + whole[place + 1:])
    if result.code == 0:
        expect(mal_data("export-parquet", "dataset", "--out", "after.parquet"), 0)
        assert pq.read_table("after.parquet").equals(before), f"a flip at byte {place} of {len(whole)} changed the data unnoticed"
    else:
        expect(result, 1, "train.parquet")
        refused += 1
assert refused > FLIPS // 2, f"only {refused} of {FLIPS} flips were noticed"
print(f"every cut was refused, {refused} of {FLIPS} flips; the others changed nothing that is read")
