#!/bin/bash
# Runs the integration tests with what this machine has.
#
# usage: run.sh [arguments of go test]
# Without arguments it runs every package here, those of nested modules too.
#
# The servers are, in this order:
#   1. those that MLCACHE_TEST_POSTGRES and MLCACHE_TEST_REDIS name;
#   2. containers of the images that MLCACHE_TEST_POSTGRES_IMAGE and MLCACHE_TEST_REDIS_IMAGE name;
#   3. containers of the official images, if they are here or can be pulled;
#   4. containers of images built from this Debian machine's packages (images/build.sh).
# MLCACHE_TEST_IMAGES=debian goes straight to 4. Nothing of all that is a failure.
set -euo pipefail
cd "$(dirname "$0")"

official=(postgres:17 redis:7.4)

have() {
  docker image inspect "$@" >/dev/null 2>&1
}

pull() {
  local image
  for image in "${official[@]}"; do
    timeout 300 docker pull --quiet "$image" >/dev/null 2>&1 || return 1
  done
}

use_debian_images() {
  local tag
  tag=$(images/build.sh --tag)
  have "mlcache-test/postgres:$tag" "mlcache-test/redis:$tag" || images/build.sh
  export MLCACHE_TEST_POSTGRES_IMAGE=mlcache-test/postgres:$tag MLCACHE_TEST_REDIS_IMAGE=mlcache-test/redis:$tag
  # Where no registry is reached there is no image of testcontainers' reaper either. The
  # label of the run takes its place. Ports are published on this machine's loopback.
  export TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
}

remove_containers() {
  docker ps -aq --filter "label=com.github.mlcache.run=$MLCACHE_TEST_RUN" | xargs -r docker rm -fv >/dev/null
}

if [ -z "${MLCACHE_TEST_POSTGRES:-}" ] || [ -z "${MLCACHE_TEST_REDIS:-}" ]; then
  if ! docker info >/dev/null 2>&1; then
    echo "The integration tests need a running Docker engine, or servers named by MLCACHE_TEST_POSTGRES and MLCACHE_TEST_REDIS." >&2
    exit 1
  fi
  if [ -z "${MLCACHE_TEST_POSTGRES_IMAGE:-}" ] || [ -z "${MLCACHE_TEST_REDIS_IMAGE:-}" ]; then
    if [ "${MLCACHE_TEST_IMAGES:-}" = debian ]; then
      use_debian_images
    elif ! have "${official[@]}" && ! pull; then
      use_debian_images
    fi
  fi
  MLCACHE_TEST_RUN=$$-$(date +%s)
  export MLCACHE_TEST_RUN
  trap remove_containers EXIT
fi

# The tests mostly wait for servers, so more of them run at once than there are cores.
run=(go test -race -count=1 -parallel 3 -timeout 20m)
if [ $# -gt 0 ]; then
  "${run[@]}" "$@"
  exit
fi

# What runs later is compiled while the tests wait, and only when they wait.
nice -n 19 make --no-print-directory -C .. compile-ahead >/dev/null 2>&1 &
compiling=$!

# What a busy machine makes late is tried again, alone. An answer that is wrong is not: each line that
# a failed test has written must be one of these.
late='still not: |redis_away|reads were hits|has waited|too few|took [0-9.]+m?s$'
aside='an old answer was read at most |MLCACHE_TEST_SEED=' # what a test says in any case

# tests runs the module's tests, and once more those that were late.
tests() {
  local out names said='^ +[A-Za-z0-9_.]+_test\.go:[0-9]+: '
  out=$(mktemp)
  if "${run[@]}" ./... 2>&1 | tee "$out"; then
    rm "$out"
    return
  fi
  names=$(sed -nE 's/^--- FAIL: ([A-Za-z0-9_]+) .*/\1/p' "$out" | sort -u)
  if [ -z "$names" ] || [ "$(wc -l <<<"$names")" -gt 3 ] || grep -qE '^panic: |^WARNING: DATA RACE|\[build failed\]' "$out" ||
    ! grep -qE "$said.*($late)" "$out" || grep -E "$said" "$out" | grep -vqE "$late|$aside"; then
    rm "$out"
    return 1
  fi
  rm "$out"
  echo "Late beside other tests, so once more alone: ${names//$'\n'/ }"
  "${run[@]}" -parallel 1 -run "^(${names//$'\n'/|})\$" ./...
}

failed=0
tests || failed=1
wait "$compiling" || true # what went wrong shows again below
# Modules of their own, so that what they need stays out of the other tests' way.
for module in */go.mod; do
  (cd "${module%/go.mod}" && GOWORK=off tests) || failed=1
done
exit "$failed"
