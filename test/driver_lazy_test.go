package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mlcache/mlcache"
)

var errDown = errors.New("origin: nobody listens")

// switchable is an origin that can be taken down.
func switchable() (o *origin, down *atomic.Bool) {
	down = new(atomic.Bool)
	o = newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.connect = func(context.Context) error {
		if down.Load() {
			return errDown
		}
		return nil
	}
	return o, down
}

func TestHitNeedsNoConnection(t *testing.T) {
	t.Parallel()
	o, down := switchable()
	db, h := openDriver(t, o, nil)
	ctx := t.Context()
	args := []any{int64(7), "text", true, nil, 1.5, []byte("b"), someTime, 7}
	scanInt(ctx, t, db, "SELECT n FROM t WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8)", args...)
	// No connection is idle from here on, so each query gets a new one.
	db.SetMaxIdleConns(0)
	db.SetMaxIdleConns(1)
	down.Store(true)
	before := o.connects.Load()
	for range 3 {
		scanInt(ctx, t, db, "SELECT n FROM t WHERE id IN ($1, $2, $3, $4, $5, $6, $7, $8)", args...)
	}
	if n := o.connects.Load() - before; n != 0 || o.open() != 0 {
		t.Errorf("%d connections made, %d open", n, o.open())
	}
	wantCounts(t, h, 3, 0, 1, 0)
}

func TestConnectErrorComesUnchangedWhereTheDatabaseIsNeeded(t *testing.T) {
	t.Parallel()
	o, down := switchable()
	db, _ := openDriver(t, o, nil)
	down.Store(true)
	ctx := t.Context()
	for name, run := range map[string]func() error{
		"query":                func() error { _, err := db.QueryContext(ctx, "SELECT n FROM t"); return err },
		"query with arguments": func() error { _, err := db.QueryContext(ctx, "SELECT n FROM t WHERE a = $1", 1); return err },
		"exec":                 func() error { _, err := db.ExecContext(ctx, "UPDATE t SET a = $1", 1); return err },
		"ping":                 func() error { return db.PingContext(ctx) },
		"begin":                func() error { _, err := db.BeginTx(ctx, nil); return err },
		"prepare":              func() error { _, err := db.PrepareContext(ctx, "SELECT 1"); return err },
	} {
		if err := run(); err != errDown {
			t.Errorf("%s: got %v", name, err)
		}
	}
	down.Store(false)
	if err := db.PingContext(ctx); err != nil {
		t.Error(err)
	}
	if n := scanInt(ctx, t, db, "SELECT n FROM t"); n != 1 {
		t.Error(n)
	}
}

// Who executes what means the same in every schema has no catalog read; what may
// change something has.
func TestNoCatalogForAConstant(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.catalog = true
	db, _ := openDriver(t, o, nil)
	ctx := t.Context()
	for range 2 {
		if _, err := db.ExecContext(ctx, "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.connects.Load(); n != 1 {
		t.Errorf("%d connections for SELECT 1", n)
	}
	if _, err := db.ExecContext(ctx, "SELECT f()"); err != nil {
		t.Fatal(err)
	}
	if n := o.connects.Load(); n != 2 {
		t.Errorf("%d connections for a function, want one for the catalog", n)
	}
}

// A database that does not answer keeps a caller no longer than its context.
func TestConnectingEndsWithTheCallersContext(t *testing.T) {
	t.Parallel()
	o := newOrigin(nil)
	o.connect = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	db, _ := openDriver(t, o, nil)
	for _, args := range [][]any{nil, {1}} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		start := time.Now()
		_, err := db.QueryContext(ctx, "SELECT n FROM t", args...)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	}
}

// database/sql tries a statement three times when the connection is bad, also
// through mlcache, and then gives up with the same error.
func TestBadConnectionIsRetriedAsWithoutMlcache(t *testing.T) {
	t.Parallel()
	for fail := range 5 {
		attempts := func(wrap bool) (tries int, errs []bool) {
			var left atomic.Int64
			o := newOrigin(func(query string, _ []driver.NamedValue) (*result, error) {
				if left.Add(-1) >= 0 {
					return nil, driver.ErrBadConn
				}
				return intResult(1), nil
			})
			db := sql.OpenDB(o)
			if wrap {
				db, _ = openDriver(t, o, nil)
			}
			defer db.Close()
			for _, run := range []func() error{
				func() error { _, err := queryInts(t.Context(), db, "SELECT n FROM t"); return err },
				func() error { _, err := db.ExecContext(t.Context(), "UPDATE t SET n = 1"); return err },
				func() error { _, err := db.ExecContext(t.Context(), "UPDATE t SET n = $1", 5); return err },
			} {
				left.Store(int64(fail))
				err := run()
				if err != nil && err != driver.ErrBadConn {
					t.Errorf("got %v", err)
				}
				errs = append(errs, err != nil)
			}
			return o.count(""), errs
		}
		plainTries, plainErrs := attempts(false)
		tries, errs := attempts(true)
		if tries != plainTries || len(errs) != len(plainErrs) || errs[0] != plainErrs[0] || errs[1] != plainErrs[1] || errs[2] != plainErrs[2] {
			t.Errorf("%d failures: tried %d times with %v, without mlcache %d times with %v", fail, tries, errs, plainTries, plainErrs)
		}
	}
}

