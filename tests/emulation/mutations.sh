#!/usr/bin/env bash
# Breaks the CUDA side in one place at a time in a copy of the tree, and expects the tests that run whole steps in emulation
# to fail. Exit code 0: all were noticed.
#   tests/emulation/mutations.sh            every mutation
#   tests/emulation/mutations.sh WORD...    those whose description has one of the words
#   tests/emulation/mutations.sh --check    none: whether each still fits the code
set -euo pipefail
cd "$(dirname "$0")/../.."
wanted=("$@")
targets=(emulation_tests device_tests)
run() { build/release/emulation_tests && build/release/device_tests "~[presets]~a NaN in*"; }
source tests/support/mutations.sh

prepare
cuda=kernels/cuda

# ---- queues, streams, recorded steps
mutate "a second device takes the thread's stream" $cuda/support/launch.cu 'if (before_ != nullptr && before_ != stream)' \
  'if (before_ != nullptr && before_ == stream)'
mutate "a smaller launch lowers a kernel's shared memory" $cuda/support/launch.cu 'if (bytes <= most) return cudaSuccess;' ''
mutate "shared memory below 48 KiB is never asked for" $cuda/support/launch.cu 'if (bytes == 0) return cudaSuccess;' \
  'if (bytes <= 49152) return cudaSuccess;'
mutate "an upload does not wait for the kept batch" train/trainer/batch_stage.cpp \
  'graph_.device().memory->wait(kernels::Queue::upload, *kept_written_);' ''
mutate "an upload does not wait for the step that reads its block" train/trainer/batch_stage.cpp \
  'runtime.wait(kernels::Queue::upload, *slot.consumed);' ''
mutate "a step does not wait for its upload" train/trainer/batch_stage.cpp \
  'runtime.wait(kernels::Queue::compute, *slot.uploaded);' ''
mutate "the host's block is filled before it was uploaded" train/trainer/batch_stage.cpp \
  'graph_.device().memory->wait(*slot.uploaded);' ''

# ---- layers
mutate "a chain's steps do not wait for each other" $cuda/chain.cu '__syncthreads();  // the next tile'"'"'s x, and the next step'"'"'s' ''
mutate "a tile's last rows are those of no batch" $cuda/grouped.cu 'if (at >= s.rows) return;' ''

finish
