package history

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mlcache/mlcache"
)

// envWorker tells a test binary that it is a worker.
const envWorker = "MLCACHE_TEST_HISTORY"

// Orders are what a worker is told at its start, as a line of JSON.
type Orders struct {
	DSN     string
	Shape   Shape
	Process int
	Seed    uint64
	Clients int
	// Writes is the share of the operations that write, between 0 and 1. [Process.Hold]
	// makes it 0 for a while.
	Writes float64
	// Calls is the share of the writes that DO, CALL or a function makes.
	Calls float64
	// Sessions is the share of the operations that are the steps of a session, which changes its search_path and its role.
	// It needs a tenant.
	Sessions float64
	// Roams: tables are called by names without a schema, which stand for the tables of public or of the tenant as the
	// server's search_path says.
	Roams bool
	// Zones is the share of the operations that read what TimeZone makes of a time. It is UTC by the DSN if the worker
	// does not roam.
	Zones float64
	// Cancel is the share of the writes that are cancelled on their way.
	Cancel float64
	// Pause is the longest pause between two operations of a client.
	Pause time.Duration
}

// IsWorker reports whether this process was started as a worker. A TestMain must
// then call Work instead of running tests.
func IsWorker() bool { return os.Getenv(envWorker) != "" }

// Work reads its Orders from in, then reads and writes registers until in ends,
// telling out of each operation. It returns the exit code.
func Work(in io.Reader, out io.Writer) int {
	// What mlcache has to say about each fault is of no interest here.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	requests := bufio.NewReader(in)
	line, err := requests.ReadBytes('\n')
	w := &worker{log: &eventLog{out: bufio.NewWriterSize(out, 64<<10)}}
	if err == nil {
		err = json.Unmarshal(line, &w.Orders)
	}
	if err == nil {
		err = w.open()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker of a history:", err)
		return 1
	}
	w.log.put(event{Kind: eventReady}, true)
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range w.Clients {
		c := newClient(w, i)
		wg.Go(func() {
			for ctx.Err() == nil {
				c.step()
			}
		})
	}
	wg.Go(func() {
		for ctx.Err() == nil {
			time.Sleep(20 * time.Millisecond)
			w.tellStats()
		}
	})
	w.obey(requests, func(o order) {
		c := newClient(w, w.Clients+int(w.ordered.Add(1)))
		wg.Go(func() { c.carryOut(o) })
	})
	stop()
	wg.Wait()
	w.tellStats()
	for _, db := range w.dbs {
		if err := db.Close(); err != nil {
			w.violation("Close: %v", err)
		}
	}
	w.log.flush()
	return 0
}

type worker struct {
	Orders
	held    atomic.Bool
	moved   atomic.Bool  // names stand for the tables of the tenant
	ordered atomic.Int32 // how many orders there were
	log     *eventLog
	// dbs are three pools of the same namespace: the first client has one to
	// itself, so that its reads can be told apart in the counts; the others use two in turn.
	dbs     [3]*sql.DB
	handles [3]*mlcache.Handle
}

func (w *worker) open() (err error) {
	for i := range w.dbs {
		if w.dbs[i], err = sql.Open("mlcache", w.DSN); err != nil {
			return err
		}
		if w.handles[i], err = mlcache.From(w.dbs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) tellStats() {
	e := event{Kind: eventStats}
	for _, h := range w.handles {
		s := h.Stats()
		e.Hits += s.L1Hits + s.L2Hits
		e.Queries += s.L1Hits + s.L2Hits + s.Misses + s.Bypasses
	}
	w.log.put(e, true)
}

func (w *worker) violation(format string, args ...any) {
	w.log.put(event{Kind: eventViolation, Text: fmt.Sprintf("process %d: ", w.Process) + fmt.Sprintf(format, args...)}, true)
}

// eventLog writes one line for each event. What was flushed survives the death of
// the process.
type eventLog struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func (l *eventLog) put(e event, flush bool) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = l.out.Write(append(line, '\n')) // a Writer keeps its error, and has it again at the end
	if flush {
		l.out.Flush()
	}
}

func (l *eventLog) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.Flush()
}

// client is one goroutine of a worker.
type client struct {
	*worker
	id     int
	pool   int // of dbs, the one in use
	db     *sql.DB
	handle *mlcache.Handle
	random *rand.Rand
	writes int
	mark   string // what the names of its writes begin with
	stmts  [3]map[string]*sql.Stmt
}

func newClient(w *worker, id int) *client {
	c := &client{
		worker: w, id: id, pool: min(id, 1), random: rand.New(rand.NewPCG(w.Seed, uint64(w.Process)<<16|uint64(id))),
		stmts: [3]map[string]*sql.Stmt{{}, {}, {}},
	}
	c.use(c.pool)
	return c
}

func (c *client) use(pool int) { c.pool, c.db, c.handle = pool, c.dbs[pool], c.handles[pool] }

// turn goes to the other pool, if the client has two.
func (c *client) turn() {
	if c.pool > 0 {
		c.use(3 - c.pool)
	}
}

// timeout is longer than any statement takes: one that reaches it has hung.
const timeout = 30 * time.Second

func (c *client) step() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c.turn()
	if c.Shape.Tenant != "" && c.random.Float64() < c.Sessions {
		c.sessionSteps(ctx)
		return
	}
	if c.random.Float64() < c.Zones {
		c.readZone(ctx)
	}
	if c.random.Float64() < c.Writes && !c.held.Load() {
		table := c.tableNow(c.random.IntN(c.Shape.Tables))
		row := c.write(ctx, table)
		// Who has written looks at once, through the other pool, too.
		c.readRow(ctx, table, row)
		c.turn()
		c.readRow(ctx, table, row)
		for c.random.IntN(2) == 0 {
			// What others have begun to read after this write may be old after another.
			time.Sleep(time.Duration(c.random.Int64N(int64(40 * time.Millisecond))))
			c.write(ctx, table)
		}
		return
	}
	table := c.tableNow(c.random.IntN(c.Shape.Tables))
	if c.Shape.Tenant != "" && !c.Roams && c.random.IntN(10) == 0 {
		table += c.Shape.Tables
	}
	c.readRow(ctx, table, 1+c.random.IntN(c.Shape.Rows))
	if c.Pause > 0 {
		time.Sleep(time.Duration(c.random.Int64N(int64(c.Pause))))
	}
}

// prepared returns the statement prepared on the pool.
func (c *client) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	stmts := c.stmts[c.pool]
	if s := stmts[query]; s != nil {
		return s, nil
	}
	s, err := c.db.PrepareContext(ctx, query)
	if err == nil {
		stmts[query] = s
	}
	return s, err
}

// level is what was counted between two Stats.
func level(before, after mlcache.Stats) Level {
	l1, l2 := after.L1Hits-before.L1Hits, after.L2Hits-before.L2Hits
	miss, bypass := after.Misses-before.Misses, after.Bypasses-before.Bypasses
	switch {
	case l1+l2+miss+bypass != 1:
		return Mixed
	case l1 == 1:
		return L1
	case l2 == 1:
		return L2
	case miss == 1:
		return Miss
	}
	return Bypass
}
