#!/usr/bin/env bash
# Ours against peers, alternately in one run: bench/compare.sh TOPIC [--json FILE] [options of the topic].
# A topic is a script bench/peers/TOPIC.sh; its first lines say what it compares and what it installs.
set -euo pipefail
cd "$(dirname "$0")/.."
topic=${1:-}
if [[ ! -x bench/peers/$topic.sh || -z $topic ]]; then
  echo "usage: bench/compare.sh TOPIC [--json FILE] …; topics: $(basename -s .sh bench/peers/*.sh | xargs)" >&2
  exit 2
fi
shift
exec "bench/peers/$topic.sh" "$@"
