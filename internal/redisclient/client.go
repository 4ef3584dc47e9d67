// Package redisclient makes the client of Redis that all pools of a namespace share: with the time-outs of a cache, and
// behind a circuit breaker. It knows the addresses, not what is kept there.
package redisclient

import (
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// The modes of [Options]: one server, a cluster, or a master that sentinels know.
const (
	Single   = "single"
	Cluster  = "cluster"
	Sentinel = "sentinel"
)

// Options say which Redis.
type Options struct {
	// URL and Mode say where it is. A time-out that the URL names stands.
	URL, Mode string
	// Namespace is for the log.
	Namespace string
	// Logger is told when Redis goes and when it is back; nil for nobody.
	Logger *slog.Logger
}

// A cache that makes a reader wait is worse than none, so the time-outs are
// those of a cache. A URL that names its own (read_timeout=…) keeps them.
const (
	dialTimeout  = 250 * time.Millisecond
	readTimeout  = 100 * time.Millisecond
	writeTimeout = 100 * time.Millisecond
	poolTimeout  = 100 * time.Millisecond

	breakerFailures = 5                      // in a row, then it opens
	breakerOpenFor  = 500 * time.Millisecond // then one command may try; see invalidation.tellWithin
)

// New makes a client. It connects to nothing yet. An error says what is wrong with the URL and shows nothing of it: a
// parser's own text can quote the password.
func New(o Options) (redis.UniversalClient, *Breaker, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, nil, errors.New("it is not a URL")
	}
	own := func(option string, d time.Duration) time.Duration {
		if u.Query().Has(option) {
			return 0 // the URL's own value stands
		}
		return d
	}
	override := func(dial, read, write, pool *time.Duration) {
		for _, t := range []struct {
			field *time.Duration
			value time.Duration
		}{
			{dial, own("dial_timeout", dialTimeout)},
			{read, own("read_timeout", readTimeout)},
			{write, own("write_timeout", writeTimeout)},
			{pool, own("pool_timeout", poolTimeout)},
		} {
			if t.value > 0 {
				*t.field = t.value
			}
		}
	}
	noMaintenance := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	var client redis.UniversalClient
	switch o.Mode {
	case Cluster:
		opt, err := redis.ParseClusterURL(o.URL)
		if err != nil {
			return nil, nil, errors.New("go-redis cannot read it as a cluster URL")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries, opt.DialerRetries = -1, 1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		opt.MaintNotificationsConfig = noMaintenance
		client = redis.NewClusterClient(opt)
	case Sentinel:
		opt, err := redis.ParseFailoverURL(o.URL)
		if err != nil {
			return nil, nil, errors.New("go-redis cannot read it as a sentinel URL")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries = -1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		client = redis.NewFailoverClient(opt)
	default:
		opt, err := redis.ParseURL(o.URL)
		if err != nil {
			return nil, nil, errors.New("go-redis cannot read it")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries, opt.DialerRetries = -1, 1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		opt.MaintNotificationsConfig = noMaintenance
		client = redis.NewClient(opt)
	}
	b := newBreaker(o)
	client.AddHook(b)
	return client, b, nil
}
