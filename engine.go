package mlcache

import (
	"context"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/cache"
	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/internal/dbconn"
	"github.com/mlcache/mlcache/internal/policy"
	"github.com/mlcache/mlcache/internal/topk"
	"github.com/mlcache/mlcache/invalidation"
)

// engine is what all connections of a Connector share: the levels of the cache,
// the versions, the schema, the plans, the counters.
type engine struct {
	cfg    *Config
	origin driver.Connector
	roles  catalog.Roles // whose changes show in the schema's fingerprint

	hub      *hub
	versions *invalidation.Versions // the hub's
	place    *place                 // where its answers are in memory
	l1       *cache.Memory          // the place's
	front    *front                 // of l1
	l2       *cache.Redis
	fills    *filler
	flights  *cache.Flights // the place's
	schema   schemaLoader
	ahead    atomic.Bool // a query was answered before the schema was known, or tried to be
	plans    *planCache
	stats    stats
	started  time.Time
	rules    *ruleBook
	renewer  renewer

	hooksTypes atomic.Int32        // see learnTypes
	hotKeys    *topk.Counter       // nil: not counted
	adaptive   *policy.AdaptiveTTL // nil: all live equally long in L1

	warmUntil atomic.Int64 // until when keepWarm's entries may be there, in Unix nanoseconds

	latency    latencies
	statements statements
	lost       lostHits
	history    history

	// privateSession stands for sessions whose state the origin cannot tell. It
	// is random: their answers are shared with no other process.
	privateSession *session
	warnNoCatalog  sync.Once

	background context.Context // ends at close
	stop       context.CancelFunc
	tasks      sync.WaitGroup // what runs in the background
	closeOnce  sync.Once
	release    func() error // gives back the shared versions
}

// newEngine makes an engine. place says by which origin it shares memory; see placeKind.
func newEngine(origin driver.Connector, cfg *Config, roles catalog.Roles, rules *ruleBook, place string) (*engine, error) {
	e := &engine{
		cfg:     cfg,
		origin:  origin,
		roles:   roles,
		plans:   newPlanCache(),
		rules:   rules,
		started: time.Now(),
	}
	e.background, e.stop = context.WithCancel(context.Background())
	e.schema.engine = e
	e.schema.own.origin = origin
	e.schema.kicked = make(chan struct{}, 1)
	e.privateSession = &session{}
	rand.Read(e.privateSession.id[:])

	sealer, err := cfg.sealer()
	if err != nil {
		e.stop()
		return nil, err
	}
	hub, err := acquireHub(cfg)
	if err != nil {
		e.stop()
		return nil, err
	}
	e.hub, e.versions, e.release = hub.hub, hub.versions, hub.release
	e.schema.cell = hub.versions.Cell(scopeSchema)
	kind := placeKindOf(cfg, place)
	if e.off() {
		kind.size = 0
	}
	e.place = e.hub.enter(kind)
	e.l1, e.front, e.flights = e.place.l1, e.place.front, e.place.flights
	if e.off() {
		return e, nil // what is open here tells others of writes, no more
	}
	if cfg.L1MaxTTL > cfg.L1TTL && cfg.L1Size >= 0 {
		e.adaptive = policy.NewAdaptiveTTL(cfg.L1MaxTTL)
	}
	if hub.client != nil {
		e.l2 = cache.NewRedis(hub.client, cfg.Namespace).Sealed(sealer)
		e.fills = newFiller(e)
		if cfg.WarmKeys > 0 && e.l1 != nil {
			e.hotKeys = topk.New(cfg.WarmKeys, topk.Redis{Client: hub.client, Set: topk.SetKey(cfg.Namespace), Name: e.nameHash})
			e.tasks.Go(func() { e.hotKeys.Run(e.background) })
		}
	}
	hub.onSchemaChange(&e.schema)
	hub.asks(&asker{engine: e})
	if cfg.RulesFile != "" {
		e.tasks.Go(func() { e.watchRules(cfg.RulesFile) })
	}
	return e, nil
}

// off: nothing is cached, and nothing is asked.
func (e *engine) off() bool { return e.cfg.Mode == ModeOff }

func (e *engine) close() {
	e.closeOnce.Do(func() {
		e.stop()
		e.tasks.Wait()
		e.renewer.close()
		if e.fills != nil {
			e.fills.close()
		}
		e.hub.leave(e.place)
		if err := e.release(); err != nil {
			// No error of the database's; but writes may be known too late, by
			// the end of their entries' time to live.
			e.cfg.Logger.Warn("mlcache: closed before Redis was told of everything", "error", err)
		}
	})
}

// sessionSalt is what an answer depends on and the server's settings do not
// show: how pgx asks for it.
func (e *engine) sessionSalt(origin driver.Conn) string {
	if pc := dbconn.Pgx(origin); pc != nil {
		return "pgx " + pc.Config().DefaultQueryExecMode.String()
	}
	return "driver"
}

// reported lists the parameters that a server reports by itself when they change
// (PostgreSQL manual 55.2.7) and that are a part of a session's state.
var reported = []string{
	"TimeZone", "DateStyle", "IntervalStyle", "client_encoding", "standard_conforming_strings",
	"is_superuser", "session_authorization", "in_hot_standby", "search_path",
}

func reportedParams(pc *pgx.Conn) map[string]string {
	params := make(map[string]string, len(reported))
	for _, name := range reported {
		params[name] = pc.PgConn().ParameterStatus(name)
	}
	return params
}

// sameParams is reportedParams compared, without the map.
func sameParams(pc *pgx.Conn, params map[string]string) bool {
	for _, name := range reported {
		if pc.PgConn().ParameterStatus(name) != params[name] {
			return false
		}
	}
	return true
}

// filler stores entries in L2 without keeping the reader waiting. A full queue
// drops: the entry is then only in L1.
type filler struct {
	engine *engine
	queue  chan fill
	done   chan struct{}
}

type fill struct {
	key, entry []byte
	ttl        time.Duration
	started    time.Time
}

const (
	fillQueue   = 1024
	fillTimeout = time.Second
)

func newFiller(e *engine) *filler {
	f := &filler{engine: e, queue: make(chan fill, fillQueue), done: make(chan struct{})}
	go f.run()
	return f
}

// put queues an entry that lives for ttl from started on.
func (f *filler) put(key, entry []byte, ttl time.Duration, started time.Time) {
	select {
	case f.queue <- fill{key, entry, ttl, started}:
	default:
		f.engine.stats.fillsDropped.Add(1)
	}
}

func (f *filler) run() {
	defer close(f.done)
	for {
		select {
		case x := <-f.queue:
			f.store(x)
		case <-f.engine.background.Done():
			// What is queued is still good; give it a moment.
			deadline := time.Now().Add(fillTimeout)
			for time.Now().Before(deadline) {
				select {
				case x := <-f.queue:
					f.store(x)
				default:
					return
				}
			}
			return
		}
	}
}

func (f *filler) store(x fill) {
	ttl := x.ttl - time.Since(x.started)
	if ttl <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), fillTimeout)
	defer cancel()
	s := &f.engine.stats.own.L2
	switch err := f.engine.l2.Set(ctx, x.key, x.entry, ttl); {
	case err == nil:
		s.Sets.Add(1)
	case errors.Is(err, cache.ErrTooLarge):
		s.TooLarge.Add(1)
	default:
		s.SetErrors.Add(1)
	}
}

func (f *filler) close() { <-f.done }
