package invalidation

import (
	"context"
	crand "crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/redis/go-redis/v9"
)

// Config says where versions live. The zero value is good for one process without Redis.
type Config struct {
	// Client reaches the Redis that all processes of the namespace share: a single server, a cluster or a sentinel
	// group. It should have short timeouts, because fences and releases wait for it. Open adds a hook to it; Close does
	// not close it. Nil means that there is only this process: no network is used.
	Client redis.UniversalClient

	// Namespace is the prefix of the one key and the one channel in use. Defaults to "mlcache".
	Namespace string

	// MaxStaleness is the smallest bound that will be given to Live: Redis is asked at least every third of it.
	// Tighten lowers it later. Defaults to 1s; less than 3ms counts as 3ms.
	MaxStaleness time.Duration

	// FenceLease is how long a fence holds that nobody renews, because its process died. A live process renews it within
	// half of that. A fence that names no holder is taken for ended then, so the lease should be at least twice as long as the
	// database may take to carry out a COMMIT whose client has gone: a change that becomes visible later than that may be
	// missed. One that does stays until Over has seen that it is. Defaults to 5s; less than 100ms is an error.
	FenceLease time.Duration

	// Over finds out what has become of changes in doubt: over[i] says that doubts[i] has been made visible by now or never
	// will be. It must be certain of a true; false is for what is not over, and for what it cannot find out now, and it is asked again then. It runs in
	// the background and in Close, one call at a time, and may take its time, but not after ctx has ended. Nil: fences name
	// no holders, and a fence that is not renewed ends by its lease.
	Over func(ctx context.Context, doubts []Doubt) (over []bool)

	// FindsOut says whether Over can find out anything now; if not, what this process has in doubt is left to others, which
	// begin when the lease of the fence has ended. It must not wait. Nil: it always can.
	FindsOut func() bool

	// IdleAfter is how long nobody must have read, or asked for versions, for this process to stop asking Redis. Live then
	// ends, and the next Ensure asks again. Defaults to 1m; negative is an error.
	IdleAfter time.Duration

	// OwnConnections allows up to 8 connections beside those of Client, which are dialled and greeted as Client's are and then used
	// directly, which costs less: no hook of Client sees what is sent there. Only a *redis.Client
	// that speaks to one address gets any. Defaults to false: every command goes through Client.
	OwnConnections bool

	// Logger receives what an operator should know. Nil discards it.
	Logger *slog.Logger
}

// ErrStale is returned by Current when a version has changed, or is fenced or unknown.
var ErrStale = errors.New("mlcache: invalidation: a version has changed")

// ErrClosed is returned after Close.
var ErrClosed = errors.New("mlcache: invalidation: closed")

// Versions holds the versions of one namespace. All methods are safe for concurrent use.
type Versions struct {
	cfg    Config
	client redis.UniversalClient
	single *redis.Client // client, if it speaks to one server at a time
	log    *slog.Logger
	key    string
	bus    string
	// heardBus is how the script is told of a bus to which this process listens. In a cluster, whose nodes do not know of
	// each other's listeners, it is the same.
	heardBus string
	bound    atomic.Int64 // MaxStaleness as tightened, in nanoseconds

	// validated is when the last question was sent that found this process up to date.
	validated atomic.Pointer[time.Time]
	touched   atomic.Bool // somebody reads
	paused    atomic.Bool // nobody has read for long, so Redis is not asked
	counters  counters

	verified    atomic.Pointer[verified]
	directAgain atomic.Int64 // when the direct question may be tried again, in Unix nanoseconds
	lines       lines
	batches     batches
	writes      socketWrites
	loaded      atomic.Bool // Redis has run the script: the next call is one command
	bursting    atomic.Bool // there are bursts
	listens     atomic.Bool // to the bus, as far as is known

	process string // names this process in Redis, see holder.go

	mu            sync.Mutex
	holders       holders
	doubts        map[string]*doubt
	doubtNumber   uint64
	resolving     chan struct{}        // resolve runs until it is closed; nil while it does not
	asked         bool                 // Redis has told this process of orphans, and to find out
	leaving       map[string]time.Time // ids of fences of whose end Redis is being told
	leftovers     map[string]time.Time // ids of those that others find out about
	fencedAt      time.Time            // when a fence was last sent since the last poll
	cells         map[string]weak.Pointer[Cell]
	listening     []*Cell // keeps cells with listeners alive
	epoch         *Cell
	birth         string
	lost          bool   // another birth was seen: only a poll that cannot be older may bring versions back
	lostTo        header // the newest answer of that birth
	losses        int
	polled        uint64             // every change up to here has been applied
	published     uint64             // newest message known
	heard         uint64             // messages of this birth
	hinted        map[*Cell]struct{} // shown as messages have told, which no answer has borne out yet
	quarantined   time.Time
	fences        map[*Fence]struct{} // open, to be renewed
	hosts         map[string]*Fence   // of those, the newest that others may join, by its first scope
	bursts        map[*Fence]struct{} // of those, the ones that stay up between two writes
	refence       bool                // at once: Redis may have lost them
	epochTold     time.Time           // an operator; see newEpoch
	epochsUntold  int
	lossTold      time.Time // as epochTold
	lossesUntold  int
	resyncTold    time.Time // as epochTold
	resyncsUntold int
	queue         queue
	changes       changeCounts
	echoes        echoes
	round         chan struct{} // closed when the poll under way, or the next one, ends
	pollErr       error
	failures      int
	retryAt       time.Time
	brokenAt      time.Time // when the first of the questions was sent that Redis has not answered; zero if it answers
	trustAt       time.Time // until then changes may wait elsewhere of which Redis could not be told
	started       bool
	closed        bool

	wake      chan struct{}
	wakeLater chan struct{}
	wakeDoubt chan struct{}
	ctx       context.Context
	cancel    context.CancelFunc
	tasks     sync.WaitGroup
	draining  sync.Mutex // see drain
}

