#!/usr/bin/env bash
# tests/kernels/cpu_variants.sh SYMBOL OBJECT...: pairs of the CPU kernels' table and the object with them
# (kernels/variants.cmake). Nothing of an object may reach code that runs on a lesser processor: no other symbol that the
# linker could take for somebody else's, no section group that it could keep in place of another, nothing that runs at
# start. What an object asks for must come from outside all of them.
set -euo pipefail
die() { echo "FAILED: $*" >&2; exit 1; }
(($# > 0)) || die "no objects"
while (($# > 0)); do
  symbol=$1 object=$2
  shift 2
  [[ -s $object ]] || die "$object is missing"
  seen=$(nm --extern-only --defined-only --format=just-symbols "$object" | tr '\n' ' ')
  [[ $seen == "$symbol " ]] || die "$object shows more than $symbol: $seen"
  sections=$(readelf --sections --wide "$object")
  grep -q ' \.text' <<<"$sections" || die "$object has no code"
  groups=$(grep -E ' GROUP ' <<<"$sections") && die "$object has section groups: $groups"
  start=$(grep -E ' \.(preinit_array|init_array|ctors|init|fini_array|dtors)' <<<"$sections") && die "$object runs code at start or end: $start"
  weak=$(nm --undefined-only "$object" | grep -E ' [wv] ') && die "$object asks for what another may have: $weak"
  echo "ok: $object shows $symbol alone"
done
