package integration

import (
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// A server that crashes can lose what it has committed, if it was allowed to say so
// before it was written. What was kept of it must not be served.
func TestLostCommits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		crash func(t *testing.T, server *harness.Postgres)
	}{
		{"the server is killed and started anew", func(_ *testing.T, server *harness.Postgres) {
			server.Kill()
			server.Start()
		}},
		{"one of its processes is killed", func(t *testing.T, server *harness.Postgres) {
			// The server's first process stays and starts the others anew.
			crashOneProcess(t, server)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartPostgres(t, "wal_writer_delay=10s", "synchronous_commit=off", "full_page_writes=off", "restart_after_crash=on")
			direct := harness.Open(t, "pgx", server.DSN())
			harness.Exec(t, direct, "CREATE TABLE item (n int)")
			harness.Exec(t, direct, "INSERT INTO item VALUES (0)")
			harness.Exec(t, direct, "CHECKPOINT")
			db := harness.Open(t, "mlcache", withPatientRedis(t, server.DSN()))
			harness.Ready(t, db)
			untilHit(t, db, "SELECT n FROM item")
			harness.Exec(t, db, "UPDATE item SET n = 1")
			if got := untilHit(t, db, "SELECT n FROM item"); got.Rows[0] != "int64 1" {
				t.Fatalf("before the crash: %v", got.Rows)
			}
			c.crash(t, server)
			var lost string
			harness.Eventually(t, settling, "the server answers", func() bool {
				r := harness.TryQuery(t.Context(), direct, "SELECT n FROM item")
				if r.Err != "" {
					return false
				}
				lost = r.Rows[0]
				return true
			})
			if lost != "int64 0" {
				t.Skipf("the server has lost nothing: %s", lost)
			}
			harness.Eventually(t, noticing, "the kept answer is what the server has", func() bool {
				r := harness.TryQuery(t.Context(), db, "SELECT n FROM item")
				return r.Err == "" && r.Rows[0] == lost
			})
		})
	}
}

// crashOneProcess kills the process of a session, after which the server starts all
// the others anew.
func crashOneProcess(t *testing.T, server *harness.Postgres) {
	t.Helper()
	victim, err := harness.Open(t, "pgx", server.DSN()).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer victim.Close()
	var pid int
	if err := victim.QueryRowContext(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	server.KillProcess(pid)
	harness.Eventually(t, settling, "the killed session ends", func() bool { return victim.PingContext(t.Context()) != nil })
}