// Open checks cfg and returns its Versions. The network is used from the first question on. The error says which field
// is bad.
func Open(cfg Config) (*Versions, error) {
	if cfg.Namespace == "" {
		cfg.Namespace = "mlcache"
	}
	if cfg.MaxStaleness == 0 {
		cfg.MaxStaleness = time.Second
	}
	if cfg.FenceLease == 0 {
		cfg.FenceLease = 5 * time.Second
	}
	if cfg.IdleAfter == 0 {
		cfg.IdleAfter = time.Minute
	}
	if cfg.IdleAfter < 0 {
		return nil, fmt.Errorf("mlcache: invalidation: IdleAfter is negative: %v", cfg.IdleAfter)
	}
	if cfg.MaxStaleness < 0 {
		return nil, fmt.Errorf("mlcache: invalidation: MaxStaleness is negative: %v", cfg.MaxStaleness)
	}
	if cfg.FenceLease < 100*time.Millisecond {
		return nil, fmt.Errorf("mlcache: invalidation: FenceLease is under 100ms: %v", cfg.FenceLease)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Versions{
		cfg:       cfg,
		client:    cfg.Client,
		log:       cfg.Logger,
		key:       versionsKey(cfg.Namespace),
		bus:       busChannel(cfg.Namespace),
		heardBus:  busChannel(cfg.Namespace),
		cells:     map[string]weak.Pointer[Cell]{},
		epoch:     &Cell{},
		fences:    map[*Fence]struct{}{},
		hinted:    map[*Cell]struct{}{},
		round:     make(chan struct{}),
		process:   newSeed()[:16],
		leaving:   map[string]time.Time{},
		wake:      make(chan struct{}, 1),
		wakeLater: make(chan struct{}, 1),
		wakeDoubt: make(chan struct{}, 1),
	}
	v.bound.Store(int64(cfg.MaxStaleness))
	v.ctx, v.cancel = context.WithCancel(context.Background())
	if v.client == nil {
		v.epoch.nonce = newNonce()
		v.epoch.publish()
	} else {
		v.writes.attach(v.client)
		if v.single, _ = v.client.(*redis.Client); v.single != nil {
			v.heardBus = "!" + v.bus
		}
	}
	return v, nil
}

// newNonce never returns 0. The generator is the runtime's, seeded by the operating system.
func newNonce() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}

