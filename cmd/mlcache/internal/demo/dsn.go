package demo

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"
)

// withKeys adds keys to a DSN, a URL or keywords and values. A URL is not parsed,
// since PostgreSQL's may name several hosts.
func withKeys(dsn string, keys [][2]string) string {
	var b strings.Builder
	b.WriteString(dsn)
	isURL := strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
	query := strings.Contains(dsn, "?")
	for _, k := range keys {
		switch {
		case !isURL:
			fmt.Fprintf(&b, " %s='%s'", k[0], strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(k[1]))
			continue
		case query:
			b.WriteByte('&')
		default:
			b.WriteByte('?')
			query = true
		}
		b.WriteString(k[0] + "=" + strings.ReplaceAll(url.QueryEscape(k[1]), "+", "%20"))
	}
	return b.String()
}

// dropNamespace removes what the caches left in a Redis that goes on. Every key
// holds the name, which no other run uses.
func dropNamespace(ctx context.Context, dsn, name string) error {
	opt, err := redis.ParseURL(dsn)
	if err != nil {
		return errors.New("mlcache: not a Redis URL")
	}
	c := redis.NewClient(opt)
	defer func() { _ = c.Close() }()
	keys := c.Scan(ctx, 0, "*"+name+"*", 1000).Iterator()
	var batch []string
	drop := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := c.Unlink(ctx, batch...).Err()
		batch = batch[:0]
		return err
	}
	for keys.Next(ctx) {
		if batch = append(batch, keys.Val()); len(batch) == 500 {
			if err := drop(); err != nil {
				return err
			}
		}
	}
	return errors.Join(keys.Err(), drop())
}
