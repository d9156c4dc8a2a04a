"""What is odd or wrong in a Parquet file is either read right or refused with the place and the reason."""
import json
import os

from support import column, expect, lengths, mal_data, np, pa, pq, prepare, stats, write

SCHEMA = """name: small
columns:
  - {name: time, kind: time}
  - {name: user, kind: id}
  - {name: items, kind: sequence, length: 3, table: user}
  - {name: tags, kind: ids, length: 2}
  - {name: image, kind: scores, length: 3}
  - {name: price, kind: number}
  - {name: last, kind: credit}
  - {name: user_group, kind: group, column: user}
  - {name: industry, kind: slice}
"""


def good(**changed):
    """Three rows of each column; a changed one is an Arrow array or a list."""
    columns = {
        "time": pa.array([1, 2, 3]), "user": pa.array([7, 8, 7]), "items": pa.array([[7], [8, 9], []]),
        "tags": pa.array([["a"], [], ["b", "a"]]), "image": pa.array([[0.5], [-1.0, 1.0], []]),
        "price": pa.array([1.5, 2.0, 3.0]), "last": pa.array([0.0, 1.0, 0.25]),
        "industry": pa.array(["toys", "pets", "toys"]),
    }
    columns.update(changed)
    return {name: values for name, values in columns.items() if values is not None}


def prepared(*more, **changed):
    write("train.parquet", good(**changed))
    return prepare("schema.yaml", "train.parquet", "test.parquet", "dataset", *more)


def refused(*parts, code=1, **changed):
    expect(prepared(**changed), code, *parts)


with open("schema.yaml", "w") as file:
    file.write(SCHEMA)
write("test.parquet", good(time=pa.array([4, 5, 6])))

# What is right.
expect(prepared(), 0)
assert column("user").tolist() == [1, 2, 1] and column("items", 3).tolist() == [[1, 0, 0], [2, 3, 0], [0, 0, 0]]
assert lengths("items").tolist() == [1, 2, 0] and column("user_group").tolist() == [7, 8, 7]

expect(prepared(items=pa.array([[7, 7, 7, 8, 9], None, [None]])), 0)  # longer than length: the newest three stay
assert column("items", 3)[0].tolist() == [1, 2, 3] and lengths("items").tolist() == [3, 0, 1]
found = stats()["train"]["columns"]["items"]
assert (found["truncated"], found["missing"], found["unseen"]) == (1, 1, 0), found

expect(prepared(tags=pa.array([[None, "a"], None, [""]])), 0)
assert column("tags", 2).tolist() == [[0, 1], [0, 0], [0, 0]] and stats()["train"]["columns"]["tags"]["missing"] == 2
expect(prepared(industry=pa.array([None, "pets", None])), 0)
assert json.load(open("dataset/vocab/slice.industry.json")) == ["", "pets", "toys"]  # toys: of the test split
expect(prepared(tags=pa.nulls(3)), 0)  # a column of nothing but nulls has no list type
assert lengths("tags").tolist() == [0, 0, 0]

expect(prepared(user=pa.array([2**63, 2**63 - 1, 2**64 - 1], pa.uint64()), items=pa.array([[-2**63], [2**63 - 1], []])), 0)
assert set(json.load(open("dataset/vocab/user.json"))) == {str(v) for v in (2**63, 2**63 - 1, 2**64 - 1, -2**63)}
expect(prepared(user=pa.array([2**63, 8, 7], pa.uint64())), 0)
text_key = column("user_group").tolist()
write("text.parquet", good(user=pa.array([str(2**63), "8", "7"])))
expect(prepare("schema.yaml", "text.parquet", "test.parquet"), 0)
assert column("user_group").tolist() == text_key and text_key[1:] == [8, 7]  # 2^63 is the same user as text

expect(prepared(time=pa.array([1_000, 1_999, 2_000], pa.timestamp("ms"))), 0)
assert column("time").tolist() == [1, 1, 2]
expect(prepared(time=pa.array([-1, 0, 1], pa.timestamp("ms"))), 0)
assert column("time").tolist() == [-1, 0, 0]
expect(prepared(price=pa.array([True, False, True])), 0)
assert column("price").tolist() == [1, 0, 1]
expect(prepared(price=pa.array([1, 2, 2**40])), 0)

