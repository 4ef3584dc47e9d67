#!/bin/bash
# Builds the test images from this Debian machine's own packages, for places that reach no image registry.
#
# usage: build.sh [--tag]      build mlcache-test/postgres and mlcache-test/redis; with --tag only print the tag
#
# The tag is a digest of this folder, so that a changed recipe is built anew and an unchanged one is not.
# An image holds the servers' binaries, the libraries that these load, and busybox as the shell.
set -euo pipefail
cd "$(dirname "$0")"

tag=$(cat build.sh ./*.Dockerfile ./*-entrypoint.sh | sha256sum | cut -c1-12)
if [ "${1:-}" = --tag ]; then
  echo "$tag"
  exit
fi

fail() {
  echo "build.sh: $*" >&2
  exit 1
}

install_packages() {
  command -v apt-get >/dev/null || fail "images can only be built from packages on Debian and its kin; let Docker reach a registry instead"
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  "${root[@]}" apt-get update -qq &&
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "install these packages first: ${missing[*]}"
}

# base DIR: a root file system with a shell, the users of both servers, and nothing else.
base() {
  mkdir -p "$1"/{bin,etc,lib64,run,tmp,usr/bin,usr/local/bin,var/lib}
  chmod 1777 "$1/tmp"
  cp "$(command -v busybox)" "$1/bin/busybox"
  local applet
  for applet in $("$1/bin/busybox" --list); do
    # busybox's setpriv cannot change the user, and its shell prefers it: the entry points name the other by its path.
    [ "$applet" = setpriv ] || [ -e "$1/bin/$applet" ] || ln -s busybox "$1/bin/$applet"
  done
  cp "$(command -v setpriv)" "$1/usr/bin/"
  cat >"$1/etc/passwd" <<-'EOF'
	root:x:0:0:root:/root:/bin/sh
	postgres:x:70:70::/var/lib/postgresql:/bin/sh
	redis:x:999:999::/data:/bin/sh
	EOF
  cat >"$1/etc/group" <<-'EOF'
	root:x:0:
	postgres:x:70:
	redis:x:999:
	EOF
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
}

# add_libraries DIR: every shared library that a file under DIR is linked with.
add_libraries() {
  local library
  find "$1" -type f \( -perm -u+x -o -name '*.so*' \) -exec ldd {} + 2>/dev/null |
    awk '/=> \// {print $3} /^\t\// {print $1}' | sort -u |
    while read -r library; do
      if [ ! -e "$1$library" ]; then
        install -D "$library" "$1$library"
      fi
    done || true
}

# pack DIR NAME [docker build arguments]. Everything belongs to root: the entry points hand over what their servers write.
pack() {
  local dir=$1 name=$2
  shift 2
  mkdir "$dir.context"
  tar -C "$dir" --owner=0 --group=0 -cf "$dir.context/rootfs.tar" .
  cp "$name.Dockerfile" "$dir.context/Dockerfile"
  # The classic builder: BuildKit is a plugin that Debian's docker.io package does not bring.
  DOCKER_BUILDKIT=0 docker build --quiet -t "mlcache-test/$name:$tag" "$@" "$dir.context" 2>"$dir.log" >/dev/null ||
    { cat "$dir.log" >&2; fail "docker build of $name failed"; }
  echo "built mlcache-test/$name:$tag"
}

build_redis() {
  local root=$work/redis
  base "$root"
  mkdir "$root/data"
  # In Debian's package redis-server is a link to redis-check-rdb: one program under two names.
  cp -L "$(command -v redis-check-rdb)" "$root/usr/bin/redis-server"
  cp "$(command -v redis-cli)" "$root/usr/bin/"
  install -m 0755 redis-entrypoint.sh "$root/usr/local/bin/"
  add_libraries "$root"
  pack "$root" redis
}

build_postgres() {
  local root=$work/postgres home version
  home=$(ls -d /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  home=${home%/bin/postgres}
  version=$(basename "$home")
  base "$root"
  mkdir -p "$root$home" "$root/usr/share/postgresql" "$root/usr/lib/locale" "$root/var/lib/postgresql/data"
  ln -s /run "$root/var/run"
  cp -a "$home/bin" "$home/lib" "$root$home/"
  # Without JIT the image needs no LLVM, which is larger than all the rest.
  rm -rf "$root$home"/lib/llvmjit* "$root$home/lib/bitcode" "$root$home/lib/pgxs"
  cp -a "/usr/share/postgresql/$version" "$root/usr/share/postgresql/"
  cp -a /usr/share/zoneinfo "$root/usr/share/"
  cp -a /usr/lib/locale/C.utf8 "$root/usr/lib/locale/"
  install -m 0755 postgres-entrypoint.sh "$root/usr/local/bin/"
  add_libraries "$root"
  pack "$root" postgres --build-arg "PG_BIN=$home/bin"
}

docker info >/dev/null 2>&1 || fail 'no Docker engine answers "docker info"'
install_packages postgresql postgresql-client redis-tools busybox-static tzdata
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build_redis
build_postgres
