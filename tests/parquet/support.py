"""What the Parquet tests share: runs mal_data, reads a data set with numpy, builds Arrow columns of any physical type."""
import filecmp
import json
import os
import subprocess
import sys
import tempfile

SKIPPED = 77


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


try:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    skip(f"{error}; scripts/setup.sh installs pyarrow into .venv")

BINARY = os.path.abspath(sys.argv[1])
FOLDER = tempfile.TemporaryDirectory()
os.chdir(FOLDER.name)


class Result:
    def __init__(self, process):
        self.code, self.out = process.returncode, process.stdout
        self.lines = process.stderr.strip().splitlines()
        self.message = self.lines[-1] if self.lines else ""


def mal_data(*arguments, env=None):
    process = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, errors="replace",
                             env={**os.environ, **(env or {})})
    result = Result(process)
    if "this build reads text alone" in result.message or "this build cannot write Parquet" in result.message:
        skip("the build has no Parquet")
    assert result.code in (0, 1, 2), f"mal_data died with {result.code}: {arguments}\n{process.stderr[-2000:]}"
    return result


def prepare(schema, train, test, out="dataset", *more):
    as_list = lambda files: files if isinstance(files, list) else [files]
    return mal_data("prepare", "--schema", schema, "--train", *as_list(train), "--test", *as_list(test), "--out", out, *more)


def expect(result, code, *parts):
    assert result.code == code, f"exit code {result.code} in place of {code}: {result.message}"
    for part in parts:
        assert part in result.message, f"'{part}' is not in the message: {result.message}"
    if code:
        assert not os.path.exists("dataset.tmp"), "a temporary folder was left behind"
        assert "what()" not in result.message and "terminate" not in result.message, result.message


def write(path, columns, **options):
    pq.write_table(pa.table(columns), path, **options)
    return path


def column(name, width=1, split="train", folder="dataset"):
    values = [np.fromfile(f"{folder}/{split}-00000/{name}.bin", {0: "<i4", 1: "<f4", 2: "<i8"}[kind], offset=64)
              for kind in [np.fromfile(f"{folder}/{split}-00000/{name}.bin", "<u4", count=4)[3]]][0]
    return values.reshape(-1, width) if width > 1 else values


def lengths(name, split="train", folder="dataset"):
    return np.fromfile(f"{folder}/{split}-00000/{name}.length.bin", "<i4", offset=64)


def stats(folder="dataset"):
    with open(f"{folder}/stats.json") as file:
        return json.load(file)


def same_folders(a, b):
    """Or an assertion that names the first file that differs."""
    comparison = filecmp.dircmp(a, b)
    assert not comparison.left_only and not comparison.right_only, (comparison.left_only, comparison.right_only)
    for name in comparison.common_files:
        assert filecmp.cmp(f"{a}/{name}", f"{b}/{name}", shallow=False), f"{a}/{name} is not {b}/{name}"
    for name in comparison.common_dirs:
        same_folders(f"{a}/{name}", f"{b}/{name}")
