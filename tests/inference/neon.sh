#!/usr/bin/env bash
# The header on 64-bit ARM: compiled by a cross compiler under every warning, its kernels and the golden model files
# tested by an emulator of the processor. Skipped (77) where these are not installed: g++-aarch64-linux-gnu and
# qemu-user-static.
set -euo pipefail
source=$1
compiler=aarch64-linux-gnu-g++
for needed in $compiler qemu-aarch64-static; do
  command -v $needed >/dev/null || { echo "SKIPPED: no $needed"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/include"
for folder in /usr/include /usr/local/include; do  # no other header of this machine's: they are of its processor
  [[ ! -e $folder/catch2/catch.hpp ]] || ln -sfn "$folder/catch2" "$work/include/catch2"
done
[[ -e $work/include/catch2 ]] || { echo "SKIPPED: no catch2/catch.hpp"; exit 77; }
cd "$source"

warnings=(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
for flags in "-O2" "-O1 -fno-exceptions" "-O1 -DMAL_INFER_PORTABLE"; do
  # shellcheck disable=SC2086
  $compiler -std=c++17 $flags "${warnings[@]}" -x c++ -fsyntax-only model/inference/mal_infer.h
  echo "ok: $flags"
done
echo '#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#include "model/inference/mal_infer.h"
TEST_CASE("the kernels are those of NEON") { CHECK(std::string(mal::infer::detail::kernels().name) == "neon"); }' >"$work/main.cpp"
$compiler -std=c++20 -O2 -static -ffp-contract=off -I. -isystem "$work/include" -DMAL_TEST_DATA="\"$source/tests/data\"" \
  "${warnings[@]}" "$work/main.cpp" tests/inference/{kernels_test,golden_files_test}.cpp engine/random.cpp -o "$work/tests"
qemu-aarch64-static "$work/tests"
