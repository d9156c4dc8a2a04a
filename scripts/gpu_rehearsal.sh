#!/usr/bin/env bash
# Rehearses scripts/gpu_check.sh where there is no GPU: in a bare chroot of Debian's stable release with its compiler, CMake
# and Python, with CUDA mounted read-only, without a network and without a library of this machine; with nothing but what
# would travel: tracked files, untracked ones that git does not ignore, and the bundle. Everything that needs no GPU runs,
# and what fails there fails here.
#   scripts/gpu_rehearsal.sh             about two minutes; three more the first time, to make the chroot
#   scripts/gpu_rehearsal.sh --build     and the programs are built there, too, of the bundle's headers and libraries
#   scripts/gpu_rehearsal.sh --bundle DIR   with a bundle that is there, in place of one that is made now
# Needs root, debootstrap (installed if it lacks), CUDA. MAL_REHEARSAL_ROOT: where the chroot is kept, build/rehearsal
# unless given. The mounts are in a namespace of their own and end with it.
set -euo pipefail
cd "$(dirname "$0")/.."
die() { echo "gpu_rehearsal: $*" >&2; exit 1; }
suite=trixie
most=$((40 << 20))  # bytes that may travel
build=0 bundle=
while (($#)); do
  case $1 in
    --build) build=1 ;;
    --bundle) bundle=${2:?--bundle DIR}; shift ;;
    *) echo "usage: scripts/gpu_rehearsal.sh [--build] [--bundle DIR]" >&2; exit 2 ;;
  esac
  shift
done
((EUID == 0)) || die "needs root: it makes a chroot and mounts CUDA into it"
nvcc=$(PATH=$PATH:/usr/local/cuda/bin command -v nvcc) || die "CUDA is not found: put nvcc on PATH"
cuda=$(readlink -f "$(dirname "$(readlink -f "$nvcc")")/..")
keep=${MAL_REHEARSAL_ROOT:-build/rehearsal}
mkdir -p "$keep"
root=$(readlink -f "$keep")/$suite

if [[ ! -e $root/.complete ]]; then
  if ! command -v debootstrap >/dev/null; then
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq debootstrap; } >/dev/null 2>&1 ||
      die "debootstrap is not found, and apt-get cannot install it"
  fi
  echo "gpu_rehearsal: making the chroot of $suite in $root"
  # The mirror is the one that apt uses on this machine, if it says so and is Debian's.
  mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 || true)
  rm -rf "$root"
  # shellcheck disable=SC2086
  debootstrap --variant=minbase --include=g++,cmake,ninja-build,python3 $suite "$root" $mirror >"$keep/debootstrap.log" 2>&1 ||
    { tail -n 5 "$keep/debootstrap.log" >&2; die "debootstrap failed (above)"; }
  rm -rf "$root"/var/cache/apt/archives/*.deb
  touch "$root/.complete"
fi

if [[ -z $bundle ]]; then
  bundle=gpu_bundle
  scripts/gpu_check.sh --prepare $bundle
fi

# What travels, as a copy. gpu_bundle is the name under which gpu_check.sh looks for it.
tree=$root/tree
rm -rf "$tree" "$root/out"
mkdir -p "$tree/gpu_bundle" "$root/out" "$root$cuda" "$root/usr/local"
git ls-files -z --cached --others --exclude-standard | xargs -0 -I{} sh -c '[ ! -e "$1" ] || printf "%s\0" "$1"' _ {} |
  tar --null -T - -cf - | tar -C "$tree" -xf -
cp "$bundle"/* "$tree/gpu_bundle/"
bytes=$(find "$tree" -type f -printf '%s\n' | awk '{sum += $1} END {print sum}')
awk "BEGIN {printf \"gpu_rehearsal: %.1f MiB travel, %.1f of them the bundle\n\", $bytes / 1048576, $(stat -c %s "$bundle"/bundle.tar.xz) / 1048576}"
((bytes <= most)) || die "$bytes bytes would travel, more than $((most >> 20)) MiB"

# in_chroot COMMAND...: no network, CUDA read-only under its own path and as /usr/local/cuda, nothing else of this machine.
in_chroot() {
  unshare --mount --net --propagation private bash -euc '
    root=$1 cuda=$2; shift 2
    mount -t proc proc "$root/proc"
    mount -t tmpfs tmpfs "$root/dev"
    for node in "null 3" "zero 5" "random 8" "urandom 9"; do mknod -m 666 "$root/dev/${node% *}" c 1 "${node#* }"; done
    mount --bind "$cuda" "$root$cuda"
    mount -o remount,bind,ro "$root$cuda"
    [[ $cuda == /usr/local/cuda ]] || ln -sfn "$cuda" "$root/usr/local/cuda"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/cuda/bin \
      HOME=/root LANG=C.UTF-8 OUT=/out /bin/bash -euc "cd /tree; $*"' _ "$root" "$cuda" "$@"
}
# What a call may bring back, and the end of its output.
check_results() {  # check_results FOLDER OUTPUT
  local file count
  count=$(find "$1" -mindepth 1 -type f | wc -l)
  ((count >= 3 && count <= 8)) || die "$count files in OUT, not 3 to 8: $(ls -R "$1")"
  while read -r file; do
    [[ $(basename "$file") =~ ^[A-Za-z0-9._-]+$ ]] || die "OUT has a file of the name $file"
    (($(stat -c %s "$file") <= 16 << 20)) || die "$file is larger than 16 MiB"
  done < <(find "$1" -mindepth 1)
  for file in gpu_check.log report.md report.json; do [[ -s $1/$file ]] || die "OUT has no $file"; done
  python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1/report.json" || die "report.json is no JSON"
  local first
  first=$(grep -n '^gpu_check: .*, no GPU was measured' "$2" | tail -n 1 | cut -d: -f1)
  [[ -n $first ]] && (($(wc -l <"$2") - first < 30)) || die "the last 30 lines of the output do not have the whole summary"
}

before=$SECONDS
run() {  # run OUT OPTIONS...
  local out=$root/out/$1 name=$1
  shift
  mkdir -p "$out"
  in_chroot "scripts/gpu_check.sh --no-gpu --seconds 3000 $* \"\$OUT/$name\"" 2>&1 | tee "$keep/$name.txt" ||
    { grep -h -A 25 '^==== [^l].*exit code [^03]' "$out/gpu_check.log" | tail -n 60 >&2; die "gpu_check.sh $* failed in the chroot (above; $out)"; }
  check_results "$out" "$keep/$name.txt"
}
run all
if ((build)); then run built --build --build-seconds 2400 --steps kernels; fi
python3 -m py_compile scripts/gpu_*.py
mount | grep -F "$root" && die "something is still mounted (above)"
echo "gpu_rehearsal: passed in $((SECONDS - before)) s"
