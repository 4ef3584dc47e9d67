package test

import (
	"database/sql/driver"
	"strings"
	"sync"
	"testing"
	"time"
)

// While there is no catalog, a statement counts as a change of everything. Those that come while the catalog is read must not
// have it read again and again: a busy program would never have a hit any more.
func TestStatementsWithoutACatalogDoNotKeepItFromBeingRead(t *testing.T) {
	t.Parallel()
	o := newOrigin(func(string, []driver.NamedValue) (*result, error) { return intResult(1), nil })
	o.catalog = true
	o.probe = func(query string) error {
		if strings.Contains(query, "pg_policy p") {
			time.Sleep(2100 * time.Millisecond) // longer than a statement waits
		}
		return nil
	}
	db, h := openDriver(t, o, nil)
	ctx := t.Context()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(10 * time.Millisecond):
				}
				if _, err := db.ExecContext(ctx, "UPDATE other SET n = n + 1"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	waitFor(t, "a hit", func() bool {
		scanInt(ctx, t, db, "SELECT n FROM t")
		return h.Stats().L1Hits > 0
	})
	close(stop)
	writers.Wait()
}
