package suite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/bench/internal/chart"
	"github.com/mlcache/mlcache/bench/internal/duel"
)

// Growth shows how a cost grows with the work.
type Growth struct {
	Name    string
	Measure func(context.Context, *Env) (*chart.Chart, error)
}

// Growths returns the charts, in their order.
func Growths() []Growth {
	return []Growth{
		{"texts", growTexts},
		{"tables", growTables},
		{"rows", growRows},
		{"connections", growConnections},
		{"processes", growProcesses},
	}
}

// curve is one way to do the work at each of several sizes.
type curve struct {
	name string
	runs []duel.Run // one for each size
	// against is the reference at each size; nil stands for this curve's own
	// smallest size.
	against []duel.Run
}

// measure lets all sizes of all curves run in turn and gives the chart its lines.
func (e *Env) measure(ctx context.Context, c *chart.Chart, slice float64, sizes []int, curves ...curve) (*chart.Chart, error) {
	var ways []duel.Run
	var base []int
	add := func(run duel.Run, to int) int {
		ways, base = append(ways, run), append(base, to)
		return len(ways) - 1
	}
	first := make([]int, len(curves))
	shared := map[int]int{} // the curves with the same references share them
	for i, cv := range curves {
		first[i] = len(ways)
		for _, run := range cv.runs {
			add(run, first[i])
		}
		if cv.against == nil {
			continue
		}
		for j, run := range cv.against {
			k, ok := shared[j]
			if !ok {
				k = add(run, 0)
				base[k] = k
				shared[j] = k
			}
			base[first[i]+j] = k
		}
	}
	plan := e.Plan
	plan.Slice = time.Duration(float64(plan.Slice) * slice)
	ratios, err := duel.Ratios(ctx, ways, base, plan)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	for i, cv := range curves {
		line := chart.Line{Name: cv.name}
		for j, size := range sizes {
			line.Points = append(line.Points, chart.Point{X: float64(size), Y: ratios[first[i]+j]})
		}
		c.Lines = append(c.Lines, line)
	}
	return c, nil
}

// growTexts asks with more and more different texts, one after the other. That
// is the worst order for whatever keeps only the latest.
func growTexts(ctx context.Context, e *Env) (*chart.Chart, error) {
	const text = `SELECT id, name, price, active, created AS c%d FROM mlcache_bench.items WHERE id = 77`
	sizes := []int{10, 100, 1000, 10_000, 100_000}
	texts := make([]string, sizes[len(sizes)-1])
	for i := range texts {
		texts[i] = fmt.Sprintf(text, i)
	}
	noop, err := openFloor(ctx, e.direct, texts[0])
	if err != nil {
		return nil, err
	}
	defer noop.Close()
	hit := curve{name: "hit in memory"}
	floor := curve{name: "no-op driver"}
	var checks []func() (string, error)
	for _, n := range sizes {
		// Over an origin that costs nothing, which fills the cache in no time.
		db, err := overFloor(64 << 20)
		if err != nil {
			return nil, err
		}
		defer db.Close()
		if err := fill(ctx, db, texts[:n]); err != nil {
			return nil, err
		}
		checks = append(checks, db.share("L1 hits", l1Hits))
		hit.runs = append(hit.runs, eachText(ctx, db.DB, texts[:n]))
		floor.runs = append(floor.runs, eachText(ctx, noop, texts[:n]))
	}
	c, err := e.measure(ctx, &chart.Chart{
		Name: "texts", Title: "One row, by n different texts in turn",
		X: "different texts", Y: "time, by that with 10 texts",
	}, 4, sizes, hit, floor)
	if err != nil {
		return nil, err
	}
	return c, passed(checks)
}

