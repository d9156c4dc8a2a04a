# Breaks the code in one place at a time, in a copy of the tree, and expects the tests to fail. Sourced by a list of
# mutations, which sets `targets` and a function `run` that runs the tests in build/release of the current folder, calls
# prepare, mutate for each, and finish. The copy and its build stay in build/mutations, so that the next run builds little.
# With --check alone nothing is built: each mutation must still fit the code (ctest -R mutations_fit).
root=$PWD
checks=false stale=0
[[ ${wanted[*]} == --check ]] && checks=true && wanted=()
tree=build/mutations
log=$PWD/$tree/log.txt
noticed=0 missed=()

prepare() {
  $checks && return
  mkdir -p "$tree"
  find "$tree" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
  git ls-files -z | xargs -0 cp --parents -t "$tree"
  (cd "$tree" && cmake --preset release -DMAL_CUDA=OFF) >"$log" 2>&1 || { tail -n 20 "$log" >&2; exit 1; }
  build || { tail -n 30 "$log" >&2; echo "mutations: the tree does not build" >&2; exit 1; }
  test_tree || { tail -n 30 "$log" >&2; echo "mutations: the tests fail as it is" >&2; exit 1; }
}

# shellcheck disable=SC2154
build() { ninja -C "$tree/build/release" "${targets[@]}" >"$log" 2>&1; }
# A broken program may run for ever.
export -f run
test_tree() { (cd "$tree" && timeout -k 5 600 bash -ec run) >"$log" 2>&1; }

chosen() {
  ((${#wanted[@]})) || return 0
  local word
  for word in "${wanted[@]}"; do [[ $1 == *"$word"* ]] && return 0; done
  return 1
}

# mutate DESCRIPTION FILE FROM TO: FROM must stand in FILE exactly once.
mutate() {
  local description=$1 file=$2 from=$3 to=$4 count
  chosen "$description" || return 0
  count=$(FROM=$from perl -0777 -ne 'print scalar(() = /\Q$ENV{FROM}\E/g)' "$root/$file") || count=0
  if [[ $count != 1 ]]; then
    echo "mutations: $file has '$from' $count times; mend the mutation '$description'" >&2
    $checks || exit 1
    stale=$((stale + 1))
  fi
  $checks && return
  FROM=$from TO=$to perl -0777 -pi -e 's/\Q$ENV{FROM}\E/$ENV{TO}/' "$tree/$file"
  if ! build; then
    tail -n 20 "$log" >&2
    echo "mutations: '$description' does not compile" >&2
    exit 1
  fi
  if test_tree; then
    missed+=("$description")
    printf 'MISSED   %s\n' "$description"
  else
    noticed=$((noticed + 1))
    printf 'noticed  %-66s %s\n' "$description" "$(grep -E '^assertions:|failed' "$log" | tail -n 1 | tr -s ' ')"
  fi
  cp "$root/$file" "$tree/$file"
}

finish() {
  if $checks; then
    echo "mutations: $stale do not fit the code"
    ((stale == 0))
    return
  fi
  echo "mutations: $noticed noticed, ${#missed[@]} missed"
  ((${#missed[@]} == 0))
}
