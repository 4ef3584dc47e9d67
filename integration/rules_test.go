package integration

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"database/sql"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
)

const rulesTables = `CREATE TABLE orders (n int); INSERT INTO orders VALUES (1);
	CREATE TABLE audit_log (n int); INSERT INTO audit_log VALUES (1);
	CREATE SCHEMA catalog; CREATE TABLE catalog.item (n int); INSERT INTO catalog.item VALUES (1);
	CREATE VIEW audited AS SELECT o.n FROM orders o JOIN audit_log a USING (n)`

// bypassed says whether a query that is repeated goes past the cache because of a
// rule; it must do that, or be a hit, at once.
func bypassed(t testing.TB, db *sql.DB, query string) bool {
	t.Helper()
	before := stats(t, db)
	for range 2 {
		harness.Query(t, db, query)
	}
	after := stats(t, db)
	by := after.Reasons[mlcache.ReasonRule] - before.Reasons[mlcache.ReasonRule]
	if hits := since(before, after).L1Hits; by != 2 && hits == 0 {
		t.Fatalf("%s: neither hits nor kept out by a rule: %+v", query, after)
	}
	return by == 2
}

func TestRulesKeepTablesOut(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, rulesTables)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_rules", "audit_log:off; catalog.*:off"))
	untilServing(t, db)
	h, err := mlcache.From(db)
	if err != nil {
		t.Fatal(err)
	}
	const orders, audit, item, view = "SELECT n FROM orders", "SELECT n FROM audit_log", "SELECT n FROM catalog.item", "SELECT n FROM audited"
	check := func(when string, want map[string]bool) {
		t.Helper()
		for q, off := range want {
			if got := bypassed(t, db, q); got != off {
				t.Errorf("%s: %s is kept out: %v, want %v", when, q, got, off)
			}
			if x, err := h.Explain(harness.Context(t), q); err != nil || x.Cacheable == off || off && x.Reason != mlcache.ReasonRule {
				t.Errorf("%s: Explain(%s) = %+v, %v", when, q, x, err)
			}
		}
	}
	check("rules of the DSN", map[string]bool{orders: false, audit: true, item: true, view: true})
	// The plans of all four are cached by now.
	set := func(rules ...mlcache.Rule) {
		t.Helper()
		if err := h.SetRules(rules...); err != nil {
			t.Fatal(err)
		}
	}
	set(mlcache.Rule{Tables: "public.orders", Off: true})
	check("other rules", map[string]bool{orders: true, audit: false, item: false, view: true})
	set(mlcache.Rule{Tables: "*", Off: true}, mlcache.Rule{Tables: "orders"})
	check("all but one", map[string]bool{orders: false, audit: true, item: true, view: true})
	set()
	check("no rules", map[string]bool{orders: false, audit: false, item: false, view: false})
	if err := h.SetRules(mlcache.Rule{Tables: "ord*", Off: true}); err == nil || !strings.Contains(err.Error(), "ord*") {
		t.Errorf("a bad rule: %v", err)
	}
	check("after a bad rule", map[string]bool{orders: false})
}

func TestRulesLimitTTL(t *testing.T) {
	t.Parallel()
	dsn := harness.NewDatabase(t, warmup, rulesTables)
	db := harness.Open(t, "mlcache", withPatientRedis(t, dsn, "mlcache_rules", "orders:ttl=300ms"))
	untilServing(t, db)
	past := harness.Open(t, "pgx", dsn)
	untilHit(t, db, "SELECT n FROM audit_log")
	untilHit(t, db, "SELECT n FROM orders")
	harness.Exec(t, past, "UPDATE orders SET n = 2")
	harness.Exec(t, past, "UPDATE audit_log SET n = 2")
	want := harness.Query(t, past, "SELECT n FROM orders")
	harness.Eventually(t, 5*time.Second, "the answer's end", func() bool {
		return harness.Query(t, db, "SELECT n FROM orders").String() == want.String()
	})
	if got := harness.Query(t, db, "SELECT n FROM audit_log"); got.String() == want.String() {
		t.Error("the answer of a table without a rule has ended, too")
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestRulesFileIsWatched(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rules")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dsn := harness.NewDatabase(t, warmup, rulesTables)
	if _, err := sql.Open("mlcache", harness.With(dsn, "mlcache_rules_file", file)); err == nil || !strings.Contains(err.Error(), "mlcache_rules_file") {
		t.Errorf("without the file: %v", err)
	}
	write("# of the shop\norders:off\n")
	cfg, err := mlcache.ParseConfig(harness.With(dsn, "mlcache_rules_file", file, "mlcache_namespace", harness.NewNamespace(t)))
	if err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	db := openConfig(t, cfg)
	untilServing(t, db)
	const orders, audit = "SELECT n FROM orders", "SELECT n FROM audit_log"
	if !bypassed(t, db, orders) || bypassed(t, db, audit) {
		t.Fatal("the file's rules do not hold")
	}
	write("audit_log:off")
	harness.Eventually(t, 20*time.Second, "the new rules", func() bool { return bypassed(t, db, audit) })
	if bypassed(t, db, orders) {
		t.Error("an old rule holds still")
	}
	write("audit_log:often")
	harness.Eventually(t, 20*time.Second, "a word in the log", func() bool { return strings.Contains(log.String(), "audit_log:often") })
	if !bypassed(t, db, audit) {
		t.Error("a broken file took the rules away")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 20*time.Second, "another word in the log", func() bool { return strings.Count(log.String(), "cannot be used") == 2 })
	if !bypassed(t, db, audit) {
		t.Error("a file that is gone took the rules away")
	}
	write("orders:off")
	harness.Eventually(t, 20*time.Second, "the file's return", func() bool { return bypassed(t, db, orders) })
}

// openConfig opens a DB over pgx's own connector.
func openConfig(t testing.TB, cfg *mlcache.Config) *sql.DB {
	t.Helper()
	db := sql.OpenDB(connectorOf(t, cfg))
	t.Cleanup(func() { db.Close() })
	return db
}