one = {name: values.slice(0, 1) for name, values in good().items()}
write("one.parquet", one)
expect(prepare("schema.yaml", "one.parquet", "test.parquet"), 0)
assert column("user").tolist() == [1]
none = {name: values.slice(0, 0) for name, values in good().items()}
write("none.parquet", none)
result = prepare("schema.yaml", "one.parquet", "none.parquet")
expect(result, 0)
assert "no test rows" in result.message, result.message
expect(prepare("schema.yaml", "none.parquet", "test.parquet", "none"), 1, "there are no training rows")
write("none_too.parquet", none)
expect(prepare("schema.yaml", ["none.parquet", "one.parquet", "none_too.parquet"], "test.parquet"), 0)
assert column("user").tolist() == [1]

# Null and NaN are missing numbers; the mean is that of the others, and what is exported is null again.
write("gaps.parquet", {"price": pa.array([2.0, None, float("nan"), 4.0]), "depth": pa.array([None, 1, 2, 3], pa.int64()),
                       "last": pa.array([1.0, 0.0, 0.0, 1.0])})
write("later.parquet", {"price": pa.nulls(2), "depth": pa.array([7, 8]), "last": pa.array([0.0, 1.0])})
with open("gaps.yaml", "w") as file:
    file.write("name: gaps\ncolumns:\n  - {name: price, kind: number, missing: indicator}\n"
               "  - {name: depth, kind: number, default: -1}\n  - {name: last, kind: credit}\n")
expect(prepare("gaps.yaml", "gaps.parquet", "later.parquet", "gaps"), 0)
assert column("price", folder="gaps").tolist() == [2, 3, 3, 4]
assert column("price.missing", folder="gaps").tolist() == [0, 1, 1, 0]
assert column("depth", folder="gaps").tolist() == [-1, 1, 2, 3]
assert column("price", 1, "test", "gaps").tolist() == [3, 3]
assert stats("gaps")["train"]["columns"]["price"]["missing"] == 2
expect(mal_data("export-parquet", "gaps", "--split", "train", "--out", "back.parquet"), 0)
back = pq.read_table("back.parquet")
assert back.column_names == ["price", "depth", "last"], back.column_names
assert back["price"].to_pylist() == [2, None, None, 4] and back["depth"].to_pylist() == [-1, 1, 2, 3]

# What is wrong: file:row:column and the reason.
refused("train.parquet:2:price", "`default: 0`", "`missing: indicator`", price=pa.array([1.0, None, 2.0]))
refused("train.parquet:2:price", "null", price=pa.array([1.0, None, 2.0]))
refused("train.parquet:3:price", "not a finite number", price=pa.array([1.0, 2.0, float("nan")]))
refused("train.parquet:3:last", "null", last=pa.array([1.0, 0.0, None]))
refused("train.parquet:2:last", "credit 1.0001 is outside [0, 1]", last=pa.array([1.0, 1.0001, 0.0]))
refused("train.parquet:1:last", "outside", last=pa.array([float("nan"), 1.0, 0.0]))
refused("train.parquet:2:image", "a score is", image=pa.array([[], [0.0, float("inf")], []]))
refused("train.parquet:2:image", "null", image=pa.array([[], [None], []]))
refused("train.parquet:3:user", "group is empty", user=pa.array([1, 2, None]))
for text in ["NULL", "nan", "\\N", "None", "<NA>", "NULL ", " "]:
    refused("train.parquet:2:user", f"the group '{text}' says that there is none", user=pa.array(["u", text, "v"]))
refused("train.parquet:2:user", "the group 'null' says", user=pa.array(["u", "null", "v"]).dictionary_encode())
refused("train.parquet:2:time", "time is null", time=pa.array([1, None, 2]))
refused("train.parquet:3:time", "time 1 is before", "sort the rows", time=pa.array([1, 2, 1]))
refused("test.parquet:1:time", "before the training data ends", time=pa.array([1, 2, 9]))
refused("train.parquet:price", "string", "needs numbers", price=pa.array(["1", "2", "3"]))
refused("train.parquet:items", "int64", "needs lists of integers or text", items=pa.array([1, 2, 3]))
refused("train.parquet:user", "list", "kind id needs", user=pa.array([[1], [2], [3]]))
refused("train.parquet:image", "list", "needs lists of numbers", image=pa.array([["a"], [], []]))
refused("train.parquet:2:time", "'soon' is not a time", time=pa.array(["1", "soon", "3"]))
refused("train.parquet:price", "decimal128", "cast it", price=pa.array([1, 2, 3]).cast(pa.decimal128(21, 2)))
refused("train.parquet:user", "struct", user=pa.array([{"a": 1}, {"a": 2}, {"a": 3}]))
refused("train.parquet", "no column 'price'", "did you mean 'prices'?", price=None, prices=pa.array([1.0, 2.0, 3.0]))
wrong = pa.array([b"caf\xe9", b"ok", b"ok"]).view(pa.binary())
refused("train.parquet:1:industry", "not UTF-8", industry=wrong)
refused("train.parquet:3:tags", "not UTF-8", tags=pa.array([[], [b"ok"], [b"ok", b"\xff"]]))

