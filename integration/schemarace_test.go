package integration

import (
	"testing"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/integration/harness"
	"github.com/mlcache/mlcache/invalidation"
)

// A write is planned, a trigger is created, and then the write runs: what the trigger changes must become known, although
// the write's plan knows nothing of it.
func TestWritePlannedBeforeATriggerWasCreated(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string][]string{
		"strict":        {"mlcache_consistency", "strict", "mlcache_redis", harness.RedisURL()},
		"bounded":       {"mlcache_redis", harness.RedisURL()},
		"without Redis": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := harness.NewDatabase(t, `
CREATE TABLE orders (id int PRIMARY KEY, n int);
CREATE TABLE totals (n int);
CREATE FUNCTION add_total() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE totals SET n = n + NEW.n; RETURN NEW; END $$;
INSERT INTO orders VALUES (1, 0);
INSERT INTO totals VALUES (0)`)
			db := harness.Open(t, "mlcache", harness.With(dsn, append(settings, "mlcache_namespace", harness.NewNamespace(t))...))
			harness.Ready(t, db)
			handle, err := mlcache.From(db)
			if err != nil {
				t.Fatal(err)
			}
			reader, err := db.Conn(harness.Context(t))
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			total := func() (n int) {
				t.Helper()
				if err := reader.QueryRowContext(harness.Context(t), `SELECT n FROM totals`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}

			migration, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer migration.Rollback()
			harness.Exec(t, migration, `CREATE TRIGGER totals AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION add_total()`)
			writer, err := db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Rollback()
			written := make(chan error, 1)
			go func() {
				_, err := writer.ExecContext(harness.Context(t), `UPDATE orders SET n = 7 WHERE id = 1`)
				written <- err
			}()
			admin := harness.Open(t, "pgx", dsn)
			harness.Eventually(t, 10*time.Second, "the write waits for the migration", func() bool {
				var waiting bool
				err := admin.QueryRow(`SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
				return err == nil && waiting
			})
			if err := migration.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-written; err != nil {
				t.Fatal(err)
			}
			harness.Eventually(t, 20*time.Second, "the old total is in the cache", func() bool {
				before := handle.Stats().L1Hits
				return total() == 0 && handle.Stats().L1Hits > before
			})
			if err := writer.Commit(); err != nil {
				t.Fatal(err)
			}
			if n := total(); n != 7 {
				t.Fatalf("the trigger made it 7, the cache says %d", n)
			}
		})
	}
}

// A change whose scopes were derived from another scope, the schema, invalidates everything if that has changed since:
// also when Redis is told only later.
func TestInvalidationAssumption(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]bool{"at once": false, "from the queue": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := harness.StartRedis(t)
			reader := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "ns", time.Minute)
			migration := openVersions(t, redisWith(t, server.URL(), patientTimeouts), "ns", time.Minute)
			writer := openVersions(t, redisWith(t, server.URL(), shortTimeouts), "ns", time.Minute)
			schema := writer.Cell("schema")
			write := func() {
				t.Helper()
				// Redis must agree: news of the last change may still be on its way to this process.
				harness.Eventually(t, 10*time.Second, "the schema's version is known", func() bool { return writer.current(writer.read("schema")) })
				assumed := invalidation.Assumption{Cell: schema, Version: schema.Load()}
				fence, err := writer.Fence(t.Context(), []string{"orders"}, invalidation.FenceOptions{Wait: true, Assumes: assumed})
				if err != nil {
					t.Fatal(err)
				}
				if migration != nil {
					if err := migration.Invalidate(t.Context(), "schema"); err != nil {
						t.Fatal(err)
					}
				}
				if away {
					server.Pause()
				}
				err = fence.Release(t.Context(), invalidation.Committed)
				if away {
					server.Resume()
				}
				if (err != nil) != away {
					t.Fatalf("released with %v", err)
				}
				harness.Eventually(t, 20*time.Second, "Redis knows of the change", func() bool { return writer.Stats().Queued == 0 })
			}
			totals, orders := reader.read("totals"), reader.read("orders")
			write()
			if reader.current(totals) || reader.current(orders) {
				t.Error("another schema, and what the change may have touched counts as unchanged")
			}
			migration = nil
			totals, orders = reader.read("totals"), reader.read("orders")
			write()
			if !reader.current(totals) {
				t.Error("the same schema, and everything was invalidated")
			}
			if reader.current(orders) {
				t.Error("the change itself is not known")
			}
		})
	}
}
