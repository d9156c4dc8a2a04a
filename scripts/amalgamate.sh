#!/usr/bin/env bash
# Joins model/inference/source/*.h into the one header that others copy.
#   scripts/amalgamate.sh            writes model/inference/mal_infer.h
#   scripts/amalgamate.sh --check    fails if it is not what the sources give
set -euo pipefail
cd "$(dirname "$0")/../model/inference"
parts=(preamble result hash json file container config kernels vector kernels_vector kernel_table plan trunk zoo state
  loader loader_network features scorer scorer_input scorer_steps model)

join() {
  sed 's/^#pragma once$/#ifndef MAL_INFER_H\n#define MAL_INFER_H/' source/preamble.h
  for part in "${parts[@]:1}"; do
    echo
    grep -v -e '^#pragma once$' -e '^#include "model/inference/source/' "source/$part.h" | cat -s
  done
  echo
  echo "#endif  // MAL_INFER_H"
}

if [[ ${1:-} == --check ]]; then
  join | cmp -s - mal_infer.h || { echo "mal_infer.h is not what its sources give; run scripts/amalgamate.sh" >&2; exit 1; }
else
  join >mal_infer.h.new
  mv mal_infer.h.new mal_infer.h
fi
