package integration

import (
	"bytes"
	"database/sql"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/mlcache/mlcache/integration/harness"
)

// A server that was laid down from another one's files (a staging server made with
// pg_basebackup) has the system identifier, the databases and the roles of the
// original. Behind one Redis and namespace it gets none of the original's answers.
func TestACopyOfTheServerGetsNoneOfItsAnswers(t *testing.T) {
	t.Parallel()
	original := harness.StartPostgresHere(t)
	direct := harness.Open(t, "pgx", original.DSN())
	harness.Exec(t, direct, "CREATE TABLE item (n int)")
	harness.Exec(t, direct, "INSERT INTO item VALUES (1)")
	staging := original.Copy(false)
	harness.Exec(t, harness.Open(t, "pgx", staging.DSN()), "UPDATE item SET n = 2")

	dsn := withPatientRedis(t, original.DSN())
	query := func(db *sql.DB) string { return untilHit(t, db, "SELECT n FROM item").Rows[0] }
	db := harness.Open(t, "mlcache", dsn)
	harness.Ready(t, db)
	if got := query(db); got != "int64 1" {
		t.Fatalf("the original: %s", got)
	}
	copied := harness.Open(t, "mlcache", onServer(t, dsn, staging.DSN()))
	harness.Ready(t, copied)
	if got := query(copied); got != "int64 2" {
		t.Errorf("the copy: %s", got)
	}
	if got := query(db); got != "int64 1" {
		t.Errorf("the original, after the copy: %s", got)
	}
}

// A connection that lands on a standby is passed by from its first statement on, also
// where the server does not say so by itself, as PostgreSQL 13 does not.
func TestAConnectionThatLandsOnAStandby(t *testing.T) {
	t.Parallel()
	primary := harness.StartPostgresHere(t)
	direct := harness.Open(t, "pgx", primary.DSN())
	harness.Exec(t, direct, "CREATE TABLE item (n int)")
	harness.Exec(t, direct, "INSERT INTO item VALUES (1)")
	standby := primary.Copy(true)
	late := harness.Open(t, "pgx", standby.DSN())
	harness.Eventually(t, settling, "the standby follows", func() bool {
		return harness.TryQuery(t.Context(), late, "SELECT n FROM item").Err == ""
	})
	harness.Exec(t, late, "SELECT pg_wal_replay_pause()")

	front := newSwitch(t, primary.DSN())
	db := harness.Open(t, "mlcache", withPatientRedis(t, onServer(t, primary.DSN(), front.dsn())))
	harness.Ready(t, db)
	db.SetMaxIdleConns(0)
	untilHit(t, db, "SELECT 1 FROM item") // the state is read
	harness.Exec(t, db, "UPDATE item SET n = 2")
	front.to(t, standby.DSN())
	if got := harness.Query(t, db, "SELECT n FROM item").Rows[0]; got != "int64 1" {
		t.Fatalf("the standby does not lag: %s", got)
	}
	front.to(t, primary.DSN())
	if got := harness.Query(t, db, "SELECT n FROM item").Rows[0]; got != "int64 2" {
		t.Errorf("the primary, after the standby was read: %s", got)
	}
}

// onServer is the DSN with the address and the user of another one.
func onServer(t testing.TB, dsn, server string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	other, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = other.Host
	return u.String()
}

// switchProxy leads new connections to one server or another, and hides from clients
// that a server tells whether it is a standby.
type switchProxy struct {
	listener net.Listener
	target   atomic.Pointer[string]
}

func newSwitch(t testing.TB, dsn string) *switchProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &switchProxy{listener: l}
	p.to(t, dsn)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client)
		}
	}()
	return p
}

func (p *switchProxy) to(t testing.TB, dsn string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	p.target.Store(&u.Host)
}

func (p *switchProxy) dsn() string { return "postgres://" + p.listener.Addr().String() + "/" }

func (p *switchProxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", *p.target.Load())
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(server, client) // either end may break
		server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if _, errW := client.Write(bytes.ReplaceAll(buf[:n], []byte("in_hot_standby"), []byte("in_no_standby_"))); err != nil || errW != nil {
			return
		}
	}
}