twice = pa.table([pa.array([1.0]), pa.array([2.0])], names=["price", "price"])
pq.write_table(pa.table([*one.values(), pa.array([2.0])], names=[*one, "price"]), "twice.parquet")
expect(prepare("schema.yaml", "twice.parquet", "test.parquet"), 1, "twice.parquet", "'price' stands twice")
expect(prepare("schema.yaml", "absent.parquet", "test.parquet"), 1, "absent.parquet")
open("empty.parquet", "w").close()
expect(prepare("schema.yaml", "empty.parquet", "test.parquet"), 1, "empty.parquet", "empty")
with open("csv.parquet", "w") as file:
    file.write("time,user\n1,2\n")
expect(prepare("schema.yaml", "csv.parquet", "test.parquet"), 1, "csv.parquet", "does not begin with PAR1")
with open("text.csv", "w") as file:
    file.write("time,user,items,tags,image,price,last,industry\n1,7,7,a,0.5,1,0,toys\n")
write("train.parquet", good())
expect(prepare("schema.yaml", ["train.parquet", "text.csv"], "test.parquet"), 2, "text.csv", "one kind of files")
expect(prepare("schema.yaml", "text.csv", "test.parquet"), 0)  # a kind for each split
assert column("user", split="test").tolist() == [1, 0, 1]

# Folders and patterns, in the order of their names; Spark's marks are no samples.
os.makedirs("parts/_temporary")
for part in (2, 0, 1):
    write(f"parts/part-{part:05}.snappy.parquet", good(time=pa.array([part, part, part]), user=pa.array([part] * 3)))
open("parts/_SUCCESS", "w").close()
open("parts/.part-0.crc", "w").close()
expect(prepare("schema.yaml", "parts", "test.parquet"), 0)
assert column("user_group").tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
expect(prepare("schema.yaml", "parts/part-*.parquet", "test.parquet"), 0)
assert column("time").tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
expect(prepare("schema.yaml", "parts/nothing*", "test.parquet"), 2, "no file matches")
os.makedirs("empty/day=1")  # such a folder is searched
expect(prepare("schema.yaml", "empty", "test.parquet"), 2, "empty: there are no sample files in this folder")
os.makedirs("deep/day1")
expect(prepare("schema.yaml", "deep", "test.parquet"), 2, "deep", "only folders")

# Vocabularies that come with the data: values in the order of their indices, whatever those are.
os.makedirs("vocabs")
with open("vocabs/user.json", "w") as file:
    json.dump({"9": 5, "7": 0, "never": 17}, file)
expect(prepared("--vocabs", "vocabs"), 0)
assert json.load(open("dataset/vocab/user.json")) == {"7": 1, "9": 2, "never": 3}
assert column("user").tolist() == [1, 0, 1] and column("items", 3).tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 0]]
before = open("dataset/vocab/tags.json").read()
expect(prepared("--vocabs", "dataset/vocab"), 0)  # read before the data set is replaced
expect(prepare("schema.yaml", "train.parquet", "test.parquet", "again", "--vocabs", "dataset/vocab"), 0)
assert open("again/vocab/tags.json").read() == before
for text, reason in (('{"7": 1, "8": 1}', "same index 1"), ('{"7": 1.5}', "no integer"), ("[1]", "list"), ('{"7": 1', "not JSON"),
                     ('{"a": {"b": 1}}', "object in an object"), ('{"a": 1, "a": 2}', "stands twice")):
    with open("vocabs/user.json", "w") as file:
        file.write(text)
    expect(prepared("--vocabs", "vocabs"), 1, "vocabs/user.json", reason)
expect(prepared("--vocabs", "parts"), 2, "--vocabs", "user.json")

# export-parquet says what is wrong as well.
expect(mal_data("export-parquet", "again", "--split", "test", "--out", "no/such/folder.parquet"), 1, "no/such/folder.parquet")
expect(mal_data("export-parquet", "parts", "--out", "x.parquet"), 1, "not a data set")
print("odd files are read, wrong ones refused")
