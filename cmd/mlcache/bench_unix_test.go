//go:build unix

package main

import (
	"database/sql"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
)

func TestBenchOfStatistics(t *testing.T) {
	backup := program(t, "pg_basebackup", "/usr/lib/postgresql/*/bin/pg_basebackup")
	server := program(t, "postgres", "/usr/lib/postgresql/*/bin/postgres")
	pg, err := servers.Postgres(t.Context(), servers.Options{Sources: []servers.Source{servers.Binary}})
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = pg.Close() })
	u, err := url.Parse(pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	// The extension must be loaded from the start, so a copy is started with it.
	dir, port := placeFor(t), unusedPort(t)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(backup, "--dbname", pg.URL, "--pgdata", data, "--checkpoint=fast")
	cmd.Dir = dir
	asNobody(t, cmd, dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd = exec.Command(server, "-D", data, "-c", "port="+strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", "-c", "shared_preload_libraries=pg_stat_statements")
	cmd.Dir = dir
	asNobody(t, cmd, dir)
	listening(t, cmd, port)
	u.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	db, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for limit := time.Now().Add(20 * time.Second); db.Ping() != nil && time.Now().Before(limit); time.Sleep(50 * time.Millisecond) {
	}
	for _, statement := range []string{
		"CREATE SCHEMA stats", "CREATE EXTENSION pg_stat_statements SCHEMA stats",
		"CREATE TABLE item AS SELECT i AS id FROM generate_series(1, 100000) i",
		"SELECT sum(id) FROM item", "SELECT sum(id) FROM item", "SELECT count(*) FROM item WHERE id > 5", "UPDATE item SET id = id + 1",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(statement, err)
		}
	}
	r, _ := tried(t, exitOK, "", "--dsn", u.String(), "--pg-stat-statements", "--for", "3s")
	if s := statementOf(t, r, "SELECT sum(id) FROM item"); s.Skipped != nil || s.Calls != 2 || s.TotalMS <= 0 || s.PaysFrom == nil {
		t.Errorf("%+v", s)
	}
	if s := statementOf(t, r, "SELECT count(*) FROM item WHERE id > $1"); s.Skipped == nil || s.Skipped.Reason != "parameters" {
		t.Errorf("%+v", s)
	}
	if s := statementOf(t, r, "UPDATE item SET id = id + $1"); s.Skipped == nil || s.Skipped.Reason != "not_a_read" {
		t.Errorf("%+v", s)
	}
	if r, _ := tried(t, exitOK, "", "--dsn", u.String(), "--pg-stat-statements", "--top", "1", "--for", "3s"); len(r.Statements) != 1 {
		t.Errorf("%d statements of the top one", len(r.Statements))
	}
}
