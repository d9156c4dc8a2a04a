"""10 million distinct ids of 64 bits go through: numbered, and given back. Minutes and gigabytes: label slow."""
import resource
import sys

from support import column, expect, mal_data, np, pa, pq, prepare

count = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
ids = np.random.default_rng(3).permutation(count).astype(np.int64) * 1_000_003 - 5
pq.write_table(pa.table({"user": ids, "last": np.zeros(count, np.float32)}), "train.parquet", use_dictionary=False)
pq.write_table(pa.table({"user": ids[:1000], "last": np.zeros(1000, np.float32)}), "test.parquet")
with open("schema.yaml", "w") as file:
    file.write("name: many\ncolumns:\n  - {name: user, kind: id}\n  - {name: last, kind: credit}\n")
expect(prepare("schema.yaml", "train.parquet", "test.parquet"), 0)
numbers = np.concatenate([np.fromfile(f"dataset/train-{s:05}/user.bin", "<i4", offset=64) for s in range(-(-count // (1 << 20)))])
assert len(numbers) == count and np.array_equal(np.sort(numbers), np.arange(1, count + 1))
assert (column("user", split="test") == numbers[:1000]).all()
expect(mal_data("export-parquet", "dataset", "--out", "back.parquet"), 0)
assert np.array_equal(pq.read_table("back.parquet")["user"].to_numpy(), ids)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(f"{count} distinct ids; peak memory of mal_data {peak:.0f} MiB")
