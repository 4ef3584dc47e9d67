# PostgreSQL from the host's own Debian package; see build.sh.
FROM scratch
ADD rootfs.tar /
ARG PG_BIN
ENV PATH=/usr/local/bin:${PG_BIN}:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
EXPOSE 5432
# SIGINT asks PostgreSQL for a fast shutdown; SIGTERM would wait for every client.
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]
