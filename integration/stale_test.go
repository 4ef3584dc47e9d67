package integration

import (
	"context"
	"database/sql"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const (
	staleTable = "CREATE TABLE stock (n int); INSERT INTO stock VALUES (0)"
	staleQuery = "SELECT n FROM stock"
)

func readStock(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, staleQuery).Scan(&n)
	return n, err
}

func mustReadStock(ctx context.Context, t testing.TB, db *sql.DB) int {
	t.Helper()
	n, err := readStock(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// An answer that another process's write has made old is given once more, and
// renewed meanwhile: nobody waits for the database.
func TestStaleWhileRevalidate(t *testing.T) {
	t.Parallel()
	for name, allow := range map[string]struct {
		rule string
		ctx  func(context.Context) context.Context
		sql  string
	}{
		"context": {ctx: func(ctx context.Context) context.Context { return mlcache.WithStale(ctx, 30*time.Second) }},
		"rule":    {rule: "stock:swr=30s"},
		"hint":    {sql: "/* mlcache: swr=30s */ " + staleQuery},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := withPatientRedis(t, harness.NewDatabase(t, warmup, staleTable), "mlcache_rules", allow.rule)
			db := harness.Open(t, "mlcache", dsn)
			other := harness.StartProcess(t, "mlcache", dsn)
			untilServing(t, db)
			ctx, query := harness.Context(t), staleQuery
			if allow.ctx != nil {
				ctx = allow.ctx(ctx)
			}
			if allow.sql != "" {
				query = allow.sql
			}
			read := func() (n int) {
				t.Helper()
				if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			harness.Eventually(t, settling, "a hit", func() bool {
				before := stats(t, db)
				read()
				return since(before, stats(t, db)).L1Hits == 1
			})
			before := stats(t, db)
			for round := 1; round <= 5; round++ {
				other.Exec("UPDATE stock SET n = n + 1")
				harness.Eventually(t, 10*time.Second, "the new answer", func() bool { return read() == round })
			}
			harness.Eventually(t, 5*time.Second, "the renewals' count", func() bool { return stats(t, db).Renewals-before.Renewals >= 5 })
			after := stats(t, db)
			if c := since(before, after); c.Misses+c.Bypasses+c.L2Hits > 0 {
				t.Errorf("somebody has waited: %+v", c)
			}
			if after.Stale == before.Stale || after.RenewErrors > 0 {
				t.Errorf("%d answers beyond their bound, %d renewals failed", after.Stale, after.RenewErrors)
			}
		})
	}
}

// While the new answer cannot be had, the old one is given for as long as the bound
// and the extra time, and not for longer.
func TestStaleEndsInTime(t *testing.T) {
	t.Parallel()
	const extra = 700 * time.Millisecond
	dsn := harness.NewDatabase(t, warmup, staleTable)
	cached := withRedis(t, dsn)
	db := harness.Open(t, "mlcache", cached)
	other := harness.StartProcess(t, "mlcache", cached)
	pgx := harness.Open(t, "pgx", dsn)
	untilServing(t, db)
	ctx := mlcache.WithStale(harness.Context(t), extra)
	served := 0
	for round := 1; round <= 10 && served < 3; round++ {
		harness.Eventually(t, 10*time.Second, "the answer of the last round", func() bool { return mustReadStock(ctx, t, db) == round-1 })
		mustReadStock(ctx, t, db)
		before := stats(t, db).Stale
		other.Exec("UPDATE stock SET n = n + 1")
		written := time.Now()
		// From here on nobody can read the table. Nobody has read it since the write.
		tx, err := pgx.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		harness.Exec(t, tx, "LOCK TABLE stock IN ACCESS EXCLUSIVE MODE")
		last := written
		for time.Since(written) < bound+extra+500*time.Millisecond {
			began := time.Now()
			reading, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			if n, err := readStock(reading, db); err == nil && n == round-1 {
				last = began
			}
			cancel()
		}
		t.Logf("the last old answer came %v after the write", last.Sub(written))
		if age := last.Sub(written); age > bound+extra {
			t.Errorf("an answer was %v behind, want at most %v", age, bound+extra)
		}
		if stats(t, db).Stale > before {
			served++
		}
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	if served < 3 {
		t.Errorf("beyond their bound there were answers in %d rounds only", served)
	}
}

// However late answers may be, a process sees its own writes at once, through any of
// its pools, and what it invalidates itself.
func TestStaleNeverHidesOwnWrites(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, staleTable)
	// Invalidate, below, tells when Redis was too slow.
	cached := withPatientRedis(t, dsn, "mlcache_rules", "*:swr=1h,sie=1h,early=1h", "mlcache_max_staleness", "1s")
	db, second := harness.Open(t, "mlcache", cached), harness.Open(t, "mlcache", cached)
	other := harness.StartProcess(t, "mlcache", cached)
	pgx := harness.Open(t, "pgx", dsn)
	untilServing(t, db)
	ctx := harness.Context(t)
	want := 0
	for round := range 30 {
		for range 3 {
			mustReadStock(ctx, t, db)
		}
		writer := []*sql.DB{db, second}[round%2]
		switch round % 4 {
		case 0, 1:
			harness.Exec(t, writer, "UPDATE stock SET n = n + 1")
		case 2:
			tx, err := writer.Begin()
			if err != nil {
				t.Fatal(err)
			}
			harness.Exec(t, tx, "UPDATE stock SET n = n + 1")
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
		case 3:
			harness.Exec(t, pgx, "UPDATE stock SET n = n + 1")
			h, err := mlcache.From(writer)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Invalidate(ctx, "stock"); err != nil {
				t.Fatal(err)
			}
		}
		want++
		for range 3 {
			if n := mustReadStock(ctx, t, db); n != want {
				t.Fatalf("round %d: read %d after an own write of %d", round, n, want)
			}
		}
		if round%5 == 0 { // a write of another process right after one of one's own
			other.Exec("UPDATE stock SET n = n + 1")
			want++
			harness.Eventually(t, 10*time.Second, "the other's write", func() bool { return mustReadStock(ctx, t, db) == want })
		}
	}
	if s := stats(t, db); s.Stale == 0 {
		t.Errorf("the test has shown nothing: %+v", s)
	}
}

// Without being asked for, and under strict, nothing is given beyond its bound; nor
// in a session of which there is no second one.
func TestStaleIsOptIn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keys    []string
		ctx     func(context.Context) context.Context
		session string
	}{
		"by default":                {},
		"strict":                    {keys: []string{"mlcache_consistency", "strict", "mlcache_rules", "*:swr=1h,early=1h,sie=1h"}},
		"refused by the caller":     {keys: []string{"mlcache_rules", "*:swr=1h"}, ctx: func(ctx context.Context) context.Context { return mlcache.WithStale(ctx, 0) }},
		"a session of its own kind": {keys: []string{"mlcache_rules", "*:swr=1h"}, session: "SET DateStyle = 'German'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := withRedis(t, harness.NewDatabase(t, warmup, staleTable), c.keys...)
			db := harness.Open(t, "mlcache", dsn)
			other := harness.StartProcess(t, "mlcache", dsn)
			untilServing(t, db)
			ctx := harness.Context(t)
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			if c.session != "" {
				db.SetMaxOpenConns(1)
				harness.Exec(t, db, c.session)
			}
			for round := 1; round <= 3; round++ {
				harness.Eventually(t, 10*time.Second, "a hit", func() bool {
					before := stats(t, db)
					mustReadStock(ctx, t, db)
					return since(before, stats(t, db)).L1Hits == 1
				})
				other.Exec("UPDATE stock SET n = n + 1")
				harness.Eventually(t, 10*time.Second, "the new answer", func() bool { return mustReadStock(ctx, t, db) == round })
			}
			if s := stats(t, db); s.Stale+s.Renewals+s.StaleOnError > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// gate lets connections to a server through until it is shut.
type gate struct {
	addr string

	mu    sync.Mutex
	shut  bool
	conns []net.Conn
}

func newGate(t testing.TB, target string) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: l.Addr().String()}
	t.Cleanup(func() { l.Close(); g.set(true) })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil || !g.keep(client, server) {
				client.Close()
				continue
			}
			go func() { _, _ = io.Copy(client, server); client.Close() }()
			go func() { _, _ = io.Copy(server, client); server.Close() }()
		}
	}()
	return g
}

