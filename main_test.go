package mlcache_test

import (
	"flag"
	"os"
	"testing"
)

// needDatabase are the examples that need a PostgreSQL.
const needDatabase = "^Example(|From|NewConnector|With.*|Handle.*|Stats.*|_.*)$"

// TestMain leaves them out where DATABASE_URL names none.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv("DATABASE_URL") == "" {
		skip := flag.Lookup("test.skip")
		pattern := needDatabase
		if old := skip.Value.String(); old != "" {
			pattern = old + "|" + pattern
		}
		if err := skip.Value.Set(pattern); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
