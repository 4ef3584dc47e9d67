package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mlcache/mlcache/integration/harness"
)

const productTables = `CREATE TABLE product (id int PRIMARY KEY, name text NOT NULL, version int NOT NULL);
	INSERT INTO product SELECT i, 'product ' || i, 0 FROM generate_series(1, 100) i`

// untilProcessServes is untilServing in another process.
func untilProcessServes(t testing.TB, p *harness.Process) {
	t.Helper()
	harness.Eventually(t, settling, "a hit in the other process", func() bool {
		before := p.Stats()
		ask(t, p, "SELECT id FROM warmup")
		c := since(before, p.Stats())
		return c.L1Hits+c.L2Hits == 1
	})
}

func ask(t testing.TB, p *harness.Process, query string, args ...any) harness.Result {
	t.Helper()
	a := p.Query(query, args...)
	if a.Err != "" {
		t.Fatalf("%s: %s", query, a.Err)
	}
	return a.Result
}

// askOnce is ask, with what the process counted for it.
func askOnce(t testing.TB, p *harness.Process, query string, args ...any) (harness.Result, counts) {
	t.Helper()
	before := p.Stats()
	r := ask(t, p, query, args...)
	return r, since(before, p.Stats())
}

// The second process's first read is answered by Redis, its second from memory;
// after a write in the first both read the new row. The database executes the
// SELECT once for each version of the row.
func TestSecondProcessReadsFromRedisThenFromMemory(t *testing.T) {
	// Not beside tests that make roles: those belong to the whole server, and a
	// change of them is one of every database's schema.
	const query = "SELECT id, name, version FROM product WHERE id = $1"
	dsn := harness.NewDatabase(t, warmup, productTables)
	harness.InEveryExecMode(t, dsn, func(t *testing.T, dsn string) {
		pgx := harness.Open(t, "pgx", dsn)
		log := harness.NewStatementLog(t, dsn)
		shared := withPatientRedis(t, log.DSN())
		one := harness.StartProcess(t, "mlcache", shared)
		two := harness.StartProcess(t, "mlcache", shared)
		untilProcessServes(t, one)
		untilProcessServes(t, two)
		log.Reset()

		expect := func(p *harness.Process, who string, want counts, executions int) {
			t.Helper()
			got, c := askOnce(t, p, query, 7)
			harness.Same(t, who, got, harness.Query(t, pgx, query, 7))
			if c != want {
				t.Errorf("%s: counted %+v, want %+v", who, c, want)
			}
			if n := log.Count("SELECT id, name, version"); n != executions {
				t.Errorf("%s: PostgreSQL has executed the SELECT %d times, want %d", who, n, executions)
			}
		}
		// The answer is sent to Redis behind the reader's back.
		stored := func(before uint64) {
			t.Helper()
			harness.Eventually(t, 5*time.Second, "the answer stored in Redis", func() bool { return one.Stats().L2.Sets > before })
		}

		sets := one.Stats().L2.Sets
		expect(one, "first read of the first process", counts{Misses: 1}, 1)
		expect(one, "second read of the first process", counts{L1Hits: 1}, 1)
		stored(sets)
		expect(two, "first read of the second process", counts{L2Hits: 1}, 1)
		expect(two, "second read of the second process", counts{L1Hits: 1}, 1)

		sets = one.Stats().L2.Sets
		if n := one.Exec("UPDATE product SET version = version + 1 WHERE id = $1", 7); n != 1 {
			t.Fatalf("the UPDATE changed %d rows", n)
		}
		expect(one, "read of the writer", counts{Misses: 1}, 2)
		stored(sets)
		// Another SELECT tells when the second process knows of the write.
		want := harness.Query(t, pgx, "SELECT version FROM product WHERE id = 7").String()
		harness.Eventually(t, 10*time.Second, "the write known to the second process", func() bool {
			return ask(t, two, "SELECT version FROM product WHERE id = 7").String() == want
		})
		expect(two, "read of the other process after the write", counts{L2Hits: 1}, 2)
		expect(two, "the next one", counts{L1Hits: 1}, 2)
		if n := log.Count("UPDATE product"); n != 1 {
			t.Errorf("PostgreSQL has executed the UPDATE %d times, want 1", n)
		}
	})
}

// A read that starts later than the bound after a write has returned sees the
// write, and in strict mode every read that starts after it. Writes and reads
// come from three processes.
func TestReadsOfOtherProcessesKeepTheBound(t *testing.T) {
	t.Parallel()
	const query = "SELECT version FROM product WHERE id = $1"
	for _, c := range []struct {
		name string
		keys []string
		late time.Duration
	}{
		{"bounded by 1s", nil, bound},
		{"bounded by 100ms", []string{"mlcache_max_staleness", "100ms"}, 100 * time.Millisecond},
		{"strict", []string{"mlcache_consistency", "strict"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dsn := withRedis(t, harness.NewDatabase(t, warmup, productTables), c.keys...)
			writer := harness.StartProcess(t, "mlcache", dsn)
			readers := []*harness.Process{harness.StartProcess(t, "mlcache", dsn), harness.StartProcess(t, "mlcache", dsn)}
			untilProcessServes(t, writer)
			for _, r := range readers {
				untilProcessServes(t, r)
			}
			before := []uint64{readers[0].Stats().L1Hits, readers[1].Stats().L1Hits}
			var worst time.Duration
			for version := 1; version <= 20; version++ {
				writer.Exec("UPDATE product SET version = $1 WHERE id = 1", version)
				written := time.Now()
				want := []string{fmt.Sprintf("int64 %d", version)}
				if got := ask(t, writer, query, 1); strings.Join(got.Rows, "") != want[0] {
					t.Fatalf("the writer reads %v after it has written %v", got.Rows, want)
				}
				for i, r := range readers {
					for {
						a := r.Query(query, 1)
						if a.Err != "" {
							t.Fatal(a.Err)
						}
						if len(a.Rows) == 1 && a.Rows[0] == want[0] {
							break
						}
						lag := a.Start.Sub(written)
						worst = max(worst, lag)
						if lag > c.late {
							t.Fatalf("reader %d reads %v, %v after version %d was written; the bound is %v", i, a.Rows, lag, version, c.late)
						}
					}
					ask(t, r, query, 1) // so that the next round finds it cached
				}
			}
			for i, r := range readers {
				if r.Stats().L1Hits == before[i] {
					t.Errorf("reader %d had no hit in memory: the test has shown nothing", i)
				}
			}
			t.Logf("an old answer was read at most %v after the write", worst)
		})
	}
}
