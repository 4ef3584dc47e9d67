package trial

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/mlcache/mlcache"
	"github.com/mlcache/mlcache/sqlinfo"
)

// Level says where an answer came from.
type Level string

// The levels, in the order in which they are shown.
const (
	Origin Level = "pgx"  // over pgx alone
	L1     Level = "l1"   // a hit in memory
	L2     Level = "l2"   // a hit in Redis
	Miss   Level = "miss" // a miss, which looks into both levels and fills them
)

// Levels are all of them.
var Levels = []Level{Origin, L1, L2, Miss}

// Options say what is tried, and for how long.
type Options struct {
	// Config is the application's, with the DSN of the database.
	Config *mlcache.Config
	// For is how long the trial takes at most, the first run of each statement
	// included.
	For time.Duration
	// Progress hears of the time that has gone; nil: nobody does.
	Progress func(time.Duration)
}

// slice is how long one statement runs at one level before the next has its turn,
// unless one run takes longer.
const slice = 2 * time.Millisecond

// Latencies are recorded in nanoseconds, up to an hour, to three digits.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Hour), 3)
}

// run is one statement's.
type run struct {
	Statement
	rows    int
	skipped *Skipped
	took    map[Level]*hdrhistogram.Histogram
}

// Skipped says why a statement was not run, or not to its end.
type Skipped struct {
	// Reason is one of mlcache.Reasons, or "parameters" (the text has $n, whose values
	// are not known), "failed" (the database refused it) or "time" (it took too long).
	Reason string `json:"reason"`
	// Detail names what led to it; for failed it is the database's message.
	Detail string `json:"detail,omitempty"`
	// Advice says what would change it.
	Advice string `json:"advice,omitempty"`
}

// side is one way to the database.
type side struct {
	db     *sql.DB
	handle *mlcache.Handle // nil for pgx alone
	ctx    func(context.Context) context.Context
}

// openSides opens pgx alone, the cache as configured, the cache without L1 (with Redis
// only), and one whose every query is a miss. All of them are read-only for the server,
// and by that setting have keys of their own: no application is given their answers.
func openSides(cfg *mlcache.Config, limit time.Duration) (sides []side, err error) {
	defer func() {
		if err != nil {
			closeSides(sides)
		}
	}()
	connect := func(messages string) (*pgx.ConnConfig, error) {
		c, err := pgx.ParseConfig(cfg.DSN)
		if err != nil {
			return nil, err // pgx takes the password out
		}
		c.RuntimeParams["default_transaction_read_only"] = "on"
		c.RuntimeParams["client_min_messages"] = messages
		return c, nil
	}
	same := func(ctx context.Context) context.Context { return ctx }
	origin, err := connect("warning")
	if err != nil {
		return nil, err
	}
	sides = append(sides, side{stdlib.OpenDB(*origin), nil, same})
	cached := func(messages string, change func(*mlcache.Config), ctx func(context.Context) context.Context) error {
		own := *cfg
		own.Mode, own.Logger = mlcache.ModeAuto, slog.New(slog.DiscardHandler)
		// What is left in Redis afterwards need not stay for long.
		own.L2TTL = min(own.L2TTL, max(limit+time.Minute, own.L1TTL, own.L1MaxTTL))
		change(&own)
		conn, err := connect(messages)
		if err != nil {
			return err
		}
		connector, err := mlcache.NewConnector(stdlib.GetConnector(*conn), &own)
		if err != nil {
			return err
		}
		db := sql.OpenDB(connector)
		handle, err := mlcache.From(db)
		if err != nil {
			return errors.Join(err, db.Close())
		}
		sides = append(sides, side{db, handle, ctx})
		return nil
	}
	if err := cached("warning", func(*mlcache.Config) {}, same); err != nil {
		return sides, err
	}
	if cfg.Redis != "" {
		if err := cached("warning", func(c *mlcache.Config) { c.L1Size = -1 }, same); err != nil {
			return sides, err
		}
	}
	// An entry that has ended when it is stored is looked for and not found.
	err = cached("error", func(*mlcache.Config) {}, func(ctx context.Context) context.Context { return mlcache.WithTTL(ctx, time.Nanosecond) })
	if err != nil {
		return sides, err
	}
	for _, s := range sides {
		s.db.SetMaxOpenConns(1)
	}
	return sides, nil
}

func closeSides(sides []side) {
	for _, s := range sides {
		_ = s.db.Close()
	}
}

