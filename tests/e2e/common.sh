# Sourced by the scripts of this folder: bin, source and a working folder; helpers that say what failed.
set -euo pipefail
bin=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

die() { echo "FAILED: $*" >&2; exit 1; }

# refuses CODE PATTERN COMMAND...: the command must exit with CODE and say one line on stderr that matches PATTERN.
refuses() {
  local code=$1 pattern=$2 status=0
  shift 2
  "$@" >out.txt 2>err.txt || status=$?
  # Notes and progress may come first; the error itself is the last line.
  local message
  message=$(tail -n 1 err.txt)
  [[ $status == "$code" ]] || die "exit code $status in place of $code: $* ($message)"
  grep -qE -- "$pattern" <<<"$message" || die "message '$message' does not match '$pattern': $*"
  [[ $message != *what\(\)* && $message != *terminate* ]] || die "a bare exception: $message"
  echo "ok: $message"
}

absent() { [[ ! -e $1 && ! -e $1.tmp ]] || die "$1 was left behind"; }
