package test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/mlcache/mlcache"
)

var driverNamespaces atomic.Uint64

// driverNamespace returns a namespace that no other test uses: what shares a
// namespace in one process shares its versions.
func driverNamespace() string {
	return fmt.Sprintf("driver-%d-%x", driverNamespaces.Add(1), rand.Uint32())
}

// openDriver puts mlcache in front of origin. A nil cfg is one with a small L1
// and no Redis.
func openDriver(t testing.TB, origin driver.Connector, cfg *mlcache.Config) (*sql.DB, *mlcache.Handle) {
	t.Helper()
	db := sql.OpenDB(newDriverConnector(t, origin, cfg))
	t.Cleanup(func() { _ = db.Close() })
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	return db, h
}

func newDriverConnector(t testing.TB, origin driver.Connector, cfg *mlcache.Config) *mlcache.Connector {
	t.Helper()
	var c mlcache.Config
	if cfg != nil {
		c = *cfg
	}
	if c.Namespace == "" {
		c.Namespace = driverNamespace()
	}
	if c.L1Size == 0 {
		c.L1Size = 8 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	connector, err := mlcache.NewConnector(origin, &c)
	if err != nil {
		t.Fatal(err)
	}
	return connector
}

// scanInt runs a query of one row and one column.
func scanInt(ctx context.Context, t testing.TB, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string, args ...any) int64 {
	t.Helper()
	var n int64
	if err := q.QueryRowContext(ctx, query, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// wantCounts compares the four counts of which each query is in one.
func wantCounts(t testing.TB, h *mlcache.Handle, l1, l2, misses, bypasses uint64) {
	t.Helper()
	s := h.Stats()
	if s.L1Hits != l1 || s.L2Hits != l2 || s.Misses != misses || s.Bypasses != bypasses {
		t.Errorf("L1 hits, L2 hits, misses, bypasses: got %d %d %d %d, want %d %d %d %d (reasons %v)",
			s.L1Hits, s.L2Hits, s.Misses, s.Bypasses, l1, l2, misses, bypasses, s.Reasons)
	}
}
