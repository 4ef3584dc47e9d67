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
	// half of that. So it should be at least twice as long as the database may take to carry out a COMMIT whose client
	// has gone: a change that becomes visible later than that may be missed. Defaults to 5s; less than 100ms is an error.
	FenceLease time.Duration

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
	log    *slog.Logger
	key    string
	bus    string
	bound  atomic.Int64 // MaxStaleness as tightened, in nanoseconds

	// validated is when the last question was sent that found this process up to date.
	validated atomic.Pointer[time.Time]
	touched   atomic.Bool // somebody reads
	counters  counters
	writes    socketWrites

	mu          sync.Mutex
	cells       map[string]weak.Pointer[Cell]
	listening   []*Cell // keeps cells with listeners alive
	epoch       *Cell
	birth       string
	lost        bool   // another birth was seen: only a poll that cannot be older may bring versions back
	lostTo      header // the newest answer of that birth
	losses      int
	polled      uint64 // every change up to here has been applied
	published   uint64 // newest message known
	quarantined time.Time
	fences      map[*Fence]struct{} // open, to be renewed
	refence     bool                // at once: Redis may have lost them
	queue       queue
	round       chan struct{} // closed when the poll under way, or the next one, ends
	pollErr     error
	failures    int
	retryAt     time.Time
	started     bool
	closed      bool

	wake      chan struct{}
	wakeLater chan struct{}
	ctx       context.Context
	cancel    context.CancelFunc
	tasks     sync.WaitGroup
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
		key:       "{" + cfg.Namespace + "}:v",
		bus:       "{" + cfg.Namespace + "}:bus",
		cells:     map[string]weak.Pointer[Cell]{},
		epoch:     &Cell{},
		fences:    map[*Fence]struct{}{},
		round:     make(chan struct{}),
		wake:      make(chan struct{}, 1),
		wakeLater: make(chan struct{}, 1),
	}
	v.bound.Store(int64(cfg.MaxStaleness))
	v.ctx, v.cancel = context.WithCancel(context.Background())
	if v.client == nil {
		v.epoch.nonce = newNonce()
		v.epoch.publish()
	} else {
		v.writes.attach(v.client)
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

// Close ends the background work and waits for it. Changes that Redis has not been told of are tried once more; the
// error says that some were lost. Afterwards every cell reads 0 and Live is false. Close may be called again.
func (v *Versions) Close() error {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		v.tasks.Wait()
		return nil
	}
	v.closed = true
	v.mu.Unlock()
	var err error
	if v.client != nil {
		err = v.drain(v.ctx)
	}
	v.cancel()
	v.tasks.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.epoch.hold()
	for _, w := range v.cells {
		if c := w.Value(); c != nil {
			c.hold()
		}
	}
	v.validated.Store(nil)
	return err
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
	c := &Cell{scope: scope, seq: v.polled}
	if v.client == nil {
		c.nonce = newNonce()
	}
	if v.closed {
		c.holds++
	}
	c.publish()
	v.cells[scope] = weak.Make(c)
	runtime.AddCleanup(c, v.dropped, scope)
	return c
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
	if !v.touched.Load() {
		v.touched.Store(true)
	}
	at := v.validated.Load()
	if at == nil {
		return false
	}
	now := time.Now()
	// The monotonic clock may stand still while the machine sleeps, and the wall clock may be set back. An answer is
	// in time only when both say so.
	return now.Sub(*at) < bound && now.Round(0).Sub(at.Round(0)) < bound
}

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

// OnChange calls f after each change of the scope that this process notices, and when everything became unknown. f runs
// in whatever goroutine noticed, with no lock held, and must not block.
func (v *Versions) OnChange(scope string, f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	c := v.cell(scope)
	c.listeners = append(c.listeners, f)
	v.listening = append(v.listening, c)
	v.start()
}

// Ensure makes unknown cells, and the epoch, known, and renews the lease that Live checks when it has run out. It costs
// one round trip when something is missing, none otherwise. Cells that stay 0 are fenced. An error means that Redis did
// not answer; cells may still be 0 then.
func (v *Versions) Ensure(ctx context.Context, cells []*Cell) error {
	now := time.Now()
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	if v.client == nil {
		defer v.mu.Unlock()
		for _, c := range cells {
			if c.wanting(now) {
				c.nonce = newNonce()
				c.publish()
			}
		}
		if v.epoch.wanting(now) {
			v.epoch.nonce = newNonce()
			v.epoch.publish()
		}
		return nil
	}
	v.start()
	var want []*Cell
	for _, c := range cells {
		if c != v.epoch && c.wanting(now) {
			want = append(want, c)
		}
	}
	round := v.round
	dead := !v.Live(time.Duration(v.bound.Load())) || v.epoch.wanting(now)
	if (dead || want != nil) && now.Before(v.retryAt) {
		defer v.mu.Unlock()
		return v.pollErr
	}
	v.mu.Unlock()
	if dead {
		v.kick()
	}
	if want != nil {
		if err := v.read(ctx, want); err != nil {
			return err
		}
	}
	if !dead {
		return nil
	}
	select {
	case <-round:
	case <-ctx.Done():
		return ctx.Err()
	case <-v.ctx.Done():
		return ErrClosed
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pollErr
}

// read asks for the cells' versions and applies them.
func (v *Versions) read(ctx context.Context, cells []*Cell) error {
	args := make([]any, len(cells))
	for i, c := range cells {
		args[i] = c.scope
	}
	r, err := v.call(ctx, "read", args...)
	if err != nil {
		return err
	}
	return v.learn(r, cells, false)
}

// Current asks Redis now whether the cells still have these versions, in one round trip, and applies what it learns. It
// returns nil when they do, ErrStale when they do not, and another error when Redis did not answer. The epoch's cell
// may be among them. extra, when not nil, may add commands to the same pipeline; their errors are left to the caller.
func (v *Versions) Current(ctx context.Context, cells []*Cell, nonces []uint64, extra func(redis.Pipeliner)) error {
	if len(cells) != len(nonces) {
		return fmt.Errorf("mlcache: invalidation: %d cells and %d versions", len(cells), len(nonces))
	}
	if v.client == nil {
		for i, c := range cells {
			if n := c.Load(); n == 0 || n != nonces[i] {
				return ErrStale
			}
		}
		return nil
	}
	v.touched.Store(true)
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	v.start()
	v.mu.Unlock()
	var ask []*Cell
	var args []any
	for _, c := range cells {
		if c != v.epoch {
			ask = append(ask, c)
			args = append(args, c.scope)
		}
	}
	r, err := v.callWith(ctx, extra, "read", args...)
	if err != nil {
		return err
	}
	if err := v.learn(r, ask, false); err != nil {
		return err
	}
	if r.shut > 0 || v.epoch.Load() == 0 {
		return ErrStale
	}
	k := 0
	for i, c := range cells {
		// This process may know better than Redis: of a change that Redis has not been told of yet.
		if c.Load() != nonces[i] {
			return ErrStale
		}
		if c == v.epoch {
			if r.epoch != nonces[i] {
				return ErrStale
			}
			continue
		}
		s := r.states[k]
		k++
		if s.fenced > 0 || s.nonce != nonces[i] {
			return ErrStale
		}
	}
	return nil
}
