#!/usr/bin/env bash
# scripts/gpu_check.sh --prepare [DIR]: builds what a machine with a GPU needs and packs it into DIR/bundle.tar.xz:
#   bin/       the programs, stripped; sm_90 and PTX, CPU kernels for any x86-64
#   lib/       their shared libraries but those of the C and C++ runtime and of CUDA; found by run path
#   sources/   headers and libraries of scripts/setup.sh --bundle, to build there if the programs do not start; left out
#              where it cannot be had or the bundle would be too large
#   sources.sha256   of what was built: gpu_check.sh says when the tree is another
# MAL_CUDA_ARCHITECTURES and MAL_MARCH are as in CMake.
set -euo pipefail
cd "$(dirname "$0")/.."
(($# <= 1)) && [[ ${1:-} != -* ]] || { echo "usage: scripts/gpu_check.sh --prepare [DIR]" >&2; exit 2; }
folder=${1:-gpu_bundle}
most=$((24 << 20))  # bytes; with the tree below the 40 MiB that gpu_rehearsal.sh allows
build=build/gpu
programs=(mal_data mal_gpu_train inference_bench kernels_tests device_tests kernels_bench gpu_probe)

# --disable-new-dtags: the run path is also searched for what the libraries need themselves.
# MAL_SOURCE_FOLDER: the tests read their data where they run.
options=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DMAL_CUDA=ON -DMAL_BENCH=ON -DMAL_PARQUET=OFF -DMAL_SOURCE_FOLDER=.
  "-DMAL_MARCH=${MAL_MARCH:-portable}" "-DMAL_CUDA_ARCHITECTURES=${MAL_CUDA_ARCHITECTURES:-90-real;80-virtual}"
  '-DCMAKE_BUILD_RPATH=$ORIGIN/../lib;/usr/local/cuda/lib64;/usr/local/cuda/targets/x86_64-linux/lib' -DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags)
mkdir -p "$folder" build
log=build/gpu_prepare.log
{ cmake -S . -B $build "${options[@]}" && cmake --build $build -j "$(nproc)" --target "${programs[@]}"; } >$log 2>&1 ||
  { tail -n 20 $log >&2; echo "gpu_check: the build failed (above; all of it: $log)" >&2; exit 1; }

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/bin" "$stage/lib"
for program in "${programs[@]}"; do strip -o "$stage/bin/$program" $build/"$program"; done
ldd "${programs[@]/#/$build/}" | awk '$2 == "=>" {print $1, $3}' | sort -u |
  grep -vE '^(ld-linux|linux-vdso|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s|cuda|cudart|cublas|cublasLt|nv[a-zA-Z]*)\.so)' |
  while read -r name path; do cp -L "$path" "$stage/lib/$name"; done
git ls-files -z --cached --others --exclude-standard CMakeLists.txt cmake kernels engine model 'train/*.cpp' 'train/*.h' \
  'tests/*.cpp' 'tests/*.h' 'bench/*.cpp' 'bench/*.h' |
  while IFS= read -r -d '' file; do if [[ -e $file ]]; then sha256sum "$file"; fi; done >"$stage/sources.sha256"

pack() {  # pack WHAT...
  tar -C "$stage" --owner=0 --group=0 --sort=name -cf - "$@" | xz -9 >"$folder/bundle.tar.xz.tmp"
}
what=(bin lib sources.sha256)
if scripts/setup.sh --bundle "$stage/sources" >>$log 2>&1; then
  what+=(sources)
  # A library that is in both is packed once.
  for library in "$stage"/lib/*; do
    while read -r same; do cmp -s "$library" "$same" && ln -f "$library" "$same"; done \
      < <(find "$stage/sources" -type f -size "$(stat -c %s "$library")c")
  done
else
  echo "gpu_check: no headers and libraries to build with there: scripts/setup.sh --bundle failed ($log)" >&2
fi
pack "${what[@]}"
if (($(stat -c %s "$folder/bundle.tar.xz.tmp") > most)) && [[ ${what[-1]} == sources ]]; then
  echo "gpu_check: without what is needed to build there: the bundle would be larger than $((most >> 20)) MiB" >&2
  pack bin lib sources.sha256
fi
size=$(stat -c %s "$folder/bundle.tar.xz.tmp")
((size <= most)) || { echo "gpu_check: the bundle has $size bytes, more than $((most >> 20)) MiB" >&2; exit 1; }
mv "$folder/bundle.tar.xz.tmp" "$folder/bundle.tar.xz"
echo "gpu_check: $folder/bundle.tar.xz, $(awk "BEGIN {printf \"%.1f\", $size / 1048576}") MiB: $(ls "$stage/bin" | wc -l) programs, $(ls "$stage/lib" | wc -l) libraries$([[ ! -d $stage/sources || ${#what[@]} == 3 ]] || echo ", what is needed to build")"
