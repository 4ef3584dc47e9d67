package mlcache

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/sony/gobreaker/v2"
)

const (
	redisSingle   = "single"
	redisCluster  = "cluster"
	redisSentinel = "sentinel"
)

// A cache that makes a reader wait is worse than none, so the time-outs are
// those of a cache. A URL that names its own (read_timeout=…) keeps them.
const (
	redisDialTimeout  = 250 * time.Millisecond
	redisReadTimeout  = 100 * time.Millisecond
	redisWriteTimeout = 100 * time.Millisecond
	redisPoolTimeout  = 100 * time.Millisecond

	breakerFailures = 5                      // in a row, then it opens
	breakerOpenFor  = 500 * time.Millisecond // then one command may try; see invalidation.tellWithin
)

// newRedisClient makes the client that L2 and invalidation share. It connects
// to nothing yet.
func newRedisClient(c *Config) (redis.UniversalClient, *breaker, error) {
	u, err := url.Parse(c.Redis)
	if err != nil {
		return nil, nil, badRedisURL(c, "it is not a URL")
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
			{dial, own("dial_timeout", redisDialTimeout)},
			{read, own("read_timeout", redisReadTimeout)},
			{write, own("write_timeout", redisWriteTimeout)},
			{pool, own("pool_timeout", redisPoolTimeout)},
		} {
			if t.value > 0 {
				*t.field = t.value
			}
		}
	}
	noMaintenance := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	var client redis.UniversalClient
	switch c.RedisMode {
	case redisCluster:
		opt, err := redis.ParseClusterURL(c.Redis)
		if err != nil {
			return nil, nil, badRedisURL(c, "go-redis cannot read it as a cluster URL")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries, opt.DialerRetries = -1, 1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		opt.MaintNotificationsConfig = noMaintenance
		client = redis.NewClusterClient(opt)
	case redisSentinel:
		opt, err := redis.ParseFailoverURL(c.Redis)
		if err != nil {
			return nil, nil, badRedisURL(c, "go-redis cannot read it as a sentinel URL")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries = -1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		client = redis.NewFailoverClient(opt)
	default:
		opt, err := redis.ParseURL(c.Redis)
		if err != nil {
			return nil, nil, badRedisURL(c, "go-redis cannot read it")
		}
		override(&opt.DialTimeout, &opt.ReadTimeout, &opt.WriteTimeout, &opt.PoolTimeout)
		opt.MaxRetries, opt.DialerRetries = -1, 1
		opt.ContextTimeoutEnabled, opt.DisableIdentity = true, true
		opt.MaintNotificationsConfig = noMaintenance
		client = redis.NewClient(opt)
	}
	b := newBreaker(c)
	client.AddHook(b)
	return client, b, nil
}

// badRedisURL never passes on the text of a parser's error: it can quote the
// part of the URL that holds the password.
func badRedisURL(c *Config, why string) error {
	return badValue("mlcache_redis", redactURL(c.Redis), why)
}

// redactURL replaces whatever can be a user's password, also in a URL that does
// not parse.
func redactURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if strings.Contains(s, "@") {
			return "xxxxx" + s[strings.LastIndexByte(s, '@'):]
		}
		return s
	}
	head, query, hasQuery := strings.Cut(rest, "?")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if at >= len(head) { // an unescaped ? inside the password
			return scheme + "://xxxxx" + rest[at:]
		}
		head = "xxxxx" + head[at:]
	}
	if hasQuery {
		parts := strings.Split(query, "&")
		for i, p := range parts {
			if k, _, _ := strings.Cut(p, "="); strings.Contains(strings.ToLower(k), "pass") {
				parts[i] = k + "=xxxxx"
			}
		}
		head += "?" + strings.Join(parts, "&")
	}
	return scheme + "://" + head
}

// breaker refuses commands at once while Redis is away, so that no reader waits
// for a time-out more than a few times. It is a go-redis hook, and so stands
// before every command of L2 and of invalidation alike.
type breaker struct {
	cb *gobreaker.TwoStepCircuitBreaker[struct{}]
}

func newBreaker(c *Config) *breaker {
	log := c.Logger
	return &breaker{cb: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        "redis",
		MaxRequests: 1,
		Timeout:     breakerOpenFor,
		ReadyToTrip: func(n gobreaker.Counts) bool { return n.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: func(err error) bool {
			// An answer of any kind, also an error reply, shows a live server.
			var reply redis.Error
			return err == nil || errors.As(err, &reply)
		},
		IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			// Once when Redis goes and once when it is back: the tries in between
			// open and half-open it again and again.
			switch {
			case log == nil:
			case from == gobreaker.StateClosed:
				log.Warn("mlcache: Redis does not answer: commands to it are refused until it does", "namespace", c.Namespace)
			case to == gobreaker.StateClosed:
				log.Info("mlcache: Redis answers again: commands go to it", "namespace", c.Namespace)
			}
		},
	})}
}

// errBreakerOpen is what a command gets while the breaker is open.
var errBreakerOpen = errors.New("mlcache: Redis is away")

// allowedKey marks the context of a command that was let through. go-redis greets
// a new connection with commands under the same context, inside the command that
// needs it; while one command may try, they must not count as a second one, or a
// breaker whose connections are all gone would never close again.
type allowedKey struct{}

func (b *breaker) allow(ctx context.Context) (allowed context.Context, done func(error), err error) {
	if ctx.Value(allowedKey{}) != nil {
		return ctx, func(error) {}, nil
	}
	done, err = b.cb.Allow()
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%w)", errBreakerOpen, err)
	}
	return context.WithValue(ctx, allowedKey{}, true), done, nil
}

// DialHook leaves dialling alone: a command that cannot get a connection fails
// and is counted where it was sent.
func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		ctx, done, err := b.allow(ctx)
		if err != nil {
			cmd.SetErr(err)
			return err
		}
		err = next(ctx, cmd)
		done(err)
		return err
	}
}

func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		ctx, done, err := b.allow(ctx)
		if err != nil {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
			return err
		}
		err = next(ctx, cmds)
		done(err)
		return err
	}
}
