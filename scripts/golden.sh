#!/usr/bin/env bash
# Writes tests/data/golden anew from the oracle (tests/oracle/README.md). The tests do not need it: the files are committed.
#   scripts/golden.sh              all cases; files of cases that are gone are deleted
#   scripts/golden.sh CASE...      these alone
# Its private virtual environment, build/oracle-venv, takes 4 GB: PyPI's torch brings CUDA's libraries.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/oracle-venv
requirements=tests/oracle/requirements.txt

if ! cmp -s "$requirements" "$venv/installed.txt"; then
  echo "golden: installing PyTorch into $venv"
  rm -rf "$venv"
  mkdir -p build
  python3 -m venv "$venv" || { echo "golden: python3 and its venv module are needed (Debian: python3-venv)" >&2; exit 1; }
  "$venv/bin/pip" install --quiet --no-deps --no-cache-dir --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$venv/installed.txt"
fi
exec "$venv/bin/python" tests/oracle/make_golden.py tests/data/golden "$@"
