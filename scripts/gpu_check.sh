#!/usr/bin/env bash
# Proves and measures the CUDA backend on a machine with a GPU that is had for a quarter of an hour: bare, without a
# network, results needed as they are made. Installs nothing and changes no setting of the GPU.
#   scripts/gpu_check.sh --prepare [DIR]       before, on a machine with a network: builds, and packs programs and
#                                              libraries into DIR (gpu_bundle unless given), which travels with the tree
#   scripts/gpu_check.sh [OPTIONS] [OUT]       on the machine with the GPU, in the root of the tree; OUT gets three files:
#                                              gpu_check.log, report.md, report.json (build/gpu_check unless given)
#     --steps A,B      these steps alone; --list prints all of them with their times
#     --seconds S      what has not begun after S seconds is "not run" (430)
#     --bundle DIR     what --prepare packed (gpu_bundle); where there is none, or it does not start here, it builds
#     --build          builds in any case
#     --no-gpu         what of each step needs no GPU (scripts/gpu_rehearsal.sh)
#     --dry-run        prints the commands and runs none
# Needs Python ≥ 3.9; PyTorch only for the comparison with it; CMake, a C++20 compiler and nvcc only to build. The last 30
# lines of its output are the summary; the exit code is not 0 if a step failed or was not run.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ ${1:-} == --prepare ]]; then
  shift
  exec scripts/gpu_prepare.sh "$@"
fi
exec "${PYTHON:-python3}" scripts/gpu_check.py "$@"
