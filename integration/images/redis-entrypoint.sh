#!/bin/sh
# Starts redis-server as user redis, open to other hosts: the container's port is only published on loopback.
# Arguments that start with a dash are options of redis-server, as with the official image.
set -eu
case "${1:--}" in
  -*) set -- redis-server "$@" ;;
esac
if [ "$1" != redis-server ]; then
  exec "$@"
fi
if [ "$(id -u)" = 0 ]; then
  chown redis:redis /data
  exec /usr/bin/setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
shift
exec redis-server --protected-mode no "$@"