func (g *gate) keep(conns ...net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = append(g.conns, conns...)
	return !g.shut
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for _, c := range g.conns {
			c.Close()
		}
		g.conns = nil
	}
}

// behindGate returns the DSN with a gate in front of the server.
func behindGate(t testing.TB, dsn string) (string, *gate) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, u.Host)
	u.Host = g.addr
	return u.String(), g
}

// When the database cannot be reached, an answer that has ended is given for as long
// as is allowed; an answer of the database's, though it is an error, is passed on.
func TestStaleIfError(t *testing.T) {
	t.Parallel()
	dsn, g := behindGate(t, harness.NewDatabase(t, warmup, staleTable))
	cached := withPatientRedis(t, dsn, "mlcache_l1_ttl", "200ms", "mlcache_l2_ttl", "200ms")
	db := harness.Open(t, "mlcache", cached)
	untilServing(t, db)
	plain := harness.Context(t)
	const extra = 2 * time.Second
	ctx := mlcache.WithStaleIfError(plain, extra)
	mustReadStock(ctx, t, db)
	stored := time.Now()
	g.set(true)
	served, ended := 0, false
	for time.Since(stored) < extra+time.Second {
		began := time.Now()
		n, err := readStock(ctx, db)
		switch age := began.Sub(stored); {
		case err == nil && n != 0:
			t.Fatalf("read %d", n)
		case err == nil && age > 200*time.Millisecond+extra:
			t.Fatalf("an answer after %v", age)
		case err == nil && age > 200*time.Millisecond:
			served++
		case err != nil:
			if age < extra-500*time.Millisecond {
				t.Fatalf("an error after %v: %v", age, err)
			}
			ended = true
		}
		time.Sleep(20 * time.Millisecond)
	}
	if s := stats(t, db); served == 0 || !ended || s.StaleOnError == 0 {
		t.Errorf("%d answers, ended %v: %+v", served, ended, s)
	}
	if _, err := readStock(plain, db); err == nil {
		t.Error("an answer without being asked for")
	}
	g.set(false)
	harness.Eventually(t, 10*time.Second, "the database", func() bool { n, err := readStock(ctx, db); return n == 0 && err == nil })

	// An error of the database's.
	timeout := mlcache.WithStaleIfError(plain, time.Hour)
	pgx := harness.Open(t, "pgx", dsn)
	db.SetMaxOpenConns(1)
	mustReadStock(timeout, t, db)
	time.Sleep(250 * time.Millisecond)
	tx, err := pgx.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	harness.Exec(t, tx, "ALTER TABLE stock RENAME COLUMN n TO m")
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if n, err := readStock(timeout, db); err == nil {
		t.Errorf("read %d instead of the database's error", n)
	}
}

