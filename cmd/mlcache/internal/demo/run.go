package demo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/cmd/mlcache/internal/servers"
	"github.com/mlcache/mlcache/cmd/mlcache/internal/shop"
)

// ErrWrongAnswer is returned when an answer from the cache was not the
// database's.
var ErrWrongAnswer = errors.New("mlcache: an answer from the cache was wrong")

// Options says what to run.
type Options struct {
	// Products and Orders are the size of the shop.
	Products, Orders int
	// Duration is how long to read through the cache. A fifth of it is spent
	// before on reading without.
	Duration time.Duration
	// WriteEvery is the time between two writes meanwhile.
	WriteEvery time.Duration
	// Rounds is how many times to measure when the other process sees a write.
	Rounds int
	// Bound is the bound of staleness.
	Bound time.Duration

	// Postgres and Redis say where the servers come from.
	Postgres, Redis servers.Options
	// Listen is the address at which the first application process shows what its
	// cache does; empty for none.
	Listen string
	// Command starts an application process: it must call Serve.
	Command []string
	// Out is where to show everything; Terminal, whether it understands control
	// characters.
	Out      io.Writer
	Terminal bool
}

const processes = 2

// demo is one run.
type demo struct {
	Options
	screen    *screen
	name      string // of schema and namespace: no other run has it
	postgres  *servers.Server
	redis     *servers.Server
	shop      shop.Shop
	admin     *pgx.Conn
	direct    *sql.DB
	history   *history
	fleet     fleet
	random    *rand.Rand
	cleanups  []func(context.Context) error
	figures   figures
	startedAt time.Time
}

// Run runs the demo. Whatever its end, nothing that it started goes on and
// nothing that it made is left.
//
// The error is ErrWrongAnswer if an answer was wrong, ctx's own if ctx ended
// first, and otherwise says what failed.
func Run(ctx context.Context, o Options) (err error) {
	seed := rand.Uint64()
	d := &demo{
		Options: o, screen: newScreen(o.Out, o.Terminal), startedAt: time.Now(),
		name:   fmt.Sprintf("mlcache_demo_%08x", uint32(seed)),
		random: rand.New(rand.NewPCG(seed, 0)),
	}
	defer func() {
		// Also after a panic: the deferred call runs before the process dies.
		d.screen.clear()
		err = errors.Join(err, d.cleanup())
	}()
	for _, step := range []func(context.Context) error{
		d.startServers, d.fillShop, d.startApplications, d.readWithout, d.readThrough, d.spread, d.verify,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
	d.report()
	if d.figures.verified.Wrong > 0 {
		return ErrWrongAnswer
	}
	return nil
}

// later has f called at the end, before what was registered earlier.
func (d *demo) later(f func(context.Context) error) { d.cleanups = append(d.cleanups, f) }

const cleanupLimit = 20 * time.Second

func (d *demo) cleanup() error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	var errs []error
	for len(d.cleanups) > 0 {
		last := len(d.cleanups) - 1
		f := d.cleanups[last]
		d.cleanups = d.cleanups[:last]
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

func (d *demo) startServers(ctx context.Context) (err error) {
	d.screen.livef("Starting PostgreSQL and Redis.")
	log := func(s string) { d.screen.printf("%s\n", s) }
	d.Postgres.Log, d.Redis.Log = log, log
	if d.postgres, err = servers.Postgres(ctx, d.Postgres); err != nil {
		return err
	}
	d.later(func(context.Context) error { return d.postgres.Close() })
	if d.redis, err = servers.Redis(ctx, d.Redis); err != nil {
		return err
	}
	d.later(func(context.Context) error { return d.redis.Close() })
	d.screen.printf("PostgreSQL  %s\nRedis       %s\n", place(d.postgres), place(d.redis))
	return nil
}

func place(s *servers.Server) string {
	switch s.Source {
	case servers.GivenURL:
		return "the one in " + s.Detail
	case servers.InProcess:
		return s.Detail + ", in this process"
	default:
		return shortened(s.Detail) + ", started for this run"
	}
}

// shortened keeps the end of what is too long for a line of 80.
func shortened(path string) string {
	const room = 45
	if r := []rune(path); len(r) > room {
		return "…" + string(r[len(r)-room+1:])
	}
	return path
}

func (d *demo) fillShop(ctx context.Context) (err error) {
	begun := time.Now()
	if d.admin, err = pgx.Connect(ctx, d.postgres.URL); err != nil {
		return err
	}
	d.later(func(ctx context.Context) error { return d.admin.Close(ctx) })
	d.shop = shop.Shop{Schema: d.name, Products: d.Products, Orders: d.Orders}
	d.later(func(ctx context.Context) error { return d.drop(ctx) })
	set, done := d.screen.bar("Filling the shop", d.shop.Rows())
	defer done()
	rows := 0
	if err := d.shop.Create(ctx, d.admin, func(n int) { rows += n; set(rows) }); err != nil {
		return fmt.Errorf("mlcache: fill the shop: %w", err)
	}
	done()
	d.screen.printf("Shop        %d products, %d orders, filled in %.1f s\n", d.Products, d.Orders, time.Since(begun).Seconds())
	return nil
}

// drop removes the shop and the cache from servers that go on. A new connection
// does it: the other one may be amid a statement that was given up.
func (d *demo) drop(ctx context.Context) error {
	var errs []error
	if d.postgres.Source == servers.GivenURL {
		conn, err := pgx.Connect(ctx, d.postgres.URL)
		if err == nil {
			err = errors.Join(d.shop.Drop(ctx, conn), conn.Close(ctx))
		}
		errs = append(errs, err)
	}
	if d.redis.Source == servers.GivenURL {
		errs = append(errs, dropNamespace(ctx, d.redis.URL, d.name))
	}
	return errors.Join(errs...)
}

func (d *demo) startApplications(ctx context.Context) (err error) {
	d.screen.livef("Starting two application processes.")
	if d.direct, err = sql.Open("pgx", d.postgres.URL); err != nil {
		return err
	}
	d.later(func(context.Context) error { return d.direct.Close() })
	d.history = newHistory(d.shop.Asker(d.direct))
	cached := withKeys(d.postgres.URL, [][2]string{
		{"mlcache_redis", d.redis.URL}, {"mlcache_namespace", d.name}, {"mlcache_max_staleness", d.Bound.String()},
	})
	d.later(func(context.Context) error { return d.fleet.close() })
	for i := range processes {
		listen := ""
		if i == 0 {
			listen = d.Listen
		}
		r, err := startRemote(ctx, d.Command, Setup{
			Process: i, Listen: listen, CachedDSN: cached, DirectDSN: d.postgres.URL, Shop: d.shop, Bound: d.Bound,
		})
		if err != nil {
			return err
		}
		d.fleet = append(d.fleet, r)
	}
	return nil
}
