#!/bin/bash
# Checks the protocol's model with spin: each mutation must be found, and the protocol itself must show no violation in
# an exhaustive search. Anything else, a search that does not end among it, is a failure.
#
# usage: run.sh      about a minute of processor time and 1 GB of memory; as root, on Debian, it installs spin itself
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=$here/versions.pml
limit=${MODEL_SECONDS:-600} # for one search; they take some seconds each

if ! command -v spin >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends spin gcc libc6-dev; } >/dev/null
fi
for tool in spin gcc; do
  command -v "$tool" >/dev/null || { echo "The model needs $tool (on Debian: apt-get install spin gcc libc6-dev)." >&2; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# search name definitions: leaves what pan said in $work/name/out
search() {
  local dir=$work/$1
  shift
  mkdir "$dir"
  (
    cd "$dir" || exit
    spin -a "$@" "$model" >spin.out 2>&1 || { cat spin.out; exit; }
    order=
    [ -z "${REVERSED:-}" ] || order=-DT_REVERSE # takes the actions the other way round: finds most mutations sooner
    gcc -w -O2 -DSAFETY -DNOREDUCE $order -DMEMLIM=6000 -o pan pan.c || exit
    timeout "$limit" ./pan -m100000 -w24
  ) >"$dir/out" 2>&1
}

# found definitions: a violation of an assertion must be found.
found() {
  local name
  name=$(echo "found $*" | tr -d ' ')
  REVERSED=1 search "$name" "$@"
  if grep -q "assertion violated" "$work/$name/out"; then
    echo "found:     $* ($(grep -o 'assertion violated *!*([^ ]*)' "$work/$name/out" | head -1))"
  else
    echo "NOT FOUND: $*"
    tail -5 "$work/$name/out"
    return 1
  fi
}

# holds definitions: no violation, and the search ended by itself.
holds() {
  local name out
  name=$(echo "holds $*" | tr -d ' ')
  search "$name" "$@"
  out=$work/$name/out
  if grep -q "errors: 0" "$out" && ! grep -qE "Search not completed|max search depth|assertion violated" "$out"; then
    echo "holds:     $* (exhaustive: $(awk '/states, stored/ {print $1}' "$out") states in$(sed -n 's/^pan: elapsed time//p' "$out"))"
  else
    echo "FAILED:    $*"
    tail -12 "$out"
    return 1
  fi
}

mutations() {
  local failed=0
  holds -DSTRICT || failed=1
  local m
  # CAN_HIT is no mutation: it shows that answers with both changes are hit at all.
  for m in NO_FENCE NO_NONCE_AT_FENCE COUNTER LATE_VERSION FIRST_RELEASE_OPENS UNKNOWN_OPENS NO_QUARANTINE LATE_QUARANTINE NO_CHECK DIRTY CAN_HIT; do
    found -DSTRICT -D$m || failed=1
  done
  # Both writers in one process, who share a fence.
  holds -DSTRICT -DSHARED || failed=1
  for m in NO_FENCE NO_NONCE_AT_FENCE FIRST_LEAVER_OPENS UNKNOWN_OPENS NO_QUARANTINE NO_CHECK CAN_HIT; do
    found -DSTRICT -DSHARED -D$m || failed=1
  done
  for m in NO_FENCE NO_NONCE_AT_FENCE LATE_VERSION NO_LEASE LEASE_FROM_ANSWER NO_HOLD OLD_NEWS UNKNOWN_OPENS FIRST_RELEASE_OPENS NO_CHECK DIRTY CAN_HIT; do
    found -DNO_LOSS -D$m || failed=1
  done
  for m in NO_QUARANTINE LATE_QUARANTINE; do
    found -DNO_WRITER1 -DNO_BUS -D$m || failed=1
  done
  found -DNO_WRITER0 -DNO_BUS -DOLD_BIRTH || failed=1
  # Everything at once, but one writer: the other process's, then the reader's own.
  holds -DNO_WRITER1 || failed=1
  holds -DNO_WRITER0 || failed=1
  return $failed
}

# Who takes down the fence of a process that is gone.
holders() {
  local model=$here/holders.pml failed=0 m
  holds || failed=1
  for m in LEASE_OPENS NO_GUARD RENEWED_TOO FORGETS_HOLDER OLD_ANSWER CLAIM_STAYS CAN_HIT; do
    found -D$m || failed=1
  done
  return $failed
}

# Two writers, without what has nothing to do with there being two.
both() {
  holds -DNO_LOSS -DNO_BUS -DQUICK_POLL
}

both &
pid=$!
failed=0
holders || failed=1
mutations || failed=1
wait $pid || failed=1
[ $failed = 0 ] || { echo "The model shows an error."; exit 1; }
