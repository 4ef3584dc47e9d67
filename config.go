package mlcache

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mlcache/mlcache/internal/redisclient"
)

// Mode says which SELECTs are candidates for the cache.
type Mode string

const (
	// ModeAuto caches every SELECT whose answer can be kept.
	ModeAuto Mode = "auto"
	// ModeOptIn caches only statements with the hint /* mlcache: on */.
	ModeOptIn Mode = "optin"
	// ModeOff caches nothing, asks the database nothing of its own, and hands on what
	// pgx gives. Writes still invalidate for other processes; without the catalog nobody
	// knows what they change, so each of them invalidates everything.
	ModeOff Mode = "off"
)

// Consistency says how old a cached answer may be.
type Consistency string

const (
	// Bounded serves answers at most Config.MaxStaleness behind writes of other
	// processes, and never behind writes of this one. A hit needs no network.
	Bounded Consistency = "bounded"
	// Strict asks Redis on every hit: a read that starts after a write has
	// returned, anywhere, sees it.
	Strict Consistency = "strict"
)

// OnRedisDown says what becomes of a write of which Redis cannot be told.
type OnRedisDown string

const (
	// LateInvalidation lets the write through. Redis is told as soon as it
	// answers; until then other processes may serve what they have for as long as
	// Redis answers them.
	LateInvalidation OnRedisDown = "late-invalidation"
	// FailWrites refuses the write, with ErrRedisDown, before the database sees
	// it; a transaction is rolled back at COMMIT. Every write then waits for
	// Redis twice.
	FailWrites OnRedisDown = "fail-writes"
)

// WrittenOften says what becomes of a statement whose answers are seldom asked for
// again before a write makes them bad. With Redis, such an answer costs more than it
// gives.
type WrittenOften string

const (
	// PassWrittenOften sends such a statement past the cache for half a second, and up
	// to four when that repeats, with ReasonChurn, and then tries it again. What is still good in L1 is used.
	PassWrittenOften WrittenOften = "pass"
	// CacheWrittenOften caches it all the same.
	CacheWrittenOften WrittenOften = "cache"
)

// ErrRedisDown is returned for a write that FailWrites refused.
var ErrRedisDown = errors.New("mlcache: the write was refused, because Redis cannot be told of it (mlcache_on_redis_down=fail-writes)")

