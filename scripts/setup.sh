#!/usr/bin/env bash
# Installs what is missing to build MAL: Debian or Ubuntu packages, and in .venv the Python packages of
# scripts/requirements.txt (pyarrow, for its Arrow C++ libraries). Called by the other scripts; harmless to run again.
#   scripts/setup.sh           what the build and the demo need
#   scripts/setup.sh --test    and the tools of scripts/test.sh
#   scripts/setup.sh --bundle DIR   installs nothing: unpacks the packages' files into DIR, for a machine of the same
#                                   kind that has no network (scripts/gpu_check.sh, MAL_BUNDLE=DIR)
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ make cmake ninja-build ccache libfmt-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev catch2
  libxxhash-dev zlib1g-dev libzstd-dev python3-venv)
if [[ ${1:-} == --test ]]; then
  packages+=(clang clang-format clang-tidy libbenchmark-dev)
  # libFuzzer's runtime of Debian 12's clang; without it the fuzz test is skipped.
  if apt-cache show libclang-rt-14-dev >/dev/null 2>&1; then packages+=(libclang-rt-14-dev); fi
  # The browser that opens the reports' pages; without one their HTML is parsed and no more.
  if apt-cache show chromium-headless-shell >/dev/null 2>&1; then packages+=(chromium-headless-shell); fi
fi

if [[ ${1:-} == --bundle ]]; then
  [[ -n ${2:-} ]] || { echo "usage: scripts/setup.sh --bundle DIR" >&2; exit 2; }
  mkdir -p "$2"
  folder=$(cd "$2" && pwd)
  # The development packages of the build, and the shared libraries that they stand for.
  wanted=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
    --no-enhances libfmt-dev libyaml-cpp-dev libcli11-dev nlohmann-json3-dev catch2 libxxhash-dev \
    zlib1g-dev libzstd-dev libbenchmark-dev |
    grep -E '^(lib(fmt|yaml-cpp|cli11|xxhash|zstd|benchmark)[^ ]*|nlohmann-json3-dev|catch2|zlib1g[^ ]*)$' |
    grep -v ':' | sort -u)
  downloads=$(mktemp -d)
  trap 'rm -rf "$downloads"' EXIT
  # shellcheck disable=SC2086
  (cd "$downloads" && apt-get download -qq $wanted)
  for file in "$downloads"/*.deb; do dpkg-deb -x "$file" "$folder"; done
  rm -rf "$folder"/usr/share/doc "$folder"/usr/share/man
  echo "setup: $(find "$downloads" -name '*.deb' | wc -l) packages in $folder, $(du -sm "$folder" | cut -f 1) MiB"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' || missing+=("$package")
done
if ((${#missing[@]})); then
  as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "setup: not root and no sudo; install these yourself: ${missing[*]}" >&2; exit 1; }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
  }
  install >"$log" 2>&1 || { tail -n 20 "$log" >&2; echo "setup: the installation failed (above)" >&2; exit 1; }
fi

version=$(cmake --version | sed -n 's/^cmake version //p')
if [[ $(printf '%s\n' 3.25 "$version" | sort -V | head -n 1) != 3.25 ]]; then
  echo "setup: CMake $version is too old; 3.25 or later is needed" >&2
  exit 1
fi

# Without pyarrow everything but Parquet works, so a machine that cannot get it is told, not stopped.
stamp=.venv/requirements.txt
if ! cmp -s scripts/requirements.txt "$stamp"; then
  echo "setup: installing pyarrow into .venv (for Parquet)"
  venv_log=$(mktemp)
  if { /usr/bin/python3 -m venv .venv && .venv/bin/pip install --quiet -r scripts/requirements.txt; } >"$venv_log" 2>&1; then
    cp scripts/requirements.txt "$stamp"
  else
    tail -n 3 "$venv_log" >&2
    echo "setup: pyarrow could not be installed (above): the build will have no Parquet, and its tests are skipped" >&2
  fi
  rm -f "$venv_log"
fi