func newSeed() string {
	var b [16]byte
	crand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// start begins the background work, once. Called with v.mu held.
func (v *Versions) start() {
	if v.started || v.closed || v.client == nil {
		return
	}
	v.started = true
	v.tasks.Go(v.loop)
}

// Cell returns the cell of a scope. In a namespace without Redis its version is known at once; with Redis it is unknown
// until Ensure, or Current, has asked. Keep the cell: it is what makes a hit cheap.
func (v *Versions) Cell(scope string) *Cell {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.cell(scope)
}

func (v *Versions) cell(scope string) *Cell {
	if c := v.lookup(scope); c != nil {
		return c
	}
	c := &Cell{field: "s" + scope, seq: v.polled}
	if v.client == nil {
		c.nonce = newNonce()
	}
	if v.closed {
		c.holds++
	}
	c.publish()
	v.cells[scope] = weak.Make(c)
	// A strong reference from here would keep v alive for ever where v refers to the
	// cell, as it does when somebody listens to the scope.
	runtime.AddCleanup(c, dropCell, droppedCell{weak.Make(v), scope})
	return c
}

type droppedCell struct {
	versions weak.Pointer[Versions]
	scope    string
}

func dropCell(d droppedCell) {
	if v := d.versions.Value(); v != nil {
		v.dropped(d.scope)
	}
}

// lookup returns nil when nobody refers to the scope's cell any more.
func (v *Versions) lookup(scope string) *Cell { return v.cells[scope].Value() }

func (v *Versions) dropped(scope string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if w, ok := v.cells[scope]; ok && w.Value() == nil {
		delete(v.cells, scope)
	}
}

// Epoch returns the version of everything. It changes when everything is invalidated, and reads 0 while everything is
// fenced or unknown. Store and compare it like the version of a scope.
func (v *Versions) Epoch() *Cell { return v.epoch }

// Live reports whether cached answers may be given now under the bound: no later than bound after the moment at which
// the last question was sent to Redis that found this process up to date. Without Redis it is always true.
func (v *Versions) Live(bound time.Duration) bool {
	if v.client == nil {
		return true
	}
	return v.LiveAt(bound, time.Now())
}

// LiveAt is Live for a caller who has just asked what time it is: now must be from
// time.Now, after the moment at which the answer was wanted.
func (v *Versions) LiveAt(bound time.Duration, now time.Time) bool {
	if v.client == nil {
		return true
	}
	if !v.touched.Load() {
		v.touched.Store(true)
	}
	at := v.validated.Load()
	if at == nil {
		return false
	}
	// The monotonic clock may stand still while the machine sleeps, and the wall clock may be set back. An answer is
	// in time only when both say so. Sub goes by the monotonic clock, UnixNano by the wall's.
	return now.Sub(*at) < bound && time.Duration(now.UnixNano()-at.UnixNano()) < bound
}

// CurrentSince reports whether a question that was sent to Redis after t has found this process up to date: then every version
// that is the same as at t has not changed in between. Without Redis it is always true.
func (v *Versions) CurrentSince(t time.Time) bool {
	if v.client == nil {
		return true
	}
	at := v.validated.Load()
	return at != nil && at.After(t)
}

// Paused reports whether Redis is no longer asked, because nobody has read for long: what OnChange tells may then come late. Ensure,
// with any cells or none, ends that: when it returns without an error, listeners have been told of every change from before
// the call, or the bound. It is one atomic load.
func (v *Versions) Paused() bool { return v.paused.Load() }

// Tighten lowers MaxStaleness, for one more user who wants a smaller bound. Zero, negative and larger bounds change
// nothing.
func (v *Versions) Tighten(bound time.Duration) {
	for {
		now := v.bound.Load()
		if bound <= 0 || int64(bound) >= now {
			return
		}
		if v.bound.CompareAndSwap(now, int64(bound)) {
			v.kick()
			return
		}
	}
}

// every is the time between polls.
func (v *Versions) every() time.Duration {
	return max(time.Duration(v.bound.Load())/3, time.Millisecond)
}

// Quarantine returns how much longer a new epoch is in quarantine, 0 when it is not: the fences of writers in flight
// may have been lost with the old one. Until it ends, an answer read now must not be used for longer than the bound; in
// strict use it must not be stored.
func (v *Versions) Quarantine() time.Duration {
	if v.client == nil {
		return 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return max(0, time.Until(v.quarantined))
}

// Quarantined reports whether what was read at the time since was read in quarantine. What counts is when the origin was
// asked, not when its answer is stored: the quarantine can end in between.
func (v *Versions) Quarantined(since time.Time) bool {
	if v.client == nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.quarantined.After(since)
}

// OnChange calls f after each change of the scope that this process notices, and when everything became unknown. f runs
// in whatever goroutine noticed, with no lock held, and must not block. Listening alone does not make Redis be asked, nor keep
// it being asked: see Paused. Before the first question there is nothing that an answer could be used for.
func (v *Versions) OnChange(scope string, f func()) { v.OnChangeApart(scope, f, f) }

// OnChangeApart is OnChange that tells apart what has happened: changed is called after a change of the scope, and when nothing
// is known any more; everything, after somebody has invalidated all there is without naming the scope.
func (v *Versions) OnChangeApart(scope string, changed, everything func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.cell(scope)
	c.listeners = append(c.listeners, listener{changed, everything})
	v.listening = append(v.listening, c)
}

// listener is who wants to know of a scope: see OnChangeApart.
type listener struct{ changed, everything func() }
