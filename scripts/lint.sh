#!/usr/bin/env bash
# clang-tidy over our sources with the compile commands of a build folder (default build/asan).
# A file is checked again only when it, a header of ours or the rules have changed.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/asan}
stamps=$folder/lint
mkdir -p "$stamps"
echo "test: clang-tidy"
shared=$(git ls-files '*.h' .clang-tidy | xargs sha256sum | sha256sum | cut -c1-16)

# The compile commands are GCC's: clang does not know all of its warnings.
check() {
  local source=$1 stamp
  stamp=$stamps/$(echo "$shared $(sha256sum "$source")" | sha256sum | cut -c1-32)
  [[ -e $stamp ]] && return 0
  clang-tidy --quiet --extra-arg=-Wno-unknown-warning-option -p "$folder" "$source" 2>/dev/null && touch "$stamp"
}
export -f check
export folder stamps shared
git ls-files 'kernels/*.cpp' 'engine/*.cpp' 'model/*.cpp' 'train/*.cpp' | xargs -P "$(nproc)" -I{} bash -c 'check {}'