// Config holds everything that the mlcache_ keys of a DSN can say. The zero
// value of a field means its default; a nil *Config means all defaults.
type Config struct {
	// DSN is what is left for pgx after the mlcache_ keys were taken out. It can
	// hold a password. NewConnector does not read it.
	DSN string

	// Redis is the URL of the Redis that holds L2 and carries invalidations
	// between processes. Defaults to empty: L1 only, and only the writes of this
	// process are seen.
	Redis string
	// RedisMode is "single", "cluster" or "sentinel", with go-redis's URL forms
	// for each. Defaults to "single".
	RedisMode string
	// Namespace prefixes every Redis key and channel. Use one per logical
	// database. Defaults to "mlcache".
	Namespace string

	// Mode defaults to ModeAuto.
	Mode Mode
	// Consistency defaults to Bounded.
	Consistency Consistency
	// OnRedisDown says what becomes of a write of which Redis cannot be told.
	// Defaults to LateInvalidation.
	OnRedisDown OnRedisDown
	// MaxStaleness is the bound of Bounded. Defaults to 1s, at least 10ms.
	MaxStaleness time.Duration

	// L1Size is the memory of L1 in bytes, to which come a sixteenth of it, and 16 MiB at most, for the
	// answers that are asked for most. Defaults to 64 MiB; negative turns L1
	// off (as 0 does in a DSN). Anything between is rounded up to 512 KiB. Pools of a process that have the
	// namespace, the Redis and the size in common share one L1, and those that reach the same database alike
	// and keep answers alike share what is in it.
	L1Size int64
	// L1TTL is the longest life of an entry in L1. Defaults to 30s. It must not
	// exceed L2TTL.
	L1TTL time.Duration
	// L1MaxTTL lets answers that are asked for often live longer in L1: up to this, a step
	// longer for each doubling of how often they were asked for lately (estimated
	// in 256 KiB, whatever the number of answers). Defaults to 0: all live for L1TTL. It must
	// be neither less than L1TTL nor more than L2TTL. Hints, rules and WithTTL shorten it as they do L1TTL, and
	// no answer is older for it than its bound, except by writes past mlcache.
	L1MaxTTL time.Duration
	// L2TTL is the longest life of an entry in L2. Defaults to 5m.
	L2TTL time.Duration

	// MaxRows is the largest result that is cached, in rows. Defaults to 10000.
	// A larger one streams through.
	MaxRows int
	// MaxBytes is the largest result that is cached, in bytes of encoded rows.
	// Defaults to 1 MiB. A larger one streams through.
	MaxBytes int64

	// Tables, if not empty, lists the only tables whose answers are cached, as
	// "table" or "schema.table".
	Tables []string
	// SkipTables lists tables whose answers are never cached.
	SkipTables []string

	// Rules say how answers are cached, table by table. Handle.SetRules replaces them
	// at run time.
	Rules []Rule
	// RulesFile is a file of rules, as ParseRules reads them, which come after those of
	// Rules. It is looked at every two seconds; a state of it that cannot be read changes
	// nothing and is logged. It must be there and in order when the Connector is made.
	RulesFile string

	// WrittenOften says what becomes of statements whose tables are written so often that
	// their answers are seldom used again: see WrittenOften. Defaults to PassWrittenOften.
	WrittenOften WrittenOften

	// WarmKeys is how many of the answers that are asked for most are remembered in Redis,
	// by hashes that show nothing, for Warmup.LastRun. Defaults to 0: none are counted.
	WarmKeys int

	// EntryKeys encrypt the answers in Redis with AES-256-GCM: 32 bytes each. The first
	// seals, and opens like the others, which are previous ones; so a key is changed by
	// adding the new one behind the old in all processes, then putting it first, then
	// leaving out the old one when its answers have ended (L2TTL). An answer that no key opens, or that was
	// changed, forged or moved, is a miss. Answers in memory are not encrypted. Nil
	// means that nothing is. All processes of a namespace need the same keys to share answers.
	EntryKeys [][]byte
	// EntryKeyFile is a file with these keys, as ParseEntryKeys reads it, in place of
	// EntryKeys. It is read when the Connector is made.
	EntryKeyFile string

	// StaticSessions says that the origin given to NewConnector has no hook that
	// makes sessions differ: all start with the same user, role and settings, and
	// none of these changes when a connection is reused. Defaults to false; it
	// has no meaning for a DSN, whose sessions always start alike.
	StaticSessions bool

	// Logger receives events for an operator: never an argument, a password or
	// a row. Nil means slog.Default().
	Logger *slog.Logger
}

// The defaults of Config.
const (
	defaultNamespace    = "mlcache"
	defaultMaxStaleness = time.Second
	defaultL1Size       = 64 << 20
	defaultL1TTL        = 30 * time.Second
	defaultL2TTL        = 5 * time.Minute
	defaultMaxRows      = 10000
	defaultMaxBytes     = 1 << 20

	maxWarmKeys     = 100_000
	minMaxStaleness = 10 * time.Millisecond
)