// Run tries the statements. A statement that is not a read that the cache would keep
// is not run at all.
func Run(ctx context.Context, statements []Statement, o Options) (*Report, error) {
	began := time.Now()
	ctx, cancel := context.WithDeadline(ctx, began.Add(o.For))
	defer cancel()
	sides, err := openSides(o.Config, o.For)
	if err != nil {
		return nil, err
	}
	defer closeSides(sides)
	for _, s := range sides {
		if err := s.db.PingContext(ctx); err != nil {
			return nil, err
		}
		if s.handle != nil {
			if err := s.handle.Ready(ctx); err != nil {
				return nil, err
			}
		}
	}
	t := &trial{o: o, sides: sides, began: began}
	for _, s := range statements {
		t.runs = append(t.runs, &run{Statement: s, took: make(map[Level]*hdrhistogram.Histogram)})
	}
	before := sides[1].handle.Stats()
	t.first(ctx)
	t.measure(ctx)
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return nil, err
	}
	after := sides[1].handle.Stats()
	return t.report(after.L1Hits-before.L1Hits, after.L2Hits-before.L2Hits, after.Misses-before.Misses), nil
}

type trial struct {
	o     Options
	sides []side
	runs  []*run
	began time.Time
}

// first judges each statement, and runs those once that may be run, to know what they
// take. One statement gets a quarter of what is left at most.
func (t *trial) first(ctx context.Context) {
	end, _ := ctx.Deadline()
	for _, r := range t.runs {
		if ctx.Err() != nil {
			r.skipped = &Skipped{Reason: "time", Detail: "its turn did not come", Advice: "give --for more time"}
			continue
		}
		x, err := t.sides[1].handle.Explain(ctx, r.Text)
		switch {
		case err != nil:
			r.skipped = &Skipped{Reason: "failed", Detail: err.Error()}
		case x.Kind != "read" || !x.Cacheable || len(x.Writes) > 0 || x.WritesAll:
			r.skipped = &Skipped{Reason: string(x.Reason), Detail: x.Detail, Advice: x.Advice}
		case sqlinfo.Parse(r.Text).Params > 0:
			r.skipped = &Skipped{Reason: "parameters", Detail: "the values of its parameters are not known", Advice: "put it into a file with values in their places"}
		default:
			own, cancel := context.WithTimeout(ctx, time.Until(end)/4)
			r.rows, err = query(own, t.sides[0].db, r.Text)
			if err != nil {
				r.skipped = &Skipped{Reason: "failed", Detail: err.Error()}
			}
			if own.Err() != nil {
				r.skipped = &Skipped{Reason: "time", Detail: "one run takes too long", Advice: "give --for more time"}
			}
			cancel()
		}
		t.progress()
	}
}

// measure lets the statements run at each level in turn until the time is over.
func (t *trial) measure(ctx context.Context) {
	for more := true; more && ctx.Err() == nil; {
		more = false
		for _, r := range t.runs {
			if r.skipped != nil {
				continue
			}
			more = true
			for _, s := range t.sides {
				for began := time.Now(); ctx.Err() == nil; {
					if err := t.once(ctx, r, s); err != nil {
						if ctx.Err() == nil {
							r.skipped = &Skipped{Reason: "failed", Detail: err.Error()}
						}
						break
					}
					if time.Since(began) >= slice {
						break
					}
				}
				t.progress()
			}
		}
	}
}

// once runs a statement and records the time under the level that gave the answer.
func (t *trial) once(ctx context.Context, r *run, s side) error {
	level := Origin
	var before mlcache.Stats
	if s.handle != nil {
		before = s.handle.Stats()
		ctx = s.ctx(ctx)
	}
	began := time.Now()
	_, err := query(ctx, s.db, r.Text)
	took := time.Since(began)
	if err != nil {
		return err
	}
	if s.handle != nil {
		switch after := s.handle.Stats(); {
		case after.L1Hits > before.L1Hits:
			level = L1
		case after.L2Hits > before.L2Hits:
			level = L2
		case after.Misses > before.Misses:
			level = Miss
		default:
			return nil // past the cache: a table is being written, or Redis is away
		}
	}
	h := r.took[level]
	if h == nil {
		h = newHistogram()
		r.took[level] = h
	}
	return h.RecordValue(min(max(int64(took), 1), int64(time.Hour)))
}

func (t *trial) progress() {
	if t.o.Progress != nil {
		t.o.Progress(time.Since(t.began))
	}
}

// query reads the whole answer, every value of it.
func query(ctx context.Context, db *sql.DB, text string) (n int, err error) {
	rows, err := db.QueryContext(ctx, text)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		n++
	}
	return n, rows.Err()
}
