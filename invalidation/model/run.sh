#!/bin/bash
# Checks the protocol's model with spin.
#
# usage: run.sh [seconds]      at most so many for each configuration of the protocol itself (default 120)
#
# First each mutation must be found, then the protocol itself must show no violation. It prints whether a search was
# exhaustive or ended by its time: more seconds, and about 8 GB of memory, look further.
set -euo pipefail
model=$(cd "$(dirname "$0")" && pwd)/versions.pml
limit=${1:-120}
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "The model needs $tool (on Debian: apt-get install spin gcc)." >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# search seconds definitions: leaves what pan said in ./out
search() {
  local seconds=$1
  shift
  spin -a "$@" "$model" >/dev/null
  gcc -w -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=8000 -o pan pan.c
  timeout "$seconds" ./pan -m1000000 -w24 >out 2>&1 || true
}

found() {
  search 300 "$@"
  if ! grep -q "assertion violated" out; then
    echo "NOT FOUND: $*"
    tail -3 out
    exit 1
  fi
  echo "found:     $*"
}

holds() {
  search "$limit" "$@"
  if grep -q "assertion violated" out; then
    echo "VIOLATED:  $*"
    grep "assertion violated" out
    exit 1
  elif grep -q "errors: 0" out && ! grep -q "Search not completed" out; then
    echo "holds:     $* (exhaustive, $(awk '/states, stored/ {print $1}' out) states)"
  else
    echo "holds:     $* (so far: $(grep -o 'States= *[^ ]*' out | tail -1), not exhaustive)"
  fi
}

for mutation in NO_FENCE NO_NONCE_AT_FENCE COUNTER LATE_VERSION FIRST_RELEASE_OPENS UNKNOWN_OPENS NO_QUARANTINE CAN_HIT; do
  found -DSTRICT -D$mutation
done
for mutation in LATE_VERSION NO_HOLD UNKNOWN_OPENS OLD_NEWS; do
  found -DNO_LOSS -D$mutation
done
for mutation in OLD_BIRTH NO_QUARANTINE; do
  found -DNO_BUS -D$mutation
done
holds -DSTRICT
holds -DNO_LOSS
holds -DNO_BUS
