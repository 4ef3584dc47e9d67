// Package mlcache is a query cache for database/sql and PostgreSQL.
package mlcache

import (
	_ "github.com/cespare/xxhash/v2"
	_ "github.com/coocood/freecache"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/redis/go-redis/v9"
	_ "github.com/sony/gobreaker/v2"
)
