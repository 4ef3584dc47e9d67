package mlcache

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/internal/monotonic"
	"github.com/mlcache/mlcache/internal/redisclient"
	"github.com/mlcache/mlcache/invalidation"
)

// hub holds what all Connectors of a process share that have the same namespace
// and the same Redis: the versions, and the memory. So a write through one *sql.DB is seen at
// once by reads through another, and what one of them has answered no other answers with something older.
type hub struct {
	key      hubKey
	client   redis.UniversalClient // nil without Redis
	breaker  *redisclient.Breaker  // the client's
	versions *invalidation.Versions
	users    int
	// siblings are the other hubs of the namespace: pools that share it in this
	// process without sharing a Redis. Each must know of the others' writes.
	siblings atomic.Pointer[[]*hub]

	// schemaListeners are told when the schema changes. versions itself has one
	// listener only, since it keeps those for as long as it lives.
	listening       sync.Mutex
	schemaListeners map[*hubRef]schemaListener
	askers          map[*hubRef]*asker // who can ask the database, guarded by listening

	// places are where the answers of its pools are in memory.
	places struct {
		sync.Mutex
		of       map[placeKind]*place
		memories map[int64]*memory // by size
		last     uint64            // prefix
		all      atomic.Pointer[[]*place]
	}
	latest *monotonic.Reads
}

// schemaListener is told of changes of the schema, and of changes of everything behind which there may be one.
type schemaListener interface {
	news()
	everything(now time.Time)
}

func (h *hub) schemaChanged() { h.tellSchema(schemaListener.news) }

func (h *hub) everythingChanged() {
	now := time.Now()
	h.tellSchema(func(l schemaListener) { l.everything(now) })
}

func (h *hub) tellSchema(tell func(schemaListener)) {
	h.listening.Lock()
	defer h.listening.Unlock()
	for _, l := range h.schemaListeners {
		tell(l)
	}
}

type hubKey struct{ namespace, redis, mode string }

var hubs = struct {
	sync.Mutex
	open map[hubKey]*hub
}{open: make(map[hubKey]*hub)}

func acquireHub(cfg *Config) (*hubRef, error) {
	key := hubKey{cfg.Namespace, redisclient.Identity(cfg.Redis), cfg.RedisMode}
	hubs.Lock()
	defer hubs.Unlock()
	h := hubs.open[key]
	if h == nil {
		h = &hub{key: key, schemaListeners: make(map[*hubRef]schemaListener), askers: make(map[*hubRef]*asker)}
		h.places.of, h.places.memories = make(map[placeKind]*place), make(map[int64]*memory)
		if cfg.Redis != "" {
			client, breaker, err := cfg.redisClient()
			if err != nil {
				return nil, err
			}
			h.client, h.breaker = client, breaker
		}
		v, err := invalidation.Open(invalidation.Config{
			Client:         h.client,
			OwnConnections: true,
			Namespace:      cfg.Namespace,
			MaxStaleness:   cfg.MaxStaleness,
			Logger:         cfg.Logger,
			Over:           h.over,
			FindsOut:       h.findsOut,
		})
		if err != nil {
			if h.client != nil {
				h.client.Close()
			}
			return nil, err
		}
		h.versions = v
		h.latest = monotonic.New(v, h.client == nil)
		v.OnChangeApart(scopeSchema, h.schemaChanged, h.everythingChanged)
		hubs.open[key] = h
		introduce(cfg.Namespace)
	}
	h.users++
	h.versions.Tighten(cfg.MaxStaleness)
	return &hubRef{hub: h, versions: h.versions, client: h.client}, nil
}

// introduce tells the hubs of a namespace of each other. Called with hubs locked.
func introduce(namespace string) {
	var all []*hub
	for key, h := range hubs.open {
		if key.namespace == namespace {
			all = append(all, h)
		}
	}
	for _, h := range all {
		others := slices.DeleteFunc(slices.Clone(all), func(other *hub) bool { return other == h })
		h.siblings.Store(&others)
	}
}

// others returns the siblings of now.
func (h *hub) others() []*hub {
	if s := h.siblings.Load(); s != nil {
		return *s
	}
	return nil
}

// hubFence is a fence in a hub and in its siblings. The zero value is none.
type hubFence struct {
	hub     *hub
	scopes  []string
	all     bool
	assumes invalidation.Assumption
	holder  string
	own     *invalidation.Fence
	held    []*invalidation.Cell // in place of own
	fenced  []*hub
	further []*invalidation.Fence
}