// Answers that are asked for near their end are renewed by one process, and nobody
// waits.
func TestEarlyRefresh(t *testing.T) {
	t.Parallel()
	log := harness.NewStatementLog(t, harness.NewDatabase(t, warmup, staleTable))
	cached := withPatientRedis(t, log.DSN(), "mlcache_l1_ttl", "1500ms", "mlcache_l2_ttl", "3s", "mlcache_rules", "stock:early=2s")
	db := harness.Open(t, "mlcache", cached)
	processes := []*harness.Process{harness.StartProcess(t, "mlcache", cached), harness.StartProcess(t, "mlcache", cached)}
	untilServing(t, db)
	ctx := harness.Context(t)
	for _, p := range processes {
		p.Query(staleQuery)
	}
	for range 3 {
		mustReadStock(ctx, t, db)
	}
	all := func() (out []mlcache.Stats) {
		out = append(out, stats(t, db))
		for _, p := range processes {
			out = append(out, p.Stats())
		}
		return out
	}
	before := all()
	began, asked := time.Now(), log.Count(staleQuery)
	for time.Since(began) < 12*time.Second {
		mustReadStock(ctx, t, db)
		for _, p := range processes {
			p.Query(staleQuery)
		}
		time.Sleep(20 * time.Millisecond)
	}
	renewals, misses := uint64(0), uint64(0)
	for i, after := range all() {
		renewals += after.Renewals - before[i].Renewals
		c := since(before[i], after)
		misses += c.Misses
		// Four answers come to their end meanwhile. A busy machine may be late with one.
		if c.Misses > 1 || c.Bypasses > 0 {
			t.Errorf("process %d has waited for the database: %+v", i, c)
		}
	}
	queries := log.Count(staleQuery) - asked
	t.Logf("%d queries in 12s, %d renewals counted", queries, renewals)
	// An answer lives for 2.7s to 3s, and is renewed within its last 2s by one of three.
	if queries < 3 || queries > 14 {
		t.Errorf("%d queries", queries)
	}
	if queries != int(renewals+misses) {
		t.Errorf("%d queries for %d renewals and %d misses", queries, renewals, misses)
	}
}