// A connection that the origin declares bad when it is reset, or not valid when
// it is given back, is not used again; nobody sees an error.
func TestOriginThatGivesUpAConnection(t *testing.T) {
	t.Parallel()
	for _, mode := range []mlcache.Mode{mlcache.ModeAuto, mlcache.ModeOff} {
		for name, spoil := range map[string]func(*origin){
			"reset": func(o *origin) { err := driver.ErrBadConn; o.resetErr.Store(&err) },
			"valid": func(o *origin) { o.invalid.Store(true) },
		} {
			for _, static := range []bool{false, true} {
				o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
				db, _ := openDriver(t, o, &mlcache.Config{Mode: mode, StaticSessions: static})
				ctx := t.Context()
				for range 3 {
					if _, err := db.ExecContext(ctx, "UPDATE t SET n = 1"); err != nil {
						t.Fatal(err)
					}
				}
				spoil(o)
				before := o.connects.Load()
				if _, err := db.ExecContext(ctx, "UPDATE t SET n = 2"); err != nil {
					t.Errorf("%s, %s, %t: %v", mode, name, static, err)
				}
				if n := o.connects.Load() - before; n != 1 {
					t.Errorf("%s, %s, %t: %d new connections", mode, name, static, n)
				}
				if o.open() != 1 {
					t.Errorf("%s, %s, %t: %d connections open", mode, name, static, o.open())
				}
				// A connection of one's own, too, is one that works.
				c, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.ExecContext(ctx, "UPDATE t SET n = 3"); err != nil {
					t.Errorf("%s, %s, %t: sql.Conn: %v", mode, name, static, err)
				}
				_ = c.Close()
			}
		}
	}
}

// Without a hit in between, the origin is reset once for each time that it is
// used again.
func TestOriginIsResetBeforeItIsUsedAgain(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	db, _ := openDriver(t, o, &mlcache.Config{StaticSessions: true})
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, "UPDATE t SET n = 1"); err != nil {
		t.Fatal(err)
	}
	scanInt(ctx, t, db, "SELECT n FROM t")
	if n := o.resets.Load(); n != 1 {
		t.Errorf("%d resets before the second statement", n)
	}
	for range 3 {
		scanInt(ctx, t, db, "SELECT n FROM t")
	}
	if n := o.resets.Load(); n != 1 {
		t.Errorf("%d resets after hits", n)
	}
	if _, err := db.ExecContext(ctx, "UPDATE t SET n = 1"); err != nil {
		t.Fatal(err)
	}
	if n := o.resets.Load(); n != 2 {
		t.Errorf("%d resets before the third statement", n)
	}
}

func TestPingAsksTheOrigin(t *testing.T) {
	t.Parallel()
	o := newOrigin(nil)
	db, _ := openDriver(t, o, nil)
	for range 2 {
		if err := db.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := o.pings.Load(); n != 2 {
		t.Errorf("%d pings", n)
	}
	plain := newOrigin(nil)
	plain.wrapConn = func(c *originConn) driver.Conn { return c }
	db, _ = openDriver(t, plain, nil)
	if err := db.PingContext(t.Context()); err != nil || plain.connects.Load() != 1 {
		t.Errorf("an origin without Pinger: %v after %d connections", err, plain.connects.Load())
	}
}

// No parallel test runs beside this one, so what is left was left by it.
func TestCloseLeavesNothing(t *testing.T) {
	ignore := goleak.IgnoreCurrent()
	server := runRedis(t)
	for _, cfg := range []*mlcache.Config{{}, {Redis: server.url()}, {Redis: server.url(), Consistency: mlcache.Strict}} {
		cfg.Namespace = driverNamespace()
		o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
		o.catalog = cfg.Redis != ""
		connector := newDriverConnector(t, o, cfg)
		unused := newDriverConnector(t, newOrigin(nil), cfg)
		db := sql.OpenDB(connector)
		for range 3 {
			scanInt(t.Context(), t, db, "SELECT n FROM t")
			if _, err := db.Exec("UPDATE t SET n = 1"); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			if err := connector.Close(); err != nil {
				t.Error(err)
			}
			if err := unused.Close(); err != nil {
				t.Error(err)
			}
		}
		if o.open() != 0 {
			t.Errorf("%d connections open", o.open())
		}
		if n := o.connectorCloses.Load(); n != 1 {
			t.Errorf("the origin's connector was closed %d times", n)
		}
	}
	server.Close()
	goleak.VerifyNone(t, ignore)
}
