// Package example holds what all the examples share: where the servers are, and
// how often to read.
package example

import (
	"database/sql"
	"fmt"
	"log"
	"net/url"
	"os"
	"time"

	"github.com/mlcache/mlcache"
)

// Open opens the database of DATABASE_URL over mlcache, with the Redis of
// REDIS_URL if that is set. It ends the program if it cannot.
func Open() *sql.DB {
	u, err := url.Parse(os.Getenv("DATABASE_URL"))
	if err != nil || u.Host == "" {
		log.Fatal("set DATABASE_URL, such as postgres://user:password@localhost:5432/database")
	}
	q := u.Query()
	q.Set("mlcache_redis", os.Getenv("REDIS_URL"))
	u.RawQuery = q.Encode()
	// This is all that changes: the name of the driver.
	db, err := sql.Open("mlcache", u.String())
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// ReadOften calls read as a busy program would, and prints how many of its
// queries were answered from the cache.
func ReadOften(db *sql.DB, read func() error) {
	cache, err := mlcache.From(db)
	if err != nil {
		log.Fatal(err)
	}
	for range 50 {
		if err := read(); err != nil {
			log.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	s := cache.Stats()
	fmt.Printf("answered from the cache: %d, by the database: %d\n", s.L1Hits+s.L2Hits, s.Misses)
}

// Must ends the program after an error.
func Must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
