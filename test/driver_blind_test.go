package test

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mlcache/mlcache"
)

// Without a catalog, what looks like a read is asked about before it runs. Where the connection for that cannot be opened, and
// then can, nobody has been asked: it counts as a change of everything.
func TestAReadThatNobodyCouldBeAskedAbout(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.probe = func(string) error { return io.ErrUnexpectedEOF } // the catalog cannot be read now
	var fail atomic.Bool
	o.connect = func(context.Context) error {
		if fail.Swap(false) {
			return errors.New("no connection this time")
		}
		return nil
	}
	db, h := openDriver(t, o, nil)
	ctx := t.Context()
	scanInt(ctx, t, db, "SELECT 1") // from here on the catalog is not tried for a while
	c, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SET x.y = 1"); err != nil {
		t.Fatal(err)
	}
	other, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	before := h.Stats().Versions.Epochs
	fail.Store(true)
	scanInt(ctx, t, other, "SELECT n FROM writes_something")
	if fail.Load() {
		t.Fatal("no connection was opened")
	}
	if h.Stats().Versions.Epochs == before {
		t.Error("the others were not told")
	}
	if n := o.count("writes_something"); n != 1 {
		t.Errorf("it ran %d times: %s", n, strings.Join(o.seen, "\n"))
	}
}

// ANALYZE computes what an index is made of, which may be code that writes.
func TestMaintenanceWithoutACatalog(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.probe = func(query string) error {
		if strings.Contains(query, "'snapshot'") || strings.Contains(query, "'writes'") || strings.Contains(query, "'scripts'") {
			return nil
		}
		return io.ErrUnexpectedEOF
	}
	o.catalog = true
	db, h := openDriver(t, o, nil)
	for _, sql := range []string{"ANALYZE t", "VACUUM ANALYZE t", "REINDEX TABLE t"} {
		before := h.Stats().Versions.Epochs
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
		if h.Stats().Versions.Epochs == before {
			t.Errorf("%s: the others were not told", sql)
		}
	}
}

// While Redis is away and writes are to fail, a read that is only in doubt runs, and whatever else may change something does not.
func TestAReadInDoubtIsNotRefused(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.probe = func(string) error { return io.ErrUnexpectedEOF }
	server := runRedis(t)
	p := startProcess(t, o, server, "", mlcache.Config{Namespace: driverNamespace(), OnRedisDown: mlcache.FailWrites})
	p.door.setShut(true)
	ctx := t.Context()
	waitFor(t, "a refusal", func() bool {
		_, err := p.db.Exec("UPDATE t SET n = 1")
		return errors.Is(err, mlcache.ErrRedisDown)
	})
	scanInt(ctx, t, p.db, "SELECT n FROM v")
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	scanInt(ctx, t, tx, "SELECT n FROM v")
	if err := tx.Commit(); err != nil {
		t.Errorf("a transaction that reads: %v", err)
	}
	for _, sql := range []string{"COMMIT PREPARED 'x'", "DELETE FROM t", "FROBNICATE"} {
		if _, err := p.db.Exec(sql); !errors.Is(err, mlcache.ErrRedisDown) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if tx, err = p.db.BeginTx(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("UPDATE t SET n = 1"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); !errors.Is(err, mlcache.ErrRedisDown) {
		t.Errorf("a transaction that writes: %v", err)
	}
}
