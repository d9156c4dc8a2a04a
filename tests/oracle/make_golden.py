#!/usr/bin/env python3
"""Writes the golden files of tests/data/golden: scripts/golden.sh runs this in a private virtual environment.

    make_golden.py FOLDER [CASE...]     # no case: all of them, and files of cases that are gone are deleted
"""

import os
import pathlib
import sys

# The same bits on every run and, as far as libraries allow, on every machine.
os.environ.update(ATEN_CPU_CAPABILITY="default", MKL_CBWR="COMPATIBLE", OMP_NUM_THREADS="1")

import torch  # noqa: E402

from mal_oracle import selfcheck  # noqa: E402
from mal_oracle.cases import CASES  # noqa: E402
from mal_oracle.golden import compute, safetensors  # noqa: E402


def main(folder, wanted):
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    selfcheck.run()
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    unknown = set(wanted) - {case.name for case in CASES}
    if unknown:
        sys.exit(f"make_golden: there is no case {', '.join(sorted(unknown))}")
    total = 0
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        arrays, metadata, margin = compute(case)
        content = safetensors(arrays, metadata)
        path = folder / f"{case.name}.safetensors"
        changed = not path.exists() or path.read_bytes() != content
        path.write_bytes(content)
        total += len(content)
        print(f"{case.name:36} {len(content):7} bytes  seed {metadata['seed']:>6}  kink margin {margin:8.2f}  "
              f"{'written' if changed else 'as before'}", flush=True)
    if not wanted:
        for path in sorted(folder.glob("*.safetensors")):
            if path.stem not in {case.name for case in CASES}:
                path.unlink()
                print(f"{path.stem:36} deleted")
    print(f"{total} bytes")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
