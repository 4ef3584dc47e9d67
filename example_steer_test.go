package mlcache_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mlcache/mlcache"
)

// shelf is a database for examples: it holds one number, and can be unplugged.
type shelf struct {
	n         int64
	unplugged bool
}

func (s *shelf) Connect(context.Context) (driver.Conn, error) {
	if s.unplugged {
		return nil, io.ErrUnexpectedEOF
	}
	return shelfConn{s}, nil
}
func (s *shelf) Driver() driver.Driver { return nil }

type shelfConn struct{ s *shelf }

func (c shelfConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c shelfConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (c shelfConn) Close() error                        { return nil }
func (c shelfConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	switch {
	case c.s.unplugged:
		return nil, io.ErrUnexpectedEOF
	case query != "SELECT n FROM shelf":
		return nil, errors.ErrUnsupported
	}
	return &shelfRows{n: c.s.n}, nil
}

type shelfRows struct {
	n    int64
	done bool
}

func (r *shelfRows) Columns() []string { return []string{"n"} }
func (r *shelfRows) Close() error      { return nil }
func (r *shelfRows) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	dest[0], r.done = r.n, true
	return nil
}

// openShelf opens a DB over it. An application says sql.Open("mlcache", dsn).
func openShelf(s *shelf, rules ...mlcache.Rule) *sql.DB {
	connector, err := mlcache.NewConnector(s, &mlcache.Config{Namespace: fmt.Sprintf("shelf %p", s), Rules: rules, StaticSessions: true})
	if err != nil {
		panic(err)
	}
	return sql.OpenDB(connector)
}

func readShelf(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, "SELECT n FROM shelf").Scan(&n)
	return n, err
}

func ExampleParseRules() {
	rules, err := mlcache.ParseRules("orders:ttl=5s,swr=2s; audit_log:off; catalog.*:sie=1m")
	if err != nil {
		fmt.Println(err)
	}
	for _, r := range rules {
		fmt.Println(r)
	}
	_, err = mlcache.ParseRules("orders:sometimes")
	fmt.Println(err)
	// Output:
	// orders:ttl=5s,swr=2s
	// audit_log:off
	// catalog.*:sie=1m0s
	// mlcache: rule "orders:sometimes": want table:setting,… with the settings off, on, ttl=5s, swr=2s, sie=1m, early=10s
}

// Rules can be changed while the program runs.
func ExampleHandle_SetRules() {
	db := openShelf(&shelf{})
	defer db.Close()
	h, err := mlcache.From(db)
	if err != nil {
		panic(err)
	}
	read := func() {
		if _, err := readShelf(context.Background(), db); err != nil {
			panic(err)
		}
	}
	read()
	read()
	if err := h.SetRules(mlcache.Rule{Tables: "shelf", Off: true}); err != nil {
		panic(err)
	}
	read()
	fmt.Println(h.Rules(), h.Stats().L1Hits, h.Stats().Reasons)
	// Output: [shelf:off] 1 map[rule:1]
}

// An answer that has ended is given once more, while a new one is fetched.
func ExampleWithStale() {
	s := &shelf{n: 1}
	db := openShelf(s, mlcache.Rule{Tables: "shelf", TTL: time.Millisecond})
	defer db.Close()
	ctx := mlcache.WithStale(context.Background(), time.Minute)
	fmt.Println(readShelf(ctx, db))
	time.Sleep(5 * time.Millisecond)
	fmt.Println(readShelf(ctx, db))
	h, err := mlcache.From(db)
	fmt.Println(h.Stats().Misses, h.Stats().Stale, err)
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 1 1 <nil>
}

// While the database is away its last answer serves.
func ExampleWithStaleIfError() {
	s := &shelf{n: 1}
	db := openShelf(s, mlcache.Rule{Tables: "shelf", TTL: time.Millisecond})
	defer db.Close()
	ctx := context.Background()
	fmt.Println(readShelf(mlcache.WithStaleIfError(ctx, time.Minute), db))
	s.unplugged = true
	time.Sleep(5 * time.Millisecond)
	fmt.Println(readShelf(mlcache.WithStaleIfError(ctx, time.Minute), db))
	fmt.Println(readShelf(ctx, db))
	// Output:
	// 1 <nil>
	// 1 <nil>
	// 0 unexpected EOF
}

// What is asked for in the last twenty seconds of its life is renewed by then.
func ExampleWithEarlyRefresh() {
	s := &shelf{n: 1}
	db := openShelf(s)
	defer db.Close()
	ctx := mlcache.WithEarlyRefresh(context.Background(), 10*time.Minute) // all its life, here
	for range 2 {
		if _, err := readShelf(ctx, db); err != nil {
			fmt.Println(err)
		}
	}
	h, err := mlcache.From(db)
	for h.Stats().Renewals == 0 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(h.Stats().Misses, h.Stats().L1Hits, err)
	// Output: 1 1 <nil>
}

// The keys that encrypt answers in Redis, from a secret store; a file of them is named
// by mlcache_key_file.
func ExampleParseEntryKeys() {
	keys, err := mlcache.ParseEntryKeys("# the one in use, and the one before\n" +
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n" +
		"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	fmt.Println(len(keys), len(keys[0]), err)
	_, err = mlcache.ParseEntryKeys("secret")
	fmt.Println(err)
	// Output:
	// 2 32 <nil>
	// mlcache: line 1 is no key of 32 bytes in hexadecimal or base64
}

// Before the program says that it is ready, the answers that it will need are there.
func ExampleHandle_Prefetch() {
	db := openShelf(&shelf{n: 1})
	defer db.Close()
	h, err := mlcache.From(db)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	fmt.Println(h.Prefetch(ctx, mlcache.Query{SQL: "SELECT n FROM shelf"}))
	fmt.Println(readShelf(ctx, db))
	fmt.Println(h.Stats().L1Hits)
	fmt.Println(h.Prefetch(ctx, mlcache.Query{SQL: "SELECT now()"}))
	// Output:
	// <nil>
	// 1 <nil>
	// 1
	// mlcache: warm: query 1: its answer is not cached (time_function): the answer depends on the clock
}

// After the program is ready, in the background, two queries at once. With a Redis,
// LastRun brings back what was asked for most, and Statements asks what the database counts.
func ExampleHandle_WarmUp() {
	db := openShelf(&shelf{n: 1})
	defer db.Close()
	h, err := mlcache.From(db)
	if err != nil {
		panic(err)
	}
	done := make(chan error)
	go func() {
		done <- h.WarmUp(context.Background(), mlcache.Warmup{
			Queries:  []mlcache.Query{{SQL: "SELECT n FROM shelf"}},
			Parallel: 2,
			Progress: func(p mlcache.WarmProgress) { fmt.Printf("%d of %d\n", p.Done, p.Total) },
		})
	}()
	fmt.Println(<-done)
	// Output:
	// 1 of 1
	// <nil>
}

// What the counts say of the size of L1.
func ExampleHandle_L1Advice() {
	db := openShelf(&shelf{n: 1})
	defer db.Close()
	h, err := mlcache.From(db)
	if err != nil {
		panic(err)
	}
	if _, err := readShelf(context.Background(), db); err != nil {
		panic(err)
	}
	a := h.L1Advice()
	fmt.Println(a.Verdict, a.Text)
	// Output: unknown only 1 answers have been stored since the start; ask again under load
}
