package mlcache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mlcache/mlcache/cache"
)

// memory is a first level. The pools of a hub that want one of the same size have one
// together, so that a process has the memory once, not once for each sql.DB.
type memory struct {
	l1    *cache.Memory // nil: switched off
	front *front
	users int // places
}

// place is a part of a memory: the answers of pools that reach the same database in the same
// way and keep answers alike. It is a part of each key in memory, so what one place holds
// no other finds.
type place struct {
	*memory
	kind   placeKind
	prefix [8]byte // of its keys in memory
	// flights are shared with the answers: who would find the same answer waits for the same query.
	flights *cache.Flights
	users   int // engines
}

// placeKind is what pools must have in common to share a place. Whatever makes the
// answers of two pools differ belongs here, unless each session's id shows it.
type placeKind struct {
	// origin says how the database is reached. The key of an entry says which database
	// that is, as the server has told; but a server and a copy of its files tell the same.
	origin                 string
	size                   int64
	l1TTL, l1MaxTTL, l2TTL time.Duration
	consistency            Consistency
	maxStaleness           time.Duration
	entryKeys              [sha256.Size]byte
	entryKeyFile           string
}

// lastConnector numbers the connectors of which nobody knows whether another one leads to the same
// sessions.
var lastConnector atomic.Uint64

// ownOrigin is the origin of a connector that shares its place with no other one.
func ownOrigin() string { return fmt.Sprint("connector ", lastConnector.Add(1)) }

// originOf is the same for all connectors of pgx without hooks that lead to the same
// server, database and user, by the same settings. It has no password.
func originOf(c *pgx.ConnConfig) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %d", c.User, c.Database, c.Host, c.Port)
	for _, f := range c.Fallbacks {
		fmt.Fprintf(&b, " %q %d", f.Host, f.Port)
	}
	for _, name := range slices.Sorted(maps.Keys(c.RuntimeParams)) {
		fmt.Fprintf(&b, " %q=%q", name, c.RuntimeParams[name])
	}
	// Which of several servers will do, says a function.
	fmt.Fprintf(&b, " %d %x", c.DefaultQueryExecMode, reflect.ValueOf(c.ValidateConnect).Pointer())
	return b.String()
}

func placeKindOf(cfg *Config, origin string) placeKind {
	k := placeKind{
		origin: origin, size: max(cfg.L1Size, 0),
		l1TTL: cfg.L1TTL, l1MaxTTL: cfg.L1MaxTTL, l2TTL: cfg.L2TTL,
		consistency: cfg.Consistency, maxStaleness: cfg.MaxStaleness,
		entryKeyFile: cfg.EntryKeyFile,
	}
	h := sha256.New()
	for _, key := range cfg.EntryKeys {
		h.Write(cache.AppendString(nil, string(key)))
	}
	h.Sum(k.entryKeys[:0])
	return k
}

// enter returns the hub's place of that kind, for one engine more.
func (h *hub) enter(kind placeKind) *place {
	h.places.Lock()
	defer h.places.Unlock()
	if p := h.places.of[kind]; p != nil {
		p.users++
		return p
	}
	m := h.places.memories[kind.size]
	if m == nil {
		m = &memory{l1: cache.NewMemory(kind.size), front: newFront(kind.size)}
		h.places.memories[kind.size] = m
	}
	m.users++
	p := &place{memory: m, kind: kind, flights: cache.NewFlights(), users: 1}
	h.places.last++
	binary.BigEndian.PutUint64(p.prefix[:], h.places.last)
	h.places.of[kind] = p
	h.listPlaces()
	return p
}

// listPlaces is called with h.places locked.
func (h *hub) listPlaces() {
	all := slices.Collect(maps.Values(h.places.of))
	h.places.all.Store(&all)
}

// drop takes out of the places but one what memory has for a question; of all, if that is nil.
func (h *hub) drop(key []byte, but *place) {
	for _, p := range *h.places.all.Load() {
		if p != but && p.l1 != nil {
			p.remove(append(slices.Clip(p.prefix[:]), key...))
		}
	}
}

// remove takes an answer out of memory.
func (p *place) remove(here []byte) {
	_ = p.l1.Delete(context.Background(), here) // never fails
	p.front.renew(p.front.hash(here), here)
}

// leave ends what enter began. The last one out frees the memory.
func (h *hub) leave(p *place) {
	h.places.Lock()
	defer h.places.Unlock()
	if p.users--; p.users > 0 {
		return
	}
	delete(h.places.of, p.kind)
	h.listPlaces()
	if p.memory.users--; p.memory.users > 0 {
		return
	}
	delete(h.places.memories, p.kind.size)
	p.l1.Close()
}