// fill brings the answers of the texts into L1, which at first takes up only so
// many while its memory is made.
func fill(ctx context.Context, db *cachedDB, texts []string) error {
	ask := eachText(ctx, db.DB, texts)
	for range 10 {
		db.markWarm()
		if err := ask(len(texts)); err != nil {
			return err
		}
		if all, hits := db.reads(l1Hits); hits == all {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%d texts do not come into L1: %+v", len(texts), db.handle.Stats())
}

func eachText(ctx context.Context, db *sql.DB, texts []string) duel.Run {
	next := 0
	return func(n int) error {
		var got item
		dest := got.dest()
		for range n {
			if err := db.QueryRowContext(ctx, texts[next]).Scan(dest...); err != nil {
				return err
			}
			if next++; next == len(texts) {
				next = 0
			}
		}
		return nil
	}
}

// growTables asks for one value that depends on more and more tables.
func growTables(ctx context.Context, e *Env) (*chart.Chart, error) {
	sizes := []int{1, 2, 5, 10, 20, 50}
	for i := range sizes[len(sizes)-1] {
		if _, err := e.direct.ExecContext(ctx, fmt.Sprintf(
			`CREATE TABLE IF NOT EXISTS mlcache_bench.part%d AS SELECT 1::bigint AS v`, i)); err != nil {
			return nil, err
		}
	}
	query := func(tables int) string {
		terms := make([]string, tables)
		for i := range terms {
			terms[i] = fmt.Sprintf("(SELECT v FROM mlcache_bench.part%d)", i)
		}
		return "SELECT " + strings.Join(terms, " + ")
	}
	ask := func(db *sql.DB) (runs []duel.Run) {
		for _, n := range sizes {
			runs = append(runs, oneNumber(ctx, db, query(n), int64(n)))
		}
		return runs
	}
	cached, err := e.cachedCurves(ctx, ask, nil, []cachedWay{
		{"hit in memory", []string{"redis"}, l1Hits},
		{"strict hit", []string{"redis", "mlcache_consistency=strict"}, l1Hits},
		{"hit in Redis", []string{"redis", "mlcache_l1_size=0"}, l2Hits},
	})
	if err != nil {
		return nil, err
	}
	defer cached.close()
	c, err := e.measure(ctx, &chart.Chart{
		Name: "tables", Title: "One value, from n tables",
		X: "tables in the statement", Y: "time, by that with 1 table",
	}, 4, sizes, append(cached.curves, curve{name: "pgx direct", runs: ask(e.direct)})...)
	if err != nil {
		return nil, err
	}
	return c, passed(cached.checks)
}

// cachedWay is how a curve's database is opened, and what its queries must be.
type cachedWay struct {
	name     string
	settings []string
	count    func(mlcache.Stats) uint64
}

// cachedCurves are curves over mlcache, each with a database of its own.
type cachedCurves struct {
	curves []curve
	checks []func() (string, error) // that the queries were what the curve is about
	dbs    []*cachedDB
}

// cachedCurves opens a database for each way and brings the answers to what ask
// asks into its cache.
func (e *Env) cachedCurves(ctx context.Context, ask func(*sql.DB) []duel.Run, against []duel.Run, ways []cachedWay) (_ *cachedCurves, err error) {
	c := &cachedCurves{}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	for _, way := range ways {
		db, err := e.cached(ctx, way.settings...)
		if err != nil {
			return nil, err
		}
		c.dbs = append(c.dbs, db)
		runs := ask(db.DB)
		if err := stored(runs); err != nil {
			return nil, err
		}
		db.markWarm()
		c.checks = append(c.checks, db.share("hits there", way.count))
		c.curves = append(c.curves, curve{name: way.name, runs: runs, against: against})
	}
	return c, nil
}

func (c *cachedCurves) close() {
	for _, db := range c.dbs {
		db.Close()
	}
}

// stored runs everything a few times, with pauses in which what is written in the
// background arrives.
func stored(runs []duel.Run) error {
	for range 3 {
		for _, run := range runs {
			if err := run(1); err != nil {
				return err
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil
}

func passed(checks []func() (string, error)) error {
	for _, check := range checks {
		if _, err := check(); err != nil {
			return fmt.Errorf("%w: %w", duel.ErrNotMeasured, err)
		}
	}
	return nil
}

func oneNumber(ctx context.Context, db *sql.DB, query string, want int64) duel.Run {
	return func(n int) error {
		for range n {
			var got int64
			if err := db.QueryRowContext(ctx, query).Scan(&got); err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("got %d, want %d", got, want)
			}
		}
		return nil
	}
}