// hold fences what p changes, where p.held says that there is no Redis to tell.
func (h *hub) hold(ctx context.Context, p *plan, holder string) hubFence {
	f := hubFence{hub: h, scopes: p.writes, assumes: p.assumes(), held: p.held, holder: holder}
	h.versions.Hold(p.held)
	if others := h.others(); len(others) > 0 {
		asking, cancel := forCache(ctx)
		defer cancel()
		f.alsoIn(asking, others)
	}
	return f
}

// fence is Versions.Fence, in the siblings too. The error is that of the hub
// itself: what another pool's Redis misses now it is told later.
func (h *hub) fence(ctx context.Context, scopes []string, o invalidation.FenceOptions) (hubFence, error) {
	f := hubFence{hub: h, scopes: scopes, all: o.All, assumes: o.Assumes, holder: o.Holder}
	var err error
	f.own, err = h.versions.Fence(ctx, scopes, o)
	f.alsoIn(ctx, h.others())
	return f, err
}

func (f *hubFence) alsoIn(ctx context.Context, hubs []*hub) {
	for _, h := range hubs {
		if !slices.Contains(f.fenced, h) {
			also, _ := h.versions.Fence(ctx, f.scopes, invalidation.FenceOptions{All: f.all, Holder: f.holder})
			f.fenced, f.further = append(f.fenced, h), append(f.further, also)
		}
	}
}

// Ensure is Fence.Ensure, in the siblings too.
func (f *hubFence) Ensure(ctx context.Context) error {
	for _, also := range f.further {
		_ = also.Ensure(ctx)
	}
	return f.own.Ensure(ctx)
}

// Release is Fence.Release, in the siblings too: also in those that have opened
// since, which may have read what was there before the change.
func (f *hubFence) Release(ctx context.Context, outcome invalidation.Outcome) error {
	f.alsoIn(ctx, f.hub.others())
	for _, also := range f.further {
		_ = also.Release(ctx, outcome)
	}
	var err error
	if f.held != nil {
		f.hub.versions.LetGo(f.held, outcome, f.assumes, f.holder)
	} else {
		err = f.own.Release(ctx, outcome)
	}
	if len(f.fenced) > 0 && outcome != invalidation.RolledBack && !f.assumes.Holds() {
		for _, other := range f.fenced {
			_ = other.versions.Invalidate(ctx)
		}
	}
	return err
}

// invalidate is Versions.Invalidate, in the siblings too.
func (h *hub) invalidate(ctx context.Context, scopes ...string) error {
	for _, other := range h.others() {
		_ = other.versions.Invalidate(ctx, scopes...)
	}
	return h.versions.Invalidate(ctx, scopes...)
}

// hubRef is one Connector's hold on a hub.
type hubRef struct {
	hub      *hub
	versions *invalidation.Versions
	client   redis.UniversalClient
	once     sync.Once
	err      error
}

// onSchemaChange has l told of each change of the schema, until release. It must not block.
func (r *hubRef) onSchemaChange(l schemaListener) {
	r.hub.listening.Lock()
	defer r.hub.listening.Unlock()
	r.hub.schemaListeners[r] = l
}

// asks makes a the one that the hub has the database asked by, among others, until release.
func (r *hubRef) asks(a *asker) {
	r.hub.listening.Lock()
	defer r.hub.listening.Unlock()
	r.hub.askers[r] = a
}

func (r *hubRef) asksNoMore() {
	r.hub.listening.Lock()
	defer r.hub.listening.Unlock()
	delete(r.hub.askers, r)
}

func (r *hubRef) release() error {
	r.once.Do(func() {
		r.hub.listening.Lock()
		delete(r.hub.schemaListeners, r)
		r.hub.listening.Unlock()
		defer r.asksNoMore() // the versions ask until they are closed
		hubs.Lock()
		r.hub.users--
		last := r.hub.users == 0
		if last {
			delete(hubs.open, r.hub.key)
			introduce(r.hub.key.namespace)
		}
		hubs.Unlock()
		if !last {
			return
		}
		r.err = r.hub.versions.Close()
		if r.hub.client != nil {
			r.err = errors.Join(r.err, r.hub.client.Close())
		}
	})
	return r.err
}
