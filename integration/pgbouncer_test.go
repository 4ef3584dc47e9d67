package integration

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

// poolerModes are the ways to run a query that PgBouncer in transaction mode
// allows: each statement is one exchange with the server (PgBouncer's FAQ, "prepared
// statements").
var poolerModes = []string{"cache_describe", "exec", "simple_protocol"}

// startPgBouncer runs PgBouncer in transaction mode in front of a DSN's server, with
// size connections, and returns the DSN through it.
func startPgBouncer(t testing.TB, dsn string, size int) string {
	t.Helper()
	binary, err := exec.LookPath("pgbouncer")
	if err != nil {
		if binary = "/usr/sbin/pgbouncer"; !isFile(binary) {
			if os.Getenv("CI") != "" {
				t.Fatal("this test needs pgbouncer (Debian's package of that name)")
			}
			t.Skip("this test needs pgbouncer (Debian's package of that name)")
		}
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	l.Close()
	database := strings.TrimPrefix(u.Path, "/")
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	server := fmt.Sprintf("host=%s port=%s dbname=%s user=%s", u.Hostname(), u.Port(), database, u.User.Username())
	if password, ok := u.User.Password(); ok {
		server += " password=" + password
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n%s = %s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\n"+
		"pool_mode = transaction\ndefault_pool_size = %d\nmax_client_conn = 200\nserver_round_robin = 1\n", database, server, address.Port, size)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-q", config)
	if os.Geteuid() == 0 { // it refuses to run as root
		const nobody = 65534
		for _, path := range []string{dir, config} {
			if err := os.Chown(path, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	harness.Eventually(t, 10*time.Second, "PgBouncer", func() bool {
		c, err := net.Dial("tcp", address.String())
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	u.Host, u.User = address.String(), url.User(u.User.Username())
	q := u.Query()
	q.Set("sslmode", "disable")
	u.RawQuery = q.Encode()
	return u.String()
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// Behind PgBouncer in transaction mode, where each statement may be run by another
// session, answers are kept, are pgx's, and own writes are seen.
func TestBehindPgBouncer(t *testing.T) {
	t.Parallel()
	dsn := startPgBouncer(t, harness.NewDatabase(t, warmup, "CREATE TABLE pooled (id int PRIMARY KEY, n int); INSERT INTO pooled SELECT i, 0 FROM generate_series(1, 8) i"), 3)
	for _, mode := range poolerModes {
		t.Run(mode, func(t *testing.T) {
			dsn := harness.With(dsn, "default_query_exec_mode", mode)
			cached, plain := harness.Open(t, "mlcache", dsn), harness.Open(t, "pgx", dsn)
			untilServing(t, cached)
			const query = "SELECT n, $1::text FROM pooled WHERE id = $2"
			var wg sync.WaitGroup
			for id := 1; id <= 8; id++ {
				wg.Go(func() {
					for range 10 {
						harness.Exec(t, cached, "UPDATE pooled SET n = n + 1 WHERE id = $1", id)
						want := harness.Query(t, plain, query, "a", id)
						for range 3 {
							harness.Same(t, fmt.Sprint("row ", id), harness.Query(t, cached, query, "a", id), want)
						}
					}
				})
			}
			wg.Wait()
			before := stats(t, cached)
			untilHit(t, cached, query, "a", 1)
			for range 5 {
				harness.Query(t, cached, query, "a", 1)
			}
			if got := since(before, stats(t, cached)); got.L1Hits < 5 {
				t.Errorf("%+v, %v", got, stats(t, cached).Reasons)
			}
		})
	}
}

// A connection that has set something behind a pooler has set it on a session that
// it need not meet again: from then on it asks the database, and its writes drop
// everything, as nobody knows which tables its names mean.
func TestSettingsBehindPgBouncer(t *testing.T) {
	t.Parallel()
	direct := harness.NewDatabase(t, warmup, "CREATE TABLE pooled (n int); INSERT INTO pooled VALUES (1)",
		"CREATE SCHEMA other; CREATE TABLE other.pooled (n int); INSERT INTO other.pooled VALUES (2)")
	dsn := harness.With(startPgBouncer(t, direct, 1), "default_query_exec_mode", "exec")
	db := harness.Open(t, "mlcache", dsn)
	untilServing(t, db)
	const query = "SELECT n FROM other.pooled"
	untilHit(t, db, query)
	conn, err := db.Conn(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	harness.Exec(t, conn, "SET search_path = other")
	for _, want := range []string{"2", "3"} {
		before := stats(t, db)
		for range 3 {
			if got := harness.Query(t, conn, "SELECT n FROM pooled"); !strings.Contains(got.Rows[0], want) {
				t.Errorf("got %v, want %s", got, want)
			}
		}
		if got := since(before, stats(t, db)); got.Bypasses != 3 {
			t.Errorf("%+v", got)
		}
		harness.Exec(t, conn, "UPDATE pooled SET n = n + 1")
		if got := harness.Query(t, db, query); strings.Contains(got.Rows[0], want) {
			t.Errorf("read %v after the connection's write", got)
		}
	}
	harness.Exec(t, conn, "RESET search_path") // the session goes to others after this
}