// withDefaults returns a copy in which every zero field has its default.
func (c *Config) withDefaults() *Config {
	var d Config
	if c != nil {
		d = *c
		// The lists stay the caller's to change.
		d.Tables, d.SkipTables, d.Rules = slices.Clone(d.Tables), slices.Clone(d.SkipTables), slices.Clone(d.Rules)
		d.EntryKeys = slices.Clone(d.EntryKeys)
		for i, key := range d.EntryKeys {
			d.EntryKeys[i] = bytes.Clone(key)
		}
	}
	setDefault(&d.RedisMode, redisclient.Single)
	setDefault(&d.Namespace, defaultNamespace)
	setDefault(&d.Mode, ModeAuto)
	setDefault(&d.Consistency, Bounded)
	setDefault(&d.OnRedisDown, LateInvalidation)
	setDefault(&d.WrittenOften, PassWrittenOften)
	setDefault(&d.MaxStaleness, defaultMaxStaleness)
	setDefault(&d.L1Size, defaultL1Size)
	setDefault(&d.L1TTL, defaultL1TTL)
	setDefault(&d.L2TTL, defaultL2TTL)
	setDefault(&d.MaxRows, defaultMaxRows)
	setDefault(&d.MaxBytes, defaultMaxBytes)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return &d
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// validate reports the first bad value by the name of its DSN key. Call it
// after withDefaults.
func (c *Config) validate() error {
	switch c.Mode {
	case ModeAuto, ModeOptIn, ModeOff:
	default:
		return badValue("mlcache_mode", string(c.Mode), "want auto, optin or off")
	}
	switch c.Consistency {
	case Bounded, Strict:
	default:
		return badValue("mlcache_consistency", string(c.Consistency), "want bounded or strict")
	}
	switch c.OnRedisDown {
	case LateInvalidation, FailWrites:
	default:
		return badValue("mlcache_on_redis_down", string(c.OnRedisDown), "want late-invalidation or fail-writes")
	}
	switch c.WrittenOften {
	case PassWrittenOften, CacheWrittenOften:
	default:
		return badValue("mlcache_written_often", string(c.WrittenOften), "want pass or cache")
	}
	switch c.RedisMode {
	case redisclient.Single, redisclient.Cluster, redisclient.Sentinel:
	default:
		return badValue("mlcache_redis_mode", c.RedisMode, "want single, cluster or sentinel")
	}
	if c.Redis != "" {
		client, _, err := c.redisClient()
		if err != nil {
			return err
		}
		client.Close() // it never connected
	}
	if strings.ContainsAny(c.Namespace, "{}") || len(c.Namespace) > 200 {
		return badValue("mlcache_namespace", c.Namespace, "want at most 200 bytes without { and }")
	}
	for _, d := range []struct {
		key   string
		value time.Duration
		min   time.Duration
	}{
		{"mlcache_max_staleness", c.MaxStaleness, minMaxStaleness},
		{"mlcache_l1_ttl", c.L1TTL, time.Millisecond},
		{"mlcache_l2_ttl", c.L2TTL, time.Millisecond},
	} {
		if d.value < d.min {
			return badValue(d.key, d.value.String(), "want at least "+d.min.String())
		}
	}
	if c.L1TTL > c.L2TTL {
		return badValue("mlcache_l1_ttl", c.L1TTL.String(), "L1 must not outlive L2, whose mlcache_l2_ttl is "+c.L2TTL.String())
	}
	switch {
	case c.L1MaxTTL == 0:
	case c.L1MaxTTL < c.L1TTL:
		return badValue("mlcache_l1_max_ttl", c.L1MaxTTL.String(), "want at least mlcache_l1_ttl, which is "+c.L1TTL.String())
	case c.L1MaxTTL > c.L2TTL:
		return badValue("mlcache_l1_max_ttl", c.L1MaxTTL.String(), "L1 must not outlive L2, whose mlcache_l2_ttl is "+c.L2TTL.String())
	}
	if c.WarmKeys < 0 || c.WarmKeys > maxWarmKeys {
		return badValue("mlcache_warm_keys", fmt.Sprint(c.WarmKeys), fmt.Sprintf("want 0 to %d", maxWarmKeys))
	}
	if err := checkRules(c.Rules); err != nil {
		return err
	}
	if c.MaxRows < 0 {
		return badValue("mlcache_max_rows", fmt.Sprint(c.MaxRows), "want a positive number")
	}
	if c.MaxBytes < 0 {
		return badValue("mlcache_max_bytes", fmt.Sprint(c.MaxBytes), "want a positive number")
	}
	return nil
}

func badValue(key, value, why string) error {
	return fmt.Errorf("mlcache: %s: bad value %q: %s", key, value, why)
}

// redisClient makes the client of Redis. It connects to nothing yet.
func (c *Config) redisClient() (redis.UniversalClient, *redisclient.Breaker, error) {
	client, breaker, err := redisclient.New(redisclient.Options{URL: c.Redis, Mode: c.RedisMode, Namespace: c.Namespace, Logger: c.Logger})
	if err != nil {
		return nil, nil, badValue("mlcache_redis", redisclient.Redact(c.Redis), err.Error())
	}
	return client, breaker, nil
}
