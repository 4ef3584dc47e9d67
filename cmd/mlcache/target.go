package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/spf13/pflag"

	"github.com/mlcache/mlcache"
)

// target is the namespace that a command works on: by the application's DSN, or
// by the Redis alone where there is no way to the database.
type target struct {
	dsn, redis, mode, namespace string
}

func (t *target) flags(f *pflag.FlagSet) {
	f.StringVar(&t.dsn, "dsn", "", "the application's DSN, with its mlcache_ keys")
	f.StringVar(&t.redis, "redis", "", "Redis URL, instead of the DSN's mlcache_redis")
	f.StringVar(&t.mode, "redis-mode", "", "single, cluster or sentinel, instead of the DSN's mlcache_redis_mode")
	f.StringVar(&t.namespace, "namespace", "", "namespace, instead of the DSN's mlcache_namespace")
}

// config is what the flags say together. Its DSN is empty without --dsn. An error
// is a usageError.
func (t *target) config() (*mlcache.Config, error) {
	cfg, err := mlcache.ParseConfig(t.dsn)
	if err != nil {
		return nil, badTarget(err)
	}
	// The flags' values are checked as the DSN's are, by the same code.
	own := url.Values{}
	for key, value := range map[string]string{
		"mlcache_redis": t.redis, "mlcache_redis_mode": t.mode, "mlcache_namespace": t.namespace,
	} {
		if value != "" {
			own.Set(key, value)
		}
	}
	flags, err := mlcache.ParseConfig("postgres://localhost/?" + own.Encode())
	if err != nil {
		return nil, badTarget(err)
	}
	if t.redis != "" {
		cfg.Redis = flags.Redis
	}
	if t.mode != "" {
		cfg.RedisMode = flags.RedisMode
	}
	if t.namespace != "" {
		cfg.Namespace = flags.Namespace
	}
	cfg.DSN = strings.TrimSpace(cfg.DSN)
	return cfg, nil
}

func badTarget(err error) error {
	return usageError{errors.New(strings.TrimPrefix(err.Error(), "mlcache: "))}
}

// withRedis is config for a command that is about a Redis.
func (t *target) withRedis(command string) (*mlcache.Config, error) {
	cfg, err := t.config()
	switch {
	case err != nil:
		return nil, err
	case cfg.Redis != "":
		return cfg, nil
	case t.dsn == "":
		return nil, usageError{errors.New(command + " needs --dsn or --redis")}
	default:
		return nil, usageError{errors.New("the DSN has no mlcache_redis: there is no other process to tell or to ask")}
	}
}

// openRedis is withRedis and a client, which is the caller's to close.
func (t *target) openRedis(command string) (*mlcache.Config, redis.UniversalClient, error) {
	cfg, err := t.withRedis(command)
	if err != nil {
		return nil, nil, err
	}
	client, err := redisClient(cfg)
	return cfg, client, err
}

// openTarget opens the namespace as an application does, silently. Without a DSN
// there is no database behind it, and names of tables stand for themselves.
func openTarget(cfg *mlcache.Config) (*sql.DB, *mlcache.Handle, error) {
	own := *cfg
	own.Logger = slog.New(slog.DiscardHandler)
	var origin driver.Connector = noDatabase{}
	if cfg.DSN != "" {
		parsed, err := pgx.ParseConfig(cfg.DSN)
		if err != nil {
			return nil, nil, err // pgx takes the password out
		}
		origin = stdlib.GetConnector(*parsed)
	}
	connector, err := mlcache.NewConnector(origin, &own)
	if err != nil {
		return nil, nil, err
	}
	db := sql.OpenDB(connector)
	handle, err := mlcache.From(db)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return db, handle, nil
}

// noDatabase stands for a database to which there is no way.
type noDatabase struct{}

func (noDatabase) Connect(context.Context) (driver.Conn, error) {
	return nil, errors.New("mlcache: no database was named")
}
func (noDatabase) Driver() driver.Driver { return nil }

// redisClient makes a client with an operator's patience, which is longer than
// that of a cache. What the URL says about time-outs stands.
func redisClient(cfg *mlcache.Config) (redis.UniversalClient, error) {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	// The URL was read once already, by the same parsers: their errors are not
	// passed on, as they can quote a password.
	failed := usageError{errors.New("go-redis cannot read the Redis URL")}
	switch cfg.RedisMode {
	case "cluster":
		opt, err := redis.ParseClusterURL(cfg.Redis)
		if err != nil {
			return nil, failed
		}
		opt.DisableIdentity, opt.ContextTimeoutEnabled, opt.MaintNotificationsConfig = true, true, quiet
		return redis.NewClusterClient(opt), nil
	case "sentinel":
		opt, err := redis.ParseFailoverURL(cfg.Redis)
		if err != nil {
			return nil, failed
		}
		opt.DisableIdentity, opt.ContextTimeoutEnabled = true, true
		return redis.NewFailoverClient(opt), nil
	default:
		opt, err := redis.ParseURL(cfg.Redis)
		if err != nil {
			return nil, failed
		}
		opt.DisableIdentity, opt.ContextTimeoutEnabled, opt.MaintNotificationsConfig = true, true, quiet
		return redis.NewClient(opt), nil
	}
}
